"""What keeps Cinder in order: its volume types, the services that are gone, rows that were deleted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from stackloom_openstack.cinder.conf import volume_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part
    from stackloom.manifests.files import File

TYPES = "/etc/stackloom/volume-types.json"


def make_volume_types(ctx: ServiceContext, *, after: Sequence[Part]) -> None:
    """A type for each backend. Types that were made otherwise stay as they are."""
    types = [
        {"name": name, "extra_specs": {"volume_backend_name": backend}} for name, backend in volume_types(ctx.deployment).items()
    ]
    if not types:
        return
    ctx.task(
        "volume-types",
        kind="catalogue",
        image="toolbox",
        command=["python3", "/opt/stackloom/programs/volume_types.py", TYPES],
        config=[ctx.program("volume_types.py"), ctx.file(TYPES, json.dumps({"types": types}, indent=2) + "\n")],
        env={**ctx.admin_env(), "VOLUME_URL": ctx.url(ctx.service.type)},
        credentials=False,
        needs=["identity"],
        after=after,
    )


def clean_services(ctx: ServiceContext, config: Sequence[File]) -> None:
    """Forget services whose Pod is gone for good: as the oldest that there is, one would hold back what the others may say."""
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
    ctx.task(
        "service-cleaner",
        schedule="30 */4 * * *",
        command=["python3", "/opt/stackloom/programs/volume_services.py"],
        config=[*config, ctx.program("volume_services.py")],
        env={**ctx.account_env(), "VOLUME_URL": ctx.url(ctx.service.type)},
        account=ctx.account([pods], "cinder-service-cleaner"),
        needs=["database", "identity"],
    )


def purge(ctx: ServiceContext, config: Sequence[File]) -> None:
    """Remove rows of what was deleted long ago."""
    chosen = ctx.deployment.cleanup_of(ctx.service)
    if chosen and chosen.age:
        ctx.clean_database(["cinder-manage", "db", "purge", str(chosen.age)], config=[config])
