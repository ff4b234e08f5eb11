from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cdk8s
import pytest
import yaml

from stackloom import StackloomError
from stackloom.app import Cloud, deployment_path
from stackloom.spec.deployment import Metadata, OpenStackDeployment, Spec
from stackloom.spec.features import Features
from tests.folders import names, tree

ROOT = Path(__file__).parents[2]
API = "keystone/Deployment.keystone-api.yaml"


def refused(cloud: Cloud) -> list[str]:
    """The problems for which a cloud is not written."""
    with pytest.raises(StackloomError) as error:
        cloud.synth()
    return [str(problem) for problem in error.value.problems]


def a_chart(cloud: Cloud, name: str = "mine", **body: object) -> cdk8s.Chart:
    """A chart of the operator's own with one ConfigMap."""
    chart = cdk8s.Chart(cloud.app, name, namespace="openstack", disable_resource_name_hashes=True)
    cdk8s.ApiObject(chart, "motd", api_version="v1", kind="ConfigMap", metadata=cdk8s.ApiObjectMetadata(name=f"{name}-motd"))
    return chart


# -- What is written ---------------------------------------------------------------------------------------------------


def test_each_object_is_written_as_a_file_of_its_component(workplace: Path) -> None:
    cloud = Cloud("deployment.yaml")
    written = cloud.synth()
    files = {name: yaml.safe_load(text) for name, text in tree(workplace / "dist").items()}
    assert files == {o.file: o.body for o in cloud.output()}
    components = {name.split("/")[0] for name in files}
    assert {"base", "credentials", "keystone"} < components
    assert str(written) == f"dist: {len(files)} objects in {len(components)} components"


def test_a_deployment_written_in_python_gives_the_same_objects(workplace: Path) -> None:
    features = Features(services=["identity"])
    spec = Spec(
        openstack_version="gazpacho", preset="core", size="single", public_domain_name="cloud.example.org", features=features
    )
    written = OpenStackDeployment(metadata=Metadata(name="cloud"), spec=spec)
    assert Cloud(written).output() == Cloud("deployment.yaml").output()


def test_a_mistake_in_a_deployment_written_in_python_names_the_program(workplace: Path) -> None:
    features = Features(services=["identitty"])
    spec = Spec(
        openstack_version="gazpacho", preset="core", size="single", public_domain_name="cloud.example.org", features=features
    )
    with pytest.raises(StackloomError) as error:
        Cloud(OpenStackDeployment(metadata=Metadata(name="cloud"), spec=spec))
    message = "main.py: spec.features.services[0]: no plugin offers the service 'identitty'. Did you mean 'identity'?"
    assert str(error.value) == message


def test_a_second_run_changes_nothing_and_leaves_nothing_beside_the_output(workplace: Path) -> None:
    Cloud("deployment.yaml").synth()
    before = tree(workplace)
    Cloud("deployment.yaml").synth()
    assert tree(workplace) == before
    assert names(workplace) == ["deployment.yaml", "dist"]


def test_a_file_that_is_not_made_any_more_vanishes(workplace: Path) -> None:
    Cloud("deployment.yaml").synth()
    (workplace / "dist/keystone/ConfigMap.old.yaml").write_text("kind: ConfigMap\n")
    Cloud("deployment.yaml").synth()
    assert "keystone/ConfigMap.old.yaml" not in tree(workplace / "dist")


def test_what_a_run_that_was_cut_short_left_behind_does_not_come_into_the_output(workplace: Path) -> None:
    (workplace / ".dist.new/keystone").mkdir(parents=True)
    (workplace / ".dist.new/keystone/Secret.half.yaml").write_text("kind: Secret\n")
    Cloud("deployment.yaml").synth()
    assert "keystone/Secret.half.yaml" not in tree(workplace / "dist")
    assert not (workplace / ".dist.new").exists()


# -- Where it is read from and written to ------------------------------------------------------------------------------


def test_the_output_goes_where_cdk8s_wants_it(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK8S_OUTDIR", "made/for/cdk8s")
    assert Cloud("deployment.yaml").synth().folder == Path("made/for/cdk8s")
    assert API in tree(workplace / "made/for/cdk8s")
    assert not (workplace / "dist").exists()


def test_an_empty_variable_is_no_folder(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK8S_OUTDIR", "")
    assert Cloud("deployment.yaml").outdir == Path("dist")


def test_the_deployment_is_the_first_argument_or_the_variable_or_the_usual_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deployment_path([]) == "deployment.yaml"
    monkeypatch.setenv("STACKLOOM_DEPLOYMENT", "clouds/two.yaml")
    assert deployment_path([]) == "clouds/two.yaml"
    assert deployment_path(["clouds/three.yaml"]) == "clouds/three.yaml"


def test_a_link_to_the_output_stays_a_link(workplace: Path) -> None:
    (workplace / "elsewhere").mkdir()
    (workplace / "dist").symlink_to("elsewhere")
    for _ in range(2):
        Cloud("deployment.yaml").synth()
        assert (workplace / "dist").is_symlink()
        assert API in tree(workplace / "elsewhere")


@pytest.mark.parametrize("foreign", ["README.md", "keystone/notes.txt", "keystone/nested/ConfigMap.x.yaml"])
def test_a_folder_that_holds_anything_else_is_left_alone(foreign: str, workplace: Path) -> None:
    file = workplace / "dist" / foreign
    file.parent.mkdir(parents=True)
    file.write_text("mine\n")
    with pytest.raises(StackloomError) as error:
        Cloud("deployment.yaml").synth()
    named = foreign if foreign.count("/") < 2 else "keystone/nested"
    hint = "Choose another folder with CDK8S_OUTDIR, or move the file away"
    assert str(error.value) == f"dist holds {named}, which is not part of an output and would be lost. {hint}"
    assert file.read_text() == "mine\n"


def test_a_file_in_the_place_of_the_output_is_left_alone(workplace: Path) -> None:
    (workplace / "dist").write_text("mine\n")
    with pytest.raises(StackloomError) as error:
        Cloud("deployment.yaml").synth()
    assert str(error.value) == "dist is not a folder. Choose another folder with CDK8S_OUTDIR, or move the file away"
    assert (workplace / "dist").read_text() == "mine\n"


def test_a_folder_that_cannot_be_made_is_one_message(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK8S_OUTDIR", "deployment.yaml/dist")
    with pytest.raises(StackloomError) as error:
        Cloud("deployment.yaml").synth()
    assert str(error.value) == "deployment.yaml/dist cannot be written: Not a directory. Choose another folder with CDK8S_OUTDIR"


# -- All or nothing ----------------------------------------------------------------------------------------------------


def test_a_problem_leaves_the_old_output_as_it_was(workplace: Path) -> None:
    Cloud("deployment.yaml").synth()
    before = tree(workplace)
    cloud = Cloud("deployment.yaml")
    cloud.component("keystone").manifests[0].body["spec"]["replicsa"] = 3
    assert any("replicsa" in message for message in refused(cloud))
    assert tree(workplace) == before


def test_without_an_old_output_a_problem_leaves_none(workplace: Path) -> None:
    cloud = Cloud("deployment.yaml")
    cloud.component("keystone").manifests[0].body["kind"] = "Deploiment"
    assert refused(cloud)
    assert names(workplace) == ["deployment.yaml"]


def test_every_mistake_of_a_deployment_is_reported_with_its_line(workplace: Path) -> None:
    text = (workplace / "deployment.yaml").read_text()
    (workplace / "deployment.yaml").write_text(text.replace("single", "huge").replace("[identity]", "[identity, imgae]"))
    with pytest.raises(StackloomError) as error:
        Cloud("deployment.yaml")
    assert [str(problem) for problem in error.value.problems] == [
        "deployment.yaml:8:9: spec.size: 'huge' is not one of single, tiny, small, medium",
        "deployment.yaml:11:26: spec.features.services[1]: no plugin offers the service 'imgae'. Did you mean 'image'?",
    ]


# -- Constructs of the operator's own ----------------------------------------------------------------------------------


def test_charts_of_ones_own_are_written_beside_the_components(workplace: Path) -> None:
    import cdk8s_plus_27 as kplus

    cloud = Cloud("deployment.yaml")
    chart = cdk8s.Chart(cloud.app, "mine", namespace="openstack", disable_resource_name_hashes=True)
    kplus.ConfigMap(chart, "motd", metadata={"name": "motd"}, data={"motd": "hello"})
    container = kplus.ContainerProps(image="registry.example.org/web:1.0", port_number=8080)
    kplus.Deployment(chart, "web", metadata={"name": "web"}, containers=[container], replicas=2)
    cloud.synth()
    files = tree(workplace / "dist/mine")
    assert yaml.safe_load(files["ConfigMap.motd.yaml"])["data"] == {"motd": "hello"}
    assert yaml.safe_load(files["Deployment.web.yaml"])["spec"]["replicas"] == 2


def test_charts_of_ones_own_are_checked_like_the_components(workplace: Path) -> None:
    cloud = Cloud("deployment.yaml")
    chart = a_chart(cloud)
    meta = cdk8s.ApiObjectMetadata(name="keystone-etc")
    cdk8s.ApiObject(chart, "same", api_version="v1", kind="ConfigMap", metadata=meta)
    (message,) = refused(cloud)
    assert message.startswith("mine/ConfigMap/keystone-etc: metadata.name: the component 'keystone' (plugin keystone (stackloom ")


def test_an_object_may_be_changed_in_place(workplace: Path) -> None:
    cloud = Cloud("deployment.yaml")
    for manifest in cloud.component("keystone").manifests:
        if manifest.body["kind"] == "Deployment":
            manifest.body["spec"]["template"]["spec"]["priorityClassName"] = "system-cluster-critical"
    cloud.synth()
    pod = yaml.safe_load((workplace / "dist" / API).read_text())["spec"]["template"]["spec"]
    assert pod["priorityClassName"] == "system-cluster-critical"


def test_an_object_may_be_patched_as_any_of_cdk8s(workplace: Path) -> None:
    cloud = Cloud("deployment.yaml")
    api = next(m for m in cloud.component("keystone").manifests if m.name == "keystone-api" and m.kind == "Deployment")
    api.add_json_patch(cdk8s.JsonPatch.add("/spec/minReadySeconds", 7))
    cloud.synth()
    assert yaml.safe_load((workplace / "dist" / API).read_text())["spec"]["minReadySeconds"] == 7


def test_an_object_that_is_added_to_a_component_gets_its_wave(workplace: Path) -> None:
    cloud = Cloud("deployment.yaml")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "motd", "namespace": "openstack"}, "data": {"a": "b"}}
    cloud.component("keystone").add(body)
    added = next(o for o in cloud.output() if o.name == "motd")
    etc = next(o for o in cloud.output() if o.name == "keystone-etc")
    assert added.body["metadata"]["annotations"] == etc.body["metadata"]["annotations"]


def test_a_wave_that_is_changed_by_hand_stays(workplace: Path) -> None:
    cloud = Cloud("deployment.yaml")
    wave = {"argocd.argoproj.io/sync-wave": "-5"}
    cloud.component("keystone").manifests[0].body["metadata"]["annotations"] = wave
    assert any(o.body["metadata"]["annotations"] == wave for o in cloud.output())


def test_a_component_that_is_not_there_is_named_with_the_nearest(workplace: Path) -> None:
    with pytest.raises(StackloomError) as error:
        Cloud("deployment.yaml").component("keystne")
    assert str(error.value) == "this cloud has no component 'keystne'. Did you mean 'keystone'?"


def test_a_validation_of_a_construct_stops_the_run(workplace: Path) -> None:
    import jsii
    from constructs import IValidation

    @jsii.implements(IValidation)
    class Never:
        def validate(self) -> list[str]:
            return ["the moon is full"]

    cloud = Cloud("deployment.yaml")
    a_chart(cloud).node.add_validation(Never())
    assert refused(cloud) == ["[mine] the moon is full. Found by a validation of a construct"]


def test_a_chart_that_cdk8s_cannot_render_is_one_message(workplace: Path) -> None:
    import cdk8s_plus_27 as kplus

    cloud = Cloud("deployment.yaml")
    chart = cdk8s.Chart(cloud.app, "mine", namespace="openstack")
    kplus.Deployment(chart, "web", replicas=1)
    (message,) = refused(cloud)
    assert message.startswith("mine: Failed serializing construct at path 'mine/web/Resource'")
    assert message.endswith(": PodSpec must have at least 1 container. Found by cdk8s in rendering the chart")


def test_argo_cd_takes_a_chart_of_ones_own_too(workplace: Path) -> None:
    text = (workplace / "deployment.yaml").read_text()
    (workplace / "deployment.yaml").write_text(text + "  argocd:\n    repository: https://git.example.org/cloud.git\n")
    cloud = Cloud("deployment.yaml")
    a_chart(cloud)
    applications = {o.name: o.body["spec"]["source"]["path"] for o in cloud.output() if o.kind == "Application"}
    assert applications["cloud-mine"] == "dist/mine"
    assert set(applications) == {f"cloud-{component}" for component in {o.component for o in cloud.output()} - {"argocd"}}


# -- Plugins -----------------------------------------------------------------------------------------------------------


def test_a_disabled_plugin_that_is_not_there_is_reported_with_its_line(workplace: Path) -> None:
    text = (workplace / "deployment.yaml").read_text()
    (workplace / "deployment.yaml").write_text(text + "  plugins:\n    disabled: [tempest, vitrge, horizn]\n")
    with pytest.raises(StackloomError) as error:
        Cloud("deployment.yaml")
    assert [str(problem).partition(". ")[0] for problem in error.value.problems] == [
        "deployment.yaml:13:25: spec.plugins.disabled[1]: no plugin is called 'vitrge'",
        "deployment.yaml:13:33: spec.plugins.disabled[2]: no plugin is called 'horizn'",
    ]


# -- Removal -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_removed(workplace: Path) -> Path:
    """An output that had a component more."""
    Cloud("deployment.yaml").synth()
    (workplace / "dist/vitrage").mkdir()
    (workplace / "dist/vitrage/ConfigMap.vitrage-etc.yaml").write_text("kind: ConfigMap\n")
    return workplace


GONE = (
    "vitrage is in dist and would be removed, and with it what runs in the cluster. If that is meant, confirm it:"
    " stackloom synth --allow-removal vitrage, or STACKLOOM_ALLOW_REMOVAL=vitrage"
)


def test_a_component_does_not_vanish_unless_that_is_confirmed(with_removed: Path) -> None:
    before = tree(with_removed)
    assert refused(Cloud("deployment.yaml")) == [GONE]
    assert tree(with_removed) == before


def test_a_removal_is_confirmed_by_name(with_removed: Path) -> None:
    Cloud("deployment.yaml").synth(allow_removal=["vitrage"])
    assert not (with_removed / "dist/vitrage").exists()


@pytest.mark.parametrize("confirmed", ["vitrage", "glance,vitrage", "glance, vitrage"])
def test_a_removal_is_confirmed_in_the_environment(confirmed: str, with_removed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKLOOM_ALLOW_REMOVAL", confirmed)
    Cloud("deployment.yaml").synth()
    assert not (with_removed / "dist/vitrage").exists()


def test_where_the_output_is_gone_git_remembers_it(with_removed: Path) -> None:
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=with_removed, check=True)
    subprocess.run(["rm", "-rf", "dist"], cwd=with_removed, check=True)
    assert refused(Cloud("deployment.yaml")) == [GONE]
    Cloud("deployment.yaml").synth(allow_removal=["vitrage"])


# -- The same bytes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "locale"), [("0", "C"), ("4242", "tr_TR.UTF-8")])
def test_the_output_is_the_same_under_any_hash_seed_and_locale(seed: str, locale: str, workplace: Path) -> None:
    Cloud("deployment.yaml").synth()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONHASHSEED": seed,
        "LC_ALL": locale,
        "CDK8S_OUTDIR": "other",
        "TZ": "Asia/Tokyo",
    }
    command = [sys.executable, str(ROOT / "main.py"), str(workplace / "deployment.yaml")]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    assert tree(workplace / "other") == tree(workplace / "dist")
