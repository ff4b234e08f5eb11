"""Ask the program that keeps the backups: ``mariadb_backup_ask.py backup | restore <to> | status``. It fails if that does.

``backup`` makes one and waits until it counts. ``restore`` makes data as they were at a time (2026-01-02T03:04:05Z), in a backup
(its id) or at last ("latest"), beside the backups: no server takes them without an order. ``status`` shows what there is.

It reads from the environment BACKUP_HOST (localhost) and BACKUP_PORT (8081), where ``mariadb_backup.py`` answers, and
MARIADB_SECRETS (/etc/mysql/secrets), where mariadb-sst is.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from mariadb_asking import Keeper
from program import Failure, run, say


def main(arguments: list[str]) -> None:
    """Ask for what the arguments say."""
    address = os.environ.get("BACKUP_HOST", "localhost"), int(os.environ.get("BACKUP_PORT", "8081"))
    keeper = Keeper(address, Path(os.environ.get("MARIADB_SECRETS", "/etc/mysql/secrets")))
    match arguments:
        case ["backup"]:
            made = keeper.ask("/backup")
            say(f"{made['id']} counts: {made['tables']} tables up to {made['gtid']} of {made['server']}, {made['size']} bytes")
        case ["restore", to]:
            made = keeper.ask("/restore", {"to": to})
            say(f"restored/{made['id']}: {made['base']} and what followed, up to {made['gtid']}, {made['tables']} tables")
        case ["status"]:
            say(json.dumps(keeper.status(), indent=2))
        case _:
            raise Failure("ask for backup, restore <to> or status")


if __name__ == "__main__":
    run(main)
