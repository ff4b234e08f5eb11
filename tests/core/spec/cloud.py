"""A small cloud of services for the tests of the specification: each is there for what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from stackloom.errors import Problem
from stackloom.fields import InterfaceName, Positive, Preset, Secret, SpecModel
from stackloom.model.image import Image
from stackloom.model.service import Cleanup, Service
from stackloom.spec.deployment import OpenStackDeployment


class Ldap(SpecModel):
    """A directory of users."""

    url: str
    """Where it is."""
    password: Secret
    """How to log in there."""


class KeystoneFeatures(SpecModel):
    """Settings of identity."""

    token_hours: Positive = 12
    """How long a token is valid."""
    domains: dict[str, Ldap] = Field(default_factory=dict)
    """Directories by domain."""


class Disks(SpecModel):
    """Where servers keep their disks."""

    backend: Literal["local", "ceph"] = "local"
    """The kind of storage."""


class NovaFeatures(SpecModel):
    """Settings of compute."""

    live_migration_interface: InterfaceName
    """The interface over which servers move."""
    images: Disks = Disks()
    """Where servers keep their disks."""


class NovaNodeFeatures(SpecModel):
    """What of compute may differ by node."""

    live_migration_interface: InterfaceName | None = None
    """The interface over which servers move."""


class TelemetryFeatures(SpecModel):
    """Settings that two services share."""

    interval: Positive = 300
    """Seconds between two samples."""


def nova_rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Disks in Ceph need the volume service's account."""
    nova = deployment.features_of("nova", NovaFeatures)
    if nova.images.backend == "ceph" and not deployment.has("block-storage"):
        yield Problem("Ceph is reached with the account of block-storage, which is missing", path="features.nova.images.backend")


def keystone_rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Tokens expire before the day does, in the main region."""
    if deployment.spec.region_name == "RegionOne" and deployment.features_of("keystone", KeystoneFeatures).token_hours > 24:
        yield Problem("a token lives longer than a day", "Write at most 24", path="features.keystone.token_hours")


ALL: frozenset[Preset] = frozenset({"compute", "compute-tf", "core"})


def _build(_: object) -> None:
    """What a service is built of does not matter to the specification."""


SERVICES = (
    Service(
        name="keystone",
        type="identity",
        build=_build,
        features=KeystoneFeatures,
        rules=keystone_rules,
        presets=ALL,
        requires=frozenset({"database", "cache"}),
        images={"keystone": Image("registry.example.org/keystone", "2026.1")},
        conf=("keystone",),
        cleanup=Cleanup(schedule="1 0 * * 0", batch=500),
        defaults={"compute": {"token_hours": 8}},
    ),
    Service(
        name="glance",
        type="image",
        build=_build,
        presets=ALL,
        requires=frozenset({"identity", "database"}),
        conf=("glance-api",),
        cleanup=Cleanup(schedule="1 2 * * 1", batch=-1),
    ),
    Service(
        name="nova",
        type="compute",
        build=_build,
        features=NovaFeatures,
        node_features=NovaNodeFeatures,
        rules=nova_rules,
        presets=ALL,
        requires=frozenset({"identity", "image", "database", "messaging"}),
        conf=("nova",),
    ),
    Service(name="libvirt", type="compute", build=_build, presets=ALL),
    Service(
        name="heat",
        type="orchestration",
        build=_build,
        requires=frozenset({"identity", "messaging"}),
        presets=frozenset({"compute"}),
    ),
    Service(
        name="horizon",
        type="dashboard",
        presets=ALL,
        requires=frozenset({"identity"}),
        cleanup=Cleanup(schedule="1 8 * * 1", age=None),
    ),
    Service(
        name="aodh",
        type="alarming",
        build=_build,
        features=TelemetryFeatures,
        features_key="telemetry",
        requires=frozenset({"metric"}),
    ),
    Service(
        name="gnocchi",
        type="metric",
        build=_build,
        features=TelemetryFeatures,
        features_key="telemetry",
        requires=frozenset({"identity"}),
    ),
    Service(name="ceph-rgw", type="object-storage", build=_build, requires=frozenset({"identity"})),
)
