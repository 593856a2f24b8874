"""What the report tells of submissions: how many, how far they got, how long that took, and why."""

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
from argos_sync.shape.sealing import key_id_of

_MOST_BARS = 10
_WEEKS = timedelta(weeks=53)

_FEWEST = 5
"""Countries with fewer submissions are told together: a single person must not stand out."""

_RESULTS = {
    "approved": GREEN,
    "rejected": VERMILLION,
    "pending": BLUE,
    "incomplete": GREY,
    "other": PURPLE,
}
_REVIEWERS = {"system": BLUE, "agent": VERMILLION, "other": GREY}


def describe_volumes(rows: ResultRows) -> Content:
    """Rows: day, and submissions by result as in `_RESULTS`."""
    days = [day for day, *_ in rows]
    total = sum(int(one) for _, *counts in rows for one in counts)
    period, chart, numbers = chart_by_period(rows, _RESULTS, "submissions")
    return Content(
        f"{pluralize(total, 'submission')}, created {_span(min(days), max(days))}, by {period} and by"
        " their KYC result so far.",
        chart,
        numbers,
        (format_count(total), "submissions"),
    )


def describe_funnel(rows: ResultRows) -> Content:
    """Rows: submissions of a day, those attempted, decided and approved."""
    sums = [sum(int(one) for one in column) for column in zip(*rows, strict=True)]
    created, _, decided, approved = sums
    steps = ("created", "attempted", "decided", "approved")
    shares = [format_share(one, created) for one in sums]
    bars = [
        (step, {"": float(one)}, f"{format_count(one)} ({part})")
        for step, one, part in zip(steps, sums, shares, strict=True)
    ]
    before = [created, *sums]
    return Content(
        f"Of {pluralize(created, 'submission')}, {shares[1]} came to an attempt, {shares[2]} to a"
        f" decision, and {format_share(approved, decided)} of the decided were approved.",
        charts.bar_chart(bars, {"": BLUE}),
        DataTable(
            ("Step", "Submissions", "Of all", "Of the step before"),
            [
                (step, format_count(one), format_share(one, created), format_share(one, earlier))
                for step, one, earlier in zip(steps, sums, before, strict=False)
            ],
        ),
        (format_share(approved, decided), "of the decided approved"),
    )


def describe_decisions(rows: ResultRows) -> Content:
    """Rows: reviewer, week, number of decisions, hours that half and that nine of ten took."""
    last = max(week for _, week, *_ in rows)
    recent = [row for row in rows if row[1] > last - _WEEKS]
    drawn = [(week, who, float(half)) for who, week, _, half, _ in recent]
    reviewers = {who for _, who, _ in drawn}
    colours = {who: colour for who, colour in _REVIEWERS.items() if who in reviewers}
    by_number = sorted(recent, key=lambda row: -int(row[2]))
    latest = [(format_hours(half), who) for who, week, _, half, _ in by_number if week == last]
    return Content(
        "Hours from submission to result that half of the decisions took at most, by week of the"
        f" result and by reviewer; {', '.join(f'{half} ({who})' for half, who in latest)} in the"
        f" week from {last}.",
        charts.line_chart(drawn, colours, "hours (median)"),
        DataTable(
            ("Week from", "Reviewer", "Decisions", "Half took at most", "Nine of ten took at most"),
            [
                (f"{week}", who, format_count(number), format_hours(half), format_hours(most))
                for who, week, number, half, most in reversed(recent)
            ],
        ),
        (latest[0][0], f"median time to decision ({latest[0][1]})"),
    )


def describe_rejections(rows: ResultRows) -> Content:
    """Rows: code and number of submissions, most frequent first."""
    codes = sum_counts(rows, lambda code: format_code(code, "no code"))
    return Content(
        f"{pluralize(len(codes), 'reason')} for which submissions were rejected; one with several"
        " counts for each.",
        charts.bar_chart(_largest([*codes.items()], "reasons"), {"": VERMILLION}),
        DataTable(
            ("Code", "Submissions"), [(code, format_count(n)) for code, (n,) in codes.items()]
        ),
    )


def describe_failures(rows: ResultRows, what: str) -> Content:
    """Tell why something fails.

    Args:
        rows: Code, failures, submissions they are of, and average face similarity and liveness
            scores of the attempts, most frequent first.
        what: Happened, for the sentence.
    """
    named = [(format_code(code, "no code"), int(number), *rest) for code, number, *rest in rows]
    return Content(
        f"{format_count(sum(number for _, number, *_ in named))} {what}, for these reasons.",
        charts.bar_chart(_largest([(code, [n]) for code, n, *_ in named], "reasons"), {"": BLUE}),
        DataTable(
            ("Code", "Times", "Submissions", "Face similarity, average", "Liveness, average"),
            [
                (
                    code,
                    format_count(number),
                    format_count(of),
                    format_score(similarity),
                    format_score(liveness),
                )
                for code, number, of, similarity, liveness in named
            ],
        ),
    )


def describe_countries(rows: ResultRows) -> Content:
    """Rows: nationality, submissions, approved and rejected ones, most frequent first."""
    known = [row for row in rows if row[0] is not None]
    if not known or any(key_id_of(str(row[0])) for row in known):
        return Content(
            "Nationalities are not available here: they are left out, hashed or encrypted."
        )
    few = f"with fewer than {_FEWEST} each"
    sums = sum_counts(rows, lambda code: format_code(code, "unknown"))
    large = {code: one for code, one in sums.items() if one[0] >= _FEWEST}
    small = [one for code, one in sums.items() if code not in large]
    if small:
        large[few] = [sum(column) for column in zip(*small, strict=True)]
    total = sum(one[0] for one in sums.values())
    shown = [(code, one[:1]) for code, one in large.items()]
    return Content(
        f"Applicants are from {pluralize(len(known), 'country', 'countries')}, by their nationality.",
        charts.bar_chart(_largest(shown, "countries", total), {"": BLUE}),
        DataTable(
            ("Country", "Submissions", "Share", "Approved", "Rejected", "Approved of the decided"),
            [
                (
                    code,
                    format_count(n),
                    format_share(n, total),
                    format_count(yes),
                    format_count(no),
                    format_share(yes, yes + no),
                )
                for code, (n, yes, no) in large.items()
            ],
        ),
    )


def describe_backlog(rows: ResultRows) -> Content:
    """Rows: age in words, result and submissions, youngest first."""
    kinds = {"pending": BLUE, "incomplete": GREY, "other": PURPLE}
    ages = {
        age: sum_counts(
            ((result, n) for _, result, n in group),
            lambda result: str(result) if result in kinds else "other",
        )
        for age, group in groupby(rows, key=lambda row: str(row[0]))
    }
    used = {k: c for k, c in kinds.items() if any(k in parts for parts in ages.values())}
    by_age = {age: [parts.get(kind, [0])[0] for kind in used] for age, parts in ages.items()}
    total = sum(map(sum, by_age.values()))
    pending = sum(parts.get("pending", [0])[0] for parts in ages.values())
    bars = [
        (age, dict(zip(used, map(float, counts), strict=True)), format_count(sum(counts)))
        for age, counts in by_age.items()
    ]
    return Content(
        f"{pluralize(total, 'submission')} without a final result, {format_count(pending)} of them pending,"
        " by the time since they were created.",
        charts.bar_chart(bars, used),
        DataTable(
            ("Age", *map(str.capitalize, used)),
            [(age, *map(format_count, counts)) for age, counts in by_age.items()],
        ),
        (format_count(total), "waiting for a result"),
    )


def _span(first: date, last: date) -> str:
    return f"on {first}" if first == last else f"from {first} to {last}"


def _largest(
    rows: Sequence[tuple[str, Sequence[int]]], what: str, whole: float = 0
) -> list[tuple[str, dict[str, float], str]]:
    """Return the first names and counts as bars, and all others together as one more."""
    if len(rows) > _MOST_BARS + 1:
        others = rows[_MOST_BARS:]
        together = sum(n for _, (n,) in others)
        rows = [*rows[:_MOST_BARS], (f"{len(others)} other {what}", [together])]
    return [
        (code, {"": float(n)}, format_count(n) + (f" ({format_share(n, whole)})" if whole else ""))
        for code, (n,) in rows
    ]
