"""The provider OVN: load balancers in the network itself, without servers. It is there with the backend ml2/ovn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackloom import Gate, SecretFile

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.manifests.files import File

DATABASES = {"nb": "ovn-nb", "sb": "ovn-sb"}
# With what OVN's databases know a client: the Secret is OVN's.
_TLS = {name: SecretFile(f"/etc/ovn/tls/{name}", "ovn-client-tls", name) for name in ("ca.crt", "tls.crt", "tls.key")}


def is_there(ctx: ServiceContext) -> bool:
    """Whether OVN makes the cloud's network."""
    return bool(ctx.deployment.feature("neutron.backend") == "ml2/ovn")


def provider(ctx: ServiceContext) -> dict[str, str]:
    """Its driver, with what it is."""
    return {"ovn": "Load balancers of layer 4 in the network itself"} if is_there(ctx) else {}


def agents(ctx: ServiceContext) -> list[str]:
    """What the driver agent runs for it: it hears from the southbound database how members are."""
    return ["ovn"] if is_there(ctx) else []


def image(ctx: ServiceContext) -> str:
    """The role of the image that has the driver."""
    return "octavia-ovn" if is_there(ctx) else "octavia"


def databases(ctx: ServiceContext) -> list[Gate]:
    """What the driver gives up without."""
    if not is_there(ctx):
        return []
    return [Gate(services=tuple(ctx.endpoint("networking", name).service for name in DATABASES.values()))]


def files(ctx: ServiceContext) -> list[File]:
    """How OVN's databases are reached. The options are the driver's, of which Octavia's own list knows nothing."""
    if not is_there(ctx):
        return []
    lines = ["[ovn]"]
    for name, endpoint in DATABASES.items():
        lines += [
            f"ovn_{name}_connection = {','.join(f'ssl:{member}' for member in ctx.members('networking', endpoint))}",
            f"ovn_{name}_private_key = {_TLS['tls.key'].path}",
            f"ovn_{name}_certificate = {_TLS['tls.crt'].path}",
            f"ovn_{name}_ca_cert = {_TLS['ca.crt'].path}",
        ]
    return [ctx.file("/etc/octavia/octavia.conf.d/ovn.conf", "\n".join(lines) + "\n"), *_TLS.values()]
