"""The report's numbers, its HTML, and that it holds no personal data."""

import copy
import re
import shutil
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.sync import sync
from argos_sync.load.errors import DestinationError
from argos_sync.load.read_only import open_read_only
from argos_sync.load.target import Target
from argos_sync.report import Report, Scope, WrittenReport, make_report, scope_of
from argos_sync.report.contents import read_report
from argos_sync.report.page import FILE_MARK
from cli.command import Command
from oracle import flatten
from published import DIRECT, QUASI, recognisable
from report.conftest import IMAGE, JANUARY, LONG, SCRIPT, january_scope
from report.pages import Page
from support import Warehouse, context_for
from whole_lists import Emulator

SECTIONS = (
    *("volumes", "funnel", "leaving", "failures"),
    *("rates", "speed", "rejections", "backlog", "countries", "id_types"),
    *("fraud", "hits", "ageing", "flow", "runs", "staleness"),
)
ALLOWED_TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav"),
    *("section", "article", "h1", "h2", "h3", "p", "b", "time", "bdi", "code"),
    *("dl", "div", "dt", "dd", "ul", "ol", "li", "a"),
    *("details", "summary", "span", "table", "caption", "thead", "tbody", "tr", "th", "td"),
    *("svg", "g", "path", "line", "text", "tspan", "rect", "defs", "clippath"),
}


def write_report(
    target: Target, folder: Path, scope: Scope = JANUARY, mode: int = 0o600
) -> tuple[WrittenReport, Page]:
    """Write a report and parse it."""
    written = make_report(target, folder / "report.html", scope, mode=mode)
    return written, Page(written.file.read_text(encoding="utf-8"))


def states(report: Report) -> dict[str, str]:
    """Return the state of each section."""
    return {one.spec.key: one.state for one in report.sections}


MARKED = scope_of(datetime(2026, 2, 1, tzinfo=UTC), first=date(2026, 1, 1), last=date(2026, 1, 31))
"""A scope with the submissions of `recognisable`."""


def decided(submissions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the submissions that were decided in January."""
    finals = {"approved", "rejected"}
    with_result = [one for one in submissions if one["kyc"].get("result") in finals]
    return [one for one in with_result if (one["kyc_result_at"] or "9999") < "2025-02"]


def number(text: str) -> int:
    """Parse a formatted count."""
    return int(text.replace(",", ""))


def counts(rows: dict[str, list[str]], place: int = 0) -> dict[str, int]:
    """Return the count of each row at a place; in tables of codes the meaning comes first."""
    return {label: number(cells[place]) for label, cells in rows.items()}


def test_volumes_and_funnel_match_the_source(
    page: Page, source_submissions: list[dict[str, Any]]
) -> None:
    """Counts by day, result and step match counts over the submissions."""
    results = Counter(one["kyc"]["result"] for one in source_submissions)
    kinds = ("approved", "rejected", "pending", "incomplete")
    days = page.rows("volumes")
    sums = [sum(map(number, column)) for column in zip(*days.values(), strict=True)]
    total = len(source_submissions)
    assert sums == [total, *(results[kind] for kind in kinds), 0]
    assert list(days) == [f"2025-01-{day:02}" for day in range(31, 0, -1)]
    attempts = [one["kyc"].get("attempts") or [] for one in source_submissions]
    steps = [
        sum(any(step in attempt for attempt in several) for several in attempts)
        for step in ("step1Time1st", "step2Time1st")
    ]
    assert list(counts(page.rows("funnel")).values()) == [
        *(total, sum(map(bool, attempts)), *steps, results["approved"]),
    ]
    # All incomplete submissions of January have been without activity for long.
    left = results["incomplete"] + sum(
        "timeout" in (one["kyc"].get("commentCode") or ()) for one in source_submissions
    )
    assert sum(counts(page.rows("leaving"), 4).values()) == left
    assert sum(counts(page.rows("backlog")).values()) == results["pending"]


def test_decisions_match_the_source(
    page: Page, written: WrittenReport, source_submissions: list[dict[str, Any]]
) -> None:
    """Rates and times are those of the decisions made in the period; reviewers are not named."""
    rows = decided(source_submissions)
    approved = [one for one in rows if one["kyc"]["result"] == "approved"]
    automatic = [one for one in rows if one["reviewer"] == "system"]
    table = page.rows("rates")
    assert sum(counts(table).values()) == len(rows)
    assert sum(counts(table, 1).values()) == len(approved)
    assert sum(counts(table, 3).values()) == len(automatic)
    figures = {one.key: one.value for one in written.report.figures}
    assert figures["approval_rate"] == len(approved) / len(rows)
    assert figures["automation_rate"] == len(automatic) / len(rows)
    times = flatten(rows)["submissions"]
    seconds = sorted((one["kyc_result_at"] - one["created_at"]).total_seconds() for one in times)
    # The nearest rank is the first that at least this share of the values does not exceed.
    for key, percent in (("seconds_to_decision_p50", 50), ("seconds_to_decision_p90", 90)):
        rank = -(-len(seconds) * percent // 100)
        assert figures[key] == pytest.approx(seconds[rank - 1])
    deciders = [label for label in page.rows("speed") if label.startswith("by ")]
    assert deciders == ["by all", "by the machine", "by people"]


def test_reasons_and_groups_match_the_source(
    page: Page, source_submissions: list[dict[str, Any]]
) -> None:
    """Nationalities with fewer than five decisions are combined."""
    rows = decided(source_submissions)
    codes = Counter(
        code
        for one in rows
        if one["kyc"]["result"] == "rejected"
        for code in set(one["kyc"].get("commentCode") or ["no code"])
    )
    codes["\ufffdbackwards"] = codes.pop("\u202ebackwards")
    reasons = {row[1]: number(row[2]) for row in page.tables["rejections"][1:]}
    assert reasons == codes
    countries = Counter(one["data"].get("nationality", "unknown") for one in rows)
    rare = [code for code, n in countries.items() if n < 5]
    assert rare
    countries["fewer than 5 each"] = sum(countries.pop(code) for code in rare)
    assert counts(page.rows("countries")) == countries
    approved = sum(one["kyc"]["result"] == "approved" for one in rows)
    assert sum(counts(page.rows("countries"), 1).values()) == approved
    types = Counter(one["data"].get("idType", "unknown").replace("_", " ") for one in rows)
    assert counts(page.rows("id_types")) == types
    attempts = [attempt for one in source_submissions for attempt in one["kyc"]["attempts"]]
    failures = {row[1]: row[2:4] for row in page.tables["failures"][1:]}
    errors = Counter(attempt["errorCode"] for attempt in attempts if "errorCode" in attempt)
    retries = Counter(code for attempt in attempts for code in attempt.get("retryCode", ()))
    assert {code: number(row[0]) for code, row in failures.items() if row[0] != "0"} == errors
    assert {code: number(row[1]) for code, row in failures.items() if row[1] != "0"} == retries


def test_screening_matches_the_source(
    page: Page, written: WrittenReport, source_submissions: list[dict[str, Any]]
) -> None:
    """Open alerts, red flags of decisions, and signs of fraud match the submissions."""
    flagged = [one for one in source_submissions if one["aml"]["currentstatus"] == "Red Flag"]
    assert counts(page.rows("ageing"))["90 days or more"] == len(flagged)
    assert sum(counts(page.rows("flow")).values()) == len(flagged)
    flags = {one["submission_id"] for one in flagged}
    hits = sum(one["submission_id"] in flags for one in decided(source_submissions))
    assert sum(counts(page.rows("hits")).values()) == hits
    signs = counts(page.rows("fraud"))
    codes = [one["kyc"].get("commentCode") or () for one in source_submissions]
    assert signs["face seen before"] == sum("duplicated_face" in several for several in codes)
    assert signs["injected image"] == sum("Injection_action" in one for one in source_submissions)
    attention = written.report.attention
    results = Counter(one["kyc"]["result"] for one in source_submissions)
    approved = sum(one["kyc"]["result"] == "approved" for one in flagged)
    assert attention["open_alerts"].number == len(flagged)
    assert attention["approved_with_red_flag"].number == approved
    assert attention["past_target"].number == results["pending"]
    assert attention["last_sync"] == replace(
        attention["last_sync"], is_urgent=False, text="The last successful sync was 0.0\xa0s ago."
    )
    assert attention["oldest_data"].is_urgent


def test_a_period_is_compared_with_the_one_before(
    loaded_warehouse: Warehouse, source_submissions: list[dict[str, Any]]
) -> None:
    """The earlier values are those of as many days; without data so early there are none."""
    created = Counter(int(one["created_at"][8:10]) for one in source_submissions)
    halves = [sum(n for day, n in created.items() if (day > 15) is late) for late in (True, False)]
    with open_read_only(loaded_warehouse.target) as warehouse:
        patient = replace(january_scope(16, 31), review_target=timedelta(99_999))
        report = read_report(warehouse.client, patient)
        too_early = read_report(warehouse.client, january_scope(10, 31))
    assert report.attention["past_target"].number == 0
    assert str(report.before) == "2024-12-31 to 2025-01-15"
    figures = {one.key: one for one in report.figures}
    assert [figures["submissions"].value, figures["submissions"].before] == halves
    reasons = next(one.content.table for one in report.sections if one.spec.key == "rejections")
    assert reasons is not None
    assert min(number(row[2]) for row in reasons.rows) > 0
    assert max(number(row[4]) for row in reasons.rows) > 0
    rows = decided(source_submissions)
    early = [one for one in rows if one["kyc_result_at"] < "2025-01-16"]
    rates = [
        sum(one["kyc"]["result"] == "approved" for one in part) / len(part)
        for part in ([one for one in rows if one not in early], early)
    ]
    assert [figures["approval_rate"].value, figures["approval_rate"].before] == rates
    assert too_early.before is None
    assert {one.before for one in too_early.figures} == {None}


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
    ids = {one.attributes.get("id") for one in page.elements}
    assert {link.removeprefix("#") for link in links} <= ids
    assert {f"#{name}" for name in SECTIONS} <= set(links)
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
    headings = [one.tag for one in page.all("h1", "h2", "h3")]
    assert headings[:4] == ["h1", "h2", "h2", "h2"]
    assert (headings.count("h1"), headings.count("h3")) == (1, len(SECTIONS))
    assert [one.attributes["id"] for one in page.all("article")] == list(SECTIONS)
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
        assert any(code in row[:2] for row in page.tables[section])
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
    assert "Kim" not in page.html


@pytest.mark.tables_made
def test_every_destination_has_a_report(any_warehouse: Warehouse) -> None:
    """Every query runs there, and marked personal values stay out of it."""
    submissions = [recognisable(number) for number in (1, 2, 3)]
    submissions[0]["aml"]["currentstatus"] = "Red Flag"
    for one, result in zip(submissions, ("rejected", "pending", "approved"), strict=True):
        one["kyc"]["result"] = result
    with Emulator(submissions) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    with open_read_only(any_warehouse.target) as warehouse:
        report = read_report(warehouse.client, MARKED)
    # A single run is a line, not a chart.
    assert states(report) == dict.fromkeys(SECTIONS, "shown") | {"runs": "empty"}
    assert set(report.attention) == {
        *("open_alerts", "approved_with_red_flag", "past_target", "expired_documents"),
        *("failed_checks", "last_sync", "oldest_data"),
    }
    values = {one.key: one.value for one in report.figures}
    assert values["submissions"] == 3
    assert (values["approval_rate"], values["aml_hit_rate"]) == (0.5, 1)
    assert {type(value) for value in values.values()} == {int, float}
    assert DIRECT not in repr(report)
    assert QUASI not in repr(report)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_countries_need_plain_nationalities(
    mode: str, warehouse: Warehouse, tmp_path: Path
) -> None:
    """A line says that the privacy policy hides them; other sections are complete."""
    privacy = {"direct": mode, "quasi": mode, "key": "k" * 44}
    with Emulator([recognisable(1) | {"kyc": {"result": "approved"}}]) as api:
        sync(context_for(api.base_url, warehouse.target, privacy=privacy))
    written, page = write_report(warehouse.target, tmp_path, MARKED)
    assert states(written.report)["countries"] == "unavailable"
    assert "dropped, hashed or encrypted" in page.by_id("countries").text
    assert states(written.report)["volumes"] == states(written.report)["id_types"] == "shown"


@pytest.mark.parametrize("strict", [False, True])
def test_a_published_copy_has_the_same_report(
    strict: bool, loaded_warehouse: Warehouse, written: WrittenReport, tmp_path: Path
) -> None:
    """Only a strict copy lacks a section, the nationalities.

    Signs of fraud that compare direct values are unknown in a copy, which the page says.
    """
    file = tmp_path / "copy.duckdb"
    publish(loaded_warehouse.target, file, strict=strict)
    with open_read_only(Target(file=str(file))) as copy:
        sections = {one.spec.key: one for one in read_report(copy.client, JANUARY).sections}
    missing = {"countries"} if strict else set()
    assert {name for name, one in sections.items() if one.state != "shown"} == missing
    tables = {one.spec.key: one.content.table for one in written.report.sections}
    for section in set(SECTIONS) - missing - {"fraud"}:
        assert sections[section].content.table == tables[section]
    unknown = ["several user ids", "shared IP address", "shared document"]
    fraud = sections["fraud"].content
    assert fraud.text.endswith(f" Not known for any of them: {', '.join(unknown)}.")


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.tables_made
def test_an_empty_warehouse_has_one_friendly_page(
    synced: bool, warehouse: Warehouse, tmp_path: Path
) -> None:
    """It says how to load submissions, and has neither charts nor figures."""
    if synced:
        with Emulator([]) as api:
            sync(context_for(api.base_url, warehouse.target))
    written, page = write_report(warehouse.target, tmp_path)
    assert written.report.chapters == ()
    assert [one.text for one in page.all("h2")] == ["There are no submissions here yet"]
    assert "argos-sync sync" in [one.text for one in page.all("code")]
    assert page.all("svg", "table", "dl", "nav") == []


def test_a_warehouse_without_views_names_them(loaded_warehouse: Warehouse, tmp_path: Path) -> None:
    """Each section becomes a line that says which view is missing."""
    file = tmp_path / "kyc.duckdb"
    shutil.copy(str(loaded_warehouse.target.file), file)
    with duckdb.connect(str(file)) as connection:
        for name in ("decisions", "kyc_funnel_daily"):
            connection.execute(f"DROP VIEW argos.{name}")
    with open_read_only(Target(file=str(file))) as warehouse:
        report = read_report(warehouse.client, JANUARY)
    texts = {one.spec.key: one.content.text for one in report.sections if one.state != "shown"}
    assert set(texts) == {
        *("volumes", "rates", "speed", "rejections", "countries", "id_types", "fraud", "hits"),
    }
    assert texts["volumes"] == (
        "The warehouse has no kyc_funnel_daily yet. The next run of argos-sync creates what the"
        " loaded sections allow."
    )


@pytest.mark.tables_made
def test_a_report_is_replaced_and_keeps_its_mode(warehouse: Warehouse, tmp_path: Path) -> None:
    """A new file has the mode asked for; the next report replaces the file and keeps its mode."""
    first, _ = write_report(warehouse.target, tmp_path, mode=0o640)
    assert first.file.stat().st_mode & 0o777 == 0o640
    inode = first.file.stat().st_ino
    second, _ = write_report(warehouse.target, tmp_path, mode=0o600)
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
        make_report(warehouse.target, log, JANUARY)
    with pytest.raises(DestinationError, match="the file cannot be written"):
        make_report(warehouse.target, Path("/proc/report.html"), JANUARY)


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
def test_decisions_without_a_date_are_left_out(
    warehouse: Warehouse, january: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Figures count by the day of the view `decisions`; the text says how many have none."""
    submissions = copy.deepcopy(january[:60])
    finals = {"approved", "rejected"}
    with_result = [one for one in submissions if one["kyc"].get("result") in finals]
    for one in with_result[:2]:
        one["kyc_result_at"] = None
    dated = decided(submissions)
    with Emulator(submissions) as api:
        sync(context_for(api.base_url, warehouse.target))
    written, page = write_report(warehouse.target, tmp_path)
    figures = {one.key: one.value for one in written.report.figures}
    assert figures["decisions"] == len(dated)
    assert "2 decisions have no date and are left out." in page.by_id("rates-text").text
    for section in ("id_types", "countries"):
        assert sum(counts(page.rows(section), 0).values()) == len(dated)
    hits = f"of {len(dated)} decided submissions"
    assert hits in page.by_id("hits-text").text


@pytest.mark.slow
@pytest.mark.tables_made
def test_submissions_at_the_ends_of_the_calendar(
    any_warehouse: Warehouse, january: list[dict[str, Any]], tmp_path: Path
) -> None:
    """No period has them, and the report says how many there are."""
    texts = ("0001-01-01-00-00-00-000", "9999-12-31-23-59-59-999", "9999-12-01-00-00-00-000")
    decided = [one for one in january if one["kyc"].get("result") == "approved"]
    ends = [
        decided[number]
        | {"submission_id": f"end-{number}", "created_at": text, "kyc_result_at": text}
        for number, text in enumerate(texts)
    ]
    with Emulator([*january, *ends]) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    written, page = write_report(any_warehouse.target, tmp_path)
    assert written.report.attention["impossible_dates"].number == 3
    assert set(page.rows("volumes")) == {f"2025-01-{day:02}" for day in range(1, 32)}
    figures = {one.key: one.value for one in written.report.figures}
    assert figures["submissions"] == len(january)
    assert figures["all_submissions"] == len(january) + 3
