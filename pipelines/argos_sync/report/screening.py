"""What the report tells of AML screenings: open alerts, and how many submissions are flagged."""

from __future__ import annotations

from argos_sync.load.sql import ResultRows
from argos_sync.report import charts
from argos_sync.report.charts import BLUE, GREY, ORANGE, VERMILLION
from argos_sync.report.formatting import count, merged, plural, share
from argos_sync.report.section import Numbers, Told
from argos_sync.report.time_series import over_time

_RISKS = {"high": VERMILLION, "medium": ORANGE, "low": BLUE, "other": GREY}


def alerts(rows: ResultRows) -> Told:
    """Rows: risk level, submissions with an open alert, matches, and age of the oldest, days."""
    open_ones = merged((row[:3] for row in rows), _risk)
    levels = [level for level in _RISKS if level in open_ones]
    total, high = sum(one[0] for one in open_ones.values()), open_ones.get("high", [0])[0]
    ages = {level: max(int(row[3]) for row in rows if _risk(row[0]) == level) for level in levels}
    oldest = max(ages.values())
    return Told(
        f"{plural(total, 'submission')} with an open red flag, {count(high)} of high risk; the"
        f" oldest has been open for {plural(oldest, 'day')}.",
        charts.bars(
            [(one, {"": float(open_ones[one][0])}, count(open_ones[one][0])) for one in levels],
            {"": VERMILLION},
        ),
        Numbers(
            ("Risk", "Submissions", "Matches", "Oldest, days"),
            [(level, *map(count, open_ones[level]), count(ages[level])) for level in levels],
        ),
        (count(total), "open AML alerts"),
    )


def hits(rows: ResultRows) -> Told:
    """Rows: week, submissions screened, and flagged ones by risk as in `_RISKS`."""
    screened = sum(int(one[1]) for one in rows)
    by_risk = [(week, *counts) for week, _, *counts in rows]
    flagged = sum(int(one) for _, *counts in by_risk for one in counts)
    period, chart, numbers = over_time(by_risk, _RISKS, "red flags", "week")
    return Told(
        f"{plural(flagged, 'submission')} of {count(screened)} screened have a red flag"
        f" ({share(flagged, screened)}), by the {period} they were created in.",
        chart,
        numbers,
        (share(flagged, screened), "of the screened have a red flag"),
    )


def _risk(level: object) -> str:
    known = str(level).lower()
    return known if known in _RISKS else "other"
