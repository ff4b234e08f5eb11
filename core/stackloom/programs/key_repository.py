"""Rotate a repository of Fernet keys that a Secret holds: ``key_repository.py SECRET MAX_ACTIVE``.

Keystone numbers its keys: 0 is staged (it decrypts only, and becomes the primary next), the highest is the primary (it
encrypts), the others are secondaries (they decrypt what was encrypted before). A staged key has reached every Pod by the time
it becomes the primary, so no Pod ever meets a token that it cannot read.

ROTATION_ID names the occasion, the same for every retry of one Job: it is noted on the Secret, so that a retry does not rotate
a second time. The Role needs get and update on this Secret.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping

from kube import SECRETS, Conflict, Kube, Object, Unavailable
from program import Failure, environment, patiently, run, say

STAGED = 0
FEWEST = 3
KEY_BYTES = 32
NOTE = "stackloom.io/rotation"
ATTEMPTS = 5
PATIENCE_SECONDS = 120

Keys = dict[int, bytes]


def rotate(keys: Mapping[int, bytes], new_key: bytes, max_active: int) -> Keys:
    """The repository after one rotation: the staged key is the primary, ``new_key`` is staged, the oldest secondaries are gone.

    At most ``max_active`` keys remain, staged and primary included, so what the primary encrypts stays readable for
    ``max_active`` - 2 rotations. Raises Failure for a repository without a staged or a primary key, and for too small a number.
    """
    if max_active < FEWEST:
        raise Failure(f"a repository of {max_active} keys would forget what it encrypted at the next rotation: keep {FEWEST}")
    if STAGED not in keys or len(keys) == 1:
        raise Failure(f"the repository holds the keys {sorted(keys)}: key 0 (staged) and one more (primary) must be there")
    former = sorted(number for number in keys if number != STAGED)
    kept = former[-(max_active - 2) :]
    return {STAGED: new_key, **{number: keys[number] for number in kept}, former[-1] + 1: keys[STAGED]}


def keys_of(secret: Object) -> Keys:
    """The keys that a Secret holds, as Fernet spells them. Raises Failure for what is no key."""
    keys: Keys = {}
    for name, value in (secret.get("data") or {}).items():
        key = base64.b64decode(value)
        if not name.isdecimal() or not _is_fernet_key(key):
            raise Failure(f"{name!r} in Secret {secret['metadata']['name']} is not a numbered Fernet key")
        keys[int(name)] = key
    return keys


def _is_fernet_key(key: bytes) -> bool:
    try:
        return len(base64.urlsafe_b64decode(key.strip())) == KEY_BYTES
    except binascii.Error:
        return False


def rotated(secret: Object, occasion: str, new_key: bytes, max_active: int) -> Object:
    """The Secret as it is to be written: new keys, and a note of the occasion."""
    keys = rotate(keys_of(secret), new_key, max_active)
    metadata = {**secret["metadata"], "annotations": {**(secret["metadata"].get("annotations") or {}), NOTE: occasion}}
    return {**secret, "metadata": metadata, "data": {str(n): base64.b64encode(key).decode() for n, key in sorted(keys.items())}}


def rotate_secret(api: Kube, name: str, max_active: int, occasion: str) -> str:
    """Rotate once for this occasion, whatever else happens to the Secret meanwhile; what was done. Raises Failure."""
    for _ in range(ATTEMPTS):
        secret = api.get(SECRETS, name)
        if (secret["metadata"].get("annotations") or {}).get(NOTE) == occasion:
            return f"already rotated by {occasion}"
        new = rotated(secret, occasion, base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)), max_active)
        try:
            api.replace(SECRETS, new)
        except Conflict:
            continue  # written by somebody else since it was read: read it again
        return f"rotated: primary {max(map(int, new['data']))}, {len(new['data'])} keys"
    raise Failure(f"Secret {name} was changed by others {ATTEMPTS} times while it was being rotated")


def main(arguments: list[str]) -> None:
    """Rotate the Secret of the first argument, keeping as many keys as the second says."""
    if len(arguments) != 2 or not arguments[1].isdecimal():
        raise Failure("usage: key_repository.py SECRET MAX_ACTIVE")
    name, max_active = arguments[0], int(arguments[1])
    (occasion,) = environment("ROTATION_ID")
    api = Kube.in_cluster()
    done = patiently(lambda: rotate_secret(api, name, max_active, occasion), Unavailable, seconds=PATIENCE_SECONDS)
    say(f"Secret {name}: {done}")


if __name__ == "__main__":
    run(main)
