"""Coordination of the services: locks and leases, in a cluster of etcd.

Who calls needs a certificate of etcd's own authority, and so do the members among one another. How a member starts, and comes
back when it has lost its disk, is decided by the program ``etcd_member.py``, which runs before it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from stackloom.constructs.coordination import CLIENT_TLS, coordination_files, tls_files
from stackloom.fields import CronSchedule, SpecModel
from stackloom.manifests.objects import service
from stackloom.manifests.pod import Container, PodField, Probe, Probes, Resources
from stackloom.model.credential import Credential, authority_keys, certificate_keys
from stackloom.model.image import Image
from stackloom.model.service import BySize, Endpoint, Service

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

_AUTHORITY = "etcd-authority"
_MEMBER_TLS = "etcd-member-tls"

_CLIENT_PORT = 2379
_PEER_PORT = 2380
_METRICS_PORT = 2381
_UID = 65532

_VOLUME = "/var/lib/etcd"
_VOLUME_SIZE = "5Gi"
_TLS = "/etc/etcd/tls"
_STARTS_WITH = "/run/etcd/etcd.json"


class EtcdFeatures(SpecModel):
    """The cluster of etcd in which services hold locks."""

    quota_mib: Annotated[int, Field(ge=64, le=2048)] = 512
    """Size in MiB at which the database takes no more writes. The Pod's memory limit follows."""
    defragmentation: CronSchedule = "20 3 * * *"
    """When the space of what was deleted is given back, one member after the other; a member does not answer meanwhile."""


def build(ctx: ServiceContext) -> None:
    """Add the members, the Service of their clients, their certificates, and the task that defragments them."""
    features = ctx.features_as(EtcdFeatures)
    replicas = ctx.replicas("member", BySize(single=1, tiny=3, small=3, medium=3))
    hosts = {name: f"{name}.{ctx.host('etcd-member')}" for name in (f"etcd-member-{i}" for i in range(replicas))}
    _describe_certificates(ctx, [ctx.host("etcd"), *hosts.values(), "localhost"])
    _add_members(ctx, features, hosts)
    # Clients take any member that is ready; members find one another by name, and before that.
    ctx.component.add(service(ctx.identity("etcd", "member"), {"client": _CLIENT_PORT}))
    _add_defragmentation(ctx, features)


def _add_members(ctx: ServiceContext, features: EtcdFeatures, hosts: Mapping[str, str]) -> None:
    """The members by name, with their hosts."""
    urls = {
        name: {"peer": f"https://{host}:{_PEER_PORT}", "client": f"https://{host}:{_CLIENT_PORT}"} for name, host in hosts.items()
    }
    config = [
        ctx.file("/etc/etcd/etcd.json", json.dumps(_configuration(ctx, features), indent=2) + "\n"),
        ctx.file("/etc/etcd/members.json", json.dumps(urls, indent=2) + "\n"),
    ]
    tls = tls_files(_MEMBER_TLS, _TLS)
    settle = Container(
        name="settle",
        image=ctx.image("python"),
        command=["python3", "/opt/stackloom/programs/etcd_member.py", *(f.path for f in config), _STARTS_WITH],
        env={"MEMBER_NAME": PodField("metadata.name")},
        files=[*ctx.program("etcd_member.py"), *config, *tls],
        writable=["/run/etcd"],
        volume_mounts=[{"name": _VOLUME.strip("/").replace("/", "-"), "mountPath": _VOLUME}],
        resources=ctx.resources("settle", Resources(cpu="50m", memory="64Mi", memory_limit="128Mi").body()),
    )
    ctx.stateful(
        "member",
        command=["etcd", "--config-file", _STARTS_WITH],
        ports={"client": _CLIENT_PORT, "peer": _PEER_PORT, "metrics": _METRICS_PORT},
        # Ready is who reads with a majority. One without it lives all the same: a restart would not bring the others back.
        probes=Probes(path="/readyz", port="metrics", startup_seconds=0, alive=Probe(path="/livez", port="metrics", failures=12)),
        config=[tls],
        replicas=len(hosts),
        volumes={_VOLUME: _VOLUME_SIZE},
        storage_class=ctx.deployment.spec.local_volume_storage_class,
        resources=Resources(memory="256Mi", memory_limit=f"{features.quota_mib + 512}Mi"),
        writable=["/run/etcd"],
        init=[settle],
        user=_UID,
        found_early=True,
        apart=True,
    )


def _add_defragmentation(ctx: ServiceContext, features: EtcdFeatures) -> None:
    """One member after the other, at the members' own addresses."""
    files = coordination_files(ctx)
    ctx.task(
        "defragment",
        image="etcd",
        command=["etcdctl", "defrag", "--cluster", "--command-timeout=60s"],
        schedule=features.defragmentation,
        config=[files],
        env={
            "ETCDCTL_ENDPOINTS": f"https://{ctx.host('etcd')}:{_CLIENT_PORT}",
            **{f"ETCDCTL_{part}": file.path for part, file in zip(("CACERT", "CERT", "KEY"), files, strict=True)},
        },
        needs=[],
        credentials=False,
        resources=Resources(cpu="10m", memory="64Mi", memory_limit="256Mi"),
    )


def _describe_certificates(ctx: ServiceContext, hosts: list[str]) -> None:
    # Members are servers and clients of one another, and so is etcd's own gateway, through which OpenStack's driver calls.
    ctx.credential(_MEMBER_TLS, certificate_keys(_AUTHORITY, hosts, usages=("server", "client")))
    users = [s.name for s in ctx.graph.services.values() if ctx.service.backs in s.needs]
    ctx.credential(CLIENT_TLS, certificate_keys(_AUTHORITY, usages=("client",)), readers=users)


def _configuration(ctx: ServiceContext, features: EtcdFeatures) -> dict[str, Any]:
    """What all members have in common, in the words of etcd's configuration file."""
    trusted, certificate, key = tls_files(_MEMBER_TLS, _TLS)
    security = {
        "cert-file": certificate.path,
        "key-file": key.path,
        "trusted-ca-file": trusted.path,
        "client-cert-auth": True,
    }
    return {
        "data-dir": f"{_VOLUME}/data",
        "listen-client-urls": f"https://0.0.0.0:{_CLIENT_PORT}",
        "listen-peer-urls": f"https://0.0.0.0:{_PEER_PORT}",
        "listen-metrics-urls": f"http://0.0.0.0:{_METRICS_PORT}",
        "client-transport-security": security,
        # The services' certificates come from the same authority, but are for no host: they open no port of the members.
        "peer-transport-security": {**security, "allowed-hostname": [ctx.host("etcd")]},
        # What OpenStack's driver calls, and the program of the members. With a file, older releases have it off unless told.
        "enable-grpc-gateway": True,
        "strict-reconfig-check": True,
        "quota-backend-bytes": features.quota_mib * 1024 * 1024,
        "auto-compaction-mode": "periodic",
        "auto-compaction-retention": "1h",
        "logger": "zap",
        "log-outputs": ["stderr"],
    }


ETCD = Service(
    name="etcd",
    type="coordination",
    backs="coordination",
    build=build,
    features=EtcdFeatures,
    endpoints=(Endpoint(service="etcd", port=_CLIENT_PORT, name="client"),),
    peer_ports=(_PEER_PORT,),
    metrics_port=_METRICS_PORT,
    images={"etcd": Image("quay.io/coreos/etcd", "v3.7.1")},
    # The key of the authority is for whoever provides the credentials: no Pod may read it.
    credentials=(Credential(name=_AUTHORITY, keys=authority_keys("etcd"), readers=frozenset()),),
)
