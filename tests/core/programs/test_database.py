from __future__ import annotations

import subprocess
from pathlib import Path

import database
import pymysql
import pytest
from program import Failure

from tests.core.programs.conftest import DatabaseServer
from tests.core.programs.running import free_port, run_program


def wanted(**changes: str) -> database.Wanted:
    values = {"admin": "root", "admin_password": "a", "database": "nova_api", "user": "nova", "password": "p"} | changes
    return database.Wanted(host="127.0.0.1", port=3306, **values)


@pytest.mark.parametrize("name", ["", "nova-api", "nova`; DROP DATABASE keystone", "n" * 65, "nová"])
def test_a_name_that_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(Failure, match="use 1 to 64 letters, digits and underscores"):
        wanted(database=name).check()


@pytest.mark.parametrize("changes", [{"database": "mysql"}, {"database": "SYS"}, {"user": "root"}, {"user": "chief", "admin": "chief"}])
def test_what_belongs_to_the_server_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(Failure, match="belongs to the server"):
        wanted(**changes).check()


def test_an_underscore_in_a_grant_stands_for_itself() -> None:
    _, _, grant = database.statements("nova_api")
    assert r"`nova\_api`.*" in grant


def test_no_password_shows_in_a_representation() -> None:
    assert "s3cret" not in repr(wanted(password="s3cret", admin_password="s3cret"))


def test_an_incomplete_environment_is_named_at_once(shipped: Path) -> None:
    result = run_program("database", shipped, env={"DB_HOST": "127.0.0.1", "DB_PORT": "3306", "DB_NAME": "nova"})
    assert result.returncode == 1
    assert result.stdout == "failed: the environment lacks DB_ADMIN_USER, DB_ADMIN_PASSWORD, DB_USER, DB_PASSWORD\n"


def make(server: DatabaseServer, directory: Path, name: str, user: str, password: str) -> subprocess.CompletedProcess[str]:
    return run_program("database", directory, env=server.env(DB_NAME=name, DB_USER=user, DB_PASSWORD=password))


def query(server: DatabaseServer, sql: str, *, user: str = "root", password: str = "", db: str | None = None) -> list[tuple[str, ...]]:
    with (
        pymysql.connect(
            host="127.0.0.1", port=server.port, user=user, password=password or server.password, database=db, autocommit=True
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
        return list(cursor.fetchall())


@pytest.mark.real
def test_a_database_is_made_with_an_account_that_owns_it(mariadb: DatabaseServer, shipped: Path) -> None:
    result = make(mariadb, shipped, "one_a", "one", "first")
    assert (result.returncode, result.stdout) == (0, "created database one_a\nuser one has all rights on database one_a\n")
    query(mariadb, "CREATE TABLE t (id INT)", user="one", password="first", db="one_a")
    charset = query(mariadb, "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'one_a'")
    assert charset == [("utf8mb3",)]


@pytest.mark.real
def test_the_account_has_no_rights_on_a_database_with_a_similar_name(mariadb: DatabaseServer, shipped: Path) -> None:
    make(mariadb, shipped, "two_a", "two", "first")
    query(mariadb, "CREATE DATABASE IF NOT EXISTS twoXa")
    with pytest.raises(pymysql.MySQLError, match="Access denied"):
        query(mariadb, "SELECT 1", user="two", password="first", db="twoXa")


@pytest.mark.real
def test_running_again_changes_nothing(mariadb: DatabaseServer, shipped: Path) -> None:
    make(mariadb, shipped, "three", "three", "first")
    before = query(mariadb, "SELECT * FROM mysql.global_priv ORDER BY User, Host")
    result = make(mariadb, shipped, "three", "three", "first")
    assert (result.returncode, result.stdout) == (0, "user three has all rights on database three\n")
    assert query(mariadb, "SELECT * FROM mysql.global_priv ORDER BY User, Host") == before


@pytest.mark.real
def test_a_rotated_password_takes_effect(mariadb: DatabaseServer, shipped: Path) -> None:
    make(mariadb, shipped, "four", "four", "first")
    result = make(mariadb, shipped, "four", "four", "sec'ond %s")
    assert (result.returncode, "set the password of user four" in result.stdout) == (0, True)
    assert query(mariadb, "SELECT 1", user="four", password="sec'ond %s", db="four") == [(1,)]


@pytest.mark.real
def test_one_account_can_own_two_databases(mariadb: DatabaseServer, shipped: Path) -> None:
    assert [make(mariadb, shipped, name, "five", "p").returncode for name in ("five", "five_cell0")] == [0, 0]
    assert query(mariadb, "SELECT 1", user="five", password="p", db="five") == [(1,)]


@pytest.mark.real
def test_a_wrong_admin_password_is_one_sentence_without_the_password(mariadb: DatabaseServer, shipped: Path) -> None:
    env = mariadb.env(DB_NAME="six", DB_USER="six", DB_PASSWORD="p", DB_ADMIN_PASSWORD="wr0ng")
    result = run_program("database", shipped, env=env)
    assert result.returncode == 1
    assert result.stdout.startswith(f"failed: MariaDB at 127.0.0.1:{mariadb.port}: Access denied for user 'root'")
    assert result.stdout.count("\n") == 1
    assert "wr0ng" not in result.stdout


def test_a_server_that_does_not_listen_yet_is_worth_waiting_for() -> None:
    nobody = database.Wanted(host="127.0.0.1", port=free_port(), admin="root", admin_password="a", database="d", user="u", password="p")
    with pytest.raises(database.NotReady, match="Can't connect to MySQL server"):
        database.make(nobody)
