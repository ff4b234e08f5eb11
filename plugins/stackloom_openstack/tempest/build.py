"""Tempest's manifests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict

from stackloom import Container, Mount, Resources
from stackloom_openstack.tempest.conf import FLAVORS, floating_network, of_absent_services, sections
from stackloom_openstack.tempest.features import TempestFeatures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Files
    from stackloom.manifests.pod import Env

RESULTS, CLAIM = "/results", "tempest-results"
# What the preparation finds out about the cloud, as variables of the tests.
SHARED = "/run/tempest"
FOUND = f"{SHARED}/found.json"


class Run(TypedDict):
    """What all runs have in common."""

    kind: str
    once: bool
    needs: Sequence[str]
    deadline_seconds: int
    command: Sequence[str]
    config: Files
    env: Env
    init: Sequence[Container]
    mounts: Sequence[Mount]
    writable: Sequence[str]
    resources: Resources


def build(ctx: ServiceContext) -> None:
    """A Job that tests the cloud as it is now, a CronJob for all other runs, and the volume of their results.

    The Job's name follows its content: a new release of OpenStack, or another choice of tests, is tested once more.
    """
    features = ctx.features_as(TempestFeatures)
    claim(ctx, features)
    run = tests(ctx, features)
    ctx.task("run", **run)
    # Without a schedule it is what whoever wants another run makes a Job of.
    ctx.task("run", schedule=features.schedule or "@yearly", suspend=features.schedule is None, **run)


def tests(ctx: ServiceContext, features: TempestFeatures) -> Run:
    """A run: the cloud is given what the tests need of it, then they run."""
    chosen = {
        "include": features.include,
        "exclude": [*features.exclude, *of_absent_services(ctx)],
        "concurrency": features.concurrency,
        "keep": features.results.keep,
    }
    plan = ctx.file("/etc/stackloom/tests.json", json.dumps(chosen, indent=2) + "\n")
    # A public console is the one thing that tests call from outside.
    if any(ctx.deployment.feature(f"nova.console.{kind}.enabled") for kind in ("novnc", "spice")):
        ctx.allow_egress(443)
    admin = ctx.admin_env()
    return {
        "kind": "catalogue",  # the task that may be the cloud's administrator
        "once": True,  # what a failed test says is not changed by trying it again
        "deadline_seconds": features.timeout,
        "needs": sorted(type_ for type_ in ctx.service.needs if ctx.graph.provides(type_)),  # all that is tested
        "command": ["python3", "/opt/stackloom/programs/tempest_run.py", plan.path, RESULTS, FOUND],
        "config": [ctx.oslo_config("tempest.conf", sections(ctx)), plan, ctx.program("tempest_run.py")],
        "env": {
            "OS_AUTH__ADMIN_USERNAME": admin["OS_USERNAME"],
            "OS_AUTH__ADMIN_PASSWORD": admin["OS_PASSWORD"],
            "OS_AUTH__ADMIN_PROJECT_NAME": admin["OS_PROJECT_NAME"],
            "OS_AUTH__ADMIN_DOMAIN_NAME": admin["OS_USER_DOMAIN_NAME"],
            "HOME": "/tmp",  # noqa: S108 - in the container, whose user has no other
        },
        "init": [preparation(ctx, features)],
        "mounts": [Mount.claim(RESULTS, CLAIM)],
        "writable": [SHARED],
        # Each of the tests that run at a time is a process.
        "resources": Resources(cpu="500m", memory="512Mi", memory_limit=f"{512 + 512 * features.concurrency}Mi"),
    }


def preparation(ctx: ServiceContext, features: TempestFeatures) -> Container:
    """The init container that makes flavors and images, and finds out what only the cloud itself knows."""
    wanted = {"flavors": FLAVORS, "image": features.image, "floating_network": floating_network(ctx)}
    file = ctx.file("/etc/stackloom/prepare.json", json.dumps(wanted, indent=2) + "\n")
    return Container(
        name="prepare",
        image=ctx.image("toolbox"),
        command=["python3", "/opt/stackloom/programs/tempest_prepare.py", file.path, FOUND],
        files=[file, *ctx.program("tempest_prepare.py")],
        env={
            **ctx.admin_env(),
            "COMPUTE_URL": ctx.url("compute"),
            "IMAGE_URL": ctx.url("image"),
            "NETWORK_URL": ctx.url("networking"),
            **({"VOLUME_URL": ctx.url("block-storage")} if ctx.graph.provides("block-storage") else {}),
        },
        writable=[SHARED],
        resources=Resources(cpu="50m", memory="128Mi", memory_limit="256Mi").body(),
    )


def claim(ctx: ServiceContext, features: TempestFeatures) -> None:
    """The volume of the results, which outlives the Jobs."""
    name = features.results.storage_class_name
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": features.results.size}},
        "volumeMode": "Filesystem",
        **({"storageClassName": name} if name else {}),
    }
    ctx.component.add(ctx.identity(CLAIM, "results").body("v1", "PersistentVolumeClaim", spec=spec))
