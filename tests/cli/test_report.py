"""`report`: its output, its file and its errors."""

import os

import pytest

from cli.command import Command

pytestmark = pytest.mark.process

SECTIONS = (
    *("volumes", "decisions", "funnel", "backlog", "rejections", "failures", "retries"),
    *("alerts", "hits", "countries", "runs", "staleness"),
)


def test_reports_of_a_warehouse_and_of_a_copy(loaded: Command) -> None:
    """The output is JSON or figures; the user's umask decides who may read the file."""
    loaded("publish", "--to", "copy.duckdb")
    umask = os.umask(0o077)
    os.umask(umask)
    file = loaded.folder / "report.html"
    summary = loaded.json("report", "--out", "report.html")
    assert file.stat().st_mode & 0o777 == 0o666 & ~umask
    assert summary["file"] == str(file)
    assert summary["bytes"] == file.stat().st_size < 5_000_000
    assert summary["sections"] == dict.fromkeys(SECTIONS, "shown")
    assert summary["figures"]["submissions"] == "80"
    first = file.stat().st_ino
    lines = loaded("report", "--out", "report.html", "--file", "copy.duckdb").stdout.splitlines()
    assert lines[0] == "submissions: 80"
    assert lines[-1].startswith(f"{file}: ")
    assert not [line for line in lines if line.startswith("not shown")]
    assert file.stat().st_ino != first
    assert not [text for text in loaded.private if text in file.read_text(encoding="utf-8")]


def test_refused_files(loaded: Command) -> None:
    """A file that is no report is not replaced, and a missing file is an error."""
    notes = loaded.folder / "notes.html"
    notes.write_text("my own")
    message = "notes.html is not a report and stays as it is; name another file"
    assert message in loaded.error_line("report", "--out", "notes.html", code=2)
    assert notes.read_text() == "my own"
    missing = ("--out", "x.html", "--file", "missing.duckdb")
    assert "there is no DuckDB file at" in loaded.error_line("report", *missing, code=5)
    assert not (loaded.folder / "x.html").exists()
