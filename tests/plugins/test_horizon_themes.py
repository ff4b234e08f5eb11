from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "core" / "stackloom" / "programs"))

from program import Failure

from stackloom_openstack.horizon.programs import archives


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "PATIENCE_SECONDS", 0)


def archive(folder: Path, **members: str) -> Path:
    """An archive of these files; a value that begins with ``->`` is a link."""
    path = folder / "ours.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            if content.startswith("->"):
                info.type, info.linkname = tarfile.SYMTYPE, content[2:]
            info.size, info.mode = (0 if info.issym() else len(content)), 0o4777
            file.addfile(info, io.BytesIO(content.encode()))
    return path


def fetched(path: Path, folder: Path, *, sha256: str = "") -> Path:
    """Where the program unpacks the archive."""
    directory = folder / "themes" / "ours"
    wanted = {"url": path.as_uri(), "sha256": sha256 or hashlib.sha256(path.read_bytes()).hexdigest().upper()}
    (folder / "plan.json").write_text(json.dumps({"archives": [{**wanted, "directory": str(directory)}]}))
    archives.main([str(folder / "plan.json")])
    return directory


def test_an_archive_is_unpacked_into_its_directory(tmp_path: Path) -> None:
    directory = fetched(archive(tmp_path, _variables="a: b", static__logo="x"), tmp_path)
    assert {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()} == {"_variables", "static/logo"}


def test_files_get_no_rights_that_others_should_not_have(tmp_path: Path) -> None:
    directory = fetched(archive(tmp_path, logo="x"), tmp_path)
    assert (directory / "logo").stat().st_mode & 0o7022 == 0


def test_nothing_is_unpacked_of_an_archive_with_another_checksum(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="has the checksum"):
        fetched(archive(tmp_path, logo="x"), tmp_path, sha256="0" * 64)
    assert not (tmp_path / "themes").exists()


@pytest.mark.parametrize(("name", "content"), [("..__..__escaped", "x"), ("link", "->/etc/passwd")])
def test_an_archive_that_would_write_or_point_elsewhere_is_refused(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(Failure, match="cannot be unpacked"):
        fetched(archive(tmp_path, **{name: content}), tmp_path)
    assert not os.path.lexists(tmp_path / "escaped")


def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("not found")
    with pytest.raises(Failure, match="cannot be unpacked"):
        fetched(tmp_path / "page.html", tmp_path)


def test_an_archive_that_cannot_be_had_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="gave up after"):
        fetched(tmp_path / "absent.tar.gz", tmp_path, sha256="0" * 64)


def test_an_archive_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST", 10)
    with pytest.raises(Failure, match="more than 10 bytes"):
        fetched(archive(tmp_path, logo="x"), tmp_path)
