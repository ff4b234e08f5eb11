"""Consoles in the browser: proxies on the control plane, which connect to servers' consoles on compute nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stackloom import BySize, InterfaceAddress, SecretFile, certificate_keys
from stackloom_openstack.nova.features import NovaFeatures
from stackloom_openstack.nova.libvirt import CONSOLE_AUTHORITY, CONSOLE_PORTS

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

Sections = dict[str, dict[str, Any]]
REPLICAS = BySize(tiny=3, small=3, medium=3)
CLIENT_TLS = "nova-console-client-tls"
TRUSTED, CERTIFICATE, KEY = (
    SecretFile(f"/etc/nova/console/{name}", CLIENT_TLS, name) for name in ("ca.crt", "tls.crt", "tls.key")
)


def console_sections(ctx: ServiceContext, features: NovaFeatures) -> Sections:
    """Which consoles there are, and where users find them."""
    vnc, spice = features.console.novnc, features.console.spice
    conf: Sections = {"vnc": {"enabled": vnc.enabled}, "spice": {"enabled": spice.enabled}}
    if vnc.enabled:
        conf["vnc"]["novncproxy_base_url"] = f"{ctx.url('compute', public=True, name='novnc')}/vnc_lite.html"
    if spice.enabled:
        conf["spice"]["html5proxy_base_url"] = f"{ctx.url('compute', public=True, name='spice')}/spice_auto.html"
    return conf


def proxy_sections(features: NovaFeatures) -> Sections:
    """How the proxies reach consoles. With TLS by no other scheme: a proxy that took "none" as well could be talked into it."""
    if not features.console.novnc.tls.enabled:
        return {}
    files = {"vencrypt_ca_certs": TRUSTED.path, "vencrypt_client_cert": CERTIFICATE.path, "vencrypt_client_key": KEY.path}
    return {"vnc": {"auth_schemes": ["vencrypt"], **files}}


def node_sections(features: NovaFeatures) -> Sections:
    """Where servers' consoles listen on a compute node: on the one address by which the proxies reach them."""
    address = InterfaceAddress(features.live_migration_interface)
    chosen = {"vnc": features.console.novnc.enabled, "spice": features.console.spice.enabled}
    return {name: {"server_listen": address, "server_proxyclient_address": address} for name, on in chosen.items() if on}


def proxies(ctx: ServiceContext, features: NovaFeatures, config: Sequence[Any], *, after: Sequence[Any]) -> None:
    """A proxy for each kind of console."""
    certificate: tuple[SecretFile, ...] = ()
    if features.console.novnc.tls.enabled:
        ctx.credential(CLIENT_TLS, certificate_keys(CONSOLE_AUTHORITY, usages=("client",)))
        certificate = TRUSTED, CERTIFICATE, KEY
    kinds: tuple[tuple[bool, str, str, str, tuple[SecretFile, ...]], ...] = (
        (features.console.novnc.enabled, "novncproxy", "novnc", "/vnc_lite.html", certificate),
        (features.console.spice.enabled, "spicehtml5proxy", "spice", "/spice_auto.html", ()),
    )
    for enabled, program, endpoint, page, files in kinds:
        if enabled:
            ctx.api(
                f"{endpoint}-proxy",
                command=[f"nova-{program}", "--config-file", "/etc/nova/nova.conf"],
                endpoint=endpoint,
                config=[*config, *files],
                after=after,
                replicas=REPLICAS,
                health=page,
            )
            ctx.allow_egress(CONSOLE_PORTS)
