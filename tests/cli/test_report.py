"""`report`: what it says when it has written the page, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

from cli.command import Command

SECTIONS = (
    *("volumes", "decisions", "funnel", "backlog", "rejections", "failures", "retries"),
    *("alerts", "hits", "countries", "runs", "staleness"),
)


def test_a_page_of_the_warehouse_and_of_a_copy(loaded: Command) -> None:
    """Both are told in one JSON object; the page is as readable as the caller's files are."""
    loaded("publish", "--to", "copy.duckdb")
    umask = os.umask(0o077)
    os.umask(umask)
    for arguments in ((), ("--from-copy", "copy.duckdb"), ("--from-copy", "copy.duckdb")):
        summary = loaded.json("report", "--out", "report.html", *arguments)
        file = loaded.folder / "report.html"
        assert file.stat().st_mode & 0o777 == 0o666 & ~umask
        assert summary["file"] == str(file)
        assert summary["bytes"] == file.stat().st_size < 5_000_000
        assert summary["sections"] == dict.fromkeys(SECTIONS, "shown")
        assert summary["figures"]["submissions"] == "80"
        assert not [text for text in loaded.private if text in file.read_text(encoding="utf-8")]


def test_a_person_is_told_the_figures(loaded: Command) -> None:
    """The most important numbers come first, then where the page is."""
    said = loaded("report", "--out", "report.html").stdout.splitlines()
    assert said[0] == "submissions: 80"
    assert said[-1].startswith(f"{loaded.folder / 'report.html'}: ")
    assert not [line for line in said if line.startswith("not shown")]


def test_what_is_refused(loaded: Command) -> None:
    """A target that cannot be meant, and a copy that is not there, are named."""
    notes = loaded.folder / "notes.html"
    notes.write_text("my own")
    refused = "notes.html is not a report and stays as it is; name another file"
    assert refused in loaded.says("report", "--out", "notes.html", code=2)
    assert notes.read_text() == "my own"
    assert "there is no folder" in loaded.says("report", "--out", "nowhere/x.html", code=2)
    missing = ("--out", "x.html", "--from-copy", "missing.duckdb")
    assert "there is no DuckDB file at" in loaded.says("report", *missing, code=5)
    assert not Path(loaded.folder / "x.html").exists()
