from __future__ import annotations

import base64
from typing import Any

import key_repository
import pytest
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from hypothesis import given
from hypothesis import strategies as st
from key_repository import Keys, keys_of, rotate, rotated
from program import Failure

MAX_ACTIVE = st.integers(min_value=3, max_value=8)


def fresh() -> bytes:
    return Fernet.generate_key()


def after(rotations: int, max_active: int, keys: Keys | None = None) -> Keys:
    keys = keys or {0: fresh(), 1: fresh()}
    for _ in range(rotations):
        keys = rotate(keys, fresh(), max_active)
    return keys


@given(rotations=st.integers(0, 12), max_active=MAX_ACTIVE)
def test_there_is_always_one_staged_key_one_primary_and_not_too_many(rotations: int, max_active: int) -> None:
    keys = after(rotations, max_active)
    assert 0 in keys
    assert len(keys) == min(rotations + 2, max_active)
    assert max(keys) == rotations + 1
    assert len(set(keys.values())) == len(keys)


@given(rotations=st.integers(0, 8), max_active=MAX_ACTIVE)
def test_the_staged_key_becomes_the_primary_and_the_primary_stays(rotations: int, max_active: int) -> None:
    before = after(rotations, max_active)
    keys = rotate(before, fresh(), max_active)
    assert keys[max(keys)] == before[0]
    assert keys[max(before)] == before[max(before)]
    assert keys[0] not in before.values()


@given(past=st.integers(0, 5), max_active=MAX_ACTIVE)
def test_a_token_stays_readable_for_max_active_less_two_rotations_and_no_longer(past: int, max_active: int) -> None:
    keys = after(past, max_active)
    token = Fernet(keys[max(keys)]).encrypt(b"token")
    kept = after(max_active - 2, max_active, keys)
    assert MultiFernet([Fernet(key) for key in kept.values()]).decrypt(token) == b"token"
    forgotten = after(1, max_active, kept)
    with pytest.raises(InvalidToken):
        MultiFernet([Fernet(key) for key in forgotten.values()]).decrypt(token)


@given(past=st.integers(0, 5), max_active=MAX_ACTIVE)
def test_a_pod_that_has_not_seen_the_rotation_reads_what_one_that_has_writes(past: int, max_active: int) -> None:
    late = after(past, max_active)
    early = rotate(late, fresh(), max_active)
    token = Fernet(early[max(early)]).encrypt(b"token")
    assert MultiFernet([Fernet(key) for key in late.values()]).decrypt(token) == b"token"


@given(past=st.integers(4, 9), max_active=st.integers(3, 5))
def test_a_repository_that_is_to_be_smaller_loses_its_oldest_keys(past: int, max_active: int) -> None:
    before = after(past, 8)
    keys = rotate(before, fresh(), max_active)
    assert sorted(keys) == [0, *range(past + 4 - max_active, past + 3)]


@pytest.mark.parametrize("numbers", [[], [0], [1], [1, 2]])
def test_a_repository_without_a_staged_or_a_primary_key_is_refused(numbers: list[int]) -> None:
    with pytest.raises(Failure, match=r"key 0 \(staged\) and one more \(primary\) must be there"):
        rotate({number: fresh() for number in numbers}, fresh(), 3)


def test_a_repository_that_forgets_at_once_is_refused() -> None:
    with pytest.raises(Failure, match="keep 3"):
        rotate({0: fresh(), 1: fresh()}, fresh(), 2)


def secret(**data: bytes) -> dict[str, Any]:
    encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
    return {"metadata": {"name": "keys", "resourceVersion": "7", "annotations": {"a": "b"}}, "data": encoded}


@pytest.mark.parametrize(("name", "value"), [("readme", b"k" * 43 + b"="), ("1", b"short"), ("1", b"\xff" * 32)])
def test_what_is_no_numbered_fernet_key_is_refused_without_showing_it(name: str, value: bytes) -> None:
    with pytest.raises(Failure, match="is not a numbered Fernet key") as failure:
        keys_of(secret(**{name: value}))
    assert value.decode(errors="replace") not in str(failure.value)


def test_a_rotated_secret_keeps_the_rest_and_notes_the_occasion() -> None:
    before = secret(**{"0": fresh(), "1": fresh()})
    new = rotated(before, "job-1", fresh(), 3)
    assert new["metadata"] == {**before["metadata"], "annotations": {"a": "b", key_repository.NOTE: "job-1"}}
    assert sorted(keys_of(new)) == [0, 1, 2]
    assert keys_of(new)[2] == keys_of(before)[0]
