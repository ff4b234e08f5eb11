from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from stackloom.checks.images import UsedImage
from stackloom.cli import app
from stackloom.errors import StackloomError
from stackloom.image_list import Format, text
from stackloom.images import moved
from stackloom.model.placement import NodeRole

DIGEST = "sha256:" + "0" * 64
OWN = "registry.example.org/keystone:mine"
KEYSTONE, PINNED, REDIS = "quay.io/airshipit/keystone:2026.1", "registry.k8s.io/pause:3.10", "library/redis:8"


def image(reference: str, *components: str, roles: Sequence[NodeRole] = (NodeRole.CONTROL_PLANE,)) -> UsedImage:
    return UsedImage(reference, components or ("keystone",), tuple(roles), ours=True)


def used(registry: str | None) -> list[UsedImage]:
    """A cloud with an image of the operator's own, one that is pinned, and one of Docker Hub."""
    pinned = f"{moved(PINNED, registry)}@{DIGEST}"
    return [
        image(moved(KEYSTONE, registry), "keystone", "tempest"),
        image(OWN),
        image(pinned, roles=(NodeRole.CONTROL_PLANE, NodeRole.COMPUTE)),
        image(moved(REDIS, registry)),
    ]


def written(how: Format, target: str | None = "mirror.example.org/os") -> str:
    return text(how, used, None, target)


def test_the_table_says_who_runs_an_image_and_where() -> None:
    assert written(Format.TABLE).splitlines()[:2] == [
        f"{'IMAGE':{len(PINNED) + len(DIGEST) + 1}}  COMPONENTS         NODES",
        f"{KEYSTONE:{len(PINNED) + len(DIGEST) + 1}}  keystone, tempest  openstack-control-plane",
    ]


def test_programs_read_the_same_as_json() -> None:
    listed = json.loads(written(Format.JSON))
    nodes = ["openstack-control-plane", "openstack-compute-node"]
    assert listed[2] == {"image": f"{PINNED}@{DIGEST}", "components": ["keystone"], "nodes": nodes}
    assert len(listed) == 4


def test_crane_copies_from_where_an_image_is_published_by_its_digest_if_that_is_known() -> None:
    assert written(Format.CRANE).splitlines()[2:] == [
        "set -eu",
        f"crane copy {KEYSTONE} mirror.example.org/os/airshipit/keystone:2026.1",
        f"crane copy registry.k8s.io/pause@{DIGEST} mirror.example.org/os/pause:3.10",
        "crane copy library/redis:8 mirror.example.org/os/library/redis:8",
    ]


def test_skopeo_copies_all_architectures_and_keeps_the_digest() -> None:
    source, target = f"docker://{KEYSTONE}", "docker://mirror.example.org/os/airshipit/keystone:2026.1"
    assert f"skopeo copy --all --preserve-digests {source} {target}" in written(Format.SKOPEO).splitlines()


@pytest.mark.parametrize("how", [Format.CRANE, Format.SKOPEO])
def test_an_image_that_the_operator_names_stays_where_it_is(how: Format) -> None:
    assert "registry.example.org" not in written(how)


def test_a_digest_that_is_recorded_under_the_mirrors_name_is_that_of_what_is_copied() -> None:
    def by_mirror(registry: str | None) -> list[UsedImage]:
        return [image(f"{moved(KEYSTONE, registry)}@{DIGEST}" if registry else KEYSTONE)]

    script = text(Format.CRANE, by_mirror, "mirror.example.org", "mirror.example.org")
    assert f"crane copy quay.io/airshipit/keystone@{DIGEST} mirror.example.org/airshipit/keystone:2026.1" in script


def test_skopeo_sync_reads_what_is_published_by_registry() -> None:
    listed = yaml.safe_load(written(Format.SKOPEO_SYNC, target=None))
    assert listed["docker.io"] == {"images": {"library/redis": ["8"]}}
    assert listed["registry.k8s.io"] == {"images": {"pause": [DIGEST]}}
    assert listed["quay.io"] == {"images": {"airshipit/keystone": ["2026.1"]}}


@pytest.mark.parametrize("how", [Format.CRANE, Format.SKOPEO])
def test_copies_need_a_registry_to_go_to(how: Format) -> None:
    with pytest.raises(StackloomError, match="no registry to copy to. Name it with --registry, or set spec.images.registry"):
        written(how, target=None)


def test_the_command_copies_to_the_mirror_of_the_deployment_from_where_images_are_published(workplace: Path) -> None:
    with (workplace / "deployment.yaml").open("a") as stream:
        stream.write("  images: {registry: mirror.example.org}\n")
    result = CliRunner().invoke(app, ["images", "--format", "crane", "--output", "copy.sh"], catch_exceptions=False)
    assert result.exit_code == 0
    lines = (workplace / "copy.sh").read_text().splitlines()
    name = "airshipit/keystone:2026.1-ubuntu_noble"
    assert f"crane copy quay.io/{name} mirror.example.org/{name}" in lines
    table = CliRunner().invoke(app, ["images"], catch_exceptions=False).stdout
    assert any(line.startswith(f"mirror.example.org/{name} ") for line in table.splitlines())


def test_the_command_lists_a_cloud_that_a_check_refuses(workplace: Path) -> None:
    with (workplace / "deployment.yaml").open("a") as stream:
        stream.write("  images: {require_digests: true}\n")
    result = CliRunner().invoke(app, ["images"], catch_exceptions=False)
    assert "quay.io/airshipit/keystone:2026.1-ubuntu_noble" in result.stdout
