"""As whom Heat acts in Keystone: four accounts for four kinds of work, each with no more rights than that needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import SecretKey, ServiceUser

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

DOMAIN = "heat"
# What the users of stacks are: servers that signal, and may do nothing else.
STACK_USER_ROLE = "heat_stack_user"

# Validates tokens and signatures. What a stack makes is made with the token of whoever asked for it.
SERVICE = ServiceUser("heat", roles=("service",))
# What is done after the token has expired is done by a trust, which names the trustee by id: another account could not use it.
TRUSTEE = ServiceUser("heat-trustee", roles=(), project=None, lasting=True)
# Makes the users of stacks, in a domain where nobody else is. Keystone lets only an administrator give them their role.
DOMAIN_ADMIN = ServiceUser("heat-domain-admin", roles=("admin",), domain=DOMAIN, project=None)


def sections(ctx: ServiceContext) -> dict[str, dict[str, Any]]:
    """How Heat logs in as each, but for the passwords."""
    return {
        "DEFAULT": {
            "stack_user_domain_name": DOMAIN,
            "stack_domain_admin": ctx.login(DOMAIN_ADMIN.name).username,
        },
        "trustee": {
            "auth_type": "password",
            "auth_url": ctx.url("identity"),
            "username": ctx.login(TRUSTEE.name).username,
            "user_domain_name": TRUSTEE.domain,
        },
        # Keystone tells only services whether a signature is good. Heat adds the path, which stands in the catalogue already.
        "ec2authtoken": {"endpoint_override": ctx.url("identity", path=False)},
    }


def engine_env(ctx: ServiceContext) -> dict[str, SecretKey]:
    """The passwords that the engine alone needs."""
    return {
        "OS_DEFAULT__STACK_DOMAIN_ADMIN_PASSWORD": ctx.login(DOMAIN_ADMIN.name).password,
        "OS_TRUSTEE__PASSWORD": ctx.login(TRUSTEE.name).password,
    }
