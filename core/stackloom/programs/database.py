"""Make a database and the account that owns it: ``database.py``, in an image with PyMySQL.

DB_HOST, DB_PORT, DB_ADMIN_USER and DB_ADMIN_PASSWORD say where and as whom; DB_NAME, DB_USER and DB_PASSWORD what to make;
DB_READER_USER and DB_READER_PASSWORD, which may be missing, an account that reads it and changes nothing;
DB_RETIRED_USERS, names with commas between them, the accounts of before that are dropped once the new ones are there. A
password is set only where logging in with it fails, so running it again changes nothing, and a rotated password takes effect.

The character set is utf8mb3, which most services' migrations give their tables by name: in a utf8mb4 database some tables of a
service would have the one and some the other, and MariaDB refuses foreign keys between text columns of different sets.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

import pymysql
from program import Failure, environment, patiently, run, say
from pymysql.constants import CR, ER

CHARACTER_SET, COLLATION = "utf8mb3", "utf8mb3_general_ci"
PATIENCE_SECONDS = 300
CONNECT_SECONDS = 10
IDENTIFIER = re.compile(r"[A-Za-z0-9_]{1,64}")
USER = re.compile(r"[A-Za-z0-9_-]{1,64}")
SYSTEM_DATABASES = frozenset({"information_schema", "mysql", "performance_schema", "sys"})
SYSTEM_USERS = frozenset({"mariadb.sys", "mysql", "root"})
UNKNOWN_COM_ERROR = 1047  # Galera: the node has not joined, or has lost its peers
STARTING = frozenset(
    {
        CR.CR_CONN_HOST_ERROR,
        CR.CR_SERVER_GONE_ERROR,
        CR.CR_SERVER_LOST,
        ER.CON_COUNT_ERROR,
        ER.LOCK_DEADLOCK,
        ER.SERVER_SHUTDOWN,
        UNKNOWN_COM_ERROR,
    }
)
WRONG_PASSWORD = frozenset({ER.ACCESS_DENIED_ERROR})
OWNS, READS = "ALL PRIVILEGES", "SELECT"
SAID = {OWNS: "has all rights on", READS: "may read"}

Cursor = pymysql.cursors.Cursor


class NotReady(Failure):
    """The server does not take connections yet."""


class Denied(Failure):
    """The server does not accept this account with this password."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is to be made, and where."""

    host: str
    port: int
    admin: str
    admin_password: str = field(repr=False)
    database: str
    user: str
    password: str = field(repr=False)
    reader: str = ""
    reader_password: str = field(default="", repr=False)
    retired: tuple[str, ...] = ()

    @property
    def accounts(self) -> list[tuple[str, str, str]]:
        """Name, password and rights of each account."""
        reader = [(self.reader, self.reader_password, READS)] if self.reader else []
        return [(self.user, self.password, OWNS), *reader]

    def check(self) -> None:
        """Raise Failure for names that are not plain, or belong to the server itself."""
        if not IDENTIFIER.fullmatch(self.database):
            raise Failure(f"DB_NAME is {self.database!r}: use 1 to 64 letters, digits and underscores")
        if self.database.lower() in SYSTEM_DATABASES:
            raise Failure(f"DB_NAME is {self.database!r}, which belongs to the server")
        readers = [("DB_READER_USER", self.reader)] if self.reader else []
        for what, name in (("DB_USER", self.user), *readers, *(("DB_RETIRED_USERS", user) for user in self.retired)):
            if not USER.fullmatch(name):
                raise Failure(f"{what} is {name!r}: use 1 to 64 letters, digits, dashes and underscores")
            if name.lower() in SYSTEM_USERS | {self.admin}:
                raise Failure(f"{what} is {name!r}, which belongs to the server")
        if self.reader == self.user:
            raise Failure(f"DB_READER_USER is {self.reader!r}, which owns the database")
        for what, name in (("DB_USER", self.user), *readers):
            if name in self.retired:
                raise Failure(f"DB_RETIRED_USERS has {name!r}, which {what} wants to be there")


def statements(database: str) -> tuple[str, str, str]:
    """What makes the database, an account (parameters: name, password) and its rights, ``{}`` (parameter: name).

    In a GRANT the name of a database is a pattern, and an underscore would stand for any character.
    """
    pattern = database.replace("_", r"\_")
    return (
        f"CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET {CHARACTER_SET} COLLATE {COLLATION}",
        "CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s",
        f"GRANT {{}} ON `{pattern}`.* TO %s@'%%'",
    )


def connect(wanted: Wanted, user: str, password: str, database: str | None = None) -> pymysql.Connection[Cursor]:
    """A connection as this user. Raises NotReady, Denied or Failure."""
    try:
        return pymysql.connect(
            host=wanted.host,
            port=wanted.port,
            user=user,
            password=password,
            database=database,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=60,
            autocommit=True,
        )
    except (pymysql.MySQLError, OSError) as error:
        raise _failure(wanted, user, error) from error


def _failure(wanted: Wanted, user: str, error: Exception) -> Failure:
    code = error.args[0] if error.args else 0
    reason = error.args[-1] if error.args else type(error).__name__
    text = f"MariaDB at {wanted.host}:{wanted.port}: {reason}"
    if isinstance(error, OSError) or code in STARTING:
        return NotReady(text)
    return Denied(f"{text} (as {user})") if code in WRONG_PASSWORD else Failure(text)


def make(wanted: Wanted) -> None:
    """Make what is absent. Raises NotReady where it helps to try again, Failure where it does not."""
    create_database, create_user, grant = statements(wanted.database)
    with connect(wanted, wanted.admin, wanted.admin_password) as admin, admin.cursor() as cursor:
        try:
            if not cursor.execute("SHOW DATABASES WHERE `Database` = %s", (wanted.database,)):
                cursor.execute(create_database)
                say(f"created database {wanted.database}")
            for user, password, rights in wanted.accounts:
                cursor.execute(create_user, (user, password))
                cursor.execute(grant.format(rights), (user,))
                if not _can_log_in(wanted, user, password):
                    cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s", (user, password))
                    say(f"set the password of user {user}")
        except pymysql.MySQLError as error:
            raise _failure(wanted, wanted.admin, error) from error
    for user, password, _ in wanted.accounts:
        connect(wanted, user, password, wanted.database).close()
    _retire(wanted)
    for user, _, rights in wanted.accounts:
        say(f"user {user} {SAID[rights]} database {wanted.database}")


def _retire(wanted: Wanted) -> None:
    """Drop the accounts of before: whoever is connected as one of them stays so, and nobody connects any more."""
    with connect(wanted, wanted.admin, wanted.admin_password) as admin, admin.cursor() as cursor:
        for user in wanted.retired:
            if cursor.execute("SELECT 1 FROM mysql.user WHERE User = %s AND Host = '%%'", (user,)):
                cursor.execute("DROP USER IF EXISTS %s@'%%'", (user,))
                say(f"dropped user {user}")


def _can_log_in(wanted: Wanted, user: str, password: str) -> bool:
    try:
        connect(wanted, user, password).close()
    except Denied:
        return False
    return True


def main(_arguments: list[str]) -> None:
    """Make the database and the account that the environment names."""
    host, port, admin, admin_password, database, user, password = environment(
        "DB_HOST", "DB_PORT", "DB_ADMIN_USER", "DB_ADMIN_PASSWORD", "DB_NAME", "DB_USER", "DB_PASSWORD"
    )
    wanted = Wanted(
        host=host,
        port=int(port),
        admin=admin,
        admin_password=admin_password,
        database=database,
        user=user,
        password=password,
        reader=os.environ.get("DB_READER_USER", ""),
        reader_password=os.environ.get("DB_READER_PASSWORD", ""),
        retired=tuple(filter(None, os.environ.get("DB_RETIRED_USERS", "").split(","))),
    )
    wanted.check()
    patiently(lambda: make(wanted), NotReady, seconds=PATIENCE_SECONDS)


if __name__ == "__main__":
    run(main)
