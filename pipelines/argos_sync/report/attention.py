"""Find what needs attention now: alerts, cases, documents, failed checks, and stale data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta

from argos_sync.load.sql import ResultRows
from argos_sync.report import queries
from argos_sync.report.formatting import (
    format_count,
    format_duration,
    format_hours,
    pluralize,
)
from argos_sync.report.scope import Scope
from argos_sync.report.section import Reader

_MAX_SYNC_AGE = timedelta(hours=26)
"""Age from which the last sync of a nightly schedule is late, as in `status --max-age 26h`."""

_OLD_ALERT = 30
"""Age in days from which an open alert counts as old."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold the answer to one question about the present.

    Attributes:
        number: What was counted; hours or days where the question is about an age.
        is_urgent: Whether it needs attention.
        text: The answer in a few words.
        detail: More about it, as a clause; may be empty.
        section: Key of the section with more about it; empty if there is none.
    """

    number: float
    is_urgent: bool
    text: str
    detail: str = ""
    section: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """Define a question: the tables and views its query reads, and how to answer it.

    `answer` returns nothing when the warehouse lacks the data.
    """

    key: str
    reads: Sequence[str]
    query: str
    answer: Callable[[ResultRows, Scope], Finding | None]


def find_attention(reader: Reader) -> dict[str, Finding]:
    """Return the findings by key of their question, urgent ones first."""
    answers = {
        one.key: one.answer(reader.rows(one.query), reader.scope)
        for one in QUESTIONS
        if not reader.missing(one.reads)
    }
    findings = {key: answer for key, answer in answers.items() if answer}
    return dict(sorted(findings.items(), key=lambda item: not item[1].is_urgent))


def open_alerts(rows: ResultRows, _scope: Scope) -> Finding:
    """Count open AML alerts; rows are as in `screening.describe_ageing`."""
    total = sum(int(row[2]) for row in rows)
    if not total:
        return Finding(0, False, "No AML alert is open.")
    high = sum(int(row[2]) for row in rows if row[1] == "high")
    old = sum(int(row[2]) for row in rows if int(row[0]) >= _OLD_ALERT)
    oldest = format_hours(max(float(row[3]) for row in rows))
    return Finding(
        total,
        True,
        pluralize(total, "open AML alert"),
        f"{format_count(high)} of high risk, {format_count(old)} older than {_OLD_ALERT} days,"
        f" the oldest open for {oldest}",
        "ageing",
    )


def approved_with_red_flag(rows: ResultRows, _scope: Scope) -> Finding:
    """Count approved submissions with a red flag; the row also has those flagged later."""
    total, later = map(int, rows[0])
    if not total:
        return Finding(0, False, "No approved submission has a red flag.")
    text = pluralize(total, "approved submission has", "approved submissions have")
    return Finding(
        total,
        True,
        f"{text} a red flag",
        f"{format_count(later)} of them got it after the approval",
        "hits",
    )


def past_target(rows: ResultRows, scope: Scope) -> Finding:
    """Count pending submissions that people should have decided; the row has all, and those."""
    pending, late = map(int, rows[0])
    target = format_duration(scope.review_target.total_seconds())
    if not late:
        return Finding(0, False, f"No pending submission is past the target of {target}.")
    text = pluralize(late, "pending submission is", "pending submissions are")
    return Finding(
        late,
        True,
        f"{text} past the target of {target}",
        f"{format_count(pending)} pending in all",
        "backlog",
    )


def expired_documents(rows: ResultRows, _scope: Scope) -> Finding | None:
    """Count approved customers with an expired document.

    The row has those with an expiration date, an expired document, and one about to expire.
    """
    with_date, expired, soon = map(int, rows[0])
    if not with_date:
        return None
    detail = f"{format_count(soon)} more will within 30 days"
    if not expired:
        return Finding(0, False, f"No document of an approved customer has expired; {detail}.")
    text = pluralize(expired, "approved customer has", "approved customers have")
    return Finding(expired, True, f"{text} an expired document", detail)


def failed_checks(rows: ResultRows, scope: Scope) -> Finding | None:
    """Count checks whose last result is a failure.

    A row has a check's name, its place, whether it passed, and when; the oldest comes first. A time
    in the future is from a wrong clock.
    """
    in_order = sorted(rows, key=lambda row: row[3].astimezone(UTC) <= scope.now)
    last = {(name, place): passed for name, place, passed, _ in in_order}
    failed = sorted({name for (name, _), passed in last.items() if not passed})
    number = sum(not passed for passed in last.values())
    if not last:
        return None
    if not number:
        return Finding(0, False, f"All {pluralize(len(last), 'check')} of the data passed.")
    return Finding(
        number,
        True,
        f"{pluralize(number, 'check')} of the data failed",
        f"{', '.join(failed)}; argos-sync status shows them",
    )


def last_sync(rows: ResultRows, scope: Scope) -> Finding:
    """Tell how many hours ago the last successful sync began; the row has its time, if any."""
    started_at = rows[0][0] if rows else None
    if started_at is None:
        return Finding(0, True, "No sync has succeeded yet", "argos-sync status shows why", "runs")
    age = max(scope.now - started_at.astimezone(UTC), timedelta(0))
    text = f"The last successful sync was {format_duration(age.total_seconds())} ago"
    hours = age / timedelta(hours=1)
    if age <= _MAX_SYNC_AGE:
        return Finding(hours, False, f"{text}.", "", "runs")
    return Finding(hours, True, text, "what is newer in the source is missing here", "runs")


def oldest_data(rows: ResultRows, scope: Scope) -> Finding | None:
    """Tell how many days ago the oldest row was fetched; rows are as in `describe_staleness`."""
    if not rows:
        return None
    days = float(rows[0][2])
    text = f"The oldest data were fetched {format_duration(86_400 * days)} ago"
    if scope.bound is None or days <= scope.bound:
        return Finding(days, False, f"{text}.", "", "staleness")
    return Finding(
        days, True, text, f"sweep_days allows {pluralize(scope.bound, 'day')}", "staleness"
    )


def impossible_dates(rows: ResultRows, _scope: Scope) -> Finding | None:
    """Count submissions whose date is wrong; the row has all, and those."""
    number = int(rows[0][1]) if rows else 0
    if not number:
        return None
    text = pluralize(number, "submission has", "submissions have")
    return Finding(
        number, True, f"{text} an impossible date", "and so no place in any period of this report"
    )


QUESTIONS = (
    Question("open_alerts", ("aml_alerts",), queries.AGEING, open_alerts),
    Question(
        *("approved_with_red_flag", ("approved_with_red_flag",)),
        *(queries.RED_FLAGS, approved_with_red_flag),
    ),
    Question("past_target", ("submissions_wide",), queries.PAST_TARGET, past_target),
    Question("expired_documents", ("rescreening_due",), queries.DOCUMENTS, expired_documents),
    Question("failed_checks", ("sync_checks",), queries.CHECKS, failed_checks),
    Question("last_sync", ("sync_health",), queries.LAST_SYNC, last_sync),
    Question("oldest_data", ("staleness",), queries.STALENESS, oldest_data),
    Question("impossible_dates", ("submissions",), queries.EXTENT, impossible_dates),
)
