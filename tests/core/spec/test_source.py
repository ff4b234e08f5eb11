from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackloom.errors import Problem, StackloomError
from stackloom.spec.source import LIMIT, Source, read

TEXT = """\
metadata:
  name: cloud   # a comment
spec:
  nodes:
    - {a: 1}
    - {a: 2, b: [x, y]}
"""


def source_of(text: str | bytes, folder: Path) -> Source:
    file = folder / "deployment.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read(file)


def refused(path: Path) -> str:
    with pytest.raises(StackloomError) as error:
        read(path)
    return str(error.value).removeprefix(f"{path}: ")


def test_plain_data_is_read_as_it_stands(tmp_path: Path) -> None:
    data = source_of("a: yes\nb: 2026-01-01\nc: [1, 1.5, ~]\nd: |\n  two\n  lines\ne: '1'\n", tmp_path).data
    assert data == {"a": True, "b": "2026-01-01", "c": [1, 1.5, None], "d": "two\nlines\n", "e": "1"}


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    assert source_of(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", tmp_path).data == {"a": 1, "b": 2}


def test_every_value_and_every_key_has_its_place(tmp_path: Path) -> None:
    source = source_of(TEXT, tmp_path)
    value, key = source.locate(("spec", "nodes", 1, "b", 1)), source.locate(("spec", "nodes", 1, "b"), key=True)
    assert (value.line, value.column) == (6, 21)
    assert (key.line, key.column) == (6, 14)


def test_what_is_missing_is_missed_at_the_key_of_what_lacks_it(tmp_path: Path) -> None:
    source = source_of(TEXT, tmp_path)
    assert source.locate(("spec", "size", "deep")).line == 3
    assert source.locate(("spec", "nodes", 7)).line == 4
    assert source.locate(("kind",)).line == 1


def test_data_from_python_is_located_in_its_file_only() -> None:
    assert str(Source.from_mapping({"a": {"b": 1}}, "cloud.py").locate(("a", "b"))) == "cloud.py"


def test_a_file_that_cannot_be_read_gets_one_clear_message(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.yaml") == "there is no such file. Write a deployment there, or name another file"
    assert refused(tmp_path) == "is a directory, and a file is wanted. Name the file in it"
    assert refused(tmp_path / "a" / ("b" * 300)) == "there is no such file. Write a deployment there, or name another file"
    assert refused(Path("a\0b")).endswith("cannot be read: embedded null byte")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert refused(tmp_path / "loop") == "cannot be read: Too many levels of symbolic links"


def test_a_file_of_ten_megabytes_is_refused_without_being_read(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"a: b\n" * (2 * LIMIT))
    assert refused(tmp_path / "big.yaml") == "is larger than 1024 KiB, and no deployment is. Is this the right file?"


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(str.encode)
    | st.text(alphabet="ab:- \n\t[]{}&*!|>'\"%@`,?#~<0.", max_size=80).map(str.encode)
)
def test_no_bytes_whatsoever_give_anything_but_data_or_problems(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    problems: tuple[Problem, ...] = ()
    data: object = {}
    try:
        data = source_of(raw, tmp_path_factory.getbasetemp()).data
    except StackloomError as error:
        problems = error.problems
    assert isinstance(data, dict)
    assert all(p.location is not None and "\x1b" not in str(p) for p in problems)
