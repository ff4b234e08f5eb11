"""Fetches the data that a backup has restored, as a stream over HTTP, into a directory of a server's volume."""

from __future__ import annotations

import base64
import http.client
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, cast

from program import Failure

LAST = "RESTORED"
"""The name of the last entry: without it the stream was cut off, or was given up by its source."""
SILENCE_SECONDS = 60.0
BLOCK_BYTES = 2**20


def fetch(source: str, identifier: str, account: tuple[str, str], directory: Path, beat: Callable[[], None]) -> None:
    """Fill ``directory``, which is made anew, from the backup Pod at ``source``, host and port.

    ``beat`` is called with each block, and may raise. Raises Failure when it is not all there; what came is removed then.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    connection = http.client.HTTPConnection(source, timeout=SILENCE_SECONDS)
    complete = False
    try:
        word = base64.b64encode(":".join(account).encode()).decode()
        connection.request("GET", f"/restored/{identifier}", headers={"Authorization": f"Basic {word}"})
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise Failure(f"{source} answers {response.status}: {response.read(300).decode(errors='replace').strip()}")
        _unpack(_Beating(response, beat), directory)
        complete = True
    except (OSError, http.client.HTTPException, tarfile.TarError, EOFError, ValueError) as error:
        raise Failure(f"the data from {source} did not arrive as a whole: {error or type(error).__name__}") from error
    finally:
        connection.close()
        if not complete:
            shutil.rmtree(directory, ignore_errors=True)


class _Beating:
    """A stream that tells with each block that it goes on."""

    def __init__(self, stream: http.client.HTTPResponse, beat: Callable[[], None]) -> None:
        self._stream = stream
        self._beat = beat

    def read(self, size: int) -> bytes:
        """The next block."""
        self._beat()
        return self._stream.read(size)


def _unpack(stream: _Beating, directory: Path) -> None:
    """Write what is in the stream. Data of MariaDB are plain files: anything else is not what was asked for."""
    last = ""
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|", bufsize=BLOCK_BYTES) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            last = str(path)
            if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
                raise Failure(f"the data contain {member.name!r}, which is no plain file of their own")
            target = directory / path
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif content := archive.extractfile(member):
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    shutil.copyfileobj(content, file, BLOCK_BYTES)
    if last != LAST:
        raise Failure("the data did not arrive as a whole: their end is missing")
    (directory / LAST).unlink()
