from __future__ import annotations

import ast
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from stackloom import OpenStackDeployment, Output
from stackloom.testing.suite import ServiceContract
from stackloom_openstack.horizon import panels, websso
from tests.bad_inputs import USUAL, patched
from tests.plugins.cloud import CORE
from tests.plugins.cloud import cloud as deployment

Manifests = Callable[[dict[str, Any]], list[Output]]
Snapshots = Callable[[Iterable[Output]], None]

THEME = {"name": "ours", "url": "https://example.org/ours.tar.gz", "sha256summ": "0" * 64, "description": "Ours"}


class TestContract(ServiceContract):
    service = "horizon"


def cloud(features: dict[str, Any] | None = None, *services: str, **spec: Any) -> dict[str, Any]:
    """A small cloud of dashboard and identity, and what else is named."""
    chosen = {"services": sorted({"dashboard", "identity", *services})}
    data = patched(USUAL, {"spec": {"size": "small", "features": chosen}})
    return patched(data, {"spec": {**spec, "features": features or {}}})


@pytest.fixture
def found(manifests: Manifests) -> Callable[..., dict[str, Any]]:
    """The bodies of Horizon's objects by kind and name."""

    def of(*args: Any, **kwargs: Any) -> dict[str, Any]:
        return {f"{o.kind}/{o.name}": dict(o.body) for o in manifests(cloud(*args, **kwargs)) if o.component == "horizon"}

    return of


Found = Callable[..., dict[str, Any]]


def pod(found: dict[str, Any]) -> Any:
    return found["Deployment/horizon"]["spec"]["template"]["spec"]


def files(found: dict[str, Any]) -> Any:
    return found["ConfigMap/horizon-etc"]["data"]


def settings(found: dict[str, Any]) -> dict[str, str]:
    """The settings as they are written, by name."""
    tree = ast.parse(files(found)["local_settings.py"])
    return {ast.unparse(n.targets[0]): ast.unparse(n.value) for n in tree.body if isinstance(n, ast.Assign)}


def test_a_small_cloud(manifests: Manifests, assert_snapshots: Snapshots):
    assert_snapshots(o for o in manifests(cloud()) if o.component == "horizon")


def test_no_secret_stands_in_the_settings_and_each_variable_that_they_read_is_there(found: Found):
    objects = found()
    (container,) = (c for c in pod(objects)["containers"] if c["name"] == "horizon")
    env = {e["name"] for e in container["env"]}
    read = {n.slice.value for n in ast.walk(ast.parse(files(objects)["local_settings.py"])) if _is_variable(n)}
    assert read == {"HORIZON_SECRET_KEY", "DB_USER", "DB_PASSWORD"}
    assert read <= env


def _is_variable(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ"


def test_static_files_are_made_before_the_dashboard_starts_and_served_from_there(found: Found):
    objects = found()
    steps = [c["command"][2] for c in pod(objects)["initContainers"] if c["name"].startswith("step-")]
    assert steps == ["collectstatic", "compress"]
    assert "static-map = /static=/var/lib/horizon/static" in files(objects)["horizon-uwsgi.ini"]
    assert settings(objects)["STATIC_ROOT"] == "'/var/lib/horizon/static'"


def test_it_shows_the_panels_of_the_services_that_are_there(found: Found):
    assert settings(found())["_panels"] == "[]"


def test_a_message_is_shown_where_it_is_wanted(found: Found):
    motd = {
        "before": {"level": "error", "message": "<b>Soon</b> {{ x }}", "beforeLogin": True, "afterLogin": False},
        "after": {"level": "info", "message": "Soon"},
    }
    objects = found({"horizon": {"motd": motd}})
    assert {name for name in files(objects) if name.startswith("motd")} == {"motd-after.json"}
    assert '<div class="alert alert-danger text-center"><b>Soon</b> &#123;&#123; x }}</div>' in files(objects)["login.html"]
    assert {"ADD_TEMPLATE_DIRS", "MESSAGES_PATH"} <= settings(objects).keys()
    assert not {"ADD_TEMPLATE_DIRS", "MESSAGES_PATH"} & settings(found()).keys()


def test_a_theme_of_ones_own_is_fetched_first_and_offered(found: Found):
    objects = found({"horizon": {"themes": [THEME], "default_theme": "ours"}})
    names = [c["name"] for c in pod(objects)["initContainers"]]
    assert names.index("themes") < names.index("step-1")
    assert settings(objects)["DEFAULT_THEME"] == "'ours'"
    assert "('ours', 'Ours', '/var/lib/horizon/themes/ours')" in settings(objects)["AVAILABLE_THEMES"]
    assert '"sha256": "' + "0" * 64 in files(objects)["themes.json"]


def test_it_knows_what_the_operator_changed_of_the_rules_of_services(found: Found):
    objects = found({"policies": {"keystone": {"identity:list_users": "role:auditor"}}})
    assert files(objects)["policy-keystone.yaml"] == '{\n  "identity:list_users": "role:auditor"\n}\n'
    assert (
        "'identity': [*_settings.POLICY_DIRS.get('identity', []), '/etc/horizon/policies/keystone']"
        in (settings(objects)["POLICY_DIRS"])
    )


def test_the_providers_of_keystone_are_offered_for_log_in(found: Found):
    keystone = {"keycloak": {"enabled": True, "url": "https://keycloak.example.org"}}
    image = {"identity": {"keystone": {"values": {"images": {"keystone": "registry.example.org/keystone-with-openid:1"}}}}}
    objects = settings(found({"keystone": keystone}, services=image))
    assert objects["WEBSSO_IDP_MAPPING"] == "{'keycloak': ('keycloak', 'mapped')}"
    assert objects["WEBSSO_KEYSTONE_URL"] == "'https://keystone.cloud.example.org/v3'"
    assert "WEBSSO_ENABLED" not in settings(found())


def test_settings_of_the_operator_come_last_and_mappings_are_laid_over_what_they_are(found: Found):
    conf = {
        "DEFAULT": {"SESSION_TIMEOUT": 7200, "SITE_BRANDING": {"value_from": {"secret_key_ref": {"name": "a", "key": "b"}}}},
        "OPENSTACK_NEUTRON_NETWORK": {"enable_ha_router": True},
    }
    objects = found(services={"dashboard": {"horizon": {"values": {"conf": {"local_settings": conf}}}}})
    assert list(settings(objects))[-3:] == ["SESSION_TIMEOUT", "SITE_BRANDING", "OPENSTACK_NEUTRON_NETWORK"]
    assert settings(objects)["SITE_BRANDING"] == "os.environ['HORIZON_SITE_BRANDING']"
    (container,) = (c for c in pod(objects)["containers"] if c["name"] == "horizon")
    assert {"name": "a", "key": "b"} in [e.get("valueFrom", {}).get("secretKeyRef") for e in container["env"]]


def test_old_sessions_are_removed_by_the_clock_or_not(found: Found):
    assert found()["CronJob/horizon-db-purge"]["spec"]["schedule"] == "1 8 * * 1"
    off = {"database": {"cleanup": {"horizon": {"enabled": False}}}}
    assert "CronJob/horizon-db-purge" not in found(off)


def test_settings_are_a_module_that_runs_where_horizon_does(found: Found, monkeypatch: pytest.MonkeyPatch):
    named = {"local_settings": {"DEFAULT": {"SITE_BRANDING": 'it\'s "quoted"\\\nand long'}}}
    text = files(found(services={"dashboard": {"horizon": {"values": {"conf": named}}}}))["local_settings.py"]
    for name in ("HORIZON_SECRET_KEY", "DB_USER", "DB_PASSWORD"):
        monkeypatch.setenv(name, name)
    before, driver = types.ModuleType("openstack_dashboard.settings"), types.ModuleType("pymysql")
    before.HORIZON_CONFIG = {"help_url": "https://docs.openstack.org/"}  # type: ignore[attr-defined]
    driver.install_as_MySQLdb = lambda: None  # type: ignore[attr-defined]
    enabled = types.ModuleType("openstack_dashboard.local.enabled")
    for module in (before, driver, enabled):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    namespace: dict[str, Any] = {}
    exec(compile(text, "local_settings.py", "exec"), namespace)  # noqa: S102 - ours
    assert namespace["SECRET_KEY"] == "HORIZON_SECRET_KEY"
    assert namespace["ALLOWED_HOSTS"][0] == "horizon.cloud.example.org"
    assert namespace["SITE_BRANDING"] == 'it\'s "quoted"\\\nand long'


@pytest.mark.parametrize(
    ("service_type", "package"),
    [
        ("orchestration", "heat_dashboard.enabled"),
        ("dns", "designatedashboard.enabled"),
        ("instance-ha", "masakaridashboard.local.enabled"),
        ("load-balancer", "octavia_dashboard.enabled"),
    ],
)
def test_panels_of_other_packages_are_shown_where_their_service_is(service_type: str, package: str):
    deployed = deployment({"services": [*CORE, "key-manager", service_type]})
    assert panels.panels(seen(deployed)) == [package]


def test_rules_that_name_others_are_left_to_services_of_which_horizon_knows_none():
    rules = {"create_zone": "rule:admin", "delete_zone": "role:boss or rule:create_pool", "create_pool": "role:boss"}
    deployed = deployment({"services": ["identity", "dashboard", "dns"], "policies": {"designate": rules}})
    ((policies, known),) = panels.changed_policies(seen(deployed)).items()
    assert (policies.kind, set(known)) == ("dns", {"delete_zone", "create_pool"})


def test_a_provider_that_is_off_is_not_offered():
    one = {"issuer": "https://sso.example.org", "description": "Staff"}
    federation = {"openid": {"enabled": True, "providers": {"a": one, "b": {**one, "enabled": False}}}}
    image = {"identity": {"keystone": {"values": {"images": {"keystone": "registry.example.org/keystone:1"}}}}}
    deployed = deployment({"keystone": {"federation": federation}}, services=image)
    assert websso.providers(deployed.features_of("keystone").model_dump()) == {"a": "Staff"}


def seen(deployed: OpenStackDeployment) -> Any:
    return types.SimpleNamespace(deployment=deployed)
