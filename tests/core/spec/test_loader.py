from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from stackloom.errors import Problem, StackloomError
from stackloom.model.service import Service
from stackloom.spec.deployment import OpenStackDeployment
from stackloom.spec.loader import disabled_plugins, load
from stackloom.spec.source import Source
from tests.bad_inputs import USUAL, patched
from tests.core.spec.cloud import SERVICES, KeystoneFeatures, NovaFeatures, NovaNodeFeatures, TelemetryFeatures

NOVA = {"features": {"nova": {"live_migration_interface": "ens3"}}}
NAMED = {service.name: service for service in SERVICES}


def loaded(spec: dict[str, Any] | None = None, services: tuple[Service, ...] = SERVICES, **options: Any) -> OpenStackDeployment:
    data = patched(patched(USUAL, {"spec": NOVA}), {"spec": spec or {}})
    return load(Source.from_mapping(data, "deployment.yaml"), services, **options)


def messages(spec: dict[str, Any], services: tuple[Service, ...] = SERVICES, **options: Any) -> list[str]:
    with pytest.raises(StackloomError) as error:
        loaded(spec, services, **options)
    return [str(p) for p in error.value.problems]


def names(services: tuple[Service, ...]) -> list[str]:
    return [s.name for s in services]


def test_the_defaults_are_those_of_the_custom_resource() -> None:
    spec = loaded().spec
    assert (spec.region_name, spec.internal_domain_name) == ("RegionOne", "cluster.local")
    assert spec.local_volume_storage_class == "openstack-operator-bind-mounts"
    assert loaded().metadata.namespace == "openstack"
    assert spec.features.network_policies.enabled
    assert spec.features.ssl.tls_proxy.enabled
    assert spec.features.stacklight.enabled
    assert not spec.features.logging.cadf.enabled
    assert not spec.features.database.backup.enabled


def test_the_preset_chooses_the_services_sorted_by_name() -> None:
    deployment = loaded()
    assert names(deployment.services) == ["glance", "keystone", "libvirt", "nova"]
    assert deployment.selected == ("compute", "dashboard", "identity", "image")
    assert loaded({"preset": "compute"}).has("orchestration")


def test_what_a_preset_names_and_no_plugin_builds_is_left_out_and_told() -> None:
    assert names(loaded().left_out) == ["horizon"]


def test_a_list_of_services_replaces_the_presets_and_may_name_the_infrastructure() -> None:
    deployment = loaded({"features": {"services": ["identity", "database", "memcached", "messaging", "coordination", "ingress"]}})
    assert names(deployment.services) == ["keystone"]
    assert deployment.left_out == ()


def test_a_name_that_is_not_supported_yet_is_fine_once_a_plugin_offers_it() -> None:
    manila = Service(name="manila", type="shared-file-system", build=lambda _: None, features=TelemetryFeatures)
    services = ["identity", "shared-file-system"]
    deployment = loaded({"features": {"services": services, "manila": {"interval": 5}}}, (*SERVICES, manila))
    assert deployment.features_of("manila", TelemetryFeatures).interval == 5


def test_a_service_of_a_disabled_plugin_is_one_that_is_not_there() -> None:
    without_glance = tuple(s for s in SERVICES if s.name != "glance")
    (found,) = messages({}, without_glance)
    assert found.startswith("deployment.yaml: spec.features.services: compute needs image, which no installed plugin offers.")


def test_a_built_service_cannot_stand_on_one_that_is_not_built() -> None:
    unbuilt = tuple(replace(s, build=None) if s.name == "glance" else s for s in SERVICES)
    (found,) = messages({}, unbuilt)
    assert found.startswith(
        "deployment.yaml: spec.features.services: compute needs image, which is not supported yet. Leave compute out"
    )


def test_features_are_the_operators_over_the_presets_over_the_models() -> None:
    compute = {"preset": "compute", "features": {"keystone": {"domains": {}}}}
    assert loaded().features_of("keystone", KeystoneFeatures).token_hours == 12

    assert loaded(compute).features_of("keystone", KeystoneFeatures).token_hours == 8
    assert (
        loaded(patched(compute, {"features": {"keystone": {"token_hours": 3}}}))
        .features_of("keystone", KeystoneFeatures)
        .token_hours
        == 3
    )


def test_a_feature_of_another_service_is_found_by_its_path() -> None:
    assert loaded().feature("keystone.token_hours") == 12
    assert loaded().feature("mistral.workers", "none") == "none"
    with pytest.raises(KeyError):
        loaded().feature("keystone.token_hour")


def test_two_services_may_share_a_subtree() -> None:
    spec = {"features": {"services": ["identity", "metric", "alarming"], "telemetry": {"interval": 60}}}
    assert loaded(spec).features_of("telemetry", TelemetryFeatures).interval == 60


def test_a_service_without_features_has_an_empty_subtree_and_an_unknown_one_none() -> None:
    deployment = loaded()
    assert deployment.features_of("glance").model_dump() == {}
    for name in ("telemetry", "nowhere"):
        with pytest.raises(LookupError, match=f"spec.features.{name}"):
            deployment.features_of(name)


def test_features_are_asked_for_with_their_model() -> None:
    with pytest.raises(LookupError):
        loaded().features_of("keystone", NovaFeatures)


def test_values_are_those_of_the_service() -> None:
    values = {
        "conf": {"keystone": {"DEFAULT": {"debug": True}}},
        "replicas": {"api": 2},
        "resources": {"api": {"requests": {"cpu": 2}}},
    }
    deployment = loaded({"services": {"identity": {"keystone": {"values": values}}}})
    found = deployment.values_of(NAMED["keystone"])
    assert found.conf == values["conf"]
    assert found.replicas == {"api": 2}
    assert found.resources_of("api") == {"requests": {"cpu": "2"}}
    assert found.resources_of("other") == {}
    assert deployment.values_of(NAMED["nova"]).conf == {}


def test_overrides_by_node_come_in_the_operators_order() -> None:
    conf = {"nova": {"DEFAULT": {"debug": True}}}
    nodes = {
        "rack::r2": {"features": {"nova": {"live_migration_interface": "ens4"}}},
        "rack::r1": {"services": {"compute": {"nova": {"values": {"conf": conf}}}}},
        "rack::r0": {},
    }
    (first, one), (second, two) = loaded({"nodes": nodes}).node_overrides_of(NAMED["nova"])
    assert (first, second) == ("rack::r2", "rack::r1")
    assert one.features == NovaNodeFeatures(live_migration_interface="ens4")
    assert one.conf == {}
    assert two.features is None
    assert two.conf == conf


def test_logs_are_at_info_unless_told_otherwise() -> None:
    deployment = loaded({"features": {"logging": {"nova": {"level": "DEBUG"}, "keystone": {}}}})
    assert deployment.log_level_of(NAMED["nova"]) == "DEBUG"
    assert deployment.log_level_of(NAMED["keystone"]) == "INFO"
    assert deployment.log_level_of(Service(name="other", type="other")) == "INFO"


def test_cleanup_keeps_the_services_defaults_where_only_one_key_is_given() -> None:
    deployment = loaded({"features": {"database": {"cleanup": {"keystone": {"schedule": "0 3 * * *"}}}}})
    keystone = deployment.cleanup_of(NAMED["keystone"])
    assert keystone is not None
    assert (keystone.enabled, keystone.schedule, keystone.age, keystone.batch) == (True, "0 3 * * *", 30, 500)
    assert deployment.cleanup_of(NAMED["nova"]) is None


def test_rules_of_access_are_asked_for_by_service() -> None:
    deployment = loaded({"features": {"policies": {"nova": {"os_compute_api:servers:create": "rule:admin"}}}})
    assert deployment.policies_of(NAMED["nova"]) == {"os_compute_api:servers:create": "rule:admin"}
    assert deployment.policies_of(NAMED["keystone"]) == {}


@pytest.mark.parametrize(
    ("size", "buses", "timeout"),
    [("single", [], 600), ("tiny", [], 600), ("small", ["compute"], 2400), ("medium", ["compute"], 2400)],
)
def test_the_size_decides_buses_and_patience(size: str, buses: list[str], timeout: int) -> None:
    deployment = loaded({"size": size})
    assert deployment.spec.features.messaging.components_with_dedicated_messaging == buses
    assert deployment.readiness_of(NAMED["nova"]).timeout == timeout


def test_a_list_of_the_operators_replaces_that_of_the_size() -> None:
    spec = {"size": "small", "features": {"messaging": {"components_with_dedicated_messaging": []}}}
    assert loaded(spec).spec.features.messaging.components_with_dedicated_messaging == []


def test_plugins_have_settings_under_their_names() -> None:
    deployment = loaded({"plugins": {"vitrage": {"depth": 3}, "disabled": ["heat"]}}, plugins=["vitrage"])
    assert deployment.spec.plugins.disabled == ["heat"]
    assert disabled_plugins(Source.from_mapping({"spec": {"plugins": {"disabled": ["heat", 3]}}})) == ("heat",)
    assert disabled_plugins(Source.from_mapping({"spec": {"plugins": "none"}})) == ()


def broken(_: OpenStackDeployment) -> Iterator[Problem]:
    yield Problem("found before the accident", path="spec.size")
    raise ZeroDivisionError


@contextmanager
def blaming(service: Service) -> Iterator[None]:
    try:
        yield
    except ZeroDivisionError:
        raise StackloomError(Problem("cannot divide", source=f"plugin {service.name}")) from None


def test_what_a_services_rule_raises_is_attributed_and_hides_nothing() -> None:
    zun = Service(name="zun", type="container", presets=frozenset({"core"}), build=lambda _: None, rules=broken)
    assert messages({"region_name": 5}, (*SERVICES, zun), blame=blaming) == [
        "plugin zun: cannot divide",
        "deployment.yaml: spec.region_name: must be text, not a number. Put it in quotes",
        "deployment.yaml: spec.size: found before the accident",
    ]


def test_a_rule_that_needs_what_is_wrong_waits_for_the_next_run() -> None:
    spec = {"region_name": "", "features": {"keystone": {"token_hours": 48}, "nova": {"images": {"backend": "ceph"}}}}
    found = messages(spec)
    assert [message.split(": ")[1] for message in found] == ["spec.features.nova.images.backend", "spec.region_name"]


def test_two_services_that_model_one_subtree_differently_are_refused() -> None:
    rival = Service(name="zed", type="zed", features=NovaFeatures, features_key="keystone")
    assert messages({}, (*SERVICES, rival)) == [
        "the service 'zed' and another one model spec.features.keystone differently. Give one of them another `features_key`"
    ]


@pytest.mark.parametrize("name", ["copy", "json", "model_dump", "schema", "of-many-words", "1st", "services"])
def test_no_name_of_a_service_collides_with_a_name_of_ours(name: str) -> None:
    odd = Service(name=name, type=f"type-{name}", presets=frozenset({"core"}), build=lambda _: None)
    deployment = loaded({"features": {"logging": {name: {"level": "ERROR"}}}}, (*SERVICES, odd))
    assert deployment.log_level_of(odd) == "ERROR"
