"""What is done by the clock: services and rows that are gone, allocations that nobody holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stackloom_openstack.nova.cells import tolerant

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

SILENT_HOURS = 1
ARCHIVED, NOTHING_TO_PURGE = 1, 3  # what the commands end with


def schedule(ctx: ServiceContext, config: Sequence[Any], *, after: Sequence[Any]) -> None:
    """The CronJobs."""
    forget_services(ctx)
    # Says which allocations in Placement belong to no server, and fails if there are any. Whether they go is for a person.
    ctx.task(
        "placement-audit",
        schedule="0 */4 * * *",
        command=["nova-manage", "placement", "audit", "--verbose"],
        config=config,
        needs=["database", "placement"],
        after=after,
    )
    clean(ctx, config)


def forget_services(ctx: ServiceContext) -> None:
    """Services of Pods and nodes that will not come back."""
    ctx.task(
        "service-cleaner",
        schedule="17 * * * *",
        image="toolbox",
        command=["python3", "/opt/stackloom/programs/compute_services.py"],
        config=[ctx.program("compute_services.py")],
        account=ctx.account([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}], "nova-service-cleaner"),
        credentials=False,
        needs=["identity"],
        env={
            **ctx.account_env(),
            "COMPUTE_URL": ctx.url("compute"),
            "SILENT_SECONDS": str(SILENT_HOURS * 3600),
        },
    )


def clean(ctx: ServiceContext, config: Sequence[Any]) -> None:
    """Rows of deleted servers: first into the shadow tables, then out of those."""
    chosen = ctx.deployment.cleanup_of(ctx.service)
    if chosen is None:
        return
    rows = chosen.batch if chosen.batch and chosen.batch > 0 else 1000
    before = f'--before "$(date -d "{chosen.age} days ago" +%F)"' if chosen.age else ""
    archive = f"nova-manage db archive_deleted_rows --all-cells --until-complete --max_rows {rows} {before}".rstrip()
    ctx.clean_database(
        ["bash", "-c", f"{archive} || [ $? -eq {ARCHIVED} ]"],
        tolerant(["nova-manage", "db", "purge", "--all", "--all-cells"], end=NOTHING_TO_PURGE),
        config=config,
    )
