from __future__ import annotations

import dataclasses

import database
import pytest
from program import Failure

from tests.real.servers import free_port


def wanted(**changes: str) -> database.Wanted:
    values = {"admin": "root", "admin_password": "a", "database": "nova_api", "user": "nova", "password": "p"} | changes
    return database.Wanted(host="127.0.0.1", port=3306, **values)


@pytest.mark.parametrize("name", ["", "nova-api", "nova`; DROP DATABASE keystone", "n" * 65, "nová"])
def test_a_name_that_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(Failure, match="use 1 to 64 letters, digits and underscores"):
        wanted(database=name).check()


@pytest.mark.parametrize(
    "changes", [{"database": "mysql"}, {"database": "SYS"}, {"user": "root"}, {"user": "chief", "admin": "chief"}]
)
def test_what_belongs_to_the_server_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(Failure, match="belongs to the server"):
        wanted(**changes).check()


def test_who_reads_a_database_is_not_who_owns_it() -> None:
    with pytest.raises(Failure, match="'nova', which owns the database"):
        wanted(reader="nova", reader_password="q").check()


def test_an_account_that_is_wanted_is_not_dropped() -> None:
    kept = dataclasses.replace(wanted(reader="looks"), retired=("looks",))
    with pytest.raises(Failure, match="DB_RETIRED_USERS has 'looks', which DB_READER_USER wants to be there"):
        kept.check()


def test_an_underscore_in_a_grant_stands_for_itself() -> None:
    _, _, grant = database.statements("nova_api")
    assert r"`nova\_api`.*" in grant


def test_no_password_shows_in_a_representation() -> None:
    assert "s3cret" not in repr(wanted(password="s3cret", admin_password="s3cret"))


def test_a_server_that_does_not_listen_yet_is_worth_waiting_for() -> None:
    nobody = database.Wanted(
        host="127.0.0.1", port=free_port(), admin="root", admin_password="a", database="d", user="u", password="p"
    )
    with pytest.raises(database.NotReady, match="Can't connect to MySQL server"):
        database.make(nobody)
