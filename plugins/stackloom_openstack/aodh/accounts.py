"""As whom Aodh acts in Keystone: one account answers users, the other acts for them when they are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import SecretKey, ServiceUser

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

# Validates tokens, and may do nothing else.
SERVICE = ServiceUser("aodh", roles=("service",))
# Reads the measures of all, and does what the owners of alarms entrust to it. Trusts name it by id, so it keeps its name.
TRUSTEE = ServiceUser("aodh-trustee", roles=("admin",), lasting=True)


def section(ctx: ServiceContext) -> dict[str, Any]:
    """``[service_credentials]``: how Aodh logs in as the trustee, but for the password."""
    return {
        "auth_type": "password",
        "auth_url": ctx.url("identity"),
        "username": ctx.login(TRUSTEE.name).username,
        "user_domain_name": TRUSTEE.domain,
        "project_name": TRUSTEE.project,
        "project_domain_name": TRUSTEE.domain,
        "region_name": ctx.deployment.spec.region_name,
        "interface": "internal",
    }


def env(ctx: ServiceContext) -> dict[str, SecretKey]:
    """The trustee's password."""
    return {"OS_SERVICE_CREDENTIALS__PASSWORD": ctx.login(TRUSTEE.name).password}
