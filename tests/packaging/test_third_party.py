"""A stranger's plugin, built and installed like any other: what its author, and an operator who uses it, can rely on."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.conftest import SMALLEST
from tests.distributions import Distributions
from tests.folders import tree
from tests.packaging.environment import ROOT, Environment, built

PLUGIN = ROOT / "tests/thirdparty/stackloom-vitrage"
FEATURES = """
    services: [identity, root-cause]
    network_policies: {node_networks: [192.0.2.0/24]}  # its listeners call with their nodes' addresses
    vitrage:
      snapshots_interval: 300
      snmp: {enabled: true}
  nodes:
    "rack::r1":
      features: {vitrage: {snmp: {port: 1162}}}
"""
CLOUD = SMALLEST.replace("\n    services: [identity]\n", FEATURES)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [built(project, tmp_path_factory.mktemp("wheel")) for project in (ROOT, PLUGIN)]


@pytest.fixture(scope="session")
def environment(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"), wheels)


@pytest.fixture(scope="session")
def made(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the cloud with the plugin's service was made."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "deployment.yaml").write_text(CLOUD)
    done = environment.run("stackloom", "synth", where=folder)
    assert (done.returncode, done.stdout) == (0, "")
    return folder


@pytest.fixture
def workplace(workplace: Path) -> Path:
    """A folder with the deployment of a cloud that has the plugin's service."""
    (workplace / "deployment.yaml").write_text(CLOUD)
    return workplace


def change(workplace: Path, old: str, new: str) -> None:
    text = (workplace / "deployment.yaml").read_text()
    assert text.count(old) == 1
    (workplace / "deployment.yaml").write_text(text.replace(old, new))


def errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr.splitlines()


# -- The wheels --------------------------------------------------------------------------------------------------------


def test_the_projects_wheel_holds_its_packages_under_their_names_and_nothing_else(wheels: list[Path]) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheels[0]).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"stackloom", "stackloom_openstack"}


def test_the_projects_wheel_holds_every_file_of_its_packages(wheels: list[Path]) -> None:
    listed = subprocess.run(["git", "ls-files", "core", "plugins"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    present = {name.partition("/")[2] for name in listed.splitlines() if (ROOT / name).exists()}
    assert present <= set(zipfile.ZipFile(wheels[0]).namelist())


def test_the_plugin_uses_public_names_alone() -> None:
    code = "\n".join(file.read_text() for file in PLUGIN.rglob("*.py"))
    at_run_time = re.sub(r"if TYPE_CHECKING:\n(    .*\n)+", "", code)
    modules = set(re.findall(r"^\s*(?:from|import) (stackloom\S*)", at_run_time, re.MULTILINE))
    assert {name for name in modules if not name.startswith("stackloom_vitrage")} == {"stackloom", "stackloom.fields"}


# -- For the operator --------------------------------------------------------------------------------------------------


def test_its_service_becomes_a_component(made: Path) -> None:
    files = [re.sub(r"-[0-9a-f]{10}\.", ".", file.name) for file in (made / "dist/vitrage").iterdir()]
    assert sorted(files) == [
        "ConfigMap.vitrage-etc.yaml",
        "CronJob.vitrage-purge.yaml",
        "DaemonSet.vitrage-snmp-rack-r1-8dce54.yaml",
        "DaemonSet.vitrage-snmp.yaml",
        "Deployment.vitrage-api.yaml",
        "Deployment.vitrage-graph.yaml",
        "Ingress.vitrage-api.yaml",
        "Job.vitrage-catalogue.yaml",
        "Job.vitrage-create-vitrage.yaml",
        "Job.vitrage-db-sync.yaml",
        "NetworkPolicy.vitrage.yaml",
        "Service.vitrage-api.yaml",
        "ServiceAccount.vitrage.yaml",
    ]


def test_its_settings_reach_its_configuration_by_node(made: Path) -> None:
    data = yaml.safe_load((made / "dist/vitrage/ConfigMap.vitrage-etc.yaml").read_text())["data"]
    assert "snapshots_interval = 300" in data["vitrage.conf"]
    assert "snmp_listening_port = 8162" in data["vitrage.conf"]
    assert "snmp_listening_port = 1162" in data["vitrage-rack-r1-8dce54.conf"]


def test_its_credentials_are_made_with_all_others(made: Path) -> None:
    wanted = yaml.safe_load((made / "dist/credentials/ConfigMap.credentials.yaml").read_text())["data"]["credentials.json"]
    assert {"vitrage-database", "vitrage-service-user"} <= {item["name"] for item in json.loads(wanted)}


def test_keystone_lets_it_in(made: Path) -> None:
    policy = yaml.safe_load((made / "dist/keystone/NetworkPolicy.keystone.yaml").read_text())
    callers = policy["spec"]["ingress"][0]["from"][0]["podSelector"]["matchExpressions"][0]["values"]
    assert "vitrage" in callers


def test_main_py_gives_the_same_bytes_as_the_command(environment: Environment, made: Path, workplace: Path) -> None:
    assert environment.run("python", str(ROOT / "main.py"), str(made / "deployment.yaml"), where=workplace).returncode == 0
    assert tree(workplace / "dist") == tree(made / "dist")


BAD = [
    (
        "snapshots_interval: 300",
        "snapshots_interval: 0",
        "deployment.yaml:14:27: spec.features.vitrage.snapshots_interval: 0 must be at least 1",
    ),
    (
        "snapshots_interval: 300",
        "snapshot_interval: 300",
        "deployment.yaml:14:7: spec.features.vitrage.snapshot_interval: is not a known key. Did you mean 'snapshots_interval'?",
    ),
    (
        "snapshots_interval: 300",
        "evaluator_workers: 2",
        (
            "deployment.yaml:14:26: spec.features.vitrage.evaluator_workers: a cloud of one node has no use for 2 evaluators. "
            "Leave it out, or choose a larger size"
        ),
    ),
    (
        "{port: 1162}",
        "{port: 116200}",
        "deployment.yaml:18:41: spec.nodes.rack::r1.features.vitrage.snmp.port: 116200 must be at most 65535",
    ),
    (
        "root-cause]",
        "root-cuase]",
        "deployment.yaml:11:26: spec.features.services[1]: no plugin offers the service 'root-cuase'. Did you mean 'root-cause'?",
    ),
]


@pytest.mark.parametrize(("good", "bad", "message"), BAD, ids=[bad for _, bad, _ in BAD])
def test_a_mistake_in_its_settings_is_one_message(
    good: str, bad: str, message: str, environment: Environment, workplace: Path
) -> None:
    change(workplace, good, bad)
    assert errors(environment.run("stackloom", "synth", where=workplace)) == [f"error: {message}"]
    assert not (workplace / "dist").exists()


def test_it_does_not_vanish_unless_that_is_confirmed(environment: Environment, workplace: Path) -> None:
    environment.run("stackloom", "synth", where=workplace)
    (workplace / "deployment.yaml").write_text(SMALLEST + "  plugins:\n    disabled: [vitrage]\n")
    gone = "vitrage is in dist and would be removed, and with it what runs in the cluster"
    hint = "If that is meant, confirm it: stackloom synth --allow-removal vitrage, or STACKLOOM_ALLOW_REMOVAL=vitrage"
    assert errors(environment.run("stackloom", "synth", where=workplace)) == [f"error: {gone}. {hint}"]
    assert (workplace / "dist/vitrage/Service.vitrage-api.yaml").exists()
    assert environment.run("stackloom", "synth", "--allow-removal", "vitrage", where=workplace).returncode == 0
    assert not (workplace / "dist/vitrage").exists()


def test_its_removal_may_be_confirmed_in_the_environment(environment: Environment, workplace: Path) -> None:
    environment.run("stackloom", "synth", where=workplace)
    (workplace / "deployment.yaml").write_text(SMALLEST)
    done = environment.run("python", str(ROOT / "main.py"), where=workplace, STACKLOOM_ALLOW_REMOVAL="vitrage")
    assert done.returncode == 0
    assert not (workplace / "dist/vitrage").exists()


def test_when_it_is_disabled_its_service_is_unknown(environment: Environment, workplace: Path) -> None:
    change(workplace, "  nodes:", "  plugins: {disabled: [vitrage]}\n  nodes:")
    messages = errors(environment.run("stackloom", "synth", where=workplace))
    assert any("no plugin offers the service 'root-cause'" in message for message in messages)
    assert any("spec.features.vitrage: is not a known key" in message for message in messages)


# -- For the author ----------------------------------------------------------------------------------------------------


def test_it_is_listed_with_its_distribution_and_version(environment: Environment, tmp_path: Path) -> None:
    listed = environment.run("stackloom", "plugins", where=tmp_path).stdout.splitlines()
    assert "vitrage      root-cause       plugin vitrage (stackloom-vitrage 1.4)" in listed
    assert any(re.fullmatch(r"keystone +identity +plugin keystone \(stackloom [\d.]+\)", line) for line in listed)


def test_its_command_is_one_of_stackloom(environment: Environment, tmp_path: Path) -> None:
    assert "vitrage-template" in environment.run("stackloom", "--help", where=tmp_path).stdout
    done = environment.run("stackloom", "vitrage-template", "host-down", where=tmp_path)
    assert (done.returncode, done.stdout) == (0, "metadata:\n  version: 3\n  type: standard\n  name: host-down\n")


def test_its_settings_are_in_the_schema_and_the_reference(environment: Environment, tmp_path: Path) -> None:
    schema = environment.run("stackloom", "schema", where=tmp_path).stdout
    assert "Seconds between two looks at the whole cloud" in schema
    assert json.loads(schema)
    assert "Seconds between two looks at the whole cloud" in environment.run("stackloom", "reference", where=tmp_path).stdout


def test_its_calls_can_be_watched(environment: Environment, workplace: Path) -> None:
    done = environment.run("python", str(ROOT / "main.py"), where=workplace, STACKLOOM_TRACE_PLUGINS="1")
    calls = [line for line in done.stderr.splitlines() if "vitrage" in line]
    who = "plugin vitrage (stackloom-vitrage 1.4)"
    assert calls == [f"stackloom_services: {who}", f"stackloom_validate: {who}"]


# -- Beside a broken one -----------------------------------------------------------------------------------------------

BROKEN = "error: plugin broken (stackloom-broken 0.3): "


@pytest.mark.parametrize(
    "command",
    [
        ["stackloom", "synth"],
        ["stackloom", "plugins"],
        ["stackloom", "schema"],
        ["stackloom", "vitrage-template", "x"],
        ["python", str(ROOT / "main.py")],
    ],
    ids=" ".join,
)
def test_a_broken_neighbour_stops_every_command_under_its_own_name(
    command: list[str], environment: Environment, workplace: Path, distributions: Distributions
) -> None:
    distributions.add("import does_not_exist")
    (message,) = errors(environment.run(*command, where=workplace, PYTHONPATH=str(distributions.folder)))
    assert message.startswith(f"{BROKEN}ModuleNotFoundError on import, at stackloom_broken.py:3 in <module>: No module named")
    assert not (workplace / "dist").exists()


def test_a_broken_neighbour_can_be_left_out(environment: Environment, workplace: Path, distributions: Distributions) -> None:
    distributions.add("import does_not_exist")
    change(workplace, "  nodes:", "  plugins: {disabled: [broken]}\n  nodes:")
    for command in (["stackloom", "synth"], ["python", str(ROOT / "main.py")]):
        done = environment.run(*command, where=workplace, PYTHONPATH=str(distributions.folder))
        assert (done.returncode, done.stderr.partition(" ")[0]) == (0, "dist:")


def test_a_command_that_is_there_already_is_refused(
    environment: Environment, workplace: Path, distributions: Distributions
) -> None:
    distributions.add("""
        @hookimpl
        def stackloom_commands(app):
            app.command("synth")(lambda: print("mine"))
            app.command("more")(lambda: None)
    """)
    path = str(distributions.folder)
    assert environment.run("stackloom", "synth", where=workplace, PYTHONPATH=path).stdout == ""
    messages = errors(environment.run("stackloom", "more", where=workplace, PYTHONPATH=path))
    assert messages == [f"{BROKEN}the command 'synth' is there already. Give it another name"]
