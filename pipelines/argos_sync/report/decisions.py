"""Describe decisions: rates, time to decision, reasons of rejections, and what still waits.

Each function gets the rows of the query of the same name in `queries`.
"""

from collections import Counter

from argos_sync.load.sql import ResultRows
from argos_sync.report.charts import BLUE, GREEN, VERMILLION, bar_chart
from argos_sync.report.charts_over_time import Point, duration_axis, line_chart, share_axis
from argos_sync.report.figures import Figure, ratio
from argos_sync.report.formatting import (
    NO_BREAK_SPACE,
    NO_VALUE,
    format_count,
    format_duration,
    format_share,
    pluralize,
)
from argos_sync.report.scope import Scope
from argos_sync.report.section import Content, DataTable
from argos_sync.report.submissions import WAITING, code_text, largest
from argos_sync.report.time_series import (
    HEADINGS,
    describe_partial,
    label_unit,
    split_periods,
    sum_by_unit,
    sum_columns,
)

_RATES = {"approved": GREEN, "decided by machine": BLUE}
_PERCENTILES = {"median": BLUE, "90th percentile": VERMILLION}
_SPEED_FIGURES = (
    ("seconds_to_decision_p50", "Time to decision, median"),
    ("seconds_to_decision_p90", "Time to decision, 90th percentile"),
)
_AGES = (
    *("less than a day", "1 to 2 days", "3 to 6 days"),
    *("7 to 29 days", "30 to 89 days", "90 days or more"),
)
"""Age bands of the view `review_backlog`."""
_DECIDERS = {
    "all": "by all",
    "machine": "by the machine",
    "person": "by people",
    "unknown": "where no reviewer is recorded",
}


def describe_rates(rows: ResultRows, scope: Scope) -> Content:
    """Describe how many decisions approve, and how many the machine makes.

    A row has a day, its decisions, and how many of them are approvals, by machine, with a reviewer,
    and after a review. Decisions without a date have no day.
    """
    undated = sum(int(row[1]) for row in rows if row[0] is None)
    before, current = split_periods([row for row in rows if row[0] is not None], scope)
    total = sum_columns([counts for _, counts in current]) or [0] * 5
    earlier = before[0] if before else [0] * 5
    figures = (
        Figure("decisions", "Decisions", "count", total[0], earlier[0]),
        Figure(
            *("approval_rate", "Approval rate", "share", ratio(total[1], total[0])),
            ratio(earlier[1], earlier[0]),
        ),
        Figure(
            *("automation_rate", "Automation rate", "share", ratio(total[2], total[3])),
            ratio(earlier[2], earlier[3]),
        ),
    )
    if not current:
        text = f"No decision was made in the period.{_describe_undated(undated)}"
        return Content(text, figures=figures)
    sums = sum_by_unit(current, scope)
    points = [
        Point(unit.first, name, part / whole, unit.is_partial)
        for unit, (decided, approved, machine, reviewed, _) in sums.items()
        for name, part, whole in zip(_RATES, (approved, machine), (decided, reviewed), strict=True)
        if whole
    ]
    names = {one.line for one in points}
    return Content(
        f"{format_share(total[1], total[0])} of {pluralize(total[0], 'decision')} were approvals;"
        f" the machine made {format_share(total[2], total[3])}, and"
        f" {format_share(total[4], total[0])} came after a review by people. By {scope.unit} of the"
        f" decision.{_describe_undated(undated)}{describe_partial(scope, 'drawn hollow')}",
        line_chart(
            points,
            {name: colour for name, colour in _RATES.items() if name in names},
            "share of decisions",
            share_axis([one.value for one in points]),
        ),
        DataTable(
            (
                *(HEADINGS[scope.unit], "Decisions", "Approved", "Approval rate", "By machine"),
                *("Automation rate", "After review"),
            ),
            [
                (
                    *(label_unit(unit), format_count(decided), format_count(approved)),
                    *(format_share(approved, decided), format_count(machine)),
                    *(format_share(machine, reviewed), format_count(pending)),
                )
                for unit, (decided, approved, machine, reviewed, pending) in reversed(sums.items())
            ],
        ),
        figures,
    )


def describe_speed(rows: ResultRows, scope: Scope) -> Content:
    """Describe how long decisions take.

    A row has a part (`unit` of the period, `period` or `before`), its first day, who decided
    (`all`, `machine`, `person` or `unknown`), the number of decisions, and the median and 90th
    percentile of seconds to decision.
    """
    timed = [(*row[:3], int(row[3]), float(row[4]), float(row[5])) for row in rows]
    parts = {(part, decider): values for part, _, decider, *values in timed if part != "unit"}
    median, tail = parts.get(("period", "all"), (0, None, None))[1:]
    earlier = parts.get(("before", "all"), (0, None, None))[1:]
    figures = tuple(
        Figure(*names, "seconds", value, before)
        for names, value, before in zip(_SPEED_FIGURES, (median, tail), earlier, strict=True)
    )
    units = [(scope.unit_of(day), values) for part, day, _, *values in timed if part == "unit"]
    if not units:
        return Content("No decision of the period has a time.", figures=figures)
    points = [
        # A result before its submission has a negative duration; a logarithm has no place for it.
        Point(unit.first, name, max(seconds, 1), unit.is_partial)
        for unit, (_, *percentiles) in units
        for name, seconds in zip(_PERCENTILES, percentiles, strict=True)
    ]
    by_decider = [
        (words, *parts["period", decider])
        for decider, words in _DECIDERS.items()
        if ("period", decider) in parts
    ]
    medians = ", ".join(f"{format_duration(row[2])} {row[0]}" for row in by_decider[1:])
    return Content(
        f"Half of the decisions take up to {format_duration(median)}, 90{NO_BREAK_SPACE}% up to"
        f" {format_duration(tail)}; medians: {medians}. By {scope.unit} of the decision, on a"
        f" logarithmic scale.{describe_partial(scope, 'drawn hollow')}",
        line_chart(
            points, _PERCENTILES, "time to decision", duration_axis([one.value for one in points])
        ),
        DataTable(
            (f"{HEADINGS[scope.unit]}, or by", "Decisions", "Median", "90th percentile"),
            [
                (label, format_count(number), *map(format_duration, percentiles))
                for label, number, *percentiles in (
                    *((words, *values) for words, *values in by_decider),
                    *((label_unit(unit), *values) for unit, values in reversed(units)),
                )
            ],
        ),
        figures,
    )


def describe_rejections(rows: ResultRows, _scope: Scope) -> Content:
    """Describe why submissions are rejected.

    A row has a code, its meaning if it is known, its rejections in the period and before, and all
    rejections in the period and before; the most frequent comes first.
    """
    total, total_before = map(int, rows[0][4:])
    # An empty code is none.
    codes: dict[str, list[int]] = {}
    meanings: dict[str, str | None] = {}
    for code, meaning, *counts in rows:
        text = code_text(code)
        meanings[text] = meaning
        sums = codes.get(text, [0, 0])
        codes[text] = [a + int(b) for a, b in zip(sums, counts[:2], strict=True)]
    reasons = [(meanings[code] or code, {"": counts[0]}) for code, counts in codes.items()]
    return Content(
        f"{pluralize(total, 'rejection')} for {pluralize(len(codes), 'reason')}. One with several"
        " reasons counts once for each.",
        bar_chart(
            [
                (label, counts, f"{format_count(counts[''])} ({format_share(counts[''], total)})")
                for label, counts in largest(reasons, "reasons")
            ],
            {"": VERMILLION},
        ),
        DataTable(
            ("Reason", "Code", "Rejections", "Share", "Before", "Share before"),
            [
                (
                    *(meanings[code] or NO_VALUE, code),
                    *(format_count(number), format_share(number, total)),
                    *(format_count(before), format_share(before, total_before)),
                )
                for code, (number, before) in codes.items()
            ],
        ),
    )


def describe_backlog(rows: ResultRows, _scope: Scope) -> Content:
    """Describe submissions that wait for a final result.

    A row has an age as text, a result, its number of submissions, and those of them whose people
    have left; the youngest comes first.
    """
    left = sum(int(row[3]) for row in rows)
    are = pluralize(left, "incomplete one is", "incomplete ones are")
    note = f" {are} not drawn: without activity for 30 days." if left else ""
    ages: dict[str, Counter[str]] = {age: Counter() for age in _AGES}
    for age, result, number, dropped_off in rows:
        counts = ages[age]
        counts[result if result in WAITING else "other"] += int(number) - int(dropped_off)
    totals = sum(ages.values(), Counter())
    used = {result: colour for result, colour in WAITING.items() if totals[result]}
    if not used:
        return Content(f"No submission waits for a result.{note}")
    bars = [(age, counts, format_count(counts.total())) for age, counts in ages.items()]
    return Content(
        f"{pluralize(totals.total(), 'submission')} without a final result now,"
        f" {format_count(totals['pending'])} of them pending, by age.{note}",
        bar_chart(bars, used),
        DataTable(
            ("Age", *map(str.capitalize, used)),
            [(age, *(format_count(counts[one]) for one in used)) for age, counts in ages.items()],
        ),
    )


def _describe_undated(number: int) -> str:
    """Return a sentence about the decisions that no period has; empty without any."""
    if not number:
        return ""
    have = pluralize(number, "decision has", "decisions have")
    are = "is" if number == 1 else "are"
    return f" {have} no date and {are} left out."
