"""What all of Octavia's processes are told: octavia.conf, and the files that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stackloom import BySize
from stackloom_openstack.octavia import keys, ovn
from stackloom_openstack.octavia.features import OctaviaFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.variants import Variant
    from stackloom.manifests.files import File

Sections = dict[str, dict[str, Any]]

MAIN = "/etc/octavia/octavia.conf"
# Both are chosen here, so that nothing need be looked up for them.
FLAVOR, IMAGE_TAG = "octavia-amphora", "amphora"
WORKERS = BySize(single=2, tiny=1, small=4, medium=8)
# By default as many processes as the node has processors, twice.
HEALTH_PROCESSES = BySize(single=1, tiny=1, small=2, medium=4)
AMPHORA = "Servers with HAProxy"
# All names of one driver: users know it by any, and load balancers of before keep theirs.
AMPHORA_NAMES = ("amphorav2", "amphora", "octavia")


def main_files(ctx: ServiceContext, variant: Variant | None = None) -> tuple[File, ...]:
    """octavia.conf and what every process reads with it; on the nodes of a ``variant`` with what is set for them."""
    others: dict[str, Any] = {"variant": variant} if variant else {}
    if ctx.release == "epoxy":
        # Its list of options has of [neutron] neither how to log in, which Octavia takes from the other section, nor these.
        text = f"[neutron]\nregion_name = {ctx.deployment.spec.region_name}\nvalid_interfaces = internal\n"
        neutron = [ctx.file("/etc/octavia/octavia.conf.d/neutron.conf", text)]
        accounts = ["service_auth"]
    else:
        neutron, accounts = [], ["service_auth", "neutron"]
    config = ctx.oslo_config("octavia.conf", sections(ctx), accounts=accounts, **others)
    return (*config, *neutron, *ctx.coordination_files())


def sections(ctx: ServiceContext) -> Sections:
    """octavia.conf, but for what is known only in the cloud: see :mod:`stackloom_openstack.octavia.management`."""
    features = ctx.features_as(OctaviaFeatures)
    inside = {"endpoint_type": "internalURL", "region_name": ctx.deployment.spec.region_name}
    health = ctx.by_size(HEALTH_PROCESSES)
    return {
        "api_settings": {
            "healthcheck_enabled": True,
            "enabled_provider_drivers": ", ".join(f"{name}: {what}" for name, what in providers(ctx).items()),
            "default_provider_driver": features.default_provider,
        },
        "audit": {"enabled": ctx.deployment.spec.features.logging.cadf.enabled},
        "certificates": {**inside, **keys.signing()},
        "controller_worker": {
            "amp_flavor_id": FLAVOR,
            "amp_image_tag": IMAGE_TAG,
            "workers": ctx.by_size(WORKERS),
            **keys.for_amphorae(),
        },
        "driver_agent": {"enabled_provider_agents": ovn.agents(ctx)},
        "glance": inside,
        "haproxy_amphora": keys.calling(),
        "health_manager": {"health_update_threads": health, "stats_update_threads": health},
        # Two amphorae of one load balancer are kept apart where that is possible.
        "nova": {**inside, "enable_anti_affinity": True, "anti_affinity_policy": "soft-anti-affinity"},
        "task_flow": jobboard(ctx),
    }


def providers(ctx: ServiceContext) -> dict[str, str]:
    """The drivers that users may name, each with what it is."""
    return {**dict.fromkeys(AMPHORA_NAMES, AMPHORA), **ovn.provider(ctx)}


def jobboard(ctx: ServiceContext) -> dict[str, Any]:
    """Where flows are kept that are being carried out, so that they outlive who does it."""
    etcd = urlsplit(ctx.coordination_url())
    trusted, certificate, key = ctx.coordination_files()
    tls = {"use_ssl": "True", "ca_cert": trusted.path, "cert_cert": certificate.path, "cert_key": key.path}
    return {
        "jobboard_enabled": True,
        "jobboard_backend_driver": "etcd_taskflow_driver",
        "jobboard_backend_hosts": [str(etcd.hostname)],
        "jobboard_backend_port": etcd.port,
        "jobboard_etcd_ssl_options": ",".join(f"{name}:{value}" for name, value in tls.items()),
    }
