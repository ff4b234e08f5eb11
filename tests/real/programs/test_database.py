from __future__ import annotations

import subprocess

import pymysql
import pytest

from tests.real.mariadb import DatabaseServer
from tests.real.programs.running import Programs

pytestmark = pytest.mark.real


def settings(server: DatabaseServer, **more: str) -> dict[str, str]:
    where = {"DB_HOST": "127.0.0.1", "DB_PORT": str(server.port), "DB_ADMIN_USER": "root", "DB_ADMIN_PASSWORD": server.password}
    return where | more


def make(server: DatabaseServer, programs: Programs, name: str, user: str, password: str) -> subprocess.CompletedProcess[str]:
    return programs.run("database", env=settings(server, DB_NAME=name, DB_USER=user, DB_PASSWORD=password))


def test_an_incomplete_environment_is_named_at_once(programs: Programs) -> None:
    result = programs.run("database", env={"DB_HOST": "127.0.0.1", "DB_PORT": "3306", "DB_NAME": "nova"})
    assert result.returncode == 1
    assert result.stdout == "failed: the environment lacks DB_ADMIN_USER, DB_ADMIN_PASSWORD, DB_USER, DB_PASSWORD\n"


def test_a_database_is_made_with_an_account_that_owns_it(mariadb: DatabaseServer, programs: Programs) -> None:
    result = make(mariadb, programs, "one_a", "one", "first")
    assert (result.returncode, result.stdout) == (0, "created database one_a\nuser one has all rights on database one_a\n")
    mariadb.query("CREATE TABLE t (id INT)", user="one", password="first", database="one_a")
    charset = mariadb.query("SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'one_a'")
    assert charset == [("utf8mb3",)]


def test_the_account_has_no_rights_on_a_database_with_a_similar_name(mariadb: DatabaseServer, programs: Programs) -> None:
    make(mariadb, programs, "two_a", "two", "first")
    mariadb.query("CREATE DATABASE IF NOT EXISTS twoXa")
    with pytest.raises(pymysql.MySQLError, match="Access denied"):
        mariadb.query("SELECT 1", user="two", password="first", database="twoXa")


def test_running_again_changes_nothing(mariadb: DatabaseServer, programs: Programs) -> None:
    make(mariadb, programs, "three", "three", "first")
    before = mariadb.query("SELECT * FROM mysql.global_priv ORDER BY User, Host")
    result = make(mariadb, programs, "three", "three", "first")
    assert (result.returncode, result.stdout) == (0, "user three has all rights on database three\n")
    assert mariadb.query("SELECT * FROM mysql.global_priv ORDER BY User, Host") == before


def test_a_rotated_password_takes_effect(mariadb: DatabaseServer, programs: Programs) -> None:
    make(mariadb, programs, "four", "four", "first")
    result = make(mariadb, programs, "four", "four", "sec'ond %s")
    assert (result.returncode, "set the password of user four" in result.stdout) == (0, True)
    assert mariadb.query("SELECT 1", user="four", password="sec'ond %s", database="four") == [(1,)]


def test_accounts_of_before_are_dropped_once_the_new_one_is_there(mariadb: DatabaseServer, programs: Programs) -> None:
    for user in ("six", "six-2", "six-3"):
        make(mariadb, programs, "six", user, "p")
    more = {"DB_NAME": "six", "DB_USER": "six-4", "DB_PASSWORD": "p", "DB_RETIRED_USERS": "six,six-2,gone"}
    result = programs.run("database", env=settings(mariadb, **more))
    assert (result.returncode, result.stdout) == (
        0,
        "dropped user six\ndropped user six-2\nuser six-4 has all rights on database six\n",
    )
    assert mariadb.query("SELECT User FROM mysql.user WHERE User LIKE 'six%' ORDER BY User") == [("six-3",), ("six-4",)]


def test_who_reads_a_database_changes_nothing_there(mariadb: DatabaseServer, programs: Programs) -> None:
    more = {"DB_NAME": "seven_a", "DB_USER": "seven", "DB_PASSWORD": "p", "DB_READER_USER": "looks", "DB_READER_PASSWORD": "q"}
    result = programs.run("database", env=settings(mariadb, **more))
    assert result.stdout.splitlines()[-2:] == [
        "user seven has all rights on database seven_a",
        "user looks may read database seven_a",
    ]
    mariadb.query("CREATE TABLE t (id INT)", user="seven", password="p", database="seven_a")
    assert mariadb.query("SELECT * FROM t", user="looks", password="q", database="seven_a") == []
    with pytest.raises(pymysql.MySQLError, match="command denied"):
        mariadb.query("INSERT INTO t VALUES (1)", user="looks", password="q", database="seven_a")


def test_one_account_can_own_two_databases(mariadb: DatabaseServer, programs: Programs) -> None:
    assert [make(mariadb, programs, name, "five", "p").returncode for name in ("five", "five_cell0")] == [0, 0]
    assert mariadb.query("SELECT 1", user="five", password="p", database="five") == [(1,)]


def test_a_wrong_admin_password_is_one_sentence_without_the_password(mariadb: DatabaseServer, programs: Programs) -> None:
    env = settings(mariadb, DB_NAME="six", DB_USER="six", DB_PASSWORD="p", DB_ADMIN_PASSWORD="wr0ng")
    result = programs.run("database", env=env)
    assert result.returncode == 1
    assert result.stdout.startswith(f"failed: MariaDB at 127.0.0.1:{mariadb.port}: Access denied for user 'root'")
    assert result.stdout.count("\n") == 1
    assert "wr0ng" not in result.stdout
