"""`report`: its output, its file and its errors."""

import os

import pytest

from cli.command import Command

pytestmark = pytest.mark.process

SECTIONS = (
    *("volumes", "funnel", "leaving", "failures"),
    *("rates", "speed", "rejections", "backlog", "countries", "id_types"),
    *("fraud", "hits", "ageing", "flow", "runs", "staleness"),
)

JANUARY = ("--from", "2025-01-01", "--to", "2025-01-31")


def test_reports_of_a_warehouse_and_of_a_copy(loaded: Command) -> None:
    """The output is numbers or text; the user's umask decides who may read the file."""
    loaded("publish", "--to", "copy.duckdb")
    umask = os.umask(0o077)
    os.umask(umask)
    file = loaded.folder / "report.html"
    summary = loaded.json("report", "--out", "report.html", *JANUARY)
    assert file.stat().st_mode & 0o777 == 0o666 & ~umask
    assert summary["file"] == str(file)
    assert summary["bytes"] == file.stat().st_size < 5_000_000
    nothing = {"backlog": "empty", "runs": "empty"}
    assert summary["sections"] == dict.fromkeys(SECTIONS, "shown") | nothing
    assert summary["period"] == {"first": "2025-01-01", "last": "2025-01-31"}
    assert summary["before"] is None
    assert summary["figures"]["submissions"] == {"value": 80, "before": None}
    numbers = [one["number"] for one in summary["attention"].values() if one]
    numbers += [one["value"] for one in summary["figures"].values()]
    assert len(numbers) == 19
    assert summary["attention"]["impossible_dates"] is None
    assert {type(one) for one in numbers} <= {int, float}
    assert 0 < summary["figures"]["approval_rate"]["value"] < 1
    first = file.stat().st_ino
    copy = ("--file", "copy.duckdb", "--target", "8h")
    lines = loaded("report", "--out", "report.html", *JANUARY, *copy).stdout.splitlines()
    assert lines[0] == "period: 2025-01-01 to 2025-01-31"
    assert "Submissions: 80" in lines
    assert lines[-1].startswith(f"{file}: ")
    assert "not shown: backlog (empty), runs (empty)" in lines
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


def test_impossible_periods(loaded: Command) -> None:
    """Days and durations that are none are usage errors, and so is a period that ends too early."""
    out = ("report", "--out", "x.html")
    swapped = ("--from", "2025-02-01", "--to", "2025-01-01")
    assert "ends on 2025-01-01, before" in loaded.error_line(*out, *swapped, code=2)
    assert "--target takes a number" in loaded(*out, "--target", "soon", code=2).stderr
    assert not (loaded.folder / "x.html").exists()
