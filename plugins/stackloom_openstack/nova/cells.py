"""Databases and cells: one cell with all servers, beside cell0, which every Nova has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

# A cell's row is a template of the process's own URLs, so that it holds no password and none is left behind by a rotation.
_SERVER = "{scheme}://{username}:{password}@{hostname}:{port}"
CELL0 = f"{_SERVER}/nova_cell0?{{query}}"
CELL1 = f"{_SERVER}/{{path}}?{{query}}"
ALREADY_THERE = 2  # what create_cell ends with


def migrate(ctx: ServiceContext, config: Sequence[Any]) -> Any:
    """The databases, their schemas, and the two cells. Any step may be done again."""
    return ctx.migrate_database(
        ["nova-manage", "api_db", "sync"],
        ["nova-manage", "cell_v2", "map_cell0", "--database_connection", CELL0],
        ["nova-manage", "db", "sync"],
        tolerant(
            ["nova-manage", "cell_v2", "create_cell", "--name", "cell1"],
            ["--database_connection", CELL1, "--transport-url", CELL1],
            end=ALREADY_THERE,
        ),
        config=config,
    )


def keep(ctx: ServiceContext, config: Sequence[Any], *, after: Sequence[Any]) -> None:
    """Rows in the form of this release, once it answers; and new compute nodes in the cell.

    The scheduler could look for new nodes itself, but each of its processes would, and they would enter the same one at once.
    """
    ctx.task(
        "online-migrations",
        command=["nova-manage", "db", "online_data_migrations"],
        config=config,
        needs=["database"],
        after=after,
    )
    ctx.task(
        "discover-hosts",
        schedule="*/5 * * * *",
        command=["nova-manage", "cell_v2", "discover_hosts"],
        config=config,
        needs=["database"],
        after=after,
        deadline_seconds=600,
    )


def tolerant(*words: Sequence[str], end: int) -> list[str]:
    """A command that has succeeded as well when it ends with ``end``."""
    command = [word for part in words for word in part]
    return ["bash", "-c", f'"$@" || [ $? -eq {end} ]', command[0], *command]
