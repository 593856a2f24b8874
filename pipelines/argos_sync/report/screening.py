"""What the report tells of AML screenings: open alerts, and how many submissions are flagged."""

from __future__ import annotations

from argos_sync.load.sql import ResultRows
from argos_sync.report import charts
from argos_sync.report.charts import BLUE, GREY, ORANGE, VERMILLION
from argos_sync.report.formatting import format_count, format_share, pluralize, sum_counts
from argos_sync.report.section import Content, DataTable
from argos_sync.report.time_series import chart_by_period

_RISKS = {"high": VERMILLION, "medium": ORANGE, "low": BLUE, "other": GREY}


def describe_alerts(rows: ResultRows) -> Content:
    """Rows: risk level, submissions with an open alert, matches, and age of the oldest, days."""
    open_ones = sum_counts((row[:3] for row in rows), _risk)
    levels = [level for level in _RISKS if level in open_ones]
    total, high = sum(one[0] for one in open_ones.values()), open_ones.get("high", [0])[0]
    ages = {level: max(int(row[3]) for row in rows if _risk(row[0]) == level) for level in levels}
    oldest = max(ages.values())
    return Content(
        f"{pluralize(total, 'submission')} with an open red flag, {format_count(high)} of high risk; the"
        f" oldest has been open for {pluralize(oldest, 'day')}.",
        charts.bar_chart(
            [
                (one, {"": float(open_ones[one][0])}, format_count(open_ones[one][0]))
                for one in levels
            ],
            {"": VERMILLION},
        ),
        DataTable(
            ("Risk", "Submissions", "Matches", "Oldest, days"),
            [
                (level, *map(format_count, open_ones[level]), format_count(ages[level]))
                for level in levels
            ],
        ),
        (format_count(total), "open AML alerts"),
    )


def describe_hit_rate(rows: ResultRows) -> Content:
    """Rows: week, submissions screened, and flagged ones by risk as in `_RISKS`."""
    screened = sum(int(one[1]) for one in rows)
    by_risk = [(week, *counts) for week, _, *counts in rows]
    flagged = sum(int(one) for _, *counts in by_risk for one in counts)
    period, chart, numbers = chart_by_period(by_risk, _RISKS, "red flags", "week")
    return Content(
        f"{pluralize(flagged, 'submission')} of {format_count(screened)} screened have a red flag"
        f" ({format_share(flagged, screened)}), by the {period} they were created in.",
        chart,
        numbers,
        (format_share(flagged, screened), "of the screened have a red flag"),
    )


def _risk(level: object) -> str:
    known = str(level).lower()
    return known if known in _RISKS else "other"
