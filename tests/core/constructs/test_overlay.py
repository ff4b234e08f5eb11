"""Files that some Pods read after one that all read, as the operator configures them."""

from __future__ import annotations

from typing import Any

from stackloom import Image, ServiceContext
from stackloom.constructs.options import option_problems
from stackloom.fields import SecretKeyRef, SecretSource, ValueFrom
from stackloom.manifests.pod import Resources
from tests.core.constructs.conftest import Build

PASSWORD = ValueFrom(value_from=SecretSource(secret_key_ref=SecretKeyRef(name="array", key="password")))
IMAGE = Image("registry.example.org/cinder", "1")
AT = {"fast": "spec.features.glance.stores.fast", "DEFAULT": "spec.features.glance.stores.all"}
OF_CINDER = {
    "name": "cinder",
    "type": "block-storage",
    "conf": ("cinder",),
    "schemas": "stackloom_openstack",
    "endpoints": (),
    "images": {"cinder": IMAGE},
}


def overlaid(**given: dict[str, Any]) -> Any:
    def build(ctx: ServiceContext) -> None:
        overlay = ctx.oslo_overlay("cinder.conf", "fast", {"DEFAULT": {"cluster": "one"}}, given=given, at=AT)
        ctx.task("look", command=["look", overlay.path], config=[overlay])

    return build


def test_it_holds_what_is_said_for_these_pods_and_nothing_that_all_are_told(build_service: Build):
    built = build_service(overlaid(DEFAULT={"cluster": "two", "debug": True}), service=OF_CINDER)
    assert built.context.config_files["fast.conf"].text == "[DEFAULT]\ncluster = two\ndebug = true\n"
    assert built.container("Job/cinder-look")["command"] == ["look", "/etc/cinder/fast.conf"]


def test_secrets_in_it_reach_those_who_read_it_as_variables(build_service: Build):
    built = build_service(overlaid(fast={"san_password": PASSWORD}), service=OF_CINDER)
    assert built.env("Job/cinder-look")["OS_FAST__SAN_PASSWORD"] == "array/password"
    assert "san_password" not in built.context.config_files["fast.conf"].text


def test_what_is_wrong_in_it_is_told_where_it_stands(build_service: Build):
    built = build_service(overlaid(DEFAULT={"clster": "one"}), service=OF_CINDER)
    (problem,) = option_problems(built.context)
    assert problem.path == "spec.features.glance.stores.all.clster"


def test_an_image_by_its_whole_name_is_taken_as_it_stands_but_for_its_digest(build_service: Build):
    name, digest = "registry.example.org/vendor/cinder:1", f"sha256:{'0' * 64}"
    spec = {"images": {"registry": "mirror.example.org", "digests": {name: digest}}}
    built = build_service(lambda ctx: ctx.task("look", command=["look"], image=name), spec=spec)
    assert built.container("Job/glance-look")["image"] == f"{name}@{digest}"


def test_the_operators_amounts_are_laid_over_what_a_part_asks_for():
    resources = Resources(cpu="1", memory="1Gi", memory_limit="2Gi", over={"limits": {"memory": "8Gi"}})
    assert resources.body() == {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "8Gi"}}
