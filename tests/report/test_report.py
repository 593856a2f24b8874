"""The report: what its numbers are, and what is never on it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.publish import publish
from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator
from argos_sync.load.errors import DestinationError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.report import ReportSummary, make_report
from argos_sync.report.page import FILE_MARK
from published import DIRECT, QUASI, recognisable
from report.conftest import IMAGE, LONG, SCRIPT
from report.pages import Page
from support import NOW, Warehouse, context_for

SECTIONS = (
    *("volumes", "decisions", "funnel", "backlog", "rejections", "failures", "retries"),
    *("alerts", "hits", "countries", "runs", "staleness"),
)


def report_of(warehouse: Warehouse, folder: Path, **options: Any) -> tuple[ReportSummary, Page]:
    """Makes a report and reads it."""
    made = make_report(
        warehouse.target, folder / "report.html", **{"now": NOW, "bound": 30} | options
    )
    return made, Page(made.file.read_text(encoding="utf-8"))


def number(text: str) -> int:
    """A count as it is written."""
    return int(text.replace(",", ""))


def test_the_numbers_are_those_of_the_source(page: Page, told: list[dict[str, Any]]) -> None:
    """Counts by day, result, country, reason and risk are what the submissions themselves say."""
    results = Counter(one["kyc"]["result"] for one in told)
    kinds = ("approved", "rejected", "pending", "incomplete")
    days = page.rows("volumes")
    sums = [sum(map(number, column)) for column in zip(*days.values(), strict=True)]
    assert sums == [len(told), *(results[kind] for kind in kinds), 0]
    assert len(days) == 31
    funnel = [number(cells[0]) for cells in page.rows("funnel").values()]
    decided = results["approved"] + results["rejected"]
    assert funnel == [len(told), len(told), decided, results["approved"]]
    waiting = [sum(map(number, cells)) for cells in page.rows("backlog").values()]
    assert sum(waiting) == len(told) - decided
    codes = Counter(
        code
        for one in told
        if one["kyc"]["result"] == "rejected"
        for code in set(one["kyc"].get("commentCode") or ["no code"])
    )
    codes["\ufffdbackwards"] = codes.pop("\u202ebackwards")
    assert {code: number(n) for code, (n,) in page.rows("rejections").items()} == codes
    countries = Counter(one["data"]["nationality"] for one in told)
    few = [code for code, n in countries.items() if n < 5]
    assert few
    countries["with fewer than 5 each"] = sum(countries.pop(code) for code in few)
    found = page.rows("countries")
    assert {code: number(cells[0]) for code, cells in found.items()} == countries
    flags = Counter(
        one["aml"]["risk_level_summary"].lower()
        for one in told
        if one["aml"]["currentstatus"] == "Red Flag"
    )
    assert {risk: number(cells[0]) for risk, cells in page.rows("alerts").items()} == flags
    errors = Counter(
        a["errorCode"] for one in told for a in one["kyc"]["attempts"] if "errorCode" in a
    )
    assert {code: number(cells[0]) for code, cells in page.rows("failures").items()} == errors
    retries = Counter(
        code for one in told for a in one["kyc"]["attempts"] for code in a.get("retryCode", ())
    )
    assert {code: number(cells[0]) for code, cells in page.rows("retries").items()} == retries


def test_what_is_told_of_runs_and_rows(page: Page) -> None:
    """The newest run comes first, with its end and error; the age of rows with its bound."""
    failed, good = page.tables["runs"][1:]
    assert failed[:2] == good[:2] == ["2025-02-01 03:00", "sync"]
    assert all(re.fullmatch(r"\d+(\.\d)?\u00a0s", run[2]) for run in (failed, good))
    assert failed[3:6] == ["failed", "3", "IpNotAllowed"]
    assert good[3:] == ["ok", "0", "–", "400", "400", "0", "0"]  # noqa: RUF001 as on the page
    assert page.one("runs-said").text.endswith("; 1 of them did not end well.")
    assert page.rows("staleness")["30 days or more"] == ["400"]
    assert page.one("staleness-said").text.endswith("the bound of 30 days is not kept.")


def test_the_page_stands_alone(page: Page) -> None:
    """It loads nothing, runs nothing, is small, and says so to the browser."""
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav"}
    allowed |= {"section", "h1", "h2", "p", "time", "bdi", "dl", "div", "dt", "dd", "ul", "li", "a"}
    allowed |= {
        "details",
        "summary",
        "span",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    allowed |= {"svg", "g", "path", "line", "text", "rect", "defs", "clippath"}
    assert {one.tag for one in page.elements} <= allowed
    names = {name for one in page.elements for name in one.attributes}
    assert not {name for name in names if name.startswith("on") or name == "src"}
    links = [str(one.attributes["href"]) for one in page.all("a")]
    assert links == [f"#{name}" for name in SECTIONS]
    assert set(re.findall(r"url\([^)]{0,4}", page.html)) <= {"url(#cli"}
    policy = next(one for one in page.all("meta") if "http-equiv" in one.attributes)
    assert str(policy.attributes["content"]).startswith("default-src 'none';")
    assert len(page.html) < 500_000
    assert page.html.encode().startswith(FILE_MARK)


def test_who_cannot_see_the_page_can_read_it(page: Page) -> None:
    """Headings, names of pictures, and tables whose heads belong to rows and columns."""
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    assert page.all("html")[0].attributes["lang"] == "en"
    assert [one.tag for one in page.all("h1", "h2", "h3")] == ["h1", *["h2"] * len(SECTIONS)]
    assert [one.attributes["id"] for one in page.all("section")] == list(SECTIONS)
    for section in SECTIONS:
        inside = [one for one in page.elements if one.section == section]
        (drawn,) = (one for one in inside if one.tag == "svg")
        assert drawn.attributes["role"] == "img"
        assert page.one(str(drawn.attributes["aria-labelledby"])).text
        assert page.one(str(drawn.attributes["aria-describedby"])).text.endswith(".")
        (caption,) = (one for one in inside if one.tag == "caption")
        (scrolled,) = (one for one in inside if one.attributes.get("role") == "region")
        assert caption.text
        assert scrolled.attributes["tabindex"] == "0"
        assert {one.attributes.get("scope") for one in inside if one.tag == "th"} == {"col", "row"}
        head, *rows = page.tables[section]
        assert rows
        assert {len(row) for row in rows} == {len(head)}


def test_names_are_text_and_nothing_else(page: Page) -> None:
    """What looks like markup is shown as it is; the long is cut in the chart, not in the table."""
    charts = [one.text for one in page.all("text")]
    for code, section in ((SCRIPT, "rejections"), (IMAGE, "countries"), (LONG, "rejections")):
        assert code in page.rows(section)
        assert code not in page.html or code == LONG
    assert LONG not in charts
    assert any(re.fullmatch("liveness_.*…", text) for text in charts)
    assert "\u202e" not in page.html


def test_nothing_tells_who_a_person_is(page: Page, told: list[dict[str, Any]]) -> None:
    """No value of a person, no id of a submission, no reviewer by name, no country of a few."""
    values = {
        str(value)
        for one in told
        for value in (*one["data"].values(), *(v for v in one.values() if isinstance(v, str)))
    }
    # Short ones and days may be there by chance.
    private = {value for value in values if len(value) > 10} - {IMAGE}
    assert len(private) > 1_000
    assert not [value for value in private if value in page.html]
    assert ">ATA<" not in page.html
    assert {row[1] for row in page.tables["decisions"][1:]} == {"agent", "system", "other"}


def test_every_destination_has_a_report(any_warehouse: Warehouse, tmp_path: Path) -> None:
    """People who can be recognised are not; every section finds something to show."""
    submissions = [recognisable(1), recognisable(2)]
    submissions[0]["aml"]["currentstatus"] = "Red Flag"
    submissions[0]["kyc"]["result"] = "rejected"
    submissions[1]["kyc"]["result"] = "pending"
    with Emulator(submissions) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    made, page = report_of(any_warehouse, tmp_path)
    assert made.sections == dict.fromkeys(SECTIONS, "shown")
    assert made.figures["submissions"] == "2"
    assert DIRECT not in page.html
    assert QUASI not in page.html


@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_a_protected_column_is_not_available(
    mode: str, warehouse: Warehouse, tmp_path: Path
) -> None:
    """The section says so, and nothing else is missing."""
    privacy = {"direct": mode, "quasi": mode, "key": "k" * 44}
    with Emulator([recognisable(1)]) as api:
        sync(context_for(api.base_url, warehouse.target, privacy=privacy))
    made, page = report_of(warehouse, tmp_path)
    assert made.sections["countries"] == "unavailable"
    assert "left out, hashed or encrypted" in page.one("countries-said").text
    assert made.sections["volumes"] == made.sections["decisions"] == "shown"


@pytest.mark.parametrize("strict", [False, True])
def test_a_published_copy_has_the_same_report(
    strict: bool, reported: Warehouse, page: Page, tmp_path: Path
) -> None:
    """But for the countries, which are not in a strict one."""
    file = tmp_path / "copy.duckdb"
    publish(reported.target, file, strict=strict)
    made, again = report_of(Warehouse(type(reported.target)(file=str(file)), str), tmp_path)
    left_out = {"countries"} if strict else set()
    assert {name for name, state in made.sections.items() if state != "shown"} == left_out
    for section in set(SECTIONS) - left_out:
        assert again.tables[section] == page.tables[section]


def test_an_empty_warehouse_has_a_report(warehouse: Warehouse, tmp_path: Path) -> None:
    """It says of each section that there is nothing yet."""
    with open_warehouse(warehouse.target):
        pass
    made, page = report_of(warehouse, tmp_path)
    assert made.sections == dict.fromkeys(SECTIONS, "unavailable")
    assert page.one("volumes-said").text == (
        "The warehouse has no view kyc_funnel_daily yet; the next run of argos-sync makes it."
    )
    assert page.all("svg", "table", "dl") == []
    with Emulator([]) as api:
        sync(context_for(api.base_url, warehouse.target))
    made, page = report_of(warehouse, tmp_path)
    assert made.sections == dict.fromkeys(SECTIONS, "empty") | {"runs": "shown"}
    assert page.one("volumes-said").text == "There are no submissions yet."


def test_where_it_is_written(reported: Warehouse, tmp_path: Path) -> None:
    """A new file has its mode; only a report is ever replaced, and keeps its mode then."""
    made, _ = report_of(reported, tmp_path, mode=0o640)
    assert made.file.stat().st_mode & 0o777 == 0o640
    before = made.file.stat().st_ino
    again, _ = report_of(reported, tmp_path, mode=0o600)
    assert again.size == made.file.stat().st_size
    assert made.file.stat().st_mode & 0o777 == 0o640
    assert made.file.stat().st_ino != before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    made.file.write_text("<!doctype html>\n<p>my own page")
    with pytest.raises(ConfigurationError, match=r"report.html is not a report and stays as it is"):
        report_of(reported, tmp_path)
    with pytest.raises(ConfigurationError, match="nowhere; make it, or name another file"):
        report_of(reported, tmp_path / "nowhere")
    log = Path(f"{reported.target.file}.wal")
    with pytest.raises(ConfigurationError, match="is the warehouse itself or its log"):
        make_report(reported.target, log, now=NOW, bound=None)
    with pytest.raises(DestinationError, match="the file cannot be written"):
        make_report(reported.target, Path("/proc/report.html"), now=NOW, bound=None)
