"""`report`: what it says when it has written the page, and what it refuses."""

from __future__ import annotations

import os

from cli.command import Command

SECTIONS = (
    *("volumes", "decisions", "funnel", "backlog", "rejections", "failures", "retries"),
    *("alerts", "hits", "countries", "runs", "staleness"),
)


def test_a_page_of_the_warehouse_and_of_a_copy(loaded: Command) -> None:
    """A program is told in one JSON object, a person the figures; others may read the page."""
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
    said = loaded("report", "--out", "report.html", "--file", "copy.duckdb").stdout.splitlines()
    assert said[0] == "submissions: 80"
    assert said[-1].startswith(f"{file}: ")
    assert not [line for line in said if line.startswith("not shown")]
    assert file.stat().st_ino != first
    assert not [text for text in loaded.private if text in file.read_text(encoding="utf-8")]


def test_what_is_refused(loaded: Command) -> None:
    """A target that cannot be meant, and a file that is not there, are named."""
    notes = loaded.folder / "notes.html"
    notes.write_text("my own")
    refused = "notes.html is not a report and stays as it is; name another file"
    assert refused in loaded.says("report", "--out", "notes.html", code=2)
    assert notes.read_text() == "my own"
    missing = ("--out", "x.html", "--file", "missing.duckdb")
    assert "there is no DuckDB file at" in loaded.says("report", *missing, code=5)
    assert not (loaded.folder / "x.html").exists()
