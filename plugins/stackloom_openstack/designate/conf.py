"""designate.conf, and the way to the database, which is a secret and cannot come as a variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import SecretFile, Value

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

CONNECTION = "designate-connection"
# Where mdns hands zones over: to a PowerDNS in its own Pod.
MDNS_HOST, MDNS_PORT = "127.0.0.1", 5354


def sections(ctx: ServiceContext) -> dict[str, dict[str, Any]]:
    """designate.conf."""
    # One process in each container; told nothing, they do not start.
    conf: dict[str, dict[str, Any]] = {f"service:{name}": {"workers": 1} for name in ("central", "mdns", "producer", "worker")}
    own: dict[str, dict[str, Any]] = {
        "storage:sqlalchemy": {"max_retries": -1},  # the database fails over: wait for it
        "service:central": {"managed_resource_email": f"hostmaster@{ctx.deployment.spec.public_domain_name}"},
        "service:mdns": {"listen": [f"{MDNS_HOST}:{MDNS_PORT}"]},
    }
    if ctx.graph.provides("networking"):
        own["network_api:neutron"] = {"endpoint_type": "internalURL"}
    return {group: {**conf.get(group, {}), **own.get(group, {})} for group in (*conf, *own)}


def connection(ctx: ServiceContext) -> SecretFile:
    """The file with the way to Designate's database, for those who use it."""
    login, generation = ctx.database_login("designate"), ctx.generation
    user, password, name = f"user_{generation}", f"password_{generation}", f"connection-{generation}.conf"
    url = f"mysql+pymysql://$({user}):$({password})@{ctx.host('mariadb')}/designate?charset=utf8"
    ctx.credential(
        CONNECTION,
        {
            user: Value.copied(login.username.secret, login.username.key),
            password: Value.copied(login.password.secret, login.password.key),
            name: Value.template(f"[storage:sqlalchemy]\nconnection = {url}\n"),
        },
    )
    return SecretFile("/etc/designate/designate.conf.d/connection.conf", CONNECTION, name)
