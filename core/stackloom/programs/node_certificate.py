"""Issue a node its certificate: an init container of agents on their node's network. Needs the package ``cryptography``.

Arguments: the directory of an authority (``ca.crt``, ``ca.key``), the interface by whose address the node is called, the
numeric owner of what is written, then threes of files: where what to trust goes, the certificate, its key. The certificate is
for a server and a client, for the address and the name of the node, which nobody knows before the node is there. One that
still holds is kept: what reads the files sees them change as seldom as can be.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from certificates import Pair, issued, needs_renewal
from node_file import PATIENCE_SECONDS, Absent, address_of
from program import Failure, patiently, run, say

USAGES = ("server", "client")
Three = tuple[Path, Path, Path]


def kept(threes: Sequence[Three], names: Sequence[str], trusted: bytes) -> bool:
    """Whether all files are there, and hold."""
    try:
        found = [tuple(path.read_bytes() for path in three) for three in threes]
    except FileNotFoundError:
        return False
    (held, certificate, _), *others = found
    same = all(other == found[0] for other in others)
    return same and held == trusted and not needs_renewal(certificate, names, USAGES, trusted)


def put(path: Path, content: bytes, *, owner: int, mode: int) -> None:
    """Put a file into its place whole. Who owns it may read it, and its directories are open to be passed."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_bytes(content)
    os.chown(new, owner, owner)
    new.chmod(mode)
    new.replace(path)


def write(threes: Sequence[Three], trusted: bytes, pair: Pair, owner: int) -> None:
    """Write the files of each three."""
    for ca, certificate, key in threes:
        put(key, pair[1], owner=owner, mode=0o400)
        put(certificate, pair[0], owner=owner, mode=0o444)
        put(ca, trusted, owner=owner, mode=0o444)


def main(arguments: list[str]) -> None:
    """Issue what is not there, or does not hold any more."""
    directory, interface, owner, *rest = [*arguments, *[""] * (3 - len(arguments))]
    if not rest or len(rest) % 3 or not owner.isdecimal():
        raise Failure("usage: node_certificate.py AUTHORITY INTERFACE OWNER (TRUSTED CERTIFICATE KEY)...")
    threes = [(Path(rest[i]), Path(rest[i + 1]), Path(rest[i + 2])) for i in range(0, len(rest), 3)]
    names = [patiently(partial(address_of, interface), Absent, seconds=PATIENCE_SECONDS), socket.gethostname()]
    authority = Path(directory, "ca.crt").read_bytes(), Path(directory, "ca.key").read_bytes()
    if kept(threes, names, authority[0]):
        say(f"the certificate for {' and '.join(names)} still holds")
        return
    # libvirt and QEMU refuse a critical usage without key encipherment, which is what RSA does, and no key on a curve.
    write(threes, authority[0], issued(names, USAGES, authority, strict=False), int(owner))
    say(f"issued a certificate for {' and '.join(names)}")


if __name__ == "__main__":
    run(main)
