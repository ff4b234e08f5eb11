"""How the harness finds values and makes volumes: tests of the tests' own kubelet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.boot.resolve import NotThereError, Sources, expand, pod_field
from tests.real.boot.volumes import Volumes
from tests.real.cluster import Cluster, Object
from tests.real.programs.cluster import secret_of

pytestmark = pytest.mark.real


def pod(*volumes: Object) -> Object:
    meta = {"name": "one", "labels": {"batch.kubernetes.io/job-name": "job-1"}}
    return {
        "metadata": meta,
        "spec": {"securityContext": {"fsGroup": 0}, "volumes": list(volumes)},
        "status": {"podIP": "10.1.1.1"},
    }


@pytest.mark.parametrize(
    ("text", "expanded"),
    [("$(A)-$(B)", "1-$(B)"), ("$$(A)", "$(A)"), ("$A $", "$A $"), ("$$$(A)", "$1")],
)
def test_variables_are_expanded_as_kubernetes_does(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1"}) == expanded


def test_fields_of_the_pod_are_found_by_their_paths() -> None:
    assert pod_field(pod(), "status.podIP") == "10.1.1.1"
    assert pod_field(pod(), "metadata.labels['batch.kubernetes.io/job-name']") == "job-1"
    assert pod_field(pod(), "metadata.labels['none']") == ""


def test_a_pod_waits_for_its_secrets_and_sees_a_change_as_a_whole(kubernetes: Cluster, namespace: str, tmp_path: Path) -> None:
    volume = {"name": "keys", "projected": {"sources": [{"secret": {"name": "keys"}}], "defaultMode": 0o440}}
    sources = Sources(kubernetes, namespace)
    volumes = Volumes(pod(volume), sources, tmp_path, tmp_path, tmp_path / "host")
    sources.look()
    with pytest.raises(NotThereError, match="no Secret keys"):
        volumes.write()
    for data in ({"0": b"a", "1": b"b"}, {"0": b"c", "2": b"a"}):
        kubernetes.apply([secret_of(namespace, "keys", data)])
        sources.look()
        volumes.write()
        seen = {path.name: path for path in (tmp_path / "keys").iterdir() if not path.name.startswith(".")}
        assert {name: path.read_bytes() for name, path in seen.items()} == data
        assert {path.stat().st_mode & 0o777 for path in seen.values()} == {0o440}
        assert len([path for path in (tmp_path / "keys").iterdir() if path.is_dir() and not path.is_symlink()]) == 1
