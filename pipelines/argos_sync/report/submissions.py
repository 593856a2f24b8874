"""Describe submissions: volumes, funnel, time to decision, reasons and countries.

Each function gets the rows of the query of the same name in `queries`.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

from argos_sync.load.sql import ResultRows
from argos_sync.report import charts
from argos_sync.report.charts import BLUE, GREEN, GREY, PURPLE, VERMILLION
from argos_sync.report.formatting import (
    NO_VALUE,
    format_code,
    format_count,
    format_hours,
    format_score,
    format_share,
    pluralize,
    sum_counts,
)
from argos_sync.report.section import Content, DataTable
from argos_sync.report.time_series import chart_by_period, split_implausible
from argos_sync.shape.column_cipher import extract_key_id

_MAX_BARS = 10
_MAX_AGE = timedelta(weeks=53)

_MIN_GROUP = 5
"""Countries with fewer submissions are combined, so that no single person stands out."""

_WAITING = {"pending": BLUE, "incomplete": GREY, "other": PURPLE}
_RESULTS = {"approved": GREEN, "rejected": VERMILLION} | _WAITING
_REVIEWERS = {"system": BLUE, "agent": VERMILLION, "other": GREY}


def describe_volumes(rows: ResultRows, today: date) -> Content:
    """Describe the number of submissions over time.

    A row has a day, and submissions by result as in `_RESULTS`; the earliest comes first.
    """
    rows, outside, not_shown = split_implausible(rows, 0, slice(1, None), today)
    if not rows:
        return Content(not_shown.strip())
    first, last = rows[0][0], rows[-1][0]
    span = f"on {first}" if first == last else f"from {first} to {last}"
    total = sum(int(number) for _, *counts in rows for number in counts)
    unit, chart, table = chart_by_period(rows, _RESULTS, "submissions")
    return Content(
        f"{pluralize(total, 'submission')} created {span}, by {unit} and current KYC result."
        f"{not_shown}",
        chart,
        table,
        (format_count(total + outside), "submissions"),
    )


def describe_funnel(rows: ResultRows) -> Content:
    """Describe how many submissions reach each step.

    A row has the submissions created, attempted, decided and approved on a day.
    """
    steps = ("created", "attempted", "decided", "approved")
    sums = [sum(map(int, column)) for column in zip(*rows, strict=True)]
    created, _, decided, approved = sums
    shares = [format_share(number, created) for number in sums]
    bars = [
        (step, {"": number}, f"{format_count(number)} ({share})")
        for step, number, share in zip(steps, sums, shares, strict=True)
    ]
    previous = [created, *sums[:-1]]
    approval_rate = format_share(approved, decided)
    return Content(
        f"{shares[1]} of {pluralize(created, 'submission')} had an attempt and {shares[2]} have a"
        f" decision. {approval_rate} of the decided submissions were approved.",
        charts.bar_chart(bars, {"": BLUE}),
        DataTable(
            ("Step", "Submissions", "Share of all", "Share of previous step"),
            [
                (step, format_count(number), share, format_share(number, before))
                for step, number, share, before in zip(steps, sums, shares, previous, strict=True)
            ],
        ),
        (approval_rate, "of decided submissions approved"),
    )


def describe_decisions(rows: ResultRows, today: date) -> Content:
    """Describe how long decisions take.

    A row has a reviewer, a week, the number of decisions, and the median and 90th percentile of
    hours to decision.
    """
    rows, _, not_shown = split_implausible(rows, 1, slice(2, 3), today)
    if not rows:
        return Content(not_shown.strip())
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
        f" In the week from {last}: {medians}.{not_shown}",
        charts.line_chart(points, colours, "hours (median)"),
        DataTable(
            ("Week from", "Reviewer", "Decisions", "Median", "90th percentile"),
            [
                (f"{week}", reviewer, format_count(number), *map(format_hours, percentiles))
                for reviewer, week, number, *percentiles in reversed(recent)
            ],
        ),
        (latest[0][0], f"median time to decision ({latest[0][1]})"),
    )


def describe_rejections(rows: ResultRows) -> Content:
    """Describe why submissions are rejected.

    A row has a code, its meaning if it is known, and its number of submissions; the most frequent
    comes first.
    """
    meanings = {_code(code): meaning for code, meaning, _ in rows}
    codes = sum_counts(((code, number) for code, _, number in rows), _code)
    counts = [(meanings[code] or code, number) for code, (number,) in codes.items()]
    return Content(
        f"Submissions were rejected for {pluralize(len(codes), 'reason')}. A submission with"
        " several reasons counts once for each.",
        charts.bar_chart(_largest(counts, "reasons"), {"": VERMILLION}),
        DataTable(
            ("Code", "Meaning", "Submissions"),
            [
                (code, meanings[code] or NO_VALUE, format_count(number))
                for code, (number,) in codes.items()
            ],
        ),
    )


def describe_failures(rows: ResultRows, noun: str) -> Content:
    """Describe why attempts or their steps fail; `noun` names the failures in the plural.

    A row has a code, its meaning if it is known, its failures, the submissions affected, and the
    average face similarity and liveness scores of the attempts; the most frequent comes first.
    """
    counts = [(meaning or _code(code), int(number)) for code, meaning, number, *_ in rows]
    return Content(
        f"{format_count(sum(number for _, number in counts))} {noun}, by reason.",
        charts.bar_chart(_largest(counts, "reasons"), {"": BLUE}),
        DataTable(
            (
                "Code",
                "Meaning",
                "Count",
                "Submissions",
                "Average face similarity",
                "Average liveness",
            ),
            [
                (
                    _code(code),
                    meaning or NO_VALUE,
                    *map(format_count, (number, submissions)),
                    *map(format_score, scores),
                )
                for code, meaning, number, submissions, *scores in rows
            ],
        ),
    )


def describe_countries(rows: ResultRows) -> Content:
    """Describe the nationalities of applicants.

    A row has a nationality, and its submissions in total, approved and rejected; the most frequent
    comes first.
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
        combined = [sum(column) for column in zip(*small, strict=True)]
        groups[f"fewer than {_MIN_GROUP} each"] = combined
    total = sum(counts[0] for counts in sums.values())
    bars = [(code, counts[0]) for code, counts in groups.items()]
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

    A row has an age as text, a result and its number of submissions; the youngest comes first.
    """
    ages: dict[str, Counter[str]] = {}
    for age, result, number in rows:
        counts = ages.setdefault(str(age), Counter())
        counts[result if result in _WAITING else "other"] += int(number)
    totals = sum(ages.values(), Counter())
    used = {result: colour for result, colour in _WAITING.items() if totals[result]}
    bars = [(age, counts, format_count(counts.total())) for age, counts in ages.items()]
    return Content(
        f"{pluralize(totals.total(), 'submission')} without a final result,"
        f" {format_count(totals['pending'])} of them pending, by age.",
        charts.bar_chart(bars, used),
        DataTable(
            ("Age", *map(str.capitalize, used)),
            [(age, *(format_count(counts[one]) for one in used)) for age, counts in ages.items()],
        ),
        (format_count(totals.total()), "waiting for a result"),
    )


def _code(code: object) -> str:
    return format_code(code, "no code")


def _largest(
    counts: Sequence[tuple[str, int]], noun: str, total: int = 0
) -> list[tuple[str, dict[str, int], str]]:
    """Return the first counts as bars, and the sum of all others as one more bar.

    `noun` is what the labels are, in the plural. `total` is what shares are of; 0 shows none.
    """
    if len(counts) > _MAX_BARS + 1:
        others = counts[_MAX_BARS:]
        rest = (f"{len(others)} other {noun}", sum(number for _, number in others))
        counts = [*counts[:_MAX_BARS], rest]
    return [
        (
            label,
            {"": number},
            format_count(number) + (f" ({format_share(number, total)})" if total else ""),
        )
        for label, number in counts
    ]
