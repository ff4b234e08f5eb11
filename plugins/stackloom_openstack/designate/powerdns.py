"""PowerDNS: servers that answer the world, and beside each worker one that takes zones over from Designate.

All share a database. The first may only read it; they have no API, take no zones and hear no notifications, so that names are
answered whatever becomes of Designate. The others are called by nobody but their own Pod: the worker makes zones through their
API and notifies them, and they fetch what has changed from the mdns beside them. PowerDNS heeds a notification from the address
of a zone's primary alone, and wants that as a number: here both are the Pod's own, 127.0.0.1, whatever the cluster's network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stackloom import BySize, Container, Probe, Probes, Resources, SecretFile, SecretKey, Value
from stackloom_openstack.designate.features import DesignateFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part
    from stackloom.manifests.files import File

DATABASE, READER = "powerdns", "powerdns_reader"
SECRET, API_KEY = "designate-powerdns", "api-key"
# Above those that take a right to open.
PORT, API_PORT = 5300, 8081

_CONFIG, _RUN = "/etc/powerdns", "/run/powerdns"
_COMMAND = ["pdns_server", f"--config-dir={_CONFIG}"]
# Its control socket is answered by the process itself: whether it is there, and not whether its database is.
_ANSWERS = ("pdns_control", f"--config-dir={_CONFIG}", "rping")
_LEVELS = {"DEBUG": 7, "INFO": 5, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
# For how long a server believes what it has read, which another may have changed, and then what it has answered. Together it is
# less than the 5 seconds after which a worker asks the one beside it: when a zone is active, all answer for it.
_SECONDS_REMEMBERED = 2
# Where the image has the schema of its release, and where the Job that applies it finds that.
_SCHEMA, _SHARED = "/usr/local/share/doc/pdns/schema.mysql.sql", "/run/schema"


def credential(ctx: ServiceContext) -> None:
    """The Secret with both accounts as files that PowerDNS reads, and the key of the API.

    The key does not turn with the passwords: it opens a port that is seen in one Pod alone, and two processes there must change
    it at once.
    """
    keys = {API_KEY: Value.password()}
    for account, reads in (("reader", True), ("writer", False)):
        login, turn = ctx.database_login(DATABASE, reads=reads), ctx.generation
        user, password = f"{account}_user_{turn}", f"{account}_password_{turn}"
        text = f"gmysql-user=$({user})\ngmysql-password=$({password})\n" + ("" if reads else f"api-key=$({API_KEY})\n")
        keys |= {
            user: Value.copied(login.username.secret, login.username.key),
            password: Value.copied(login.password.secret, login.password.key),
            f"{account}-{turn}.conf": Value.template(text),
        }
    ctx.credential(SECRET, keys)


def schema(ctx: ServiceContext, *, after: Part) -> Part:
    """The Job that makes the tables, with the schema that is in the image."""
    login = ctx.database_login(DATABASE)
    shipped = Container(
        name="schema",
        image=ctx.image("powerdns"),
        command=["cp", _SCHEMA, _SHARED],
        writable=[_SHARED],
        resources=Resources(cpu="10m", memory="32Mi", memory_limit="64Mi").body(),
    )
    return ctx.task(
        "powerdns-schema",
        image="toolbox",
        init=[shipped],
        command=["python3", "/opt/stackloom/programs/powerdns_schema.py", f"{_SHARED}/schema.mysql.sql"],
        config=[ctx.program("powerdns_schema.py")],
        env={
            "DB_HOST": ctx.host("mariadb"),
            "DB_PORT": "3306",
            "DB_NAME": DATABASE,
            "DB_USER": login.username,
            "DB_PASSWORD": login.password,
        },
        credentials=False,
        writable=[_SHARED],
        needs=["database"],
        after=[after],
    )


def servers(ctx: ServiceContext, *, after: Part) -> None:
    """Those that answer, and the address at which the world finds them."""
    protocols = ctx.features_as(DesignateFeatures).backend.protocol.upper().split("+")
    ctx.worker(
        "powerdns",
        image="powerdns",
        command=_COMMAND,
        config=_files(ctx, "reader", {"disable-axfr": "yes", "max-tcp-connections": 512}),
        ports={"dns": PORT},
        # Ready without the database as well: what it remembers, it answers, and no other would have more.
        probes=Probes(listens="dns", startup_seconds=120, alive=Probe(command=_ANSWERS)),
        before_stop=["sleep", "10"],  # until load balancers look away
        credentials=False,
        writable=[_RUN],
        needs=["database"],
        after=[after],
        replicas=BySize(tiny=3, small=3, medium=3),
        resources=Resources(memory="128Mi", memory_limit="1Gi"),
    )
    for protocol in protocols:
        ctx.allow_ingress(PORT, protocol="UDP" if protocol == "UDP" else "TCP")
    who = ctx.identity("designate-powerdns-external", "powerdns")
    ctx.component.add(who.body("v1", "Service", spec=_load_balancer(ctx, who.selector, protocols)))


def _load_balancer(ctx: ServiceContext, selector: Mapping[str, str], protocols: list[str]) -> dict[str, Any]:
    """One address for all protocols."""
    address = ctx.features_as(DesignateFeatures).backend.external_ip
    return {
        "type": "LoadBalancer",
        # Answers come from where the question went, and servers see who asks.
        "externalTrafficPolicy": "Local",
        "selector": selector,
        "ports": [{"name": f"dns-{p.lower()}", "port": 53, "targetPort": PORT, "protocol": p} for p in protocols],
        **({"loadBalancerIP": address} if address else {}),
    }


def beside_worker(ctx: ServiceContext) -> Container:
    """The one that takes zones over, in a worker's Pod."""
    options: dict[str, str | int] = {"local-address": "127.0.0.1", "secondary": "yes", "api": "yes", "webserver-port": API_PORT}
    return Container(
        name="transfers",
        image=ctx.image("powerdns"),
        command=_COMMAND,
        files=_files(ctx, "writer", options),
        writable=[_RUN],
        probes=Probes(command=_ANSWERS),
        resources=ctx.resources("transfers", Resources(memory="64Mi", memory_limit="512Mi").body()),
    )


def api_key() -> SecretKey:
    """The key of its API, with which zones are made."""
    return SecretKey(secret=SECRET, key=API_KEY)


def _files(ctx: ServiceContext, account: str, own: Mapping[str, str | int]) -> list[File]:
    """pdns.conf, and the account with which it reaches its database."""
    options = {
        "launch": "gmysql",
        "gmysql-host": ctx.host("mariadb"),
        "gmysql-port": 3306,
        "gmysql-dbname": DATABASE,
        "include-dir": f"{_CONFIG}/pdns.d",
        "local-port": PORT,
        **own,
        # A list of all zones would be minutes old, and one that others have made is to be answered at once.
        "zone-cache-refresh-interval": 0,
        **dict.fromkeys(("cache-ttl", "query-cache-ttl", "negquery-cache-ttl"), _SECONDS_REMEMBERED),
        "socket-dir": _RUN,
        "write-pid": "no",
        "disable-syslog": "yes",
        "loglevel": _LEVELS[ctx.log_level],
        "version-string": "anonymous",
        "security-poll-suffix": "",  # it would ask its makers, every half hour
    }
    text = "".join(f"{name}={value}\n" for name, value in options.items())
    return [
        ctx.file(f"{_CONFIG}/pdns.conf", text, key=f"powerdns-{account}.conf"),
        SecretFile(f"{_CONFIG}/pdns.d/account.conf", SECRET, f"{account}-{ctx.generation}.conf"),
    ]
