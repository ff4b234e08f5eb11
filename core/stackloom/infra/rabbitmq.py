"""Message buses: a RabbitMQ of one node for each service that needs one, and one more for notifications.

A bus of its own keeps a service's load and failures to itself, and one node needs no partition handling: what it holds is on
its disk, and it is away for as long as its Pod restarts. The program ``rabbitmq.py`` says who may use it, and goes on saying so
while it runs, so that users come and go without a restart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from posixpath import dirname
from typing import TYPE_CHECKING, Any

from stackloom.errors import Problem
from stackloom.manifests.files import File, SecretDirectory, SecretFile
from stackloom.manifests.pod import Container, Probe, Probes, Resources
from stackloom.model.credential import Credential, SecretKey, Value, authority_keys, certificate_keys
from stackloom.model.image import Image
from stackloom.model.names import NOTIFICATIONS_VHOST, bus_secret, of_generation, valid_generations
from stackloom.model.service import BySize, Endpoint, Service
from stackloom.names import slug
from stackloom.spec.values import quantity

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.spec.deployment import OpenStackDeployment

_AMQP_PORT = 5672
_AMQPS_PORT = 5671
_MANAGEMENT_PORT = 15672
_METRICS_PORT = 15692
_UID = 999  # of the published image

_PROGRAM = "/opt/stackloom/programs/rabbitmq.py"
_ACCESS = "/etc/rabbitmq/access.json"
_PASSWORDS = "/etc/rabbitmq-users"
_TLS = "/etc/rabbitmq-tls"
_DATA = "/var/lib/rabbitmq"
_DEFINITIONS = "/run/rabbitmq/definitions.json"
_ADMINISTRATOR = "/run/administrator/password"
_HOME = "/run/erlang"

_MIB = 1024 * 1024
_MEMORY_GIB = BySize(single=1, tiny=2, small=3, medium=6)
# The same at every size: the claims of a StatefulSet cannot be changed, and a cloud grows.
_DISK = "10Gi"
_SCHEDULERS = BySize(single=2, tiny=2, small=4, medium=8)
_OPEN_FILES = 65536
# The log of all queues together is kept in memory too until it is as long as this.
_LOG_MIB = 64
_DISK_RESERVE_MIB = 512

# The program that follows the list touches this file every few seconds, whether the broker answers or not.
_TOUCHED = ("sh", "-c", f'test -n "$(find {_ADMINISTRATOR} -mmin -2)"')
_FOLLOWS = Probes(command=_TOUCHED, period=30, startup_seconds=0)
_ALIVE = Probe(command=("rabbitmq-diagnostics", "-q", "ping", "-t", "50"), period=60, timeout=55, failures=10)

_EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
_MINUTE = 60 * 1000
# A call ends with the patience of its caller. An order waits an hour for its taker, and a queue as long for its reader: beyond
# that the process is gone, and what it was told has been told to another.
_RPC = {"message-ttl": 60 * _MINUTE, "expires": 60 * _MINUTE}
# Notifications wait for their reader over a maintenance, in a queue that stays. Beyond that the oldest go first.
_NOTICES = {"message-ttl": 24 * 60 * _MINUTE, "max-length-bytes": 128 * _MIB, "overflow": "drop-head"}

_CLOUD_TOPICS = {"notifications", "stacklight_notifications"}
_PRIORITIES = ("audit", "critical", "debug", "error", "info", "sample", "warn")


@dataclass(frozen=True, slots=True)
class _Account:
    """A user of the broker, where its password is kept, and what it may do in the broker's vhost."""

    name: str
    password: SecretKey
    rights: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bus:
    """What sets one broker apart from another. ``open`` lets consumers from outside the cluster in, by TLS alone."""

    vhost: str
    accounts: Sequence[_Account]
    policies: Mapping[str, Mapping[str, Any]]
    open: bool = False


def broker_for(service: Service) -> Service:
    """The bus of a service."""
    return _broker(service.name, backs="messaging", client=service.name, build=build_bus, rules=partial(_one_node, service.name))


def _broker(name: str, **differs: Any) -> Service:
    return Service(
        name=f"rabbitmq-{name}",
        type="messaging",
        endpoints=(Endpoint(service=f"rabbitmq-{name}", port=_AMQP_PORT, name="amqp"),),
        metrics_port=_METRICS_PORT,
        images={"rabbitmq": Image("docker.io/library/rabbitmq", "4.3.5")},
        **differs,
    )


def _one_node(name: str, deployment: OpenStackDeployment) -> Iterator[Problem]:
    chart = deployment.spec.services.get("messaging", {}).get(f"rabbitmq-{name}")
    if chart and chart.values.replicas.get("server", 1) > 1:
        yield Problem(
            path=f"services.messaging.rabbitmq-{name}.values.replicas.server",
            what="a bus has one node: several would know nothing of each other's messages",
            hint="Leave it out, and give the one node more memory in values.resources.server",
        )


def _rules_of_notifications(deployment: OpenStackDeployment) -> Iterator[Problem]:
    yield from _one_node("notifications", deployment)
    for i, topic in enumerate(deployment.spec.features.messaging.notifications.external.topics):
        if topic in _CLOUD_TOPICS:
            yield Problem(
                path=f"features.messaging.notifications.external.topics[{i}]",
                what=f"the topic {topic!r} is the cloud's own: a reader outside would take what others wait for",
                hint="Give the consumer a topic of its own, like consumer-a",
            )


def build_bus(ctx: ServiceContext) -> None:
    """Add the bus of one service: a vhost of the service's name, in which it may do everything."""
    _build(ctx, _Bus(vhost=ctx.service.client, accounts=_accounts_of_services(ctx), policies={"rpc": _RPC}))


def build_notifications(ctx: ServiceContext) -> None:
    """Add the bus of all who send or read notifications, and the way to it from outside for the topics of others."""
    features = ctx.deployment.spec.features
    external = features.messaging.notifications.external
    readers = {"stacklight": "stacklight_notifications"} if features.stacklight.enabled else {}
    if external.enabled:
        readers |= {f"external-{topic}": topic for topic in external.topics}
    accounts = [*_accounts_of_services(ctx), *(_reader(ctx, name, topic) for name, topic in readers.items())]
    bus = _Bus(vhost=NOTIFICATIONS_VHOST, accounts=accounts, policies={"notices": _NOTICES}, open=external.enabled)
    _build(ctx, bus)
    if features.stacklight.enabled:
        ctx.allow_monitoring(_AMQP_PORT)


def _accounts_of_services(ctx: ServiceContext) -> list[_Account]:
    """Those of the services that the broker serves, in each generation that may log in."""
    return [
        _Account(
            of_generation(service.name, generation),
            SecretKey(secret=bus_secret(service, ctx.service.backs, generation), key="password"),
            _EVERYTHING,
        )
        for service in ctx.graph.services.values()
        if ctx.service.serves(service)
        for generation in valid_generations(ctx.deployment.generation_of(service.name))
    ]


def _reader(ctx: ServiceContext, name: str, topic: str) -> _Account:
    """One who takes messages from the queues of a topic, which those who send make, and may do nothing else."""
    secret = f"notifications-{slug(name)}"
    ctx.credential(secret, {"username": Value.constant(name), "password": Value.password()})
    queues = rf"^{re.escape(topic)}\.({'|'.join(_PRIORITIES)})$"
    return _Account(name, SecretKey(secret=secret, key="password"), {"configure": "^$", "write": "^$", "read": queues})


def _build(ctx: ServiceContext, bus: _Bus) -> None:
    # One Secret for all passwords: a user that comes or goes changes what is mounted, and not the Pod.
    users = ctx.credential(f"{ctx.name}-users", {a.name: Value.copied(a.password.secret, a.password.key) for a in bus.accounts})
    inputs: list[File] = [
        *ctx.program("rabbitmq.py"),
        ctx.file(_ACCESS, _access(bus), rolls=False),
        SecretDirectory(_PASSWORDS, users.name),
    ]
    definitions, administrator = dirname(_DEFINITIONS), dirname(_ADMINISTRATOR)
    define = _helper(ctx, "define", [_DEFINITIONS, _ADMINISTRATOR], inputs, writable=[definitions, administrator])
    management = f"http://127.0.0.1:{_MANAGEMENT_PORT}"
    follow = _helper(ctx, "follow", [_ADMINISTRATOR, management], inputs, writable=[administrator], probes=_FOLLOWS)
    ctx.stateful(
        "server",
        name=ctx.name,
        image="rabbitmq",
        # Where the number of open files is not limited, Erlang spends minutes on closing all that there might be.
        command=["sh", "-c", f"ulimit -Sn {_OPEN_FILES}; exec rabbitmq-server"],
        env=_environment(ctx),
        ports={"amqp": _AMQP_PORT, "metrics": _METRICS_PORT, **({"amqps": _AMQPS_PORT} if bus.open else {})},
        # It listens once it has recovered, which may take any time. Until then it is alive if its Erlang answers.
        probes=Probes(listens="amqp", startup_seconds=0, alive=_ALIVE),
        config=[
            ctx.file("/etc/rabbitmq/rabbitmq.conf", _configuration(ctx, bus)),
            ctx.file("/etc/rabbitmq/enabled_plugins", "[rabbitmq_management, rabbitmq_prometheus].\n"),
            *(_certificate(ctx) if bus.open else ()),
        ],
        volumes={_DATA: _DISK},
        storage_class=ctx.deployment.spec.local_volume_storage_class,
        writable=[_HOME, definitions, "/var/log/rabbitmq"],
        resources=_resources(ctx),
        init=[define],
        sidecars=[follow],
        user=_UID,
        grace_seconds=120,
    )
    if bus.open:
        _let_in(ctx)


def _helper(
    ctx: ServiceContext,
    name: str,
    arguments: Sequence[str],
    inputs: Sequence[File],
    *,
    writable: Sequence[str],
    probes: Probes | None = None,
) -> Container:
    return Container(
        name=name,
        image=ctx.image("python"),
        command=["python3", _PROGRAM, name, _ACCESS, _PASSWORDS, *arguments],
        files=inputs,
        writable=writable,
        probes=probes,
        resources=ctx.resources(name, Resources(cpu="10m", memory="32Mi", memory_limit="128Mi").body()),
    )


def _environment(ctx: ServiceContext) -> dict[str, str]:
    return {
        # The directory of the data has this name. Whatever address the Pod gets, it finds them again.
        "RABBITMQ_NODENAME": "rabbit@localhost",
        # Its tools reach a node through Erlang's own protocol, which nobody else need do.
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            f"+S {ctx.by_size(_SCHEDULERS)}:{ctx.by_size(_SCHEDULERS)} -kernel inet_dist_use_interface {{127,0,0,1}}"
        ),
        # The cookie with which they do is another for each Pod. On the volume, Kubernetes would open it to its group, and Erlang
        # refuses such a cookie.
        "HOME": _HOME,
    }


def _resources(ctx: ServiceContext) -> Resources:
    limit = ctx.by_size(_MEMORY_GIB)
    return Resources(cpu="200m", memory=f"{limit * 512}Mi", memory_limit=f"{limit}Gi")


def _configuration(ctx: ServiceContext, bus: _Bus) -> str:
    limit = quantity(ctx.resources("server", _resources(ctx).body())["limits"]["memory"])
    options: dict[str, Any] = {
        "cluster_name": ctx.name,
        "listeners.tcp.default": _AMQP_PORT,
        "load_definitions": _DEFINITIONS,
        "management.tcp.ip": "127.0.0.1",
        "management.tcp.port": _MANAGEMENT_PORT,
        "management_agent.disable_metrics_collector": "true",
        "prometheus.tcp.port": _METRICS_PORT,
        # In bytes: a broker does not always notice the limit of its container. Above this senders wait, the rest is for peaks.
        "vm_memory_high_watermark.absolute": int(limit * 6 / 10),
        "disk_free_limit.absolute": _DISK_RESERVE_MIB * _MIB,
        "raft.wal_max_size_bytes": _LOG_MIB * _MIB,
        "log.console": "true",
        "log.file": "false",
    }
    if bus.open:
        options |= {
            "listeners.ssl.default": _AMQPS_PORT,
            "ssl_options.cacertfile": f"{_TLS}/ca.crt",
            "ssl_options.certfile": f"{_TLS}/tls.crt",
            "ssl_options.keyfile": f"{_TLS}/tls.key",
            "ssl_options.versions.1": "tlsv1.3",
            "ssl_options.versions.2": "tlsv1.2",
        }
    return "".join(f"{option} = {value}\n" for option, value in options.items())


def _access(bus: _Bus) -> str:
    """The list that the program ``rabbitmq.py`` reads."""
    document = {
        "vhosts": [bus.vhost],
        "users": [{"name": account.name, "permissions": {bus.vhost: account.rights}} for account in bus.accounts],
        "policies": [
            {"vhost": bus.vhost, "name": name, "pattern": ".*", "apply-to": "queues", "definition": definition}
            for name, definition in bus.policies.items()
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _certificate(ctx: ServiceContext) -> list[SecretFile]:
    authority, secret = f"{ctx.name}-authority", f"{ctx.name}-tls"
    # The key of the authority is for whoever provides the credentials: no Pod may read it.
    ctx.credentials.append(Credential(name=authority, keys=authority_keys(ctx.name), readers=frozenset()))
    hosts = [f"{NOTIFICATIONS_VHOST}.{ctx.deployment.spec.public_domain_name}", ctx.host(ctx.name)]
    ctx.credential(secret, certificate_keys(authority, hosts))
    return [SecretFile(f"{_TLS}/{key}", secret, key) for key in ("ca.crt", "tls.crt", "tls.key")]


def _let_in(ctx: ServiceContext) -> None:
    """Let consumers outside the cluster in, by TLS alone."""
    who = ctx.identity(f"{ctx.name}-external", "server")
    port = {"name": "amqps", "port": _AMQPS_PORT, "targetPort": "amqps", "protocol": "TCP"}
    ctx.component.add(who.body("v1", "Service", spec={"type": "LoadBalancer", "selector": who.selector, "ports": [port]}))
    ctx.allow_ingress(_AMQPS_PORT)


NOTIFICATIONS = _broker("notifications", backs="notifications", build=build_notifications, rules=_rules_of_notifications)
