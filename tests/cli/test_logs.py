"""Log lines, silence and failures: text for people, JSON for collectors."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from argos_sync.cli.exit_codes import run
from argos_sync.cli.logs import format_line
from argos_sync.cli.wording import counted
from cli.command import Command, CommandInProcess
from whole_lists import Behaviour, Emulator

MOMENT = datetime(2025, 2, 1, 12, 0, 0, 5_000, UTC)
TIME = "2025-02-01T12:00:00.005Z"


def test_lines_of_text() -> None:
    """A line has time, level and run id, and never a line break."""
    line = format_line("text", "INFO", "one\ntwo", MOMENT, "run-1")
    assert line == f"{TIME} INFO run-1 one | two"
    assert format_line("text", "WARNING", "early", MOMENT, None) == f"{TIME} WARNING - early"


def test_lines_of_json() -> None:
    """A line is an object with the same parts, and more of a failure."""
    line = format_line("json", "ERROR", "one\ntwo", MOMENT, None, exit_status=3)
    assert json.loads(line) == {
        "time": TIME,
        "level": "error",
        "run_id": None,
        "message": "one\ntwo",
        "exit_status": 3,
    }
    assert "\n" not in line


def test_counts_in_words() -> None:
    """The noun agrees with the number."""
    texts = [counted(number, "page") for number in (0, 1, 2_000)]
    assert texts == ["0 pages", "1 page", "2,000 pages"]
    assert counted(2, "retry", "retries") == "2 retries"


@pytest.mark.parametrize(
    ("log_format", "is_json"),
    [
        ((), False),
        (("--log-format", "json"), True),
        (("--log-format=json",), True),
        (("--log-format=json", "--log-format", "text"), False),
    ],
)
def test_usage_errors(tmp_path: Path, log_format: tuple[str, ...], *, is_json: bool) -> None:
    """With --json stdout has an object, and with --log-format json so has stderr."""
    done = CommandInProcess(tmp_path)("sync", "--fast", "--json", *log_format, code=2)
    failure = json.loads(done.stdout)
    assert (failure["error"], failure["exit_status"]) == ("UsageError", 2)
    assert failure["remedy"] == "see argos-sync sync --help"
    (line,) = done.stderr.splitlines()
    if is_json:
        entry = json.loads(line)
        assert {name: entry[name] for name in ("level", "run_id", "message", "exit_status")} == {
            "level": "error",
            "run_id": None,
            "message": failure["message"],
            "exit_status": 2,
        }
    else:
        assert line == f"argos-sync: {failure['message']}; {failure['remedy']}"


def test_quiet_and_verbose(tmp_path: Path) -> None:
    """They contradict each other."""
    message = CommandInProcess(tmp_path).error_line("status", "-q", "-v", code=2)
    assert "give --quiet or --verbose, but not both; see argos-sync status --help" in message


def test_an_interrupt_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Its exit code is that of the signal."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    assert run(interrupt, ["sync", "--json"]) == 130
    failure = json.loads(capsys.readouterr().out)
    assert (failure["error"], failure["exit_status"]) == ("Interrupted", 130)


@pytest.mark.process
def test_a_quiet_sync(configured: Command, api: Emulator) -> None:
    """It prints nothing when it succeeds, and when it fails its log lines and the message."""
    api.behaviour = Behaviour(repeated_key=True)
    configured.settings["SOURCES__ARGOS__PAGE_SIZE"] = "10"
    failed = configured("sync", "--quiet", code=4)
    line, last = failed.stderr.splitlines()
    assert " INFO " in line
    assert last.startswith("argos-sync: ")
    assert failed.stdout == ""
    api.behaviour = Behaviour()
    done = configured("sync", "--quiet")
    assert (done.stdout, done.stderr) == ("", "")
    assert configured.rows("SELECT COUNT(*) FROM submissions") == [(len(api.store),)]


@pytest.mark.process
def test_a_failed_sync_as_json(configured: Command, api: Emulator) -> None:
    """Its JSON has the run record and the remedy; every log line names the run."""
    api.behaviour = Behaviour(repeated_key=True)
    configured.settings["SOURCES__ARGOS__PAGE_SIZE"] = "10"
    done = configured("sync", "--json", "--log-format", "json", code=4)
    failure = json.loads(done.stdout)
    columns = ("run_id", "command", "requests", "submissions_new", "exit_status", "error")
    (row,) = configured.rows(f"SELECT {', '.join(columns)} FROM sync_runs")
    assert row == tuple(failure[name] for name in columns)
    assert row[1:] == ("sync", failure["requests"], 10, 4, "PageLoop")
    assert failure["started_at"][10] == "T"
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert {entry["run_id"] for entry in entries} == {failure["run_id"]}
    assert [entry["level"] for entry in entries] == ["info", "error"]
    assert entries[-1]["remedy"] == failure["remedy"]
