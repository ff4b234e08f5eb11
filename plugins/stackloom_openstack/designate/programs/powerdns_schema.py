"""Make PowerDNS's tables, in an image with PyMySQL: ``powerdns_schema.py FILE``, where FILE is the schema of its release.

DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD say where. What is there is left as it is, so that it may be run again,
whatever came of it before. Tables of an older schema are not changed: that is for its operator, with the files of PowerDNS for
it, and until then this fails, so that no server of the newer release starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pymysql
from database import PATIENCE_SECONDS, Cursor, NotReady, Wanted, connect
from program import Failure, environment, patiently, run, say
from pymysql.constants import ER

THERE_ALREADY = frozenset({ER.TABLE_EXISTS_ERROR, ER.DUP_KEYNAME})
TABLE = re.compile(r"CREATE TABLE (\w+) \((.*)\)", re.DOTALL)
COLUMN = re.compile(r"^\s*(?!PRIMARY\b)(\w+)\s+[A-Z]+", re.MULTILINE)


def statements(text: str) -> list[str]:
    """The statements of a schema."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return [one.strip() for one in "\n".join(lines).split(";") if one.strip()]


def columns(schema: list[str]) -> Iterator[tuple[str, set[str]]]:
    """Each table of a schema, with its columns."""
    for statement in schema:
        if found := TABLE.match(statement):
            yield found[1], set(COLUMN.findall(found[2]))


def check(cursor: Cursor, schema: list[str]) -> None:
    """Raise Failure where a table is there, and of an older schema."""
    for table, wanted in columns(schema):
        question = "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s"
        cursor.execute(question, (table,))
        found = {name for (name,) in cursor.fetchall()}
        if found and (missing := sorted(wanted - found)):
            what = f"the table {table} has no {' and no '.join(missing)}: it is of an older release of PowerDNS"
            raise Failure(f"{what}. Apply the files of this one that bring schemas up (<from>_to_<to>_schema.mysql.sql)")


def apply(cursor: Cursor, schema: list[str]) -> int:
    """Make what is absent. How much that was."""
    made = 0
    for statement in schema:
        try:
            cursor.execute(statement)
            made += 1
        except pymysql.MySQLError as error:
            if error.args[0] not in THERE_ALREADY:
                raise
    return made


def main(arguments: list[str]) -> None:
    """Make the tables of the file."""
    (file,) = arguments
    schema = statements(Path(file).read_text(encoding="utf-8"))
    host, port, name, user, password = environment("DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD")
    where = Wanted(host=host, port=int(port), admin=user, admin_password=password, database=name, user=user, password=password)
    connection = patiently(lambda: connect(where, user, password, name), NotReady, seconds=PATIENCE_SECONDS)
    try:
        with connection, connection.cursor() as cursor:
            check(cursor, schema)
            made = apply(cursor, schema)
    except pymysql.MySQLError as error:
        raise Failure(f"MariaDB at {host}:{port}: {error.args[-1]}") from error
    say(f"made {made} tables and indexes in {name}" if made else f"all tables are in {name}")


if __name__ == "__main__":
    run(main)
