"""Who is part of a Galera cluster, as a server keeps it on its volume: what an election relies on when servers are missing."""

from __future__ import annotations

import re
from dataclasses import dataclass

VIEW_FILE = "view"
RECORDER_FILE = "record_view.sh"
RECORDER = """\
# MariaDB runs this when the cluster's members or its own state change, and waits: what comes after is committed after it.
record=$1 history= primary= members=
shift
while [ $# -gt 1 ]; do
  case $1 in --uuid) history=$2 ;; --primary) primary=$2 ;; --members) members=$2 ;; esac
  shift
done
[ "$primary" = yes ] || exit 0
[ -e "$record" ] && read -r was < "$record" && [ "$was" = "$history $members" ] && exit 0
rm -f "$record"
echo "$history $members" > "$record.new" && sync "$record.new" && mv "$record.new" "$record"
sync "${record%/*}"
"""
"""A shell script, called with the record's path, that keeps the members of the primary view. If that fails there is no record."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class View:
    """The members of the cluster while it had the history ``uuid``: the names of their Pods."""

    uuid: str
    members: frozenset[str]


def view_of(record: str) -> View | None:
    """The view that the recorder wrote; None for what is none."""
    history, _, members = record.strip().partition(" ")
    names = [member.partition("/")[2].partition("/")[0] for member in members.split(",")]
    return View(history, frozenset(names)) if _UUID.fullmatch(history) and all(names) else None
