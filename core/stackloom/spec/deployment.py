"""The OpenStackDeployment: the one file that an operator writes, as typed models.

It is the custom resource of Mirantis OpenStack for Kubernetes: same apiVersion, kind, names and defaults. The models know what
all services share. The subtree of a service is modelled by its plugin; :mod:`stackloom.spec.tree` puts both together.

A deployment can be written in Python with these models instead of in YAML. Either way :func:`stackloom.spec.loader.load` checks
it; what it returns also answers which services were chosen and what was said of each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar, overload

from pydantic import AfterValidator, ConfigDict, Field, PrivateAttr

from stackloom.fields import DnsLabel, DomainName, LogLevel, ObjectName, Positive, Preset, Size, SpecModel, refuse
from stackloom.model.service import Service
from stackloom.spec.database import CleanupSettings
from stackloom.spec.features import Features, Rules, ServiceLogging, subtree
from stackloom.spec.nodes import PLACEHOLDER, NodeLabel, NodeOverride
from stackloom.spec.operations import ArgoCD, Credentials, Images, PluginSettings
from stackloom.spec.releases import OpenStackVersion
from stackloom.spec.selection import Selection
from stackloom.spec.values import Chart, Conf, Values

API_VERSION: Literal["lcm.mirantis.com/v1alpha1"] = "lcm.mirantis.com/v1alpha1"
KIND = "OpenStackDeployment"


def _region(value: str) -> str:
    if re.fullmatch(r"[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,253}[a-zA-Z0-9])?", value) is None:
        refuse(f"{value!r} is not the name of a region", "Use letters, digits, '-', '_' and '.', like RegionOne")
    return value


def _no_draft(value: bool) -> bool:
    if value:
        refuse("there are no drafts here: what this file says is written", "Keep a draft on a branch of its own")
    return value


Region = Annotated[str, AfterValidator(_region)]
M = TypeVar("M", bound=SpecModel)


class Metadata(SpecModel):
    """What the deployment is called."""

    name: ObjectName
    """The cloud's name."""
    namespace: DnsLabel = "openstack"
    """The namespace that holds the cloud."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels, for your own use."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations, for your own use."""


class Readiness(SpecModel):
    """How long a rollout may take."""

    timeout: Positive = 1200
    """Seconds without progress after which a rollout counts as failed. By size: 600 (single, tiny), 2400 (small, medium)."""
    delay: Positive = 10
    """Seconds between two looks. Kept for the CR's sake: Argo CD watches, and has no use for it."""


class Timeouts(SpecModel):
    """How long things may take."""

    application_readiness: dict[str, Readiness] = Field(default_factory=dict)
    """How long the rollout of a service may take, by the service's name."""


class Migration(SpecModel):
    """Nothing: a migration is a change of the deployment here, step by step, each a commit."""


class Spec(SpecModel):
    """What is wanted."""

    openstack_version: OpenStackVersion
    """The release of OpenStack."""
    preset: Preset
    """The set of services to start from; ``features.services`` replaces it."""
    size: Size
    """How large the cloud is: it decides replicas, workers and other numbers."""
    public_domain_name: DomainName
    """The domain under which the public endpoints are reached: ``keystone.<domain>``, ..."""
    internal_domain_name: DomainName = "cluster.local"
    """The cluster's own DNS domain."""
    region_name: Region = "RegionOne"
    """The region in the catalogue."""
    local_volume_storage_class: ObjectName = "openstack-operator-bind-mounts"
    """The storage class for what replicates its data itself: the databases, etcd."""
    persistent_volume_storage_class: ObjectName | None = None
    """The storage class for what relies on the storage, like backups. Absent: the cluster's default class."""
    features: Features = Features()
    """What the cloud can do."""
    services: dict[str, dict[str, Chart]] = Field(default_factory=dict)
    """Values of services beyond their features, by type and name: ``identity: {keystone: {values: {...}}}``."""
    nodes: dict[NodeLabel, NodeOverride] = Field(default_factory=dict, json_schema_extra={PLACEHOLDER: "label::value"})
    """What differs on nodes with a label: ``"rack::r1": {features: {...}}``."""
    timeouts: Timeouts = Timeouts()
    """How long things may take."""
    migration: Migration = Migration()
    """Empty; the CR's switches for migrations are not supported."""
    draft: Annotated[bool, AfterValidator(_no_draft)] = False
    """False; a draft is a branch in Git."""
    credentials: Credentials = Credentials()
    """How the Secrets that the cloud needs come into being. (Not in the CR.)"""
    argocd: ArgoCD = ArgoCD()
    """How Argo CD takes the output. (Not in the CR.)"""
    images: Images = Images()
    """Where images come from. (Not in the CR.)"""
    plugins: PluginSettings = PluginSettings()
    """Which plugins are left out, and settings of plugins by name. (Not in the CR.)"""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What differs of one service on some nodes: its features, None where they do not differ, its options, others' features."""

    features: SpecModel | None = None
    conf: Conf = field(default_factory=dict)
    beside: Mapping[str, SpecModel] = field(default_factory=dict)


class OpenStackDeployment(SpecModel):
    """An OpenStack cloud."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    api_version: Literal["lcm.mirantis.com/v1alpha1"] = Field(default=API_VERSION, alias="apiVersion")
    """The version of this format."""
    kind: Literal["OpenStackDeployment"] = "OpenStackDeployment"
    """The kind of this format."""
    metadata: Metadata
    """What the deployment is called."""
    spec: Spec
    """What is wanted."""

    _selection: Selection = PrivateAttr(default=Selection())

    @property
    def services(self) -> tuple[Service, ...]:
        """The services that are built, sorted by name."""
        return self._selection.services

    @property
    def left_out(self) -> tuple[Service, ...]:
        """The services that the preset names and no plugin builds yet, sorted by name."""
        return self._selection.left_out

    @property
    def selected(self) -> tuple[str, ...]:
        """The types of the services that were chosen, ``left_out`` among them, sorted."""
        return self._selection.types

    def has(self, service_type: str) -> bool:
        """Whether a service of the type was chosen."""
        return service_type in self._selection.types

    @overload
    def features_of(self, name: str) -> SpecModel: ...
    @overload
    def features_of(self, name: str, model: type[M]) -> M: ...
    def features_of(self, name: str, model: type[M] | None = None) -> SpecModel | M:
        """The validated ``spec.features.<name>``, made of defaults where the operator gave none.

        With ``model`` the result is known to be one. Raises LookupError for a subtree that no service has, or that has required
        fields and was not given.
        """
        found = getattr(self.spec.features, subtree(name), None)
        if found is None and any(s.features_name == name and s.features is None for s in self._selection.all):
            found = SpecModel()
        if not isinstance(found, model or SpecModel):
            raise LookupError(f"spec.features.{name}")
        return found

    def feature(self, path: str, default: Any = None) -> Any:
        """What ``spec.features.<path>`` is: for who asks of another plugin's service, whose model it does not know.

        ``default`` where the cloud has no such subtree. A key that the subtree does not have is a KeyError.
        """
        name, *keys = path.split(".")
        try:
            found: Any = self.features_of(name).model_dump()
        except LookupError:
            return default
        for key in keys:
            found = found[key]
        return found

    def values_of(self, service: Service) -> Values:
        """What ``spec.services`` says of the service."""
        chart = self.spec.services.get(service.type, {}).get(service.name)
        return chart.values if chart else Values()

    def node_overrides_of(self, service: Service, beside: Sequence[str] = ()) -> list[tuple[str, NodeSettings]]:
        """The entries of ``spec.nodes`` that concern the service, in their order: label (``rack::r1``) and what differs.

        ``beside`` are subtrees of other services that concern it too.
        """
        found: list[tuple[str, NodeSettings]] = []
        for label, node in self.spec.nodes.items():
            features, chart = node.features.get(service.features_name), node.services.get(service.type, {}).get(service.name)
            others = {name: node.features[name] for name in beside if node.features.get(name) is not None}
            if features is not None or chart is not None or others:
                found.append((label, NodeSettings(features, chart.values.conf if chart else {}, others)))
        return found

    def generation_of(self, service: str) -> int:
        """The generation of the passwords of the service of this name, from 1 on."""
        return self.spec.credentials.rotation.get(service, 1)

    def policies_of(self, service: Service) -> Rules:
        """The rules that ``spec.features.policies`` changes of the service."""
        rules: Rules | None = getattr(self.spec.features.policies, subtree(service.name), None)
        return rules or {}

    def log_level_of(self, service: Service) -> LogLevel:
        """The level at which the service logs."""
        found = getattr(self.spec.features.logging, subtree(service.name), None)
        return found.level if isinstance(found, ServiceLogging) else "INFO"

    def readiness_of(self, service: Service) -> Readiness:
        """How long a rollout of the service may take."""
        return self.spec.timeouts.application_readiness.get(service.name, Readiness())

    def cleanup_of(self, service: Service) -> CleanupSettings | None:
        """How deleted rows of the service are removed; None where it has no such job."""
        return self.spec.features.database.cleanup.get(service.name)
