from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import program
import pytest

PROGRAMS = Path(program.__file__).parent


def ended(tmp_path: Path, body: str) -> subprocess.CompletedProcess[str]:
    """How a program with this ``main`` ends."""
    (tmp_path / "program.py").write_text((PROGRAMS / "program.py").read_text())
    (tmp_path / "x.py").write_text(f"import program\n\ndef main(arguments):\n    {body}\n\nprogram.run(main)\n")
    return subprocess.run([sys.executable, tmp_path / "x.py", "a"], capture_output=True, text=True, timeout=20, check=False)


def test_a_program_that_does_its_work_exits_with_0(tmp_path: Path) -> None:
    result = ended(tmp_path, "program.say(f'got {arguments}')")
    assert (result.returncode, result.stdout, result.stderr) == (0, "got ['a']\n", "")


def test_a_failure_is_one_sentence_and_1(tmp_path: Path) -> None:
    result = ended(tmp_path, "raise program.Failure('the moon is not full')")
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "failed: the moon is not full\n")


def test_an_unexpected_error_shows_its_kind_and_place_but_not_what_it_quotes(tmp_path: Path) -> None:
    result = ended(tmp_path, "int('s3cret')")
    assert (result.returncode, result.stderr) == (1, "failed: an unexpected ValueError at x.py:4\n")


def test_an_unexpected_error_in_a_library_is_placed_where_the_program_called_it(tmp_path: Path) -> None:
    result = ended(tmp_path, "import json; json.loads('s3cret')")
    assert result.stderr == "failed: an unexpected JSONDecodeError at x.py:4\n"


def test_an_unexpected_error_is_placed_in_a_program_that_is_mounted_from_a_config_map(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    ended(tmp_path / "..data", "int('s3cret')")
    (tmp_path / "x.py").symlink_to("..data/x.py")
    result = subprocess.run([sys.executable, tmp_path / "x.py"], capture_output=True, text=True, timeout=20, check=False)
    assert result.stderr == "failed: an unexpected ValueError at x.py:4\n"


def test_sigterm_ends_a_program_at_once(tmp_path: Path) -> None:
    result = ended(tmp_path, "import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(15)")
    assert (result.returncode, result.stderr) == (143, "")


def test_all_absent_variables_are_named_at_once() -> None:
    with pytest.raises(program.Failure, match="the environment lacks B, C"):
        program.environment("A", "B", "C", source={"A": "1", "B": ""})


def test_json_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "good.json").write_text(json.dumps({"a": 1}))
    assert program.read_json(str(tmp_path / "good.json")) == {"a": 1}
    with pytest.raises(program.Failure, match="does not hold JSON"):
        program.read_json(str(tmp_path / "bad.json"))
    with pytest.raises(program.Failure, match="cannot be read: No such file"):
        program.read_json(str(tmp_path / "none.json"))


def test_patience_ends_with_success_or_with_the_last_error(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter([KeyError("a"), KeyError("a"), KeyError("b")])

    def action() -> str:
        for answer in answers:
            raise answer
        return "done"

    assert program.patiently(action, KeyError, seconds=5, pause=0) == "done"
    assert capsys.readouterr().out == "trying again: 'a'\ntrying again: 'b'\n"
    with pytest.raises(program.Failure, match=r"gave up after 0 seconds: .* by zero"):
        program.patiently(lambda: 1 // 0, ZeroDivisionError, seconds=0)


def test_what_patience_was_not_asked_for_is_raised_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        program.patiently(lambda: 1 // 0, KeyError, seconds=5)


@pytest.mark.parametrize("path", sorted(PROGRAMS.glob("*.py")), ids=lambda path: path.stem)
def test_a_program_can_be_read_by_the_oldest_python_of_the_images(path: Path) -> None:
    import ast

    ast.parse(path.read_text(), feature_version=(3, 10))
