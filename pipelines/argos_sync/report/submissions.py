"""Describe submissions: volumes, funnel, time to decision, reasons and countries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby

from argos_sync.load.sql import ResultRows
from argos_sync.report import charts
from argos_sync.report.charts import BLUE, GREEN, GREY, PURPLE, VERMILLION
from argos_sync.report.formatting import (
    format_code,
    format_count,
    format_hours,
    format_score,
    format_share,
    pluralize,
    sum_counts,
)
from argos_sync.report.section import Content, DataTable
from argos_sync.report.time_series import chart_by_period
from argos_sync.shape.column_cipher import extract_key_id

_MAX_BARS = 10
_MAX_AGE = timedelta(weeks=53)

_MIN_GROUP = 5
"""Countries with fewer submissions are combined, so that no single person stands out."""

_RESULTS = {
    "approved": GREEN,
    "rejected": VERMILLION,
    "pending": BLUE,
    "incomplete": GREY,
    "other": PURPLE,
}
_REVIEWERS = {"system": BLUE, "agent": VERMILLION, "other": GREY}


def describe_volumes(rows: ResultRows) -> Content:
    """Describe the number of submissions over time.

    Args:
        rows: Day, and submissions by result as in `_RESULTS`.
    """
    days = [day for day, *_ in rows]
    total = sum(int(number) for _, *counts in rows for number in counts)
    unit, chart, table = chart_by_period(rows, _RESULTS, "submissions")
    return Content(
        f"{pluralize(total, 'submission')} created {_format_range(min(days), max(days))}, by"
        f" {unit} and current KYC result.",
        chart,
        table,
        (format_count(total), "submissions"),
    )


def describe_funnel(rows: ResultRows) -> Content:
    """Describe how many submissions reach each step.

    Args:
        rows: Submissions created, attempted, decided and approved on a day.
    """
    sums = [sum(int(number) for number in column) for column in zip(*rows, strict=True)]
    created, _, decided, approved = sums
    steps = ("created", "attempted", "decided", "approved")
    shares = [format_share(number, created) for number in sums]
    bars = [
        (step, {"": float(number)}, f"{format_count(number)} ({part})")
        for step, number, part in zip(steps, sums, shares, strict=True)
    ]
    previous = [created, *sums]
    approval_rate = format_share(approved, decided)
    return Content(
        f"{shares[1]} of {pluralize(created, 'submission')} had an attempt and {shares[2]} have a"
        f" decision. {approval_rate} of the decided submissions were approved.",
        charts.bar_chart(bars, {"": BLUE}),
        DataTable(
            ("Step", "Submissions", "Share of all", "Share of previous step"),
            [
                (
                    step,
                    format_count(number),
                    format_share(number, created),
                    format_share(number, before),
                )
                for step, number, before in zip(steps, sums, previous, strict=False)
            ],
        ),
        (approval_rate, "of decided submissions approved"),
    )


def describe_decisions(rows: ResultRows) -> Content:
    """Describe how long decisions take.

    Args:
        rows: Reviewer, week, number of decisions, and hours to decision, median and 90th
            percentile.
    """
    last = max(week for _, week, *_ in rows)
    recent = [row for row in rows if row[1] > last - _MAX_AGE]
    points = [(week, reviewer, float(median)) for reviewer, week, _, median, _ in recent]
    reviewers = {reviewer for _, reviewer, _ in points}
    colours = {name: colour for name, colour in _REVIEWERS.items() if name in reviewers}
    most_decisions_first = sorted(recent, key=lambda row: -int(row[2]))
    latest = [
        (format_hours(median), reviewer)
        for reviewer, week, _, median, _ in most_decisions_first
        if week == last
    ]
    medians = ", ".join(f"{median} ({reviewer})" for median, reviewer in latest)
    return Content(
        "Median hours from submission to result, by reviewer and week of the result."
        f" In the week from {last}: {medians}.",
        charts.line_chart(points, colours, "hours (median)"),
        DataTable(
            ("Week from", "Reviewer", "Decisions", "Median", "90th percentile"),
            [
                (
                    f"{week}",
                    reviewer,
                    format_count(number),
                    format_hours(median),
                    format_hours(percentile),
                )
                for reviewer, week, number, median, percentile in reversed(recent)
            ],
        ),
        (latest[0][0], f"median time to decision ({latest[0][1]})"),
    )


def describe_rejections(rows: ResultRows) -> Content:
    """Describe why submissions are rejected.

    Args:
        rows: Code and number of submissions, most frequent first.
    """
    codes = sum_counts(rows, lambda code: format_code(code, "no code"))
    return Content(
        f"Submissions were rejected for {pluralize(len(codes), 'reason')}. A submission with"
        " several reasons counts once for each.",
        charts.bar_chart(_largest([*codes.items()], "reasons"), {"": VERMILLION}),
        DataTable(
            ("Code", "Submissions"), [(code, format_count(n)) for code, (n,) in codes.items()]
        ),
    )


def describe_failures(rows: ResultRows, noun: str) -> Content:
    """Describe why attempts or their steps fail.

    Args:
        rows: Code, failures, submissions affected, and average face similarity and liveness
            scores of the attempts, most frequent first.
        noun: What the failures are called in the text, in the plural.
    """
    named = [(format_code(code, "no code"), int(number), *rest) for code, number, *rest in rows]
    return Content(
        f"{format_count(sum(number for _, number, *_ in named))} {noun}, by reason.",
        charts.bar_chart(_largest([(code, [n]) for code, n, *_ in named], "reasons"), {"": BLUE}),
        DataTable(
            ("Code", "Count", "Submissions", "Average face similarity", "Average liveness"),
            [
                (
                    code,
                    format_count(number),
                    format_count(submissions),
                    format_score(similarity),
                    format_score(liveness),
                )
                for code, number, submissions, similarity, liveness in named
            ],
        ),
    )


def describe_countries(rows: ResultRows) -> Content:
    """Describe the nationalities of applicants.

    Args:
        rows: Nationality, and submissions in total, approved and rejected, most frequent first.
    """
    with_country = [row for row in rows if row[0] is not None]
    if not with_country or any(extract_key_id(str(row[0])) for row in with_country):
        return Content(
            "Nationalities are not available in this warehouse: they are dropped, hashed or"
            " encrypted."
        )
    sums = sum_counts(rows, lambda code: format_code(code, "unknown"))
    groups = {code: counts for code, counts in sums.items() if counts[0] >= _MIN_GROUP}
    small = [counts for code, counts in sums.items() if code not in groups]
    if small:
        groups[f"fewer than {_MIN_GROUP} each"] = [
            sum(column) for column in zip(*small, strict=True)
        ]
    total = sum(counts[0] for counts in sums.values())
    bars = [(code, counts[:1]) for code, counts in groups.items()]
    return Content(
        f"Applicants have {pluralize(len(with_country), 'nationality', 'nationalities')}.",
        charts.bar_chart(_largest(bars, "countries", total), {"": BLUE}),
        DataTable(
            ("Country", "Submissions", "Share", "Approved", "Rejected", "Approval rate"),
            [
                (
                    code,
                    format_count(number),
                    format_share(number, total),
                    format_count(approved),
                    format_count(rejected),
                    format_share(approved, approved + rejected),
                )
                for code, (number, approved, rejected) in groups.items()
            ],
        ),
    )


def describe_backlog(rows: ResultRows) -> Content:
    """Describe submissions that wait for a final result.

    Args:
        rows: Age as text, result and number of submissions, youngest first.
    """
    colours = {"pending": BLUE, "incomplete": GREY, "other": PURPLE}
    ages = {
        age: sum_counts(
            ((result, number) for _, result, number in group),
            lambda result: str(result) if result in colours else "other",
        )
        for age, group in groupby(rows, key=lambda row: str(row[0]))
    }
    used = {
        result: colour
        for result, colour in colours.items()
        if any(result in counts for counts in ages.values())
    }
    by_age = {age: [counts.get(result, [0])[0] for result in used] for age, counts in ages.items()}
    total = sum(map(sum, by_age.values()))
    pending = sum(counts.get("pending", [0])[0] for counts in ages.values())
    bars = [
        (age, dict(zip(used, map(float, counts), strict=True)), format_count(sum(counts)))
        for age, counts in by_age.items()
    ]
    return Content(
        f"{pluralize(total, 'submission')} without a final result, {format_count(pending)} of them"
        " pending, by age.",
        charts.bar_chart(bars, used),
        DataTable(
            ("Age", *map(str.capitalize, used)),
            [(age, *map(format_count, counts)) for age, counts in by_age.items()],
        ),
        (format_count(total), "waiting for a result"),
    )


def _format_range(first: date, last: date) -> str:
    return f"on {first}" if first == last else f"from {first} to {last}"


def _largest(
    rows: Sequence[tuple[str, Sequence[int]]], noun: str, total: float = 0
) -> list[tuple[str, dict[str, float], str]]:
    """Return the first rows as bars, and the sum of all others as one more bar.

    Args:
        rows: Label and count, largest first.
        noun: What the labels are, in the plural.
        total: Sum that shares are of; 0 shows no shares.
    """
    if len(rows) > _MAX_BARS + 1:
        others = rows[_MAX_BARS:]
        number = sum(n for _, (n,) in others)
        rows = [*rows[:_MAX_BARS], (f"{len(others)} other {noun}", [number])]
    return [
        (
            label,
            {"": float(n)},
            format_count(n) + (f" ({format_share(n, total)})" if total else ""),
        )
        for label, (n,) in rows
    ]
