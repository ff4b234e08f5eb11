from __future__ import annotations

import pytest

from stackloom.images import kolla_image, moved, openstack_image, pinned, placed, registry_and_path
from stackloom.model.image import Image

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(("release", "tag"), [("epoxy", "2025.1"), ("flamingo", "2025.2"), ("gazpacho", "2026.1")])
def test_an_image_of_openstack_has_a_tag_for_each_release(release, tag):
    assert openstack_image("glance").reference(release) == f"quay.io/airshipit/glance:{tag}-ubuntu_noble"


@pytest.mark.parametrize(("release", "tag"), [("epoxy", "2025.1"), ("flamingo", "2025.2"), ("gazpacho", "2026.1")])
def test_an_image_of_kolla_has_a_tag_for_each_release(release, tag):
    assert kolla_image("aodh-api").reference(release) == f"quay.io/openstack.kolla/aodh-api:{tag}-ubuntu-noble"


def test_an_image_has_one_tag_where_a_release_has_none_of_its_own():
    image = Image("registry.example.org/x", "1.2", {"epoxy": "1.1"})
    assert (image.reference("gazpacho"), image.reference("epoxy")) == ("registry.example.org/x:1.2", "registry.example.org/x:1.1")


@pytest.mark.parametrize(
    ("reference", "there"),
    [
        ("quay.io/airshipit/glance:1", "mirror.example.org/airshipit/glance:1"),
        ("registry:5000/glance:1", "mirror.example.org/glance:1"),
        ("localhost/glance:1", "mirror.example.org/glance:1"),
        ("library/memcached:1.6", "mirror.example.org/library/memcached:1.6"),
        ("memcached:1.6", "mirror.example.org/memcached:1.6"),
        (f"quay.io/x@{DIGEST}", f"mirror.example.org/x@{DIGEST}"),
    ],
)
def test_another_registry_holds_an_image_under_the_same_path(reference: str, there: str):
    assert moved(reference, "mirror.example.org") == there


def test_a_mirror_may_hold_images_below_a_path():
    assert (
        moved("quay.io/airshipit/glance:1", "mirror.example.org/openstack/") == "mirror.example.org/openstack/airshipit/glance:1"
    )


def test_without_another_registry_an_image_stays_where_it_is():
    assert moved("quay.io/airshipit/glance:1", None) == "quay.io/airshipit/glance:1"


def test_a_digest_is_added_to_the_tag():
    assert pinned("quay.io/x:1", {"quay.io/x:1": DIGEST}) == f"quay.io/x:1@{DIGEST}"


@pytest.mark.parametrize("reference", ["quay.io/x:2", f"quay.io/x:1@{DIGEST}"])
def test_an_image_without_a_digest_of_its_own_or_with_one_already_is_left_alone(reference: str):
    assert pinned(reference, {"quay.io/x:1": DIGEST}) == reference


@pytest.mark.parametrize("name", ["quay.io/x:1", "mirror.example.org/x:1"])
def test_a_digest_is_recorded_under_the_name_of_the_published_image_or_of_the_mirrors(name: str):
    assert placed("quay.io/x:1", "mirror.example.org", {name: DIGEST}) == f"mirror.example.org/x:1@{DIGEST}"


@pytest.mark.parametrize(
    ("name", "parts"),
    [("quay.io/a/x:1", ("quay.io", "a/x:1")), ("library/x:1", ("docker.io", "library/x:1")), ("x:1", ("docker.io", "x:1"))],
)
def test_an_image_that_names_no_registry_is_docker_hubs(name: str, parts: tuple[str, str]):
    assert registry_and_path(name) == parts
