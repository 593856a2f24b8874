"""What the report tells of submissions: how many, how far they got, how long that took, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby

from argos_sync.load.sql import ResultRows
from argos_sync.report import charts
from argos_sync.report.charts import BLUE, GREEN, GREY, PURPLE, VERMILLION
from argos_sync.report.section import Numbers, Told
from argos_sync.report.series import over_time
from argos_sync.report.words import count, hours, merged, name, plural, score, share
from argos_sync.shape.column_cipher import key_id_of

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


def volumes(rows: ResultRows) -> Told:
    """Rows: day, and submissions by result as in `_RESULTS`."""
    days = [day for day, *_ in rows]
    total = sum(int(one) for _, *counts in rows for one in counts)
    period, chart, numbers = over_time(rows, _RESULTS, "submissions")
    return Told(
        f"{plural(total, 'submission')}, created {_span(min(days), max(days))}, by {period} and by"
        " their KYC result so far.",
        chart,
        numbers,
        (count(total), "submissions"),
    )


def funnel(rows: ResultRows) -> Told:
    """Rows: submissions of a day, those attempted, decided and approved."""
    sums = [sum(int(one) for one in column) for column in zip(*rows, strict=True)]
    created, _, decided, approved = sums
    steps = ("created", "attempted", "decided", "approved")
    shares = [share(one, created) for one in sums]
    bars = [
        (step, {"": float(one)}, f"{count(one)} ({part})")
        for step, one, part in zip(steps, sums, shares, strict=True)
    ]
    before = [created, *sums]
    return Told(
        f"Of {plural(created, 'submission')}, {shares[1]} came to an attempt, {shares[2]} to a"
        f" decision, and {share(approved, decided)} of the decided were approved.",
        charts.bars(bars, {"": BLUE}),
        Numbers(
            ("Step", "Submissions", "Of all", "Of the step before"),
            [
                (step, count(one), share(one, created), share(one, earlier))
                for step, one, earlier in zip(steps, sums, before, strict=False)
            ],
        ),
        (share(approved, decided), "of the decided approved"),
    )


def decisions(rows: ResultRows) -> Told:
    """Rows: reviewer, week, number of decisions, hours that half and that nine of ten took."""
    last = max(week for _, week, *_ in rows)
    recent = [row for row in rows if row[1] > last - _WEEKS]
    drawn = [(week, who, float(half)) for who, week, _, half, _ in recent]
    reviewers = {who for _, who, _ in drawn}
    colours = {who: colour for who, colour in _REVIEWERS.items() if who in reviewers}
    by_number = sorted(recent, key=lambda row: -int(row[2]))
    latest = [(hours(half), who) for who, week, _, half, _ in by_number if week == last]
    return Told(
        "Hours from submission to result that half of the decisions took at most, by week of the"
        f" result and by reviewer; {', '.join(f'{half} ({who})' for half, who in latest)} in the"
        f" week from {last}.",
        charts.lines(drawn, colours, "hours (median)"),
        Numbers(
            ("Week from", "Reviewer", "Decisions", "Half took at most", "Nine of ten took at most"),
            [
                (f"{week}", who, count(number), hours(half), hours(most))
                for who, week, number, half, most in reversed(recent)
            ],
        ),
        (latest[0][0], f"median time to decision ({latest[0][1]})"),
    )


def rejections(rows: ResultRows) -> Told:
    """Rows: code and number of submissions, most frequent first."""
    codes = merged(rows, lambda code: name(code, "no code"))
    return Told(
        f"{plural(len(codes), 'reason')} for which submissions were rejected; one with several"
        " counts for each.",
        charts.bars(_largest([*codes.items()], "reasons"), {"": VERMILLION}),
        Numbers(("Code", "Submissions"), [(code, count(n)) for code, (n,) in codes.items()]),
    )


def failures(rows: ResultRows, what: str) -> Told:
    """Tell why something fails.

    Args:
        rows: Code, failures, submissions they are of, and average face similarity and liveness
            scores of the attempts, most frequent first.
        what: Happened, for the sentence.
    """
    named = [(name(code, "no code"), int(number), *rest) for code, number, *rest in rows]
    return Told(
        f"{count(sum(number for _, number, *_ in named))} {what}, for these reasons.",
        charts.bars(_largest([(code, [n]) for code, n, *_ in named], "reasons"), {"": BLUE}),
        Numbers(
            ("Code", "Times", "Submissions", "Face similarity, average", "Liveness, average"),
            [
                (code, count(number), count(of), score(similarity), score(liveness))
                for code, number, of, similarity, liveness in named
            ],
        ),
    )


def countries(rows: ResultRows) -> Told:
    """Rows: nationality, submissions, approved and rejected ones, most frequent first."""
    known = [row for row in rows if row[0] is not None]
    if not known or any(key_id_of(str(row[0])) for row in known):
        return Told("Nationalities are not available here: they are left out, hashed or encrypted.")
    few = f"with fewer than {_FEWEST} each"
    sums = merged(rows, lambda code: name(code, "unknown"))
    large = {code: one for code, one in sums.items() if one[0] >= _FEWEST}
    small = [one for code, one in sums.items() if code not in large]
    if small:
        large[few] = [sum(column) for column in zip(*small, strict=True)]
    total = sum(one[0] for one in sums.values())
    shown = [(code, one[:1]) for code, one in large.items()]
    return Told(
        f"Applicants are from {plural(len(known), 'country', 'countries')}, by their nationality.",
        charts.bars(_largest(shown, "countries", total), {"": BLUE}),
        Numbers(
            ("Country", "Submissions", "Share", "Approved", "Rejected", "Approved of the decided"),
            [
                (code, count(n), share(n, total), count(yes), count(no), share(yes, yes + no))
                for code, (n, yes, no) in large.items()
            ],
        ),
    )


def backlog(rows: ResultRows) -> Told:
    """Rows: age in words, result and submissions, youngest first."""
    kinds = {"pending": BLUE, "incomplete": GREY, "other": PURPLE}
    ages = {
        age: merged(
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
        (age, dict(zip(used, map(float, counts), strict=True)), count(sum(counts)))
        for age, counts in by_age.items()
    ]
    return Told(
        f"{plural(total, 'submission')} without a final result, {count(pending)} of them pending,"
        " by the time since they were created.",
        charts.bars(bars, used),
        Numbers(
            ("Age", *map(str.capitalize, used)),
            [(age, *map(count, counts)) for age, counts in by_age.items()],
        ),
        (count(total), "waiting for a result"),
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
        (code, {"": float(n)}, count(n) + (f" ({share(n, whole)})" if whole else ""))
        for code, (n,) in rows
    ]
