"""The contract of a service: what holds for every one of them, whoever wrote it.

::

    from stackloom.testing.suite import ServiceContract

    class TestBarbican(ServiceContract):
        service = "barbican"

The plugin must be installed. What the deployment needs beyond the service and those that it requires stands in ``spec``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, get_args

import pytest

from stackloom.checks.index import LONG_RUNNING, Index, Workload
from stackloom.constructs.component import manifest_text
from stackloom.fields import Release, Size
from stackloom.images import ROLES
from stackloom.infra.offered import with_infrastructure
from stackloom.model.backend import BACKENDS
from stackloom.model.output import Output
from stackloom.model.service import Service
from stackloom.names import LABEL_PREFIX
from stackloom.plugins import load
from stackloom.spec.defaults import merge
from stackloom.testing.synthesis import Synthesis

_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by", "application", "component")
_MIRROR = "mirror.example.org/openstack"


class ServiceContract:
    """Subclass it with the name of a service; its tests are then the subclass's."""

    service: ClassVar[str]
    spec: ClassVar[Mapping[str, Any]] = {}

    # -- What the tests look at ----------------------------------------------------------------------------------------

    @pytest.fixture(scope="class")
    @classmethod
    def synthesis(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synthesis]:
        """Makes the objects of deployments."""
        with Synthesis.below(tmp_path_factory.mktemp("contract")) as made:
            yield made

    @pytest.fixture(scope="class")
    @classmethod
    def record(cls) -> Service:
        """What the plugin says of the service."""
        found = {s.name: s for s in with_infrastructure(load().services)}.get(cls.service)
        assert found, f"no installed plugin offers the service {cls.service!r}"
        assert found.build, f"the service {cls.service!r} has no build function"
        return found

    @pytest.fixture(scope="class")
    @classmethod
    def output(cls, synthesis: Synthesis, record: Service) -> list[Output]:
        """Every object of a small cloud with the service, with all checks passed."""
        return synthesis(cls.deployment(record))

    @pytest.fixture(scope="class")
    @classmethod
    def own(cls, output: Sequence[Output]) -> list[Output]:
        """The service's objects."""
        return cls.of_service(output)

    @pytest.fixture(scope="class")
    @classmethod
    def workloads(cls, output: Sequence[Output]) -> list[Workload]:
        """What makes the service's Pods."""
        return [w for w in Index.of(output).workloads if w.output.component == cls.service]

    @classmethod
    def deployment(cls, record: Service, **spec: Any) -> dict[str, Any]:
        """The smallest deployment of the service, with what differs in ``spec``."""
        services: dict[str, list[Service]] = {}
        for service in load().services:
            if service.build:
                services.setdefault(service.type, []).append(service)
        wanted, todo = {record.type}, list(services.get(record.type, [record]))  # a type brings all of its services
        while todo:
            for need in todo.pop().requires - BACKENDS - wanted:
                wanted.add(need)
                todo += services[need]
        usual = {
            "openstack_version": "gazpacho",
            "preset": "core",
            "size": "small",
            "public_domain_name": "cloud.example.org",
            "features": {"services": sorted(wanted)},
        }
        return {
            "apiVersion": "lcm.mirantis.com/v1alpha1",
            "kind": "OpenStackDeployment",
            "metadata": {"name": "contract"},
            "spec": merge(merge(usual, cls.spec), spec),
        }

    @classmethod
    def of_service(cls, output: Sequence[Output]) -> list[Output]:
        """Those of the objects that are in the service's component."""
        return [o for o in output if o.component == cls.service]

    # -- The contract --------------------------------------------------------------------------------------------------

    def test_nothing_of_the_contract_is_overridden(self) -> None:
        contract = {name for name in vars(ServiceContract) if name.startswith("test_")}
        assert not contract & {name for c in type(self).__mro__ if c is not ServiceContract for name in vars(c)}

    def test_it_has_objects_in_a_component_of_its_name(self, own: Sequence[Output]) -> None:
        assert own

    @pytest.mark.parametrize("size", get_args(Size))
    def test_every_size_passes_all_checks(self, synthesis: Synthesis, record: Service, size: str) -> None:
        assert self.of_service(synthesis(self.deployment(record, size=size)))

    @pytest.mark.parametrize("release", get_args(Release))
    def test_every_release_passes_all_checks(self, synthesis: Synthesis, record: Service, release: str) -> None:
        own = self.of_service(synthesis(self.deployment(record, openstack_version=release)))
        assert {o.labels.get(f"{LABEL_PREFIX}/release") for o in own} == {None if record.backs else release}

    def test_two_syntheses_give_the_same_bytes(self, synthesis: Synthesis, record: Service, output: Sequence[Output]) -> None:
        again = synthesis(self.deployment(record))
        assert {o.file: manifest_text(dict(o.body)) for o in again} == {o.file: manifest_text(dict(o.body)) for o in output}

    def test_every_object_says_what_it_belongs_to(self, own: Sequence[Output]) -> None:
        lacking = {o.path: [label for label in _LABELS if not o.labels.get(label)] for o in own}
        assert {path: labels for path, labels in lacking.items() if labels} == {}
        assert {o.labels["application"] for o in own} == {self.service}

    def test_everything_that_keeps_running_is_probed(self, workloads: Sequence[Workload]) -> None:
        running = [(w, c) for w in workloads if w.output.kind in LONG_RUNNING for c in w.containers if not c.init]
        probes = ("readinessProbe", "livenessProbe")
        assert [f"{w.output.path}: {c.name}" for w, c in running if not all(c.body.get(probe) for probe in probes)] == []

    def test_every_container_asks_for_memory_and_is_held_to_it(self, workloads: Sequence[Workload]) -> None:
        resources = {f"{w.output.path}: {c.name}": c.body.get("resources", {}) for w in workloads for c in w.containers}
        unbound = [
            name for name, r in resources.items() if not all("memory" in r.get(part, {}) for part in ("requests", "limits"))
        ]
        assert unbound == []

    def test_no_secret_is_written(self, own: Sequence[Output]) -> None:
        assert [o.path for o in own if o.kind == "Secret"] == []

    def test_every_image_comes_from_the_registry_that_the_operator_names(self, synthesis: Synthesis, record: Service) -> None:
        output = synthesis(self.deployment(record, images={"registry": _MIRROR}))
        used = {c.body["image"] for w in Index.of(self.of_service(output)).workloads for c in w.containers}
        assert [image for image in sorted(used) if not image.startswith(f"{_MIRROR}/")] == []

    def test_every_image_can_be_replaced_by_its_role(self, synthesis: Synthesis, record: Service) -> None:
        images = {role: f"registry.example.org/{role}:contract" for role in record.images}
        values = {record.type: {record.name: {"values": {"images": images}}}}
        output = synthesis(self.deployment(record, services=values))
        used = {c.body["image"] for w in Index.of(self.of_service(output)).workloads for c in w.containers}
        assert used <= {*images.values(), *(own.reference("gazpacho") for own in ROLES.values())}

    def test_pods_wait_where_the_service_requires_something(self, record: Service, workloads: Sequence[Workload]) -> None:
        if record.requires:
            assert any(w.gate for w in workloads)

    def test_every_object_has_a_wave(self, own: Sequence[Output]) -> None:
        waves = {o.path: o.body["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", "") for o in own}
        assert {path: wave for path, wave in waves.items() if not re.fullmatch(r"-?\d+", wave)} == {}

    def test_names_do_not_depend_on_the_size(self, synthesis: Synthesis, record: Service, own: Sequence[Output]) -> None:
        larger = self.of_service(synthesis(self.deployment(record, size="medium")))
        assert _names(larger) == _names(own)

    @pytest.mark.parametrize("change", [{"openstack_version": "epoxy"}, {"size": "single"}, {"size": "medium"}], ids=str)
    def test_what_nobody_can_change_stays_the_same(
        self, synthesis: Synthesis, record: Service, own: Sequence[Output], change: dict[str, str]
    ) -> None:
        before, now = _fixed(self.of_service(synthesis(self.deployment(record, **change)))), _fixed(own)
        assert {path: fields for path, fields in before.items() if now.get(path, fields) != fields} == {}

    def test_its_pods_are_closed_off_unless_policies_are_off(
        self, synthesis: Synthesis, record: Service, own: Sequence[Output], workloads: Sequence[Workload]
    ) -> None:
        open_to_all = self.of_service(synthesis(self.deployment(record, features={"network_policies": {"enabled": False}})))
        assert ("NetworkPolicy" in {o.kind for o in own}) == bool(workloads)
        assert "NetworkPolicy" not in {o.kind for o in open_to_all}


def _names(output: Sequence[Output]) -> set[tuple[str, str]]:
    """Kind and name of each object; of a Job, whose name ends in a hash, what its gates call it."""
    return {(o.kind, o.labels.get(f"{LABEL_PREFIX}/job", o.name)) for o in output}


def _fixed(output: Sequence[Output]) -> dict[str, dict[str, Any]]:
    """The fields of workloads that Kubernetes refuses to change."""
    fields = ("selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates")
    return {o.path: {key: o.body["spec"].get(key) for key in fields} for o in output if o.kind in LONG_RUNNING}
