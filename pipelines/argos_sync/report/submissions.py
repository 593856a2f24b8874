"""Describe submissions: how many there are, how far people come and at what they fail.

Each function gets the rows of the query of the same name in `queries`.
"""

from collections import Counter
from collections.abc import Sequence

from argos_sync.load.sql import ResultRows
from argos_sync.report.charts import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION, bar_chart
from argos_sync.report.figures import Figure
from argos_sync.report.formatting import (
    NO_VALUE,
    format_code,
    format_count,
    format_share,
    pluralize,
)
from argos_sync.report.scope import Scope
from argos_sync.report.section import Content, DataTable
from argos_sync.report.time_series import (
    chart_by_unit,
    describe_partial,
    split_periods,
    sum_columns,
)

_MAX_BARS = 8

WAITING = {"pending": BLUE, "incomplete": GREY, "other": PURPLE}
_RESULTS = {"approved": GREEN, "rejected": VERMILLION} | WAITING

_OUTCOMES = {
    "approved": GREEN,
    "rejected": VERMILLION,
    "open": BLUE,
    "left": GREY,
}
_LEFT = {"timed out", "dropped off"}
"""Outcomes of people who left."""

_LAST_STEPS = {0: "before the ID step", 1: "ID step", 2: "face step"}
_FAILURES = {"attempt failed": VERMILLION, "step repeated": ORANGE}


def describe_volumes(rows: ResultRows, scope: Scope) -> Content:
    """Describe the number of submissions over time.

    A row has a day, and submissions by result as in `_RESULTS`; the earliest comes first.
    """
    before, current = split_periods(rows, scope)
    total = sum(sum(counts) for _, counts in current)
    figure = Figure(
        *("submissions", "Submissions", "count", total), sum(before[0]) if before else 0
    )
    if not current:
        return Content("No submission was created in the period.", figures=(figure,))
    chart, table = chart_by_unit(current, _RESULTS, "submissions", scope)
    return Content(
        f"{pluralize(total, 'submission')} by {scope.unit} of creation and current result."
        + describe_partial(scope, "drawn lighter"),
        chart,
        table,
        (figure,),
    )


def describe_funnel(rows: ResultRows, _scope: Scope) -> Content:
    """Describe how many submissions reach each step.

    A row has a last step, an outcome, its submissions, and those of them with an attempt.
    """
    created = sum(int(row[2]) for row in rows)
    reached = {step: sum(int(row[2]) for row in rows if int(row[0]) >= step) for step in (1, 2)}
    steps = {
        "created": created,
        "attempted": sum(int(row[3]) for row in rows),
        # No submission has a step where the source does not send the times of steps.
        **({"ID step": reached[1], "face step": reached[2]} if reached[1] else {}),
        "approved": sum(int(row[2]) for row in rows if row[1] == "approved"),
    }
    shares = {step: format_share(number, created) for step, number in steps.items()}
    previous = [created, *steps.values()]
    return Content(
        f"{shares['attempted']} of the {pluralize(created, 'submission')} created in the period"
        f" had an attempt; {shares['approved']} are approved.",
        bar_chart(
            [
                (step, {"": number}, f"{format_count(number)} ({shares[step]})")
                for step, number in steps.items()
            ],
            {"": BLUE},
        ),
        DataTable(
            ("Step", "Submissions", "Share of all", "Share of previous step"),
            [
                (step, format_count(number), shares[step], format_share(number, earlier))
                for (step, number), earlier in zip(steps.items(), previous, strict=False)
            ],
        ),
    )


def describe_leaving(rows: ResultRows, _scope: Scope) -> Content:
    """Describe where people leave; rows are as in `describe_funnel`."""
    counts: dict[int, Counter[str]] = {step: Counter() for step in _LAST_STEPS}
    for step, outcome, number, _ in rows:
        name = "left" if outcome in _LEFT else str(outcome)
        counts[int(step)][name if name in _OUTCOMES else "open"] += int(number)
    totals = sum(counts.values(), Counter())
    used = {name: colour for name, colour in _OUTCOMES.items() if totals[name]}
    share = format_share(totals["left"], totals.total())
    rates = {step: format_share(count["left"], count.total()) for step, count in counts.items()}
    bars = [
        (_LAST_STEPS[step], count, f"{rates[step]} left" if count.total() else "")
        for step, count in counts.items()
    ]
    return Content(
        f"{format_count(totals['left'])} people left, {share} of those who came in the period: they"
        " timed out, or have been incomplete for 30 days without activity. By the last step they"
        " came to.",
        bar_chart(bars, used),
        DataTable(
            ("Last step", "Submissions", *map(str.capitalize, _OUTCOMES), "Share that left"),
            [
                (
                    _LAST_STEPS[step],
                    *map(format_count, (count.total(), *(count[name] for name in _OUTCOMES))),
                    rates[step],
                )
                for step, count in counts.items()
            ],
        ),
    )


def describe_failures(rows: ResultRows, _scope: Scope) -> Content:
    """Describe why attempts fail and steps are repeated.

    A row has a code, its meaning if it is known, its failed attempts, retries within attempts, and
    submissions; the most frequent comes first.
    """
    totals = sum_columns([[int(row[2]), int(row[3])] for row in rows])
    used = {
        name: colour
        for (name, colour), total in zip(_FAILURES.items(), totals, strict=True)
        if total
    }
    reasons = [
        (meaning or code_text(code), dict(zip(_FAILURES, map(int, counts), strict=True)))
        for code, meaning, *counts, _ in rows
    ]
    return Content(
        f"{pluralize(totals[0], 'attempt')} failed and {pluralize(totals[1], 'step')}"
        f" {'was' if totals[1] == 1 else 'were'} repeated within an attempt, by reason.",
        bar_chart(
            [
                (label, counts, format_count(sum(counts.values())))
                for label, counts in largest(reasons, "reasons")
            ],
            used,
        ),
        DataTable(
            ("Reason", "Code", "Failed attempts", "Repeated steps", "Submissions"),
            [
                (meaning or NO_VALUE, code_text(code), *map(format_count, map(int, counts)))
                for code, meaning, *counts in rows
            ],
        ),
    )


def code_text(code: object) -> str:
    """Return a code as text, or words for a missing one."""
    return format_code(code, "no code")


def largest(
    counts: Sequence[tuple[str, dict[str, int]]], noun: str
) -> list[tuple[str, dict[str, int]]]:
    """Return the first counts, and the sum of all others as one more.

    `noun` is what the labels are, in the plural.
    """
    if len(counts) <= _MAX_BARS + 1:
        return list(counts)
    others = counts[_MAX_BARS:]
    rest = {segment: sum(one[segment] for _, one in others) for segment in others[0][1]}
    return [*counts[:_MAX_BARS], (f"{len(others)} other {noun}", rest)]
