"""Formatting, scopes, findings and rare cases of sections, without a warehouse."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.load.sql import ResultRows
from argos_sync.report import attention, decisions, groups, operations, screening, submissions
from argos_sync.report.attention import Finding
from argos_sync.report.charts import bar_chart, colour_scale
from argos_sync.report.charts_over_time import (
    Bar,
    Point,
    duration_axis,
    line_chart,
    share_axis,
    stacked_bar_chart,
)
from argos_sync.report.contents import Report
from argos_sync.report.figures import Figure
from argos_sync.report.formatting import format_duration, format_share
from argos_sync.report.page import render_page
from argos_sync.report.queries import FRAUD_SIGNALS
from argos_sync.report.scope import Scope, scope_of
from argos_sync.report.section import Chapter, Content, DataTable, Section, SectionSpec
from argos_sync.report.time_series import chart_by_unit, describe_partial
from report.pages import Page
from support import NOW

DAY = date(2025, 1, 1)
DASH = "\N{EN DASH}"
SCOPE = scope_of(NOW, first=DAY, last=date(2025, 1, 31))


def with_plain_spaces(text: str) -> str:
    """Return the text with plain spaces instead of no-break spaces."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def scope_for(days: int) -> Scope:
    """Return a scope of so many days from the first of January."""
    return scope_of(datetime(2026, 1, 1, tzinfo=UTC), first=DAY, last=DAY + timedelta(days - 1))


@pytest.mark.parametrize(
    ("days", "unit"), [(1, "day"), (62, "day"), (63, "week"), (434, "week"), (435, "month")]
)
def test_longer_periods_use_larger_units(days: int, unit: str) -> None:
    """Up to 62 days are drawn by day, up to 62 weeks by week, anything longer by month."""
    assert scope_for(days).unit == unit


def test_a_period_has_90_days_until_today() -> None:
    """The current day is that of the zone; one given end is enough."""
    assert str(scope_of(NOW).period) == "2024-11-04 to 2025-02-01"
    assert str(scope_of(NOW, zone="America/Lima").period) == "2024-11-03 to 2025-01-31"
    assert str(scope_of(NOW, first=DAY).period) == "2025-01-01 to 2025-02-01"
    only_end = scope_of(NOW, last=DAY)
    assert str(only_end.period) == "2024-10-04 to 2025-01-01"
    assert str(only_end.period.before) == "2024-07-06 to 2024-10-03"
    assert only_end.period.days == only_end.period.before.days == 90


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (DAY, date(2024, 12, 31), "ends on 2024-12-31, before it begins on 2025-01-01"),
        (date(2014, 12, 31), DAY, "no submission is from before 2015-01-01 or after 2026-02-02"),
        (DAY, date.max, "no submission is from before 2015-01-01 or after 2026-02-02"),
    ],
)
def test_impossible_periods_are_refused(first: date, last: date, message: str) -> None:
    """The error names both days."""
    with pytest.raises(ConfigurationError, match=message):
        scope_of(NOW, first=first, last=last)


def test_units_at_the_ends_of_a_period_are_partial() -> None:
    """Weeks begin on Monday; the period cuts off its first and last, and today is not over."""
    scope = scope_of(NOW, first=date(2024, 11, 6), last=date(2025, 2, 1))
    units = list(scope.units)
    assert (f"{units[0].first}", f"{units[0].end}") == ("2024-11-06", "2024-11-11")
    assert (f"{units[-1].first}", f"{units[-1].end}") == ("2025-01-27", "2025-02-02")
    assert [unit.is_partial for unit in units] == [True, *[False] * 11, True]
    assert [unit.is_partial for unit in scope_of(NOW, first=NOW.date()).units] == [True]
    assert not any(unit.is_partial for unit in SCOPE.units)
    assert describe_partial(SCOPE, "hollow") == ""
    assert describe_partial(scope, "hollow") == " Partial weeks are hollow."


def test_counts_are_summed_by_unit() -> None:
    """Units without rows have zeros; partial ones are marked in the chart and in the table."""
    scope = scope_of(NOW, first=date(2024, 11, 6), last=date(2025, 2, 1))
    rows = [
        (date(2024, 11, 10), [1, 0]),
        (date(2024, 11, 11), [2, 3]),
        (date(2024, 11, 17), [4, 5]),
    ]
    chart, table = chart_by_unit(rows, {"a": "red", "b": "blue"}, "cases", scope)
    assert table.columns == ("Week from", "All", "A", "B")
    assert len(table.rows) == 13
    assert list(table.rows[-2:]) == [
        ("2024-11-11", "14", "6", "8"),
        ("2024-11-06 (partial)", "1", "1", "0"),
    ]
    assert chart is not None
    drawn = [(one["start"], one["segment"], one["partial"]) for one in chart["data"]["values"]]
    assert drawn == [
        ("2024-11-06", "a", True),
        ("2024-11-11", "a", False),
        ("2024-11-11", "b", False),
    ]
    assert chart_by_unit([(DAY, [0, 0])], {"a": "red", "b": "blue"}, "cases", SCOPE)[0] is None


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(0, 10, 0, 0.2775), (8, 10, 0.4902, 0.9433), (10, 10, 0.7225, 1), (80, 100, 0.7112, 0.8666)],
)
def test_wilson_intervals(part: int, whole: int, low: float, high: float) -> None:
    """They agree with Wilson's formula worked out by hand, also at the ends."""
    assert groups.wilson_interval(part, whole) == pytest.approx((low, high), abs=0.0001)


def test_groups_that_differ_are_counted() -> None:
    """The text counts the intervals that the average lies outside of; small groups are combined."""
    rows = [("KOR", 1000, 900), ("id_card", 100, 50), ("A", 4, 4), (None, 4, 1)]
    content = groups.describe_id_types(rows, SCOPE)
    assert "2 intervals do not include it." in content.text
    assert content.table is not None
    assert [row[:3] for row in content.table.rows] == [
        ("KOR", "1,000", "900"),
        ("id card", "100", "50"),
        ("fewer than 5 each", "8", "5"),
    ]


def test_groups_that_differ_are_drawn_first() -> None:
    """Small groups that differ take the places of larger ones that do not."""
    usual = [(f"U{n:02}", 1000 - n, 900 - n) for n in range(12)]
    content = groups.describe_countries([*usual, ("LOW", 100, 20), ("BAD", 50, 5)], SCOPE)
    assert content.chart is not None
    assert content.chart["params"][0]["value"] == [
        *(f"U{n:02}" for n in range(6)),
        *("LOW", "BAD"),
    ]
    assert content.text.endswith(
        "2 intervals do not include it. Drawn are those and the largest 6 others of 14 groups."
    )
    content = groups.describe_countries(usual, SCOPE)
    assert content.text.endswith(" The 8 largest of 12 groups are drawn.")
    halves = [(f"{kind}{n}", 100, part) for kind, part in (("A", 95), ("B", 5)) for n in range(5)]
    content = groups.describe_countries(halves, SCOPE)
    assert content.text.endswith(" The 8 largest of those are drawn.")


@pytest.mark.parametrize(
    ("kind", "value", "before", "text", "change", "direction"),
    [
        ("count", 1100, 1000, "1,100", "10 %", "up"),
        ("count", 5, 0, "5", "", "unchanged"),
        ("share", 0.5, 0.525, "50 %", "2.5 points", "down"),
        ("share", 0.5, 0.5, "50 %", "0.0 points", "unchanged"),
        ("share", None, 0.5, DASH, "", "unchanged"),
        ("seconds", 90, 45, "1.5 min", "100 %", "up"),
        ("age", 7200, None, "2.0 h ago", "", "unchanged"),
    ],
)
def test_figures_are_compared(  # noqa: PLR0917 a table of cases
    kind: Any, value: float | None, before: float | None, text: str, change: str, direction: str
) -> None:
    """Shares differ in percentage points, all others in percent of the earlier value."""
    figure = Figure("key", "Label", kind, value, before)
    shown = (figure.text, figure.change)
    assert (*map(with_plain_spaces, shown), figure.direction) == (text, change, direction)


STARTED = datetime(2025, 2, 1, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("answer", "rows", "finding"),
    [
        (attention.open_alerts, [], (0, False, "No AML alert is open.", "")),
        (
            attention.open_alerts,
            [(0, "high", 1, 3.0), (30, "low", 2, 800.0), (90, "high", 1, 2400.0)],
            (
                *(4, True, "4 open AML alerts"),
                "2 of high risk, 3 older than 30 days, the oldest open for 100 days",
            ),
        ),
        (
            attention.approved_with_red_flag,
            [(0, 0)],
            (0, False, "No approved submission has a red flag.", ""),
        ),
        (
            attention.past_target,
            [(5, 1)],
            (*(1, True, "1 pending submission is past the target of 24 h"), "5 pending in all"),
        ),
        (
            attention.past_target,
            [(5, 0)],
            (0, False, "No pending submission is past the target of 24 h.", ""),
        ),
        (
            attention.expired_documents,
            [(9, 0, 2)],
            (
                *(0, False),
                "No document of an approved customer has expired; 2 more will within 30 days.",
                "",
            ),
        ),
        (
            attention.expired_documents,
            [(9, 1, 2)],
            (
                *(1, True, "1 approved customer has an expired document"),
                "2 more will within 30 days",
            ),
        ),
        (attention.expired_documents, [(0, 0, 0)], None),
        (
            attention.failed_checks,
            # The last result counts; one in the future is from a wrong clock.
            [
                ("unique_key", "kyc", False, STARTED - timedelta(1)),
                ("unique_key", "kyc", True, STARTED),
                ("usual_volume", "submissions", False, STARTED),
                ("usual_volume", "submissions", True, STARTED + timedelta(400)),
            ],
            (
                *(1, True, "1 check of the data failed"),
                "usual_volume; argos-sync status shows them",
            ),
        ),
        (
            attention.failed_checks,
            [("unique_key", "kyc", True, STARTED)],
            (0, False, "All 1 check of the data passed.", ""),
        ),
        (attention.failed_checks, [], None),
        (
            attention.last_sync,
            [(STARTED,)],
            (2, False, "The last successful sync was 2.0 h ago.", ""),
        ),
        (
            attention.last_sync,
            [(STARTED - timedelta(2),)],
            (
                *(50, True, "The last successful sync was 2.1 days ago"),
                "what is newer in the source is missing here",
            ),
        ),
        (
            attention.last_sync,
            [(None,)],
            (0, True, "No sync has succeeded yet", "argos-sync status shows why"),
        ),
        (
            attention.oldest_data,
            [(9, 1, 9.5)],
            (9.5, False, "The oldest data were fetched 9.5 days ago.", ""),
        ),
        (attention.impossible_dates, [(9, 0, DAY)], None),
    ],
)
def test_findings(
    answer: Callable[[ResultRows, Scope], Finding | None],
    rows: ResultRows,
    finding: tuple[float, bool, str, str] | None,
) -> None:
    """What is in order has a sentence, too; what the warehouse does not have has none."""
    found = answer(rows, SCOPE)
    if found is None:
        assert finding is None
        return
    texts = map(with_plain_spaces, (found.text, found.detail))
    assert (found.number, found.is_urgent, *texts) == finding


def test_the_oldest_data_are_compared_with_sweep_days() -> None:
    """Without a sweep nothing is too old."""
    rows = [(9, 1, 9.5)]
    late = attention.oldest_data(rows, replace(SCOPE, bound=9))
    assert late is not None
    assert (late.is_urgent, late.detail) == (True, "sweep_days allows 9 days")


def test_axes_fit_their_values() -> None:
    """Shares have an axis of tenths; durations one of ticks that people know."""
    assert share_axis([0.81, 0.88])["scale"]["domain"] == [0.8, 0.9]
    assert share_axis([1, 1])["scale"]["domain"] == [0.9, 1]
    assert share_axis([0, 0])["scale"]["domain"] == [0, 0.1]
    assert duration_axis([50, 4000])["axis"]["values"] == [10, 60, 600, 3600, 21_600]
    assert duration_axis([1, 1])["axis"]["values"] == [1, 10]
    assert duration_axis([1e9])["axis"]["values"][-1] == 31_536_000


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0, [0, 1]),
        (2, [0, 1, 2]),
        (7, [0, 2, 4, 6, 8]),
        (50, [0, 10, 20, 30, 40, 50]),
        (51, [0, 20, 40, 60]),
    ],
)
def test_counts_have_whole_ticks(highest: int, ticks: list[int]) -> None:
    """An axis of few counts has no 0.5."""
    spec = line_chart([Point(DAY, "opened", highest, False)], {"opened": "red"}, "alerts")
    axis = spec["encoding"]["y"]
    assert (axis["axis"]["values"], axis["scale"]["domain"]) == (ticks, [0, ticks[-1]])


def test_bars_over_time_cover_the_period() -> None:
    """Days without a bar at either end are part of the axis, as in the charts beside it."""
    days = [DAY + timedelta(days=number) for number in range(4)]
    counts = (0, 3, 0, 0)
    bars = [
        Bar(day, day + timedelta(days=1), {"flagged": count}, False)
        for day, count in zip(days, counts, strict=True)
    ]
    spec = stacked_bar_chart(bars, {"flagged": "red"}, "red flags")
    (first, end) = spec["encoding"]["x"]["scale"]["domain"]
    assert datetime.fromtimestamp(first / 1000, UTC) == datetime(2025, 1, 1, tzinfo=UTC)
    assert datetime.fromtimestamp(end / 1000, UTC) == datetime(2025, 1, 5, tzinfo=UTC)


def test_legends_and_labels_are_wrapped() -> None:
    """A legend that is too wide has two rows, and a label that is too long two lines."""
    results = ("approved", "rejected", "pending", "incomplete", "other")
    assert colour_scale("x", dict.fromkeys(results, "red"))["legend"]["columns"] == 3
    assert colour_scale("x", dict.fromkeys(results[:2], "red"))["legend"]["columns"] == 2
    labels = ("Country of the ID not accepted", "ID expired")
    spec = bar_chart([(label, {"": 1}, "1") for label in labels], {"": "red"})
    assert spec["params"][0]["value"] == [["Country of the ID not", "accepted"], "ID expired"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\N{EN DASH}"),
        (0.04, "0.0 s"),
        (59, "59 s"),
        (90, "1.5 min"),
        (47 * 3600, "47 h"),
        (48 * 3600, "2.0 days"),
        (-90, "\N{MINUS SIGN}1.5 min"),
    ],
)
def test_durations_use_the_largest_suitable_unit(seconds: float | None, text: str) -> None:
    """A result before its submission, which the source may send, has a negative duration."""
    assert with_plain_spaces(format_duration(seconds)) == text


def test_shares_near_an_end_have_a_decimal() -> None:
    """0.4 % is not rounded to 0 %, nor 99.6 % to 100 %."""
    shares = [with_plain_spaces(format_share(part, 1000)) for part in (0, 4, 500, 996, 1000)]
    assert shares == ["0 %", "0.4 %", "50 %", "99.6 %", "100 %"]
    assert format_share(0, 0) == "\N{EN DASH}"


def test_a_chart_combines_rare_reasons() -> None:
    """The chart shows eight reasons and the rest as one bar; the table shows all of them."""
    rows = [(f"R{n:02}", None, 100 - n, 1, 1400, 15) for n in range(15)]
    content = decisions.describe_rejections(rows, SCOPE)
    assert content.chart is not None
    assert content.chart["params"][0]["value"] == [
        *(f"R{n:02}" for n in range(8)),
        "7 other reasons",
    ]
    assert content.table is not None
    assert len(content.table.rows) == 15


def test_reasons_are_in_words() -> None:
    """The chart has the meaning of a code, or else the code; the table has both."""
    rejections = decisions.describe_rejections(
        [
            *(("expired_id", "ID expired", 3, 1, 6, 2), ("R1", None, 2, 0, 6, 2)),
            *((None, None, 1, 0, 6, 2), ("", None, 1, 1, 6, 2)),
        ],
        SCOPE,
    )
    failures = submissions.describe_failures(
        [("liveness_error", "Liveness check failed", 0, 4, 2), ("E1", None, 0, 1, 1)], SCOPE
    )
    charts, tables = zip(*((one.chart, one.table) for one in (rejections, failures)), strict=True)
    assert [chart["params"][0]["value"] for chart in charts] == [
        ["ID expired", "R1", "no code"],
        ["Liveness check failed", "E1"],
    ]
    rows = [[tuple(map(with_plain_spaces, row)) for row in table.rows] for table in tables]
    assert rows == [
        [
            ("ID expired", "expired_id", "3", "50 %", "1", "50 %"),
            (DASH, "R1", "2", "33 %", "0", "0 %"),
            (DASH, "no code", "2", "33 %", "1", "50 %"),
        ],
        [("Liveness check failed", "liveness_error", "0", "4", "2"), (DASH, "E1", "0", "1", "1")],
    ]


def report_of(*sections: Section) -> Report:
    """Return a report with one chapter."""
    chapter = Chapter("chapter", "Chapter", [section.spec for section in sections])
    return Report("argos", SCOPE, chapters=((chapter, sections),))


def section_of(key: str, content: Content, state: str = "shown") -> Section:
    """Return a section with this content."""
    spec = SectionSpec(key, key.capitalize(), ("view",), "", lambda *_: content, "")
    return Section(spec, content, state)


def test_a_table_has_at_most_200_rows() -> None:
    """The caption says how many rows are not shown."""
    table = DataTable(("Code", "Number"), [(f"R{n}", "1") for n in range(205)])
    page = Page(render_page(report_of(section_of("many", Content("Many.", None, table)))))
    assert len(page.rows("many")) == 200
    assert page.all("caption")[0].text == "Many, in numbers; 5 more rows are not shown"


def test_the_last_of_an_odd_number_of_cards_is_wide() -> None:
    """Its numbers are open beside the chart; a section without a chart is a line, not a card."""
    table = DataTable(("Code", "Number"), [("R1", "1")])
    shown = [section_of(key, Content("Text.", None, table)) for key in ("one", "two", "three")]
    empty = section_of("four", Content("There is none."), "empty")
    page = Page(render_page(report_of(*shown, empty)))
    cards = {one.attributes["id"]: one.attributes.get("class") for one in page.all("article")}
    assert cards == {"one": None, "two": None, "three": "wide"}
    assert ["open" in one.attributes for one in page.all("details")] == [False, False, True]
    assert page.by_id("four").text == "Four: There is none."
    links = [one.attributes["href"] for one in page.all("a")]
    assert links == ["#period", "#chapter", "#one", "#two", "#three"]


def test_changes_of_figures_are_on_the_page() -> None:
    """An arrow and the earlier value; no change without an earlier period."""
    figure = Figure("submissions", "Submissions", "count", 12, 10)
    section = section_of("one", Content("Text.", figures=(figure,)))
    report = report_of(section)
    assert not [one for one in Page(render_page(report)).all("dd") if one.attributes]
    compared = replace(report, before=SCOPE.period.before)
    values = [one.text for one in Page(render_page(compared)).all("dd")]
    assert list(map(with_plain_spaces, values)) == [
        "12",
        "\N{BLACK UP-POINTING TRIANGLE}up 20 % from 10",
    ]


def test_screening_without_red_flags_has_no_chart() -> None:
    """The text still says how many submissions are decided."""
    content = screening.describe_hits([(DAY, 7, 0, 0, 0, 0)], SCOPE)
    assert content.chart is None
    assert with_plain_spaces(content.text) == (
        "0 of 7 decided submissions have a red flag now (0 %), by day of the decision and risk."
    )
    assert [one.value for one in content.figures] == [0]


def test_open_alerts_are_drawn_by_age_and_risk() -> None:
    """Each age band has a row, also without alerts."""
    content = screening.describe_ageing(
        [(7, "high", 2, 300.0), (7, "other", 1, 200.0), (90, "low", 1, 2400.0)], SCOPE
    )
    assert with_plain_spaces(content.text) == (
        "4 AML alerts are open now, 2 of high risk; the oldest for 100 days."
    )
    assert content.table is not None
    assert content.table.columns == ("Open for", "Alerts", "High risk", "Low risk", "Other risk")
    assert [row[1:] for row in content.table.rows] == [
        *(("0",) * 4, ("0",) * 4, ("3", "2", "0", "1"), ("0",) * 4, ("1", "0", "1", "0")),
    ]


def test_alerts_opened_and_closed_are_counted() -> None:
    """A day without any has zeros."""
    later = date(2025, 1, 3)
    content = screening.describe_flow([(DAY, 2, 0), (later, 1, 1)], SCOPE)
    assert content.text.startswith("3 AML alerts were opened in the period, 1 closed, by day.")
    assert content.table is not None
    assert list(content.table.rows[-3:]) == [
        *(("2025-01-03", "1", "1"), ("2025-01-02", "0", "0"), ("2025-01-01", "2", "0")),
    ]


def test_no_sign_of_fraud_has_no_chart() -> None:
    """The share of a period without submissions is unknown."""
    nothing = (0,) * 3 * len(FRAUD_SIGNALS)
    content = screening.describe_fraud([(10, None, 0, 0, *nothing)], SCOPE)
    assert content.chart is None
    assert [(one.value, one.before) for one in content.figures] == [(0, None)]


def test_a_period_without_decisions_has_figures() -> None:
    """The period before may have some."""
    earlier = date(2024, 12, 31)
    rates = decisions.describe_rates([(earlier, 4, 3, 2, 4, 1)], SCOPE)
    assert rates.chart is None
    assert [(one.value, one.before) for one in rates.figures] == [(0, 4), (None, 0.75), (None, 0.5)]
    speed = decisions.describe_speed([("before", DAY, "all", 4, 60.0, 90.0)], SCOPE)
    assert speed.chart is None
    assert [(one.value, one.before) for one in speed.figures] == [(None, 60), (None, 90)]
    volumes = submissions.describe_volumes([(earlier, 1, 1, 0, 0, 0)], SCOPE)
    assert volumes.chart is None
    assert [(one.value, one.before) for one in volumes.figures] == [(0, 2)]


def test_the_funnel_without_times_of_steps() -> None:
    """Steps that the source does not report are left out."""
    content = submissions.describe_funnel([(0, "approved", 3, 3), (0, "in progress", 1, 0)], SCOPE)
    assert content.table is not None
    rows = [tuple(map(with_plain_spaces, row)) for row in content.table.rows]
    assert rows == [
        ("created", "4", "100 %", "100 %"),
        ("attempted", "3", "75 %", "75 %"),
        ("approved", "3", "75 %", "100 %"),
    ]


def test_an_unknown_result_counts_as_other() -> None:
    """Submissions without a result count as other, too; people who left are not drawn."""
    content = decisions.describe_backlog(
        [
            ("1 to 2 days", None, 1, 0),
            ("1 to 2 days", "on hold", 2, 0),
            ("90 days or more", "incomplete", 4, 4),
        ],
        SCOPE,
    )
    assert content.table is not None
    assert content.table.columns == ("Age", "Other")
    assert content.table.rows[1] == ("1 to 2 days", "3")
    assert content.text.endswith("4 incomplete ones are not drawn: without activity for 30 days.")


def test_bars_of_runs_show_the_outcome() -> None:
    """Only a run that did not end has no duration; `differs` counts as a success."""
    started = datetime(2025, 1, 2, 3, 4, tzinfo=UTC)
    outcomes = (
        *(("failed", 70.0, 4), ("differs", 2.0, 6), ("ok", 5.0, 0)),
        ("unfinished", None, None),
    )
    content = operations.describe_runs(
        [
            ("sync", started, seconds, outcome, code, None, 1, 1, 0, 0)
            for outcome, seconds, code in outcomes
        ],
        SCOPE,
    )
    assert content.chart is not None
    bars = [row["text"] for row in content.chart["layer"][1]["data"]["values"]]
    assert [with_plain_spaces(text) for text in bars] == [
        *("failed, 1.2 min", "differs, 2.0 s", "5.0 s", "unfinished"),
    ]
    assert content.text == ("Duration of the last 4 runs, newest first. 2 of them did not succeed.")
    age, failed = content.figures
    assert (age.value, failed.value) == ((NOW - started).total_seconds(), 1)
    lone = operations.describe_runs([("sync", started, 5.0, "ok", 0, None, 1, 1, 0, 0)], SCOPE)
    assert (lone.text, lone.chart) == ("One so far: 01-02 03:04 sync, ok.", None)


@pytest.mark.parametrize(
    ("bound", "verdict"),
    [
        (None, "There is no limit, because the sweep is off (sweep_days is 0)."),
        (1, "That is within the limit of 1 day (sweep_days)."),
    ],
)
def test_staleness_is_compared_with_sweep_days(bound: int | None, verdict: str) -> None:
    """Without a sweep there is no limit."""
    content = operations.describe_staleness([(0, 1, 0.5)], replace(SCOPE, bound=bound))
    assert with_plain_spaces(content.text) == f"The oldest row was fetched 12 h ago. {verdict}"
