"""How a service reaches etcd: the URL of its coordination, as Tooz reads it, and the certificates that the URL names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackloom.manifests.files import SecretFile
from stackloom.model.backend import backend

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

CLIENT_TLS = "etcd-client-tls"


def tls_files(secret: str, directory: str) -> tuple[SecretFile, SecretFile, SecretFile]:
    """What to trust, a certificate and its key, out of a Secret with ``certificate_keys``."""
    trusted, certificate, key = (SecretFile(f"{directory}/{name}", secret, name) for name in ("ca.crt", "tls.crt", "tls.key"))
    return trusted, certificate, key


def coordination_files(_: ServiceContext) -> tuple[SecretFile, SecretFile, SecretFile]:
    """The files that :func:`coordination_url` names: mount them where the URL is used."""
    return tls_files(CLIENT_TLS, "/etc/etcd/client")


def coordination_url(ctx: ServiceContext) -> str:
    """Where the service holds its locks: ``[coordination] backend_url``. It is no secret; the key that it names is."""
    etcd = backend("coordination", ctx.name)
    trusted, certificate, key = coordination_files(ctx)
    files = f"ca_cert={trusted.path}&cert_cert={certificate.path}&cert_key={key.path}"
    return f"etcd3+https://{ctx.host(etcd.service)}:{etcd.port}?api_version=v3&{files}"
