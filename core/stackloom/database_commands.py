"""``stackloom db``: what an operator orders of the databases, as manifests. Nothing here talks to a cluster: kubectl does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from stackloom.errors import Problem, StackloomError, did_you_mean
from stackloom.infra.mariadb import server_hosts, servers
from stackloom.infra.mariadb_backup import STATE, restore_objects

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

FORCE = "stackloom.io/force-bootstrap"
LATEST = "latest"
_BACKUP_ID = re.compile(r"\d{8}T\d{6}Z-(full|incremental)")


def force_bootstrap(ctx: ServiceContext, pod: str) -> list[dict[str, Any]]:
    """The order to start the cluster with the data of one server, although others may hold newer ones."""
    known = servers(ctx)
    if pod not in known:
        raise StackloomError(Problem(f"this cloud has no server {pod!r}", did_you_mean(pod, known)))
    metadata = {"name": STATE, "namespace": ctx.namespace, "annotations": {FORCE: pod}}
    return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}]


def restore(ctx: ServiceContext, to: str) -> Sequence[dict[str, Any]]:
    """The Job that restores all databases to a time (with its zone), to a backup by its id, or to the "latest" state there is."""
    if not ctx.deployment.spec.features.database.backup.enabled:
        what = "this cloud keeps no backups, so there is nothing to restore from"
        raise StackloomError(Problem(what, "Set spec.features.database.backup.enabled"))
    return restore_objects(ctx, server_hosts(ctx), _moment(to))


def _moment(to: str) -> str:
    """The time in UTC, or what else can be restored, as it is."""
    try:
        time = datetime.fromisoformat(to)
    except ValueError:
        if to == LATEST or _BACKUP_ID.fullmatch(to):
            return to
        what = f"{to!r} is no time, no backup's id, and not latest"
        raise StackloomError(Problem(what, "Write a time like 2026-01-02T03:04:05Z")) from None
    if time.tzinfo is None:
        raise StackloomError(Problem(f"{to!r} may mean several moments", "Add the zone: Z for UTC, or like +02:00"))
    if time > datetime.now(UTC) + timedelta(minutes=5):
        raise StackloomError(Problem(f"{to!r} has not come yet", "Write latest for all that there is"))
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
