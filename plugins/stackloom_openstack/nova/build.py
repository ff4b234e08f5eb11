"""Nova's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackloom import BySize, Resources, SecretKey
from stackloom_openstack.nova import cells, compute, consoles, housekeeping
from stackloom_openstack.nova.config import control_sections, over, paste, sections
from stackloom_openstack.nova.features import NovaFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

API_REPLICAS = BySize(tiny=3, small=6, medium=15)
REPLICAS = BySize(tiny=3, small=3, medium=3)
SCHEDULER_REPLICAS = BySize(tiny=3, small=3, medium=7)
WORKERS = BySize(single=4, tiny=1, small=8, medium=8)
ACCOUNTS = ("placement", "neutron", "service_user")
# As many processes as there are workers, each of 120 MiB at rest.
CONDUCTOR = Resources(memory="512Mi", memory_limit="3Gi")
SCHEDULER = Resources(memory="512Mi", memory_limit="2Gi")


def build(ctx: ServiceContext) -> None:
    """Databases and cells, APIs, what decides and writes, consoles, compute nodes; then what keeps all that in order."""
    features = ctx.features_as(NovaFeatures)
    accounts = [*ACCOUNTS, *(["cinder"] if ctx.deployment.has("block-storage") else [])]
    shared = sections(ctx, features)
    told = over(shared, control_sections(ctx, features, workers=ctx.by_size(WORKERS)))
    config = [*ctx.oslo_config("nova.conf", told, accounts=accounts), paste(ctx)]
    migration = cells.migrate(ctx, config)
    registered = ctx.register_in_catalogue()
    api = ctx.api(
        wsgi="nova.wsgi.osapi_compute:application",
        config=config,
        after=[migration, registered],
        replicas=API_REPLICAS,
        workers=WORKERS,
    )
    ctx.api(
        "metadata",
        wsgi="nova.wsgi.metadata:application",
        endpoint="metadata",
        config=config,
        after=[migration, registered],
        replicas=REPLICAS,
        workers=WORKERS,
        # Neutron's agents sign with it who asks.
        env={"OS_NEUTRON__METADATA_PROXY_SHARED_SECRET": SecretKey(secret="neutron-metadata", key="secret")},
    )
    for role, replicas, resources in (("conductor", REPLICAS, CONDUCTOR), ("scheduler", SCHEDULER_REPLICAS, SCHEDULER)):
        ctx.worker(
            role,
            command=[f"nova-{role}", "--config-file", "/etc/nova/nova.conf"],
            config=config,
            after=[migration, registered],
            replicas=replicas,
            resources=resources,
        )
    consoles.proxies(ctx, features, config, after=[migration, registered])
    compute.agents(ctx, features, shared, accounts, after=[registered, api])
    cells.keep(ctx, config, after=[migration, api])
    housekeeping.schedule(ctx, config, after=[migration])
