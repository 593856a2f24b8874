"""The report's numbers, its HTML, and that it holds no personal data."""

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.publish import publish
from argos_sync.commands.sync import sync
from argos_sync.load.errors import DestinationError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.target import Target
from argos_sync.report import ReportSummary, make_report
from argos_sync.report.page import FILE_MARK
from cli.command import Command
from published import DIRECT, QUASI, recognisable
from report.conftest import IMAGE, LONG, SCRIPT
from report.pages import Page
from support import NOW, Warehouse, context_for
from whole_lists import Emulator

SECTIONS = (
    *("volumes", "decisions", "funnel", "backlog", "rejections", "failures", "retries"),
    *("alerts", "hits", "countries", "runs", "staleness"),
)
ALLOWED_TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav"),
    *("section", "h1", "h2", "p", "time", "bdi", "dl", "div", "dt", "dd", "ul", "li", "a"),
    *("details", "summary", "span", "table", "caption", "thead", "tbody", "tr", "th", "td"),
    *("svg", "g", "path", "line", "text", "rect", "defs", "clippath"),
}


def write_report(target: Target, folder: Path, mode: int = 0o600) -> tuple[ReportSummary, Page]:
    """Write a report and parse it."""
    summary = make_report(target, folder / "report.html", now=NOW, bound=30, mode=mode)
    return summary, Page(summary.file.read_text(encoding="utf-8"))


def number(text: str) -> int:
    """Parse a formatted count."""
    return int(text.replace(",", ""))


def counts(rows: dict[str, list[str]], place: int = 0) -> dict[str, int]:
    """Return the count of each row at a place; in tables of codes the meaning comes first."""
    return {label: number(cells[place]) for label, cells in rows.items()}


def test_numbers_match_the_source(page: Page, source_submissions: list[dict[str, Any]]) -> None:
    """Counts by day, result, country, reason and risk match counts over the submissions."""
    results = Counter(one["kyc"]["result"] for one in source_submissions)
    kinds = ("approved", "rejected", "pending", "incomplete")
    days = page.rows("volumes")
    sums = [sum(map(number, column)) for column in zip(*days.values(), strict=True)]
    assert sums == [len(source_submissions), *(results[kind] for kind in kinds), 0]
    assert len(days) == 31
    decided = results["approved"] + results["rejected"]
    total = len(source_submissions)
    attempted = sum(bool(one["kyc"].get("attempts")) for one in source_submissions)
    assert list(counts(page.rows("funnel")).values()) == [
        *(total, attempted, decided),
        results["approved"],
    ]
    waiting = [sum(map(number, cells)) for cells in page.rows("backlog").values()]
    assert sum(waiting) == total - decided


def test_reasons_and_countries_match_the_source(
    page: Page, source_submissions: list[dict[str, Any]]
) -> None:
    """Countries with fewer than five submissions are combined."""
    codes = Counter(
        code
        for one in source_submissions
        if one["kyc"].get("result") == "rejected"
        for code in set(one["kyc"].get("commentCode") or ["no code"])
    )
    codes["\ufffdbackwards"] = codes.pop("\u202ebackwards")
    assert counts(page.rows("rejections"), 1) == codes
    countries = Counter(one["data"].get("nationality", "unknown") for one in source_submissions)
    rare = [code for code, n in countries.items() if n < 5]
    assert rare
    countries["fewer than 5 each"] = sum(countries.pop(code) for code in rare)
    assert counts(page.rows("countries")) == countries
    flags = Counter(
        one["aml"]["risk_level_summary"].lower()
        for one in source_submissions
        if one["aml"]["currentstatus"] == "Red Flag"
    )
    assert counts(page.rows("alerts")) == flags
    attempts = [attempt for one in source_submissions for attempt in one["kyc"]["attempts"]]
    errors = Counter(attempt["errorCode"] for attempt in attempts if "errorCode" in attempt)
    assert counts(page.rows("failures"), 1) == errors
    retries = Counter(code for attempt in attempts for code in attempt.get("retryCode", ()))
    assert counts(page.rows("retries"), 1) == retries


def test_runs_and_staleness(page: Page) -> None:
    """The newest run comes first with its outcome and error; rows are older than 30 days."""
    failed, good = page.tables["runs"][1:]
    assert failed[:2] == good[:2] == ["2025-02-01 03:00", "sync"]
    assert all(re.fullmatch(r"\d+(\.\d)?\u00a0s", run[2]) for run in (failed, good))
    assert failed[3:6] == ["failed", "3", "IpNotAllowed"]
    assert good[3:] == ["ok", "0", "\N{EN DASH}", "400", "400", "0", "0"]
    assert page.by_id("runs-text").text.endswith(" 1 of them did not succeed.")
    assert page.rows("staleness")["30 days or more"] == ["400"]
    text = page.by_id("staleness-text").text
    assert text.endswith(" That is over the limit of 30 days (sweep_days).")


def test_the_page_is_self_contained(page: Page) -> None:
    """It loads no resources, runs no scripts, is small, and forbids both to the browser."""
    assert {one.tag for one in page.elements} <= ALLOWED_TAGS
    names = {name for one in page.elements for name in one.attributes}
    assert not {name for name in names if name.startswith("on") or name == "src"}
    links = [str(one.attributes["href"]) for one in page.all("a")]
    assert links == [f"#{name}" for name in SECTIONS]
    assert set(re.findall(r"url\([^)]{0,4}", page.html)) <= {"url(#cli"}
    policy = next(one for one in page.all("meta") if "http-equiv" in one.attributes)
    assert str(policy.attributes["content"]).startswith("default-src 'none';")
    assert len(page.html) < 500_000
    assert page.html.encode().startswith(FILE_MARK)


def test_the_page_is_accessible(page: Page) -> None:
    """Headings, chart names and table heads work with a screen reader."""
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    assert page.all("html")[0].attributes["lang"] == "en"
    assert [one.tag for one in page.all("h1", "h2", "h3")] == ["h1", *["h2"] * len(SECTIONS)]
    assert [one.attributes["id"] for one in page.all("section")] == list(SECTIONS)
    for section in SECTIONS:
        inside = [one for one in page.elements if one.section == section]
        (chart,) = (one for one in inside if one.tag == "svg")
        assert chart.attributes["role"] == "img"
        assert page.by_id(str(chart.attributes["aria-labelledby"])).text
        assert page.by_id(str(chart.attributes["aria-describedby"])).text.endswith((".", ")."))
        (caption,) = (one for one in inside if one.tag == "caption")
        (region,) = (one for one in inside if one.attributes.get("role") == "region")
        assert caption.text
        assert region.attributes["tabindex"] == "0"
        assert {one.attributes.get("scope") for one in inside if one.tag == "th"} == {"col", "row"}
        head, *rows = page.tables[section]
        assert rows
        assert {len(row) for row in rows} == {len(head)}


def test_codes_are_escaped(page: Page) -> None:
    """Markup in a code appears as text; a long code is cut in the chart, not in the table."""
    labels = [one.text for one in page.all("text")]
    for code, section in ((SCRIPT, "rejections"), (IMAGE, "countries"), (LONG, "rejections")):
        assert code in page.rows(section)
        assert code not in page.html or code == LONG
    assert LONG not in labels
    assert any(re.fullmatch("liveness_.*…", text) for text in labels)
    assert "\u202e" not in page.html


def test_no_personal_data(page: Page, source_submissions: list[dict[str, Any]]) -> None:
    """The page has no personal value, submission id, reviewer's name or rare country."""
    values = {
        str(value)
        for one in source_submissions
        for value in (*one["data"].values(), *(v for v in one.values() if isinstance(v, str)))
    }
    # Short values and dates may be on the page by chance.
    private = {value for value in values if len(value) > 10} - {IMAGE}
    assert len(private) > 1_000
    assert not [value for value in private if value in page.html]
    assert ">ATA<" not in page.html
    assert {row[1] for row in page.tables["decisions"][1:]} == {"agent", "system", "other"}


@pytest.mark.tables_made
def test_every_destination_has_a_report(any_warehouse: Warehouse, tmp_path: Path) -> None:
    """Every section has something to show, and marked personal values stay off the page."""
    submissions = [recognisable(1), recognisable(2)]
    submissions[0]["aml"]["currentstatus"] = "Red Flag"
    submissions[0]["kyc"]["result"] = "rejected"
    submissions[1]["kyc"]["result"] = "pending"
    with Emulator(submissions) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    summary, page = write_report(any_warehouse.target, tmp_path)
    assert summary.sections == dict.fromkeys(SECTIONS, "shown")
    assert summary.figures["submissions"] == "2"
    assert DIRECT not in page.html
    assert QUASI not in page.html


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_countries_need_plain_nationalities(
    mode: str, warehouse: Warehouse, tmp_path: Path
) -> None:
    """The section says that the privacy policy hides them; other sections are complete."""
    privacy = {"direct": mode, "quasi": mode, "key": "k" * 44}
    with Emulator([recognisable(1)]) as api:
        sync(context_for(api.base_url, warehouse.target, privacy=privacy))
    summary, page = write_report(warehouse.target, tmp_path)
    assert summary.sections["countries"] == "unavailable"
    assert "dropped, hashed or encrypted" in page.by_id("countries-text").text
    assert summary.sections["volumes"] == summary.sections["decisions"] == "shown"


@pytest.mark.parametrize("strict", [False, True])
def test_a_published_copy_has_the_same_report(
    strict: bool, loaded_warehouse: Warehouse, page: Page, tmp_path: Path
) -> None:
    """Only a strict copy lacks a section, the countries."""
    file = tmp_path / "copy.duckdb"
    publish(loaded_warehouse.target, file, strict=strict)
    summary, copy = write_report(Target(file=str(file)), tmp_path)
    missing = {"countries"} if strict else set()
    assert {name for name, state in summary.sections.items() if state != "shown"} == missing
    for section in set(SECTIONS) - missing:
        assert copy.tables[section] == page.tables[section]


def test_a_warehouse_without_views_has_a_report(warehouse: Warehouse, tmp_path: Path) -> None:
    """Every section says which view is missing."""
    with open_warehouse(warehouse.target):
        pass
    summary, page = write_report(warehouse.target, tmp_path)
    assert summary.sections == dict.fromkeys(SECTIONS, "unavailable")
    assert page.by_id("volumes-text").text == (
        "The warehouse has no view kyc_funnel_daily yet. The next run of argos-sync creates it."
    )
    assert page.all("svg", "table", "dl") == []


@pytest.mark.tables_made
def test_a_warehouse_without_submissions_has_a_report(warehouse: Warehouse, tmp_path: Path) -> None:
    """Every section but the runs says that it is empty."""
    with Emulator([]) as api:
        sync(context_for(api.base_url, warehouse.target))
    summary, page = write_report(warehouse.target, tmp_path)
    assert summary.sections == dict.fromkeys(SECTIONS, "empty") | {"runs": "shown"}
    assert page.by_id("volumes-text").text == "There are no submissions yet."


@pytest.mark.tables_made
def test_a_report_is_replaced_and_keeps_its_mode(warehouse: Warehouse, tmp_path: Path) -> None:
    """A new file has the mode asked for; the next report replaces the file and keeps its mode."""
    first, _ = write_report(warehouse.target, tmp_path, 0o640)
    assert first.file.stat().st_mode & 0o777 == 0o640
    inode = first.file.stat().st_ino
    second, _ = write_report(warehouse.target, tmp_path, 0o600)
    assert second.size == first.file.stat().st_size
    assert first.file.stat().st_mode & 0o777 == 0o640
    assert first.file.stat().st_ino != inode
    assert list(tmp_path.glob("*.html*")) == [first.file]


@pytest.mark.tables_made
def test_other_files_are_not_replaced(warehouse: Warehouse, tmp_path: Path) -> None:
    """Files that are not reports, missing folders and the warehouse itself are refused."""
    own_page = tmp_path / "report.html"
    own_page.write_text("<!doctype html>\n<p>my own page")
    with pytest.raises(ConfigurationError, match=r"report.html is not a report and stays as it is"):
        write_report(warehouse.target, tmp_path)
    assert own_page.read_text() == "<!doctype html>\n<p>my own page"
    with pytest.raises(ConfigurationError, match="nowhere; create it, or name another file"):
        write_report(warehouse.target, tmp_path / "nowhere")
    log = Path(f"{warehouse.target.file}.wal")
    with pytest.raises(ConfigurationError, match="is the warehouse itself or its log"):
        make_report(warehouse.target, log, now=NOW, bound=None)
    with pytest.raises(DestinationError, match="the file cannot be written"):
        make_report(warehouse.target, Path("/proc/report.html"), now=NOW, bound=None)


def test_a_missing_renderer_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the extra, before the warehouse is opened or a file is written."""
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    target = Target(file=str(tmp_path / "missing.duckdb"))
    with pytest.raises(ConfigurationError) as raised:
        write_report(target, tmp_path)
    assert raised.value.message == (
        "report needs the package vl-convert-python, which is not installed"
    )
    assert raised.value.remedy == "pip install 'argos-sync[report]'"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_the_command_without_its_renderer(tmp_path: Path) -> None:
    """The command prints one line and exits with 2."""
    script = """
import sys
sys.modules["vl_convert"] = None
from argos_sync.cli.app import main
sys.argv = ["argos-sync", "report", "--out", "report.html"]
main()
"""
    python = Command(tmp_path, executable=Path(sys.executable))
    assert python.error_line("-c", script, code=2) == (
        "report needs the package vl-convert-python, which is not installed;"
        " pip install 'argos-sync[report]'"
    )
    assert not (tmp_path / "report.html").exists()


@pytest.mark.slow
@pytest.mark.tables_made
def test_submissions_at_the_ends_of_the_calendar(
    any_warehouse: Warehouse, january: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Charts end at plausible days, and the report says how many submissions lie outside."""
    texts = ("0001-01-01-00-00-00-000", "9999-12-31-23-59-59-999", "9999-12-01-00-00-00-000")
    decided = [one for one in january if one["kyc"].get("result") == "approved"]
    ends = [
        decided[number]
        | {"submission_id": f"end-{number}", "created_at": text, "kyc_result_at": text}
        for number, text in enumerate(texts)
    ]
    with Emulator([*january, *ends]) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    _, page = write_report(any_warehouse.target, tmp_path)
    for section in ("volumes", "hits", "decisions"):
        assert "3 submissions are not shown" in page.by_id(f"{section}-text").text
    assert set(page.rows("volumes")) <= {f"2025-01-{day:02}" for day in range(1, 32)}
