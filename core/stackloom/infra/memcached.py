"""The cache of all services: validated tokens, and what else may be forgotten.

Clients spread their keys over the instances by name, so the names are those of a StatefulSet's Pods, which do not change when
one restarts. An instance that is away costs its share of the cache and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from stackloom.fields import SpecModel
from stackloom.manifests.pod import Container, Probes, Resources
from stackloom.model.credential import Credential, Value
from stackloom.model.image import Image
from stackloom.model.names import TOKEN_KEY_SECRET
from stackloom.model.service import BySize, Endpoint, Service

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

# The user of the published image.
_UID = 11211
_METRICS_PORT = 9150
_ITEMS_MIB = BySize(single=256, tiny=512, small=1024, medium=2048)
# Each process of a service keeps up to ten connections to each instance.
_CONNECTIONS = BySize(single=2048, tiny=4096, small=8192, medium=16384)


class MemcachedFeatures(SpecModel):
    """The cache that all services share."""

    memory_mib: Annotated[int, Field(ge=64, le=65536)] | None = None
    """Memory for cached items in each instance, in MiB. The Pod's limit follows. By the size of the cloud, unless given."""
    connections: Annotated[int, Field(ge=64, le=65536)] | None = None
    """Connections that each instance takes at once. By the size of the cloud, unless given."""


def build(ctx: ServiceContext) -> None:
    """Add the instances, each with its exporter of metrics."""
    features = ctx.features_as(MemcachedFeatures)
    memory = features.memory_mib or ctx.by_size(_ITEMS_MIB)
    connections = features.connections or ctx.by_size(_CONNECTIONS)
    port = ctx.service.endpoints[0].port
    # What services keep here of tokens is encrypted with a key that all of them share, and that no instance has.
    clients = frozenset(s.name for s in ctx.graph.services.values() if ctx.service.backs in s.needs)
    ctx.credentials.append(Credential(name=TOKEN_KEY_SECRET, keys={"key": Value.password()}, readers=clients))
    exporter = Container(
        name="exporter",
        image=ctx.image("exporter"),
        command=["/bin/memcached_exporter", f"--memcached.address=localhost:{port}", f"--web.listen-address=:{_METRICS_PORT}"],
        ports={"metrics": _METRICS_PORT},
        probes=Probes(path="/", port="metrics"),
        resources=ctx.resources("exporter", Resources(cpu="10m", memory="32Mi", memory_limit="128Mi").body()),
    )
    ctx.stateful(
        "server",
        name="memcached",
        # No UDP, which can be made to flood others; no dumps of keys and no watching of what others do.
        command=["memcached", "-p", str(port), "-U", "0", "-m", str(memory), "-c", str(connections), "-X", "-W"],
        ports={"memcached": port},
        probes=Probes(listens="memcached", startup_seconds=30),
        replicas=len(ctx.memcached_servers()),
        # The limit of items leaves out the table that finds them and the buffers of connections.
        resources=Resources(memory=f"{memory + 64}Mi", memory_limit=f"{memory + memory // 8 + 128}Mi"),
        sidecars=[exporter],
        user=_UID,
        grace_seconds=10,
    )


MEMCACHED = Service(
    name="memcached",
    type="memcached",
    backs="cache",
    build=build,
    features=MemcachedFeatures,
    endpoints=(Endpoint(service="memcached", port=11211, name="memcached"),),
    metrics_port=_METRICS_PORT,
    images={
        "memcached": Image("docker.io/library/memcached", "1.6.45-alpine"),
        "exporter": Image("quay.io/prometheus/memcached-exporter", "v0.16.0"),
    },
)
