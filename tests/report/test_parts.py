"""Parts of the report that need no warehouse: time in pieces, words, and rare answers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from argos_sync.report import operations, screening, submissions
from argos_sync.report.formatting import format_duration, format_share
from argos_sync.report.page import render_page
from argos_sync.report.periods import choose_period, sum_by_period
from argos_sync.report.section import Content, DataTable, Section, SectionSpec
from report.pages import Page
from support import NOW

DAY = date(2025, 1, 1)


@pytest.mark.parametrize(
    ("days", "smallest", "period"),
    [
        (1, "day", "day"),
        (62, "day", "day"),
        (63, "day", "week"),
        (1, "week", "week"),
        (434, "day", "week"),
        (435, "week", "month"),
    ],
)
def test_time_is_cut_into_few_pieces(days: int, smallest: str, period: str) -> None:
    """Days where they can be told apart, else weeks, else months."""
    assert choose_period([DAY, DAY + timedelta(days=days - 1)], smallest) == period


def test_counts_are_added_up() -> None:
    """Weeks begin on Monday, months on their first day; what has no rows is not there."""
    rows = [(date(2024, 12, 31), [1, 2]), (date(2025, 1, 5), [3, 4]), (date(2025, 3, 1), [5, 6])]
    weeks = [(str(one.first), str(one.end), sums) for one, sums in sum_by_period(rows, "week")]
    assert weeks == [
        ("2024-12-30", "2025-01-06", (4, 6)),
        ("2025-02-24", "2025-03-03", (5, 6)),
    ]
    months = [(str(one.first), str(one.end), sums) for one, sums in sum_by_period(rows, "month")]
    assert months == [
        ("2024-12-01", "2025-01-01", (1, 2)),
        ("2025-01-01", "2025-02-01", (3, 4)),
        ("2025-03-01", "2025-04-01", (5, 6)),
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),  # noqa: RUF001 as on the page
        (0.04, "0.0 s"),
        (59, "59 s"),
        (90, "1.5 min"),
        (47 * 3600, "47 h"),
        (48 * 3600, "2.0 days"),
        (-90, "−1.5 min"),  # noqa: RUF001 as on the page
    ],
)
def test_times_have_the_unit_that_suits_them(seconds: float | None, words: str) -> None:
    """Also one before its time, which a source may claim."""
    assert format_duration(seconds).replace("\u00a0", " ") == words


def test_shares_near_an_end_have_a_tenth() -> None:
    """Almost nothing is not nothing, and almost all is not all."""
    found = [format_share(part, 1000).replace("\u00a0", " ") for part in (0, 4, 500, 996, 1000)]
    assert found == ["0 %", "0.4 %", "50 %", "99.6 %", "100 %"]
    assert format_share(0, 0) == "–"  # noqa: RUF001 as on the page


def test_many_reasons_are_drawn_as_some_and_the_others() -> None:
    """The table has them all."""
    told = submissions.describe_rejections([(f"R{n:02}", 100 - n) for n in range(15)])
    assert told.chart is not None
    assert told.chart["params"][0]["value"] == [f"R{n:02}" for n in range(10)] + ["5 other reasons"]
    assert told.numbers is not None
    assert len(told.numbers.rows) == 15


def test_a_table_stays_small() -> None:
    """What is left out is counted."""
    topic = SectionSpec("many", "Many", "view", "", lambda _: Content(""), "")
    numbers = DataTable(("Code", "Number"), [(f"R{n}", "1") for n in range(205)])
    read = Page(
        render_page([Section(topic, Content("Many.", None, numbers), "shown")], "argos", NOW)
    )
    assert len(read.rows("many")) == 200
    assert read.all("caption")[0].text == "Many, in numbers; 5 more rows are not shown"


def test_a_screening_without_red_flags() -> None:
    """Nothing is drawn, and the sentence says why."""
    told = screening.describe_hit_rate([(DAY, 7, 0, 0, 0, 0)])
    assert told.chart is None
    assert told.said.startswith("0 submissions of 7 screened have a red flag (0\u00a0%)")
    assert screening.describe_alerts([("Severe", 2, 3, 9)]).said == (
        "2 submissions with an open red flag, 0 of high risk; the oldest has been open for 9 days."
    )


def test_results_that_are_not_known() -> None:
    """They wait under another name, as do submissions without a result."""
    told = submissions.describe_backlog([("1 to 2 days", None, 1), ("1 to 2 days", "on hold", 2)])
    assert told.numbers is not None
    assert (told.numbers.columns, told.numbers.rows) == (("Age", "Other"), [("1 to 2 days", "3")])


def test_runs_that_did_not_end_well() -> None:
    """One that was killed has no duration; how each ended is written behind its bar."""
    begun = datetime(2025, 1, 2, 3, 4, tzinfo=UTC)
    ends = (
        *(("failed", 70.0, 4), ("differs", 2.0, 6), ("ok", 5.0, 0)),
        ("unfinished", None, None),
    )
    told = operations.describe_runs(
        [("sync", begun, seconds, end, code, None, 1, 1, 0, 0) for end, seconds, code in ends]
    )
    assert told.chart is not None
    written = [row["written"] for row in told.chart["layer"][1]["data"]["values"]]
    assert [one.replace("\u00a0", " ") for one in written] == [
        *("failed, 1.2 min", "differs, 2.0 s", "5.0 s", "unfinished"),
    ]
    assert told.said.endswith("the newest first; 2 of them did not end well.")
    assert told.figure == ("2025-01-02 03:04", "last good run (UTC)")
    assert operations.describe_staleness([(0, 1, 0.5)], None).said.endswith(
        "no bound, since the sweep is off."
    )
