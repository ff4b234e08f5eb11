from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from stackloom.checks import digests
from stackloom.checks.images import used_images
from stackloom.model.output import Output
from stackloom.spec.operations import Images
from tests.core.checks.cloud import API, CONTEXT, FIRST, POD, changed, cloud, said

DIGEST = "sha256:" + "0" * 64


def problems(output: Iterable[Output], **images: Any) -> list[str]:
    return said(digests.check, output, replace(CONTEXT, images=Images(**images)))


def pinned() -> list[Output]:
    """The sample, with every image but the first of Keystone's API named by digest."""
    output = cloud()
    for o in output:
        for container in _containers(o):
            container["image"] = f"{container['image'].partition('@')[0]}@{DIGEST}"
    return changed(API, *FIRST, "image", to="quay.io/keystone:1", output=output)


def _containers(o: Output) -> list[dict[str, Any]]:
    spec = o.body.get("spec", {})
    pod = spec.get("jobTemplate", {}).get("spec", spec).get("template", {}).get("spec", {})
    return [*pod.get("initContainers", []), *pod.get("containers", [])]


def test_an_image_without_a_digest_is_no_problem_unless_digests_are_required() -> None:
    assert problems(cloud()) == []


def test_where_digests_are_required_each_image_without_one_is_named_with_the_line_to_write() -> None:
    assert problems(pinned(), require_digests=True) == [
        (
            "spec.images.digests: the image quay.io/keystone:1 has no digest (it is used by keystone). Add this line, with the "
            "digest that `crane digest quay.io/keystone:1` prints: quay.io/keystone:1: sha256:<64 digits>"
        )
    ]


def test_all_images_without_a_digest_are_reported_at_once() -> None:
    without = [image.name for image in used_images(cloud()) if not image.digest]
    assert len(problems(cloud(), require_digests=True)) == len(without) > 1


def test_an_image_of_the_operators_own_chart_gets_its_digest_there() -> None:
    output = [replace(o, foreign=True) if o.path == API else o for o in pinned()]
    assert problems(output, require_digests=True) == [
        (
            "spec.images.require_digests: the image quay.io/keystone:1 has no digest (it is used by keystone). "
            "Write it with its digest (@sha256:...) in the chart"
        )
    ]


def test_a_digest_of_no_image_is_misspelt() -> None:
    assert problems(pinned(), digests={"quay.io/keystonne:1": DIGEST}) == [
        "spec.images.digests[\"quay.io/keystonne:1\"]: the cloud has no image of this name. Did you mean 'quay.io/keystone:1'?"
    ]


def test_a_digest_may_be_recorded_under_the_published_name_or_that_of_the_mirror() -> None:
    output = changed(API, *POD, "containers", 0, "image", to=f"mirror.example.org/keystone:1@{DIGEST}")
    for name in ("quay.io/keystone:1", "mirror.example.org/keystone:1"):
        assert problems(output, registry="mirror.example.org", digests={name: DIGEST}) == []
    assert len(problems(output, digests={"quay.io/keystone:1": DIGEST})) == 1
