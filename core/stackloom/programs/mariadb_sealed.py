"""Files of a backup as they lie on the disk: compressed (zstd), with a key encrypted (openssl, AES-256), each with its hash.

The encryption itself does not notice a change; the hashes do, and they stand in a document that has a keyed hash of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from program import Failure

BLOCK = 2**20
_MAC = "mac"

Source = Callable[[int], bytes]


class Unsound(Failure):
    """A file is not what was written."""


class Seal:
    """How files are written and read. ``key`` is the file that holds the key; without one they are compressed only."""

    def __init__(self, key: Path | None = None) -> None:
        self._key = key

    @property
    def ending(self) -> str:
        """How the names of sealed files end."""
        return ".zst.enc" if self._key else ".zst"

    def write(self, path: Path, read: Source) -> dict[str, Any]:
        """Write what ``read(size)`` gives until that is empty; it is on the disk then. Returns name, size, hash, raw size.

        What ``read`` raises is passed on, and a full disk is a Failure. The file is not there then.
        """
        try:
            with path.open("xb") as file:
                raw = self._pump(_commands(["zstd", "-q", "-3", "-c"], self._openssl("-e")), read, file)
                os.fsync(file.fileno())
            return {"name": path.name, "size": path.stat().st_size, "sha256": digest(path), "raw": raw}
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise Failure(f"{path} cannot be written: {error.strerror or error}") from error
            raise

    @contextmanager
    def read(self, directory: Path, entry: Mapping[str, Any]) -> Iterator[IO[bytes]]:
        """The content of a file, as ``write`` was given it. Raises Unsound, before anything of it is given, if it has changed."""
        path = directory / str(entry["name"])
        try:
            if path.stat().st_size != entry["size"] or digest(path) != entry["sha256"]:
                raise Unsound(f"{path} is not what was written")
            file = path.open("rb")
        except OSError as error:
            raise Unsound(f"{path} cannot be read: {error.strerror}") from error
        encrypted = path.name.endswith(".enc")
        if encrypted and not self._key:
            raise Failure(f"{path} is encrypted, and there is no key")
        commands = _commands(self._openssl("-d") if encrypted else [], ["zstd", "-q", "-d", "-c"])
        processes: list[subprocess.Popen[bytes]] = []
        with file:
            try:
                source: IO[bytes] = file
                for command in commands:
                    processes.append(_piped(command, source))
                    source = pipe(processes[-1].stdout)
                yield source
                while source.read(BLOCK):
                    pass  # of what nobody wants to see it is known, too, whether it is sound
                if any(process.wait() for process in processes):
                    raise Unsound(f"{path} cannot be unpacked; is it encrypted with another key?")
            finally:
                _end(processes)

    def sign(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The document with a hash that only the key's holder can make; as it is, without a key."""
        return {**document, _MAC: self._mac(document)} if self._key else dict(document)

    def check(self, document: Mapping[str, Any], what: str) -> dict[str, Any]:
        """The document without that hash. Raises Unsound if it was changed, or was signed by another."""
        plain = {key: value for key, value in document.items() if key != _MAC}
        signed = _MAC in document or '.enc"' in json.dumps(plain)
        if self._key and signed and not hmac.compare_digest(str(document.get(_MAC)), self._mac(plain)):
            raise Unsound(f"{what} was changed, or was signed with another key")
        return plain

    def _mac(self, document: Mapping[str, Any]) -> str:
        key = self._key.read_bytes().strip() if self._key else b""
        secret = hashlib.sha256(b"documents\0" + key).digest()
        return hmac.new(secret, json.dumps(document, sort_keys=True).encode(), "sha256").hexdigest()

    def _openssl(self, direction: str) -> list[str]:
        # A random salt for each file makes key and start of the counter its own.
        return (
            [
                "openssl",
                "enc",
                direction,
                "-aes-256-ctr",
                "-pbkdf2",
                "-iter",
                "100000",
                "-md",
                "sha256",
                "-pass",
                f"file:{self._key}",
            ]
            if self._key
            else []
        )

    @staticmethod
    def _pump(commands: Sequence[Sequence[str]], read: Source, file: IO[bytes]) -> int:
        """What ``read`` gives through the commands into the file. Returns how many bytes it gave."""
        processes: list[subprocess.Popen[bytes]] = []
        raw = 0
        try:
            source: int | IO[bytes] = subprocess.PIPE
            for i, command in enumerate(commands):
                last = i == len(commands) - 1
                processes.append(_piped(command, source, file if last else subprocess.PIPE))
                if not last:
                    source = pipe(processes[-1].stdout)
            sink = pipe(processes[0].stdin)
            for process in processes[:-1]:
                pipe(process.stdout).close()  # so that one learns when the next has ended
            try:
                while block := read(BLOCK):
                    raw += len(block)
                    sink.write(block)
                sink.close()
            except BrokenPipeError:
                pass  # what ended has said why
            said = [pipe(process.stderr).read().decode(errors="replace").strip() for process in processes]
            if any(code != 0 for code in map(subprocess.Popen.wait, processes)):
                raise Failure(f"{file.name} cannot be written: {'; '.join(filter(None, said)) or 'a program ended'}")
        finally:
            _end(processes)
        return raw


def _end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """End what may still run, and close all pipes to it."""
    for process in processes:
        process.kill()
        process.wait()
        for end in (process.stdin, process.stdout, process.stderr):
            if end is not None:
                with suppress(BrokenPipeError):
                    end.close()


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()


def _commands(*commands: list[str]) -> list[list[str]]:
    return [command for command in commands if command]


def _piped(command: Sequence[str], source: int | IO[bytes], sink: int | IO[bytes] = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=source, stdout=sink, stderr=subprocess.PIPE)  # noqa: S603


def pipe(end: IO[bytes] | None) -> IO[bytes]:
    """One end of a pipe to a program that was started with it."""
    if end is None:
        raise ValueError("the program was started without this pipe")
    return end
