"""Ceilometer's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import BySize, Gate, Mount, NodeRole, PodField, Privilege, Probes
from stackloom_openstack.ceilometer import files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part
    from stackloom.constructs.variants import Variant
    from stackloom.manifests.files import File

REPLICAS = BySize(tiny=3, small=3, medium=5)
# Processes that listen, in each Pod.
LISTENING = BySize(single=1, tiny=1, small=2, medium=2)
# Where agents that poll say that they live.
ALIVE = "/run/ceilometer"
# libvirt's socket for those who only read.
LIBVIRT, SOCKET = "/run/libvirt", "/run/libvirt/libvirt-sock-ro"
# What is worked on at a time. Each may tell Aodh of an event, and takes one of the thirty connections to the bus for it.
PARALLEL = 30
# An agent whose membership has lapsed does not join again: it may miss etcd for a while before that.
MEMBERSHIP_SECONDS = 120
# Releases that ask Nova about servers without being told to.
ALWAYS_ASKS = ("epoxy",)


def build(ctx: ServiceContext) -> None:
    """The account, what Gnocchi must know of Ceilometer, what listens, what polls the APIs, what polls each compute node."""
    registered = ctx.register_in_catalogue()
    told = prepare_gnocchi(ctx, after=registered)
    pipelines = [
        ctx.file("/etc/ceilometer/pipeline.yaml", files.pipeline()),
        ctx.file("/etc/ceilometer/event_pipeline.yaml", files.event_pipeline()),
    ]
    ctx.worker(
        "notification",
        command=["ceilometer-agent-notification"],
        config=[*conf_files(ctx), *pipelines],
        env=ctx.bus_env(),
        credentials=False,
        needs=["cache", "identity", "metric", "notifications"],
        after=told,
        replicas=REPLICAS,
    )
    ctx.worker(
        "central",
        config=[*polling_files(ctx), *ctx.coordination_files()],
        # Who polls what stands in etcd. The address counts as a secret in the file.
        env={
            **ctx.bus_env(),
            "OS_COORDINATION__BACKEND_URL": f"{ctx.coordination_url()}&membership_timeout={MEMBERSHIP_SECONDS}",
        },
        # It asks when it starts, and then for an hour not again.
        needs=["cache", "coordination", "identity", "notifications", *files.polled(ctx)],
        after=[registered],
        replicas=REPLICAS,
        **polls("central"),
    )
    if ctx.graph.provides("compute"):
        for variant in ctx.variants():
            compute_agent(ctx, variant, after=[registered])


def compute_agent(ctx: ServiceContext, variant: Variant, *, after: list[Part]) -> None:
    """What asks the libvirt of a compute node about its servers. It may only read, and shares nothing of itself with others."""
    ctx.agent(
        "compute",
        variant=variant,
        role_of_nodes=NodeRole.COMPUTE,
        config=polling_files(ctx, variant),
        # Nova knows the node by this name.
        env={**ctx.bus_env(), "OS_DEFAULT__HOST": PodField("spec.nodeName")},
        mounts=[Mount.host(LIBVIRT, kind="DirectoryOrCreate", read_only=True)],
        privilege=Privilege(reason="asks the node's libvirt about servers, by the socket for those who only read"),
        needs=["identity", "notifications"],
        after=[*after, Gate(node_pods=("application=libvirt,stackloom.io/agent=libvirt",))],
        **polls("compute"),
    )


def polls(namespace: str) -> dict[str, Any]:
    """What all agents have that poll: one program, and how it shows that it lives, though it may have nothing to poll."""
    probe = ("python3", "/opt/stackloom/programs/polling_probe.py", f"{ALIVE}/ceilometer-{namespace}.socket")
    return {
        "command": ["ceilometer-polling", "--polling-namespaces", namespace],
        "credentials": False,
        "probes": Probes(command=probe, timeout=15, period=30),
        "writable": [ALIVE],
    }


def prepare_gnocchi(ctx: ServiceContext, *, after: Part) -> list[Part]:
    """The kinds of resources that this release of Ceilometer writes, and how long what it measures is kept."""
    types = ctx.task(
        "resource-types",
        command=["ceilometer-upgrade"],
        config=conf_files(ctx),
        env=ctx.bus_env(),
        credentials=False,
        needs=["identity", "metric"],
        after=[after],
    )
    path = "/etc/stackloom/archive-policies.json"
    policies = ctx.task(
        "archive-policies",
        image="toolbox",
        command=["python3", "/opt/stackloom/programs/archive_policies.py", path],
        config=[ctx.program("archive_policies.py"), ctx.file(path, files.archive_policies())],
        env={**ctx.account_env(), "METRIC_URL": ctx.url("metric")},
        credentials=False,
        needs=["identity", "metric"],
        after=[after],
    )
    return [types, policies]


def conf_files(ctx: ServiceContext, variant: Variant | None = None) -> Sequence[File]:
    """ceilometer.conf, on the nodes of a ``variant`` with what is set for them."""
    others: dict[str, Any] = {"variant": variant} if variant else {}
    return ctx.oslo_config("ceilometer.conf", sections(ctx), accounts=["service_credentials"], **others)


def polling_files(ctx: ServiceContext, variant: Variant | None = None) -> list[File]:
    """What agents read that poll."""
    return [
        *conf_files(ctx, variant),
        ctx.file("/etc/ceilometer/polling.yaml", files.polling(ctx)),
        *ctx.program("polling_probe.py"),
    ]


def sections(ctx: ServiceContext) -> dict[str, dict[str, Any]]:
    """ceilometer.conf."""
    discovery: dict[str, Any] = {"instance_discovery_method": "libvirt_metadata"}
    if ctx.release not in ALWAYS_ASKS:
        discovery["fetch_extra_metadata"] = True
    return {
        "DEFAULT": {"libvirt_uri": f"qemu+unix:///system?socket={SOCKET}", "max_parallel_requests": PARALLEL},
        # What was written of a resource is not written again as long as it is the same.
        "cache": {"enabled": True, "backend": "oslo_cache.memcache_pool", "memcache_servers": ctx.memcached_servers()},
        # Servers are found without asking Nova. It is asked once for each, for the group that Heat says a server is of.
        "compute": discovery,
        "notification": {"workers": ctx.by_size(LISTENING), "notification_control_exchanges": list(files.EXCHANGES)},
        # The other topics are for others: what is taken from there would never reach them.
        "oslo_messaging_notifications": {"topics": ["notifications"]},
        "polling": {"heartbeat_socket_dir": ALIVE},
        "service_credentials": {"interface": "internal"},
    }
