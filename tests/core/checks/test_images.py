from __future__ import annotations

from dataclasses import replace

from stackloom.checks.images import used_images
from stackloom.model.placement import NodeRole
from tests.core.checks.cloud import API, FIRST, JOB, POD, changed, cloud

DIGEST = "sha256:" + "0" * 64


def test_an_image_is_listed_once_with_all_that_run_it() -> None:
    found = used_images(cloud())
    assert [image.reference for image in found] == sorted({image.reference for image in found})
    assert {name for image in found for name in image.components} == {"glance", "keystone"}


def test_an_image_may_run_where_a_pod_that_runs_it_may() -> None:
    output = changed(JOB, *FIRST, "image", to="x:1", output=changed(API, *FIRST, "image", to="x:1"))
    for path, role in ((API, NodeRole.COMPUTE), (JOB, NodeRole.CONTROL_PLANE)):
        output = changed(path, *POD, "nodeSelector", to={**role.labels, "rack": "r1"}, output=output)
    (image,) = [i for i in used_images(output) if i.reference == "x:1"]
    assert image.roles == (NodeRole.CONTROL_PLANE, NodeRole.COMPUTE)


def test_an_image_whose_pod_names_no_kind_of_node_may_run_on_each() -> None:
    (image,) = [i for i in used_images(changed(API, *FIRST, "image", to="x:1")) if i.reference == "x:1"]
    assert image.roles == tuple(NodeRole)


def test_an_image_has_a_name_and_may_have_a_digest() -> None:
    images = {i.name: i.digest for i in used_images(changed(API, *FIRST, "image", to=f"r:5000/x:1@{DIGEST}"))}
    assert (images["r:5000/x:1"], images["glance:2025.1"]) == (DIGEST, "")


def test_an_image_of_the_operators_own_charts_alone_is_not_ours() -> None:
    foreign = [replace(o, foreign=True) if o.path == API else o for o in changed(API, *FIRST, "image", to="x:1")]
    assert {i.reference: i.ours for i in used_images(foreign)}.items() >= {"x:1": False, "glance:2025.1": True}.items()
