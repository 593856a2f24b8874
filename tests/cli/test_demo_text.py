"""The end of the demo's output: the report, and a command that works as it is printed."""

import sys
from pathlib import Path

import pytest

from argos_sync.cli.demo_text import Landed, next_text


def last_lines(*, dataset: str = "argos", report: str | None = "kyc_demo.html") -> list[str]:
    """Return what follows the answers of a demo."""
    run = {"submissions_fetched": 0}
    landed = Landed("kyc_demo.duckdb", dataset, run, {"submissions": 0}, {}, report)
    return next_text(landed).splitlines()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of a program in a subfolder of the working directory, which is running."""
    path = tmp_path / "bin" / "argos-sync"
    path.parent.mkdir()
    path.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.setenv("PATH", "/nowhere")
    return path


def test_the_path_of_a_program_that_the_shell_does_not_find(program: Path) -> None:
    """As after `make demo`: the command has its path from this folder."""
    assert last_lines() == [
        "Open kyc_demo.html in a browser for the report. Next, try:",
        "bin/argos-sync sql --duckdb kyc_demo.duckdb 'FROM retries_before_leaving'",
    ]


def test_the_path_of_a_program_elsewhere(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the whole path: one with .. would be hard to read."""
    (program.parent.parent / "other").mkdir()
    monkeypatch.chdir(program.parent.parent / "other")
    assert last_lines()[1].startswith(f"{program} sql ")


def test_the_name_of_a_program_that_the_shell_finds(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is enough, if it means the same program."""
    monkeypatch.setenv("PATH", str(program.parent))
    assert last_lines()[1].startswith("argos-sync sql ")
    another = program.parent.parent / "argos-sync"
    another.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(another)])
    assert last_lines()[1].startswith("./argos-sync sql ")


def test_another_dataset(program: Path) -> None:
    """The command names it."""
    assert " --dataset kyc_test 'FROM " in last_lines(dataset="kyc_test")[1]


def test_without_the_extra_report() -> None:
    """The text says how to get the report."""
    assert last_lines(report=None)[0] == (
        "For a report, run pip install 'argos-sync[report]' and the demo again. Next, try:"
    )
