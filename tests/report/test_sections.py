"""Formatting, periods and rare cases of sections, without a warehouse."""

from datetime import UTC, date, datetime, timedelta

import pytest

from argos_sync.report import operations, screening, submissions
from argos_sync.report.formatting import format_duration, format_share
from argos_sync.report.page import render_page
from argos_sync.report.section import Content, DataTable, Section, SectionSpec
from argos_sync.report.time_series import choose_unit, sum_by_period
from report.pages import Page
from support import NOW

DAY = date(2025, 1, 1)


def with_plain_spaces(text: str) -> str:
    """Return the text with plain spaces instead of no-break spaces."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("days", "smallest", "unit"),
    [
        (1, "day", "day"),
        (62, "day", "day"),
        (63, "day", "week"),
        (1, "week", "week"),
        (434, "day", "week"),
        (435, "week", "month"),
    ],
)
def test_longer_ranges_use_larger_units(days: int, smallest: str, unit: str) -> None:
    """Up to 62 days are drawn by day, up to 62 weeks by week, anything longer by month."""
    assert choose_unit([DAY, DAY + timedelta(days=days - 1)], smallest) == unit


def test_counts_are_summed_by_week_and_month() -> None:
    """Weeks begin on Monday; periods without rows are left out."""
    rows = [(date(2024, 12, 31), [1, 2]), (date(2025, 1, 5), [3, 4]), (date(2025, 3, 1), [5, 6])]
    weeks = [(str(first), str(end), sums) for first, end, sums in sum_by_period(rows, "week")]
    assert weeks == [
        ("2024-12-30", "2025-01-06", (4, 6)),
        ("2025-02-24", "2025-03-03", (5, 6)),
    ]
    months = [(str(first), str(end), sums) for first, end, sums in sum_by_period(rows, "month")]
    assert months == [
        ("2024-12-01", "2025-01-01", (1, 2)),
        ("2025-01-01", "2025-02-01", (3, 4)),
        ("2025-03-01", "2025-04-01", (5, 6)),
    ]


def test_implausible_dates_are_counted_but_not_drawn() -> None:
    """A date in year 1 or 9999 does not stretch the axis, and is said to be missing."""
    ends = (date.min, date(9999, 12, 27), date.max)
    today = NOW.date()
    sentence = "3 submissions are not shown, with a date before 2015-01-01 or after 2026-02-02."
    volumes = submissions.describe_volumes(
        [
            (ends[0], 1, 0, 0, 0, 0),
            (DAY, 2, 0, 0, 0, 0),
            *((end, 0, 1, 0, 0, 0) for end in ends[1:]),
        ],
        today,
    )
    assert "2 submissions created on 2025-01-01, by day" in volumes.text
    assert volumes.text.endswith(sentence)
    assert volumes.figure == ("5", "submissions")
    hours = [("system", week, 1, 2.0, 3.0) for week in (ends[0], DAY, *ends[1:])]
    decisions = submissions.describe_decisions(hours, today)
    assert "In the week from 2025-01-01" in decisions.text
    assert decisions.text.endswith(sentence)
    flags = [(week, 1, 1, 0, 0, 0) for week in (ends[0], DAY, *ends[1:])]
    assert screening.describe_hit_rate(flags, today).text.endswith(sentence)
    for content in (
        submissions.describe_volumes([(end, 1, 0, 0, 0, 0) for end in ends], today),
        submissions.describe_decisions([("system", end, 1, 2.0, 3.0) for end in ends], today),
        screening.describe_hit_rate([(end, 1, 1, 0, 0, 0) for end in ends], today),
    ):
        assert (content.text, content.chart) == (sentence, None)


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
    """The chart shows ten reasons and the rest as one bar; the table shows all of them."""
    content = submissions.describe_rejections([(f"R{n:02}", None, 100 - n) for n in range(15)])
    assert content.chart is not None
    assert content.chart["params"][0]["value"] == [
        *(f"R{n:02}" for n in range(10)),
        "5 other reasons",
    ]
    assert content.table is not None
    assert len(content.table.rows) == 15


def test_reasons_are_in_words() -> None:
    """The chart has the meaning of a code, or else the code; the table has both."""
    rejections = submissions.describe_rejections(
        [("expired_id", "ID expired", 3), ("R1", None, 2), (None, None, 1), ("", None, 1)]
    )
    retries = submissions.describe_failures(
        [("liveness_error", "Liveness check failed", 4, 2, None, 0.5), ("E1", None, 1, 1, 9, 9)],
        "retries",
    )
    charts, tables = zip(*((one.chart, one.table) for one in (rejections, retries)), strict=True)
    assert [chart["params"][0]["value"] for chart in charts] == [
        ["ID expired", "R1", "no code"],
        ["Liveness check failed", "E1"],
    ]
    dash = "\N{EN DASH}"
    assert [table.rows for table in tables] == [
        [("expired_id", "ID expired", "3"), ("R1", dash, "2"), ("no code", dash, "2")],
        [
            ("liveness_error", "Liveness check failed", "4", "2", dash, "0.5"),
            ("E1", dash, "1", "1", "9.0", "9.0"),
        ],
    ]


def test_a_table_has_at_most_200_rows() -> None:
    """The caption says how many rows are not shown."""
    spec = SectionSpec("many", "Many", "view", "", lambda _: Content(""), "")
    table = DataTable(("Code", "Number"), [(f"R{n}", "1") for n in range(205)])
    section = Section(spec, Content("Many.", None, table), "shown")
    page = Page(render_page([section], "argos", NOW))
    assert len(page.rows("many")) == 200
    assert page.all("caption")[0].text == "Many, in numbers; 5 more rows are not shown"


def test_screening_without_red_flags_has_no_chart() -> None:
    """The text still says how many submissions are decided."""
    content = screening.describe_hit_rate([(DAY, 7, 0, 0, 0, 0)], NOW.date())
    assert content.chart is None
    assert with_plain_spaces(content.text) == (
        "0 of 7 decided submissions have a red flag (0 %), by week of creation."
    )


def test_an_unknown_risk_level_counts_as_other() -> None:
    """Risk levels that the contract does not know are not high risk."""
    content = screening.describe_alerts([("Severe", 2, 3, 9)])
    assert content.text == (
        "2 submissions have an open red flag, 0 of high risk. The oldest red flag has been open"
        " for 9 days."
    )


def test_an_unknown_result_counts_as_other() -> None:
    """Submissions without a result count as other, too."""
    content = submissions.describe_backlog(
        [("1 to 2 days", None, 1), ("1 to 2 days", "on hold", 2)]
    )
    assert content.table is not None
    assert content.table.columns == ("Age", "Other")
    assert content.table.rows == [("1 to 2 days", "3")]


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
        ]
    )
    assert content.chart is not None
    bars = [row["text"] for row in content.chart["layer"][1]["data"]["values"]]
    assert [with_plain_spaces(text) for text in bars] == [
        *("failed, 1.2 min", "differs, 2.0 s", "5.0 s", "unfinished"),
    ]
    assert content.text == ("Duration of the last 4 runs, newest first. 2 of them did not succeed.")
    assert content.figure == ("2025-01-02 03:04", "last successful run (UTC)")


@pytest.mark.parametrize(
    ("bound", "verdict"),
    [
        (None, "There is no limit, because the sweep is off (sweep_days is 0)."),
        (1, "That is within the limit of 1 day (sweep_days)."),
    ],
)
def test_staleness_is_compared_with_sweep_days(bound: int | None, verdict: str) -> None:
    """Without a sweep there is no limit."""
    content = operations.describe_staleness([(0, 1, 0.5)], bound)
    assert with_plain_spaces(content.text) == f"The oldest row was fetched 12 h ago. {verdict}"
