"""What runs in Tempest's Pods: the preparation against a cloud made of answers, the run with a Tempest made of a few lines."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
# A program imports its neighbours, and those of the core, by their bare names.
DIRECTORIES = ("core/stackloom/programs", "plugins/stackloom_openstack/tempest/programs")
UP, DOWN = ({"state": state, "status": "enabled"} for state in ("up", "down"))


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    for directory in DIRECTORIES:
        monkeypatch.syspath_prepend(str(ROOT / directory))


@pytest.fixture
def prepare(programs: None, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = importlib.import_module("tempest_prepare")
    monkeypatch.setattr(module, "NEW_CLOUD_SECONDS", 0)
    monkeypatch.setattr(module, "patiently", lambda action, *_, **__: action())
    return module


class Cloud:
    """The answers of a cloud by service and the start of a path; what is made is remembered."""

    def __init__(self, module: ModuleType, **answers: Any) -> None:
        self.absent = module.Absent
        self.flavors: dict[str, Any] = {}
        self.images: list[dict[str, Any]] = []
        self.uploaded: list[str] = []
        self.networks = [{"id": "net-1"}]
        self.hypervisors = [UP]
        self.volume_services: list[dict[str, str]] | None = None
        vars(self).update(answers)

    def has(self, service: str) -> bool:
        return service != "volume" or self.volume_services is not None

    def get(self, service: str, path: str) -> dict[str, Any]:
        match service, path.partition("?")[0].split("/"):
            case "compute", ["flavors", name]:
                if name not in self.flavors:
                    raise self.absent(name)
                return {"flavor": self.flavors[name]}
            case "compute", ["os-hypervisors", "detail"]:
                return {"hypervisors": self.hypervisors}
            case "image", ["images"]:
                name = unquote(path.partition("name=")[2].partition("&")[0])
                return {"images": [image for image in self.images if image["name"] == name]}
            case "network", ["networks"]:
                return {"networks": self.networks}
            case "volume", ["os-services"]:
                return {"services": self.volume_services}
        raise AssertionError((service, path))

    def post(self, _: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == "flavors":
            self.flavors[body["flavor"]["id"]] = body["flavor"]
            return body
        image = {**body, "id": f"id-of-{body['name']}", "status": "queued"}
        self.images.append(image)
        return image

    def upload(self, path: str, _: bytes) -> None:
        self.uploaded.append(path)
        for image in self.images:
            if path == f"images/{image['id']}/file":
                image["status"] = "active"


def wanted(image: str | None = None, network: str | None = None) -> dict[str, Any]:
    return {"image": image, "floating_network": network}


def test_flavors_are_made_once_and_left_as_somebody_made_them(prepare: Any) -> None:
    cloud = Cloud(prepare, flavors={"small": {"ram": 4096}})
    prepare.settle_flavors(cloud, [{"id": "small", "name": "small", "ram": 64}, {"id": "other", "name": "other"}])
    assert cloud.flavors == {"small": {"ram": 4096}, "other": {"id": "other", "name": "other"}}


def test_two_disks_are_made_that_every_project_may_use_and_none_sees_in_its_list(prepare: Any) -> None:
    cloud = Cloud(prepare)
    first, again = (prepare.found_out(cloud, wanted()) for _ in range(2))
    assert first == again
    assert (first["OS_COMPUTE__IMAGE_REF"], first["OS_COMPUTE__IMAGE_REF_ALT"]) == ("id-of-tempest-1", "id-of-tempest-2")
    assert [image["visibility"] for image in cloud.images] == ["community", "community"]
    assert len(cloud.uploaded) == 2


def test_a_disk_that_an_interrupted_run_left_empty_gets_its_data(prepare: Any) -> None:
    cloud = Cloud(prepare, images=[{"name": "tempest-1", "id": "old", "status": "queued"}])
    assert prepare.own_disk(cloud, "tempest-1") == "old"
    assert cloud.uploaded == ["images/old/file"]


def test_a_named_image_is_used_for_both(prepare: Any) -> None:
    cloud = Cloud(prepare, images=[{"name": "cirros & more", "id": "c", "status": "active"}])
    found = prepare.found_out(cloud, wanted("cirros & more"))
    assert found["OS_COMPUTE__IMAGE_REF"] == found["OS_COMPUTE__IMAGE_REF_ALT"] == "c"


@pytest.mark.parametrize("ids", [[], ["a", "b"]])
def test_a_named_image_must_be_there_and_be_the_only_one(prepare: Any, ids: list[str]) -> None:
    cloud = Cloud(prepare, images=[{"name": "cirros", "id": one, "status": "active"} for one in ids])
    with pytest.raises(prepare.Failure, match=f"there are {len(ids)} images called cirros"):
        prepare.named_image(cloud, "cirros")


@pytest.mark.parametrize(("nodes", "count", "moves"), [([UP], "1", "False"), ([UP, UP, DOWN], "2", "True")])
def test_servers_are_moved_only_where_there_is_another_node(prepare: Any, nodes: Any, count: str, moves: str) -> None:
    found = prepare.found_out(Cloud(prepare, hypervisors=nodes), wanted())
    assert found["OS_COMPUTE__MIN_COMPUTE_NODES"] == count
    names = ("RESIZE", "COLD_MIGRATION", "LIVE_MIGRATION")
    assert [found[f"OS_COMPUTE-FEATURE-ENABLED__{name}"] for name in names] == [moves] * 3


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({"hypervisors": [DOWN]}, "no compute node is up"),
        ({"volume_services": [DOWN]}, "no cinder-volume is up"),
        ({"networks": []}, "there are 0 external networks called public"),
    ],
)
def test_what_a_new_cloud_lacks_is_waited_for(prepare: Any, lacking: Any, said: str) -> None:
    with pytest.raises(prepare.NotYet, match=said):
        prepare.found_out(Cloud(prepare, **lacking), wanted(network="public"))


def test_the_floating_network_is_named_by_its_id(prepare: Any) -> None:
    assert prepare.found_out(Cloud(prepare), wanted(network="public"))["OS_NETWORK__PUBLIC_NETWORK_ID"] == "net-1"
    assert "OS_NETWORK__PUBLIC_NETWORK_ID" not in prepare.found_out(Cloud(prepare), wanted())


@pytest.fixture
def runner(programs: None) -> ModuleType:
    return importlib.import_module("tempest_run")


def ended(runner: Any, *outcomes: str) -> list[Any]:
    return [runner.Test(f"tempest.api.T.test_{i}", one, 1.5, "Traceback\nWhy: \x00") for i, one in enumerate(outcomes)]


def test_a_summary_counts_and_names_what_failed(runner: Any) -> None:
    summary = runner.summary_of(ended(runner, "passed", "failed", "skipped", "passed"), 12.4)
    assert summary == {"passed": 2, "failed": 1, "skipped": 1, "seconds": 12, "failures": ["tempest.api.T.test_1"]}


def test_what_junit_reads_says_why(runner: Any, tmp_path: Path) -> None:
    runner.junit(ended(runner, "passed", "failed", "skipped")).write(tmp_path / "results.xml", encoding="utf-8")
    suite = ElementTree.parse(tmp_path / "results.xml").getroot()  # noqa: S314 - our own
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["skipped"]) == ("3", "1", "1")
    assert [child.tag for case in suite for child in case] == ["failure", "skipped"]
    assert suite[1].attrib["classname"] == "tempest.api.T"
    assert suite[1][0].attrib["message"] == "Why: ?"


def test_only_the_last_runs_stay_and_what_is_not_a_run(runner: Any, tmp_path: Path) -> None:
    for name in ("lost+found", *(f"2026-01-0{day}T00-00-00Z" for day in range(1, 5))):
        (tmp_path / name).mkdir()
    runner.make_room(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-01-03T00-00-00Z", "2026-01-04T00-00-00Z", "lost+found"]


TEMPEST = """\
#!{python}
import os, sys
from pathlib import Path
Path("arguments").write_text(" ".join(sys.argv[1:]))
print("image", os.environ["OS_COMPUTE__IMAGE_REF"])
sys.exit({status})
"""


@pytest.fixture
def ran(runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a plan with a Tempest whose tests end so; the directory of the run, and what failed of it."""

    def run(*outcomes: str, status: int = 0) -> tuple[Path, str]:
        (tmp_path / "bin").mkdir()
        for name, text in (("tempest", TEMPEST), ("stestr", "#!{python}\n")):
            (tmp_path / "bin" / name).write_text(text.format(python=sys.executable, status=status))
            (tmp_path / "bin" / name).chmod(0o755)
        monkeypatch.setattr(runner, "tests_of", lambda _: ended(runner, *outcomes))
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
        (tmp_path / "plan.json").write_text(json.dumps({"include": ["^a", "^b"], "exclude": ["c"], "concurrency": 3, "keep": 2}))
        (tmp_path / "found.json").write_text(json.dumps({"OS_COMPUTE__IMAGE_REF": "disk"}))
        (tmp_path / "results").mkdir()
        said = ""
        try:
            runner.main([str(tmp_path / "plan.json"), str(tmp_path / "results"), str(tmp_path / "found.json")])
        except runner.Failure as failure:
            said = str(failure)
        (directory,) = (tmp_path / "results").iterdir()
        return directory, said

    return run


def test_a_run_tells_tempest_what_was_chosen_and_found_and_keeps_what_it_says(ran: Any) -> None:
    directory, failure = ran("passed", "skipped")
    assert failure == ""
    assert "--concurrency 3 --include-list include.txt --exclude-list exclude.txt" in (directory / "arguments").read_text()
    assert (directory / "include.txt").read_text() == "^a\n^b\n"
    assert (directory / "tempest.txt").read_text() == "image disk\n"
    assert json.loads((directory / "summary.json").read_text())["passed"] == 1


def test_the_log_ends_with_the_summary(ran: Any, capsys: pytest.CaptureFixture[str]) -> None:
    directory, failure = ran("passed", "failed", "failed", status=1)
    assert failure == "2 of the tests did not pass"
    *_, first, second, where, last = capsys.readouterr().out.splitlines()
    assert (first, second) == ("failed: tempest.api.T.test_1", "failed: tempest.api.T.test_2")
    assert (where, last.partition(" in ")[0]) == (f"results: {directory}", "1 passed, 2 failed, 0 skipped")


def test_a_run_without_any_test_that_passed_has_failed(ran: Any) -> None:
    assert "no test passed" in ran("skipped")[1]


def test_a_tempest_that_broke_off_has_failed(ran: Any) -> None:
    assert ran("passed", status=3)[1] == "Tempest ended with status 3"
