from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import rabbitmq
from hypothesis import given
from hypothesis import strategies as st
from program import Failure

EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
LIST = {
    "vhosts": ["nova"],
    "users": [{"name": name, "permissions": {"nova": EVERYTHING}} for name in ("nova", "nova-2")],
    "policies": [{"vhost": "nova", "name": "rpc", "pattern": ".*", "apply-to": "queues", "definition": {"expires": 60}}],
}


def write(directory: Path, document: Any = LIST, **passwords: str) -> tuple[str, str]:
    """The list and the passwords as they are mounted, by their paths."""
    (directory / "list.json").write_text(json.dumps(document))
    (directory / "passwords").mkdir()
    for user, password in passwords.items():
        (directory / "passwords" / user).write_text(password)
    return str(directory / "list.json"), str(directory / "passwords")


@given(st.text(), st.text(), st.binary(min_size=4, max_size=4))
def test_a_hash_is_of_its_own_password_and_of_no_other(password: str, other: str, salt: bytes) -> None:
    kept = rabbitmq.password_hash(password, salt)
    assert rabbitmq.is_hash_of(password, kept)
    assert rabbitmq.is_hash_of(other, kept) == (other == password)


def test_a_hash_is_the_salt_and_the_digest_of_salt_and_password() -> None:
    decoded = base64.b64decode(rabbitmq.password_hash("sesame"))
    assert decoded == decoded[:4] + hashlib.sha256(decoded[:4] + b"sesame").digest()
    assert rabbitmq.password_hash("sesame") != rabbitmq.password_hash("sesame")


def test_what_has_no_hash_has_no_password() -> None:
    assert not rabbitmq.is_hash_of("", "")


def test_definitions_hold_the_users_whose_passwords_are_there(tmp_path: Path) -> None:
    access = rabbitmq.read_access(*write(tmp_path, nova="sesame"))
    made = rabbitmq.definitions(access, "administrator's own")
    assert [(u["name"], u["tags"]) for u in made["users"]] == [("stackloom", "administrator"), ("nova", "")]
    assert made["permissions"] == [{"user": "nova", "vhost": "nova", **EVERYTHING}]
    assert access.without_password == ["nova-2"]


def test_definitions_hold_no_password_in_clear(tmp_path: Path) -> None:
    access = rabbitmq.read_access(*write(tmp_path, **{"nova": "sesame", "nova-2": "simsim"}))
    text = json.dumps(rabbitmq.definitions(access, "aladdin"))
    assert not [password for password in ("sesame", "simsim", "aladdin") if password in text]


def test_an_empty_file_is_no_password(tmp_path: Path) -> None:
    assert rabbitmq.read_access(*write(tmp_path, nova="")).passwords == {}


def test_the_administrator_is_another_each_time(tmp_path: Path) -> None:
    path, passwords = write(tmp_path, nova="sesame")
    made = []
    for _ in range(2):
        rabbitmq.define(path, passwords, str(tmp_path / "definitions.json"), str(tmp_path / "password"))
        made.append((tmp_path / "password").read_text())
        hashes = {u["name"]: u["password_hash"] for u in json.loads((tmp_path / "definitions.json").read_text())["users"]}
        assert rabbitmq.is_hash_of(made[-1], hashes["stackloom"])
    assert made[0] != made[1]


def test_only_their_owner_reads_what_is_written(tmp_path: Path) -> None:
    rabbitmq.define(*write(tmp_path, nova="sesame"), str(tmp_path / "definitions.json"), str(tmp_path / "password"))
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("definitions.json", "password")} == {0o600}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"vhosts": []}, "is malformed: KeyError 'users'"),
        ({**LIST, "users": ["nova"]}, "is malformed: TypeError"),
        ({**LIST, "users": [{"name": "stackloom", "permissions": {}}]}, "the user stackloom is this program's own"),
    ],
)
def test_a_list_that_makes_no_sense_is_one_sentence(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(Failure, match=message):
        rabbitmq.read_access(*write(tmp_path, document))


def test_a_command_that_does_not_exist_says_what_does() -> None:
    with pytest.raises(Failure, match=r"usage: rabbitmq.py define LIST"):
        rabbitmq.main(["watch", "a", "b", "c", "d"])
