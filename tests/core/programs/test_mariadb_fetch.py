"""How restored data come to a server: as a whole, as plain files, or not at all."""

from __future__ import annotations

import base64
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mariadb_fetch import fetch
from mariadb_volume import Volume
from program import Failure

ACCOUNT = ("sst", "secret")
FILES = {"mysql/user.MAD": b"u" * 3000000, "ibdata1": b"i", "RESTORED": b""}


def archive(files: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    """A tar of these files, after these entries."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for entry in more:
            tar.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def serve() -> Iterator[Callable[[bytes], str]]:
    """Gives the address of a backup Pod that holds this under the id ``then``."""
    servers = []

    def start(body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known = self.headers["Authorization"] == "Basic " + base64.b64encode(b"sst:secret").decode()
                self.send_response((200 if self.path == "/restored/then" else 404) if known else 401)
                self.end_headers()
                self.wfile.write(body if known else b"who?")

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def got(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_data_are_there_when_all_have_come(tmp_path: Path, serve: Callable[[bytes], str]) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "old").touch()
    beats: list[None] = []
    fetch(serve(archive(FILES)), "then", ACCOUNT, tmp_path / "new", lambda: beats.append(None))
    assert got(tmp_path / "new") == {name: content for name, content in FILES.items() if content}
    assert len(beats) > 2


LINK = tarfile.TarInfo("mysql/link")
LINK.type, LINK.linkname = tarfile.SYMTYPE, "/etc/passwd"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (archive(FILES)[:2000000], "did not arrive as a whole"),
        (archive({"mysql/user.MAD": b"u"}), "their end is missing"),
        (archive({"RESTORED": b"", "mysql/user.MAD": b"u"}), "their end is missing"),
        (archive({**FILES, "../escaped": b""}), "no plain file"),
        (archive({"/etc/escaped": b"", **FILES}), "no plain file"),
        (archive(FILES, LINK), "no plain file"),
        (b"", "did not arrive as a whole"),
        (b"no tar" * 1000, "did not arrive as a whole"),
    ],
)
def test_whatever_else_comes_leaves_nothing(tmp_path: Path, serve: Callable[[bytes], str], body: bytes, message: str) -> None:
    with pytest.raises(Failure, match=message):
        fetch(serve(body), "then", ACCOUNT, tmp_path / "new", lambda: None)
    assert list(tmp_path.iterdir()) == []


def test_a_backup_pod_that_refuses_is_quoted(tmp_path: Path, serve: Callable[[bytes], str]) -> None:
    with pytest.raises(Failure, match="answers 404"):
        fetch(serve(archive(FILES)), "other", ACCOUNT, tmp_path / "new", lambda: None)
    with pytest.raises(Failure, match="answers 401: who"):
        fetch(serve(archive(FILES)), "then", ("sst", "wrong"), tmp_path / "new", lambda: None)
    with pytest.raises(Failure, match="did not arrive"):
        fetch("127.0.0.1:1", "then", ACCOUNT, tmp_path / "new", lambda: None)


def test_fresh_data_take_the_place_of_others_which_are_kept(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    for directory in (volume.data, volume.fresh, volume.replaced):
        directory.mkdir()
        (directory / directory.name).touch()
    volume.replace()
    assert got(volume.data) == {"new": b""}
    assert got(volume.replaced) == {"data": b""}
    volume.undo_replacing()
    assert got(volume.data) == {"new": b""}


def test_a_replacement_that_was_cut_short_is_undone(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    (tmp_path / "replacing").touch()
    volume.replaced.mkdir()
    volume.fresh.mkdir()
    volume.undo_replacing()
    assert volume.data.is_dir()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data", "new"]
