"""Stackloom: OpenStack on Kubernetes, from one typed file, by plugins.

This is the API for plugins. It does not start Node.js; ``stackloom.app`` (for a ``main.py``) and ``stackloom.constructs`` do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom.errors import Location, Problem, StackloomError, did_you_mean
from stackloom.hookspecs import hookimpl
from stackloom.images import kolla_image, openstack_image
from stackloom.manifests.files import ConfigFile, SecretDirectory, SecretFile
from stackloom.manifests.gate import Gate
from stackloom.manifests.mounts import BLOCK_STORAGE, Mount
from stackloom.manifests.pod import Container, PodField, Privilege, Probe, Probes, Resources
from stackloom.model.conf import ConfFile, InterfaceAddress, SectionsLike
from stackloom.model.credential import Credential, SecretKey, Value, authority_keys, certificate_keys
from stackloom.model.image import Image
from stackloom.model.output import Output
from stackloom.model.placement import NodeRole
from stackloom.model.service import BySize, Cleanup, Database, Endpoint, Members, Service, ServiceUser
from stackloom.oslo.ini import Multi

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.spec.deployment import OpenStackDeployment

__all__ = [
    "BLOCK_STORAGE",
    "BySize",
    "Cleanup",
    "ConfFile",
    "ConfigFile",
    "Container",
    "Credential",
    "Database",
    "Endpoint",
    "Gate",
    "Image",
    "InterfaceAddress",
    "Location",
    "Members",
    "Mount",
    "Multi",
    "NodeRole",
    "OpenStackDeployment",
    "Output",
    "PodField",
    "Privilege",
    "Probe",
    "Probes",
    "Problem",
    "Resources",
    "SecretDirectory",
    "SecretFile",
    "SecretKey",
    "SectionsLike",
    "Service",
    "ServiceContext",
    "ServiceUser",
    "StackloomError",
    "Value",
    "authority_keys",
    "certificate_keys",
    "did_you_mean",
    "hookimpl",
    "kolla_image",
    "openstack_image",
]


def __getattr__(name: str) -> Any:
    """Import only when it is asked for what would start Node.js, or read the whole specification, for a mere annotation."""
    if name == "ServiceContext":
        from stackloom.constructs.context import ServiceContext  # noqa: PLC0415

        return ServiceContext
    if name == "OpenStackDeployment":
        from stackloom.spec.deployment import OpenStackDeployment  # noqa: PLC0415

        return OpenStackDeployment
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
