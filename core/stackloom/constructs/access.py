"""How a service reaches what it calls: addresses as options, credentials as the environment of its processes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackloom.errors import Problem, StackloomError, did_you_mean
from stackloom.model.backend import backend
from stackloom.model.credential import SecretKey
from stackloom.model.names import (
    BUS_OPTIONS,
    NOTIFICATIONS_VHOST,
    TOKEN_KEY_SECRET,
    account_name,
    account_secret,
    bus_secret,
    database_secret,
    of_generation,
    reader_secret,
    user_secret,
)
from stackloom.model.service import BySize
from stackloom.oslo.ini import Multi

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext


def memcached_servers(ctx: ServiceContext) -> list[str]:
    """The cache's instances, one by one: a client hashes keys over them, so the list must be the same everywhere."""
    usual = BySize(single=1, tiny=3, small=3, medium=3).of(ctx.deployment.spec.size)
    memcached = next((s for s in ctx.graph.services.values() if s.backs == "cache"), None)
    count = ctx.deployment.values_of(memcached).replicas.get("server", usual) if memcached else usual
    return [f"memcached-{i}.{ctx.host('memcached')}:11211" for i in range(count)]


def own_account(ctx: ServiceContext) -> dict[str, Any]:
    """The options with which the service logs in as its own account, but for the password."""
    user = ctx.service.user
    if user is None:
        what = f"the service {ctx.name!r} logs in to others, or validates tokens, but has no `user`"
        raise StackloomError(Problem(what, "Add user=ServiceUser(...) to the Service"))
    return {
        "auth_type": "password",
        "auth_url": ctx.url("identity"),
        "username": of_generation(user.name, ctx.generation),
        "user_domain_name": "service",
        "project_name": "service",
        "project_domain_name": "service",
        "region_name": ctx.deployment.spec.region_name,
        "valid_interfaces": ["internal"],
    }


def own_password(ctx: ServiceContext, groups: Iterable[str]) -> dict[str, SecretKey]:
    """The account's password as a variable, for each of the groups that log in with it."""
    secret = user_secret(ctx.service, ctx.generation)
    return {f"OS_{group}__PASSWORD".upper(): SecretKey(secret=secret, key="password") for group in groups}


@dataclass(frozen=True, slots=True)
class DatabaseLogin:
    """With what a user logs in to a database."""

    username: SecretKey
    password: SecretKey


def database_login(ctx: ServiceContext, database: str, *, reads: bool = False) -> DatabaseLogin:
    """The user of one of the service's databases as of this generation, or with ``reads`` the one who may only read it."""
    known = {one.name: one for one in ctx.service.databases if one.reader or not reads}
    if database not in known:
        what = f"the service {ctx.name!r} has no database {database!r}" + (" with a reader" if reads else "")
        raise StackloomError(Problem(what, did_you_mean(database, known)))
    secret = (reader_secret if reads else database_secret)(ctx.service, known[database], ctx.generation)
    return DatabaseLogin(SecretKey(secret=secret, key="username"), SecretKey(secret=secret, key="password"))


@dataclass(frozen=True, slots=True)
class Login:
    """With what an account logs in to Keystone."""

    username: str
    password: SecretKey


def login(ctx: ServiceContext, account: str) -> Login:
    """The name and the password of one of the service's accounts in Keystone, as they are in this generation."""
    known = {user.name: user for user in ctx.service.accounts}
    if account not in known:
        what = f"the service {ctx.name!r} has no account {account!r}"
        raise StackloomError(Problem(what, did_you_mean(account, known)))
    user = known[account]
    secret = account_secret(ctx.service, user, ctx.generation)
    return Login(account_name(user, ctx.generation), SecretKey(secret=secret, key="password"))


def keystone_authtoken(ctx: ServiceContext) -> dict[str, Any]:
    """The options of ``[keystone_authtoken]`` but for its secrets, which :func:`service_env` brings."""
    return {
        **{name: value for name, value in own_account(ctx).items() if name != "valid_interfaces"},
        "interface": "internal",
        "www_authenticate_uri": ctx.url("identity", public=True),
        "service_type": next((e.type for e in ctx.service.endpoints if e.type), ctx.service.type),
        "service_token_roles": "service",
        "service_token_roles_required": True,
        **(_token_cache(ctx) if _caches_tokens(ctx) else {}),
    }


def _token_cache(ctx: ServiceContext) -> dict[str, Any]:
    return {
        "memcached_servers": ctx.memcached_servers(),
        "memcache_security_strategy": "ENCRYPT",
        # An instance that restarts is missed for a moment, and not for the five minutes that are the default.
        "memcache_pool_dead_retry": 60,
        "memcache_pool_socket_timeout": 1,
    }


def _caches_tokens(ctx: ServiceContext) -> bool:
    """Whether the service keeps validated tokens in the cache, encrypted with the key that all such services share."""
    return ctx.service.user is not None and "cache" in ctx.service.needs


def database_env(ctx: ServiceContext) -> dict[str, str | SecretKey]:
    """The connection URLs of the service's databases, as oslo.config reads them from the environment."""
    env: dict[str, str | SecretKey] = {}
    for database in (one for one in ctx.service.databases if one.group and not one.user_of):
        prefix = "" if database.group == "database" else f"{database.group.upper()}_"
        secret = database_secret(ctx.service, database, ctx.generation)
        env |= {
            f"{prefix}DB_USER": SecretKey(secret=secret, key="username"),
            f"{prefix}DB_PASSWORD": SecretKey(secret=secret, key="password"),
        }
        where = f"{ctx.host(backend('database', ctx.name).service)}:3306/{database.name}"
        env[f"OS_{database.group}__{database.option}".upper()] = (
            f"mysql+pymysql://$({prefix}DB_USER):$({prefix}DB_PASSWORD)@{where}?charset=utf8"
        )
    return env


def notifications(ctx: ServiceContext) -> dict[str, Any]:
    """The options of ``[oslo_messaging_notifications]``: where the service reports what happens, and to which topics."""
    features = ctx.deployment.spec.features
    topics = ["notifications"]
    if features.stacklight.enabled:
        topics.append("stacklight_notifications")
    if features.messaging.notifications.external.enabled:
        topics += features.messaging.notifications.external.topics
    cadf = features.logging.cadf
    listened_to = len(topics) > 1 or ctx.deployment.has("metering") or (cadf.enabled and cadf.driver == "messagingv2")
    drivers = [name for name, wanted in (("log", cadf.enabled and cadf.driver == "log"), ("messagingv2", listened_to)) if wanted]
    if not drivers:
        return {"driver": "noop"}
    # A bus that is away must not stop the service: by default it would try for ever.
    return {"driver": Multi(tuple(drivers)), **({"topics": topics, "retry": 3} if listened_to else {})}


def bus_options() -> dict[str, Any]:
    """The options of ``[oslo_messaging_rabbit]``: every queue is a quorum queue, and so durable, also those of replies.

    RabbitMQ 4.3 takes no transient queues, unless a client is the only one of its queue.
    """
    return {"rabbit_quorum_queue": True, "rabbit_transient_quorum_queue": True}


def bus_env(ctx: ServiceContext, *only: str) -> dict[str, str | SecretKey]:
    """The URLs of the service's own message bus and of the one for notifications, of those that it requires or uses.

    With ``only`` it is that of these: what runs on nodes is given no more than it uses.
    """
    env: dict[str, str | SecretKey] = {}
    wanted = ctx.service.needs & set(only or BUS_OPTIONS)
    for requirement, option in BUS_OPTIONS.items():
        if requirement in wanted:
            prefix, secret = requirement.upper(), bus_secret(ctx.service, requirement, ctx.generation)
            env |= {
                f"{prefix}_USER": SecretKey(secret=secret, key="username"),
                f"{prefix}_PASSWORD": SecretKey(secret=secret, key="password"),
            }
            bus = backend(requirement, ctx.name)
            vhost = NOTIFICATIONS_VHOST if requirement == "notifications" else ctx.name
            env[option] = f"rabbit://$({prefix}_USER):$({prefix}_PASSWORD)@{ctx.host(bus.service)}:{bus.port}/{vhost}"
    return env


def user_env(ctx: ServiceContext) -> dict[str, SecretKey]:
    """The password of the service's account in Keystone, for ``[keystone_authtoken]``."""
    return own_password(ctx, ["keystone_authtoken"]) if ctx.service.user else {}


def service_env(ctx: ServiceContext) -> dict[str, str | SecretKey]:
    """All of the service's credentials, for its own processes on control-plane nodes."""
    key = {"OS_KEYSTONE_AUTHTOKEN__MEMCACHE_SECRET_KEY": SecretKey(secret=TOKEN_KEY_SECRET, key="key")}
    return {**ctx.database_env(), **ctx.bus_env(), **ctx.user_env(), **(key if _caches_tokens(ctx) else {})}


def account_env(ctx: ServiceContext) -> dict[str, str | SecretKey]:
    """The service's own account, for clients of OpenStack."""
    own = own_account(ctx)
    return {
        "OS_AUTH_URL": own["auth_url"],
        "OS_IDENTITY_API_VERSION": "3",
        "OS_INTERFACE": "internal",
        "OS_REGION_NAME": own["region_name"],
        "OS_USERNAME": own["username"],
        "OS_USER_DOMAIN_NAME": own["user_domain_name"],
        "OS_PROJECT_NAME": own["project_name"],
        "OS_PROJECT_DOMAIN_NAME": own["project_domain_name"],
        "OS_PASSWORD": SecretKey(secret=user_secret(ctx.service, ctx.generation), key="password"),
    }


def admin_env(ctx: ServiceContext) -> dict[str, str | SecretKey]:
    """The cloud's administrator, for Jobs that register things in Keystone: label them with the task ``catalogue``.

    The Secret is the identity service's; clients need all of its keys.
    """
    keys = ("username", "password", "project_name", "user_domain_name", "project_domain_name")
    return {
        "OS_AUTH_URL": ctx.url("identity"),
        "OS_IDENTITY_API_VERSION": "3",
        "OS_INTERFACE": "internal",
        "OS_REGION_NAME": ctx.deployment.spec.region_name,
        **{f"OS_{key.upper()}": SecretKey(secret="keystone-admin", key=key) for key in keys},
    }
