"""Fetch archives, check that they are what they should be, and unpack them.

Reads the path of a JSON file,

    {"archives": [{"url": "https://example.org/ours.tar.gz", "sha256": "0f3a...", "directory": "/var/lib/horizon/themes/ours"}]}

Nothing is unpacked of an archive with another checksum, and no member of one may lie outside its directory, be a device, or
have rights that files of others should not have.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import tarfile
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from program import Failure, patiently, read_json, run, say

PATIENCE_SECONDS = 300
REQUEST_SECONDS = 30
LARGEST = 256 * 1024 * 1024
_BLOCK = 1024 * 1024


class Unreachable(Failure):
    """The archive cannot be had now."""


def trust() -> ssl.SSLContext:
    """The authorities that the image trusts, or those that come with certifi, as every image of OpenStack has it."""
    context = ssl.create_default_context()
    if not context.get_ca_certs():
        try:
            import certifi  # noqa: PLC0415
        except ImportError:
            return context
        context.load_verify_locations(certifi.where())
    return context


def fetch(url: str, file: IO[bytes]) -> str:
    """Write what is at ``url`` into ``file``. Its SHA-256 checksum. Raises Unreachable, or Failure where it has no end."""
    file.seek(0)
    file.truncate()
    digest, size = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(url, timeout=REQUEST_SECONDS, context=trust()) as answer:  # noqa: S310 - a URL by its type
            while block := answer.read(_BLOCK):
                size += len(block)
                if size > LARGEST:
                    raise Failure(f"{url} has more than {LARGEST} bytes")
                digest.update(block)
                file.write(block)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{url}: {error}") from error
    file.flush()
    return digest.hexdigest()


def unpack(file: IO[bytes], directory: Path) -> None:
    """Unpack an archive. Raises Failure for one that is none, or that would write elsewhere."""
    file.seek(0)
    try:
        with tarfile.open(fileobj=file) as archive:
            archive.extractall(directory, filter="data")
    except tarfile.TarError as error:
        raise Failure(f"the archive for {directory} cannot be unpacked: {error}") from error


def settle(wanted: Mapping[str, str]) -> None:
    """Bring one archive in place."""
    url, directory = wanted["url"], Path(wanted["directory"])
    with tempfile.TemporaryFile() as file:
        found = patiently(lambda: fetch(url, file), Unreachable, seconds=PATIENCE_SECONDS, pause=5)
        if found != wanted["sha256"].lower():
            raise Failure(f"{url} has the checksum {found}, not {wanted['sha256'].lower()}")
        directory.mkdir(parents=True, exist_ok=True)
        unpack(file, directory)
    say(f"unpacked {url} in {directory}")


def main(arguments: list[str]) -> None:
    """Fetch what the file of the first argument lists."""
    if len(arguments) != 1:
        raise Failure("usage: archives.py FILE")
    for wanted in read_json(arguments[0])["archives"]:
        settle(wanted)


if __name__ == "__main__":
    run(main)
