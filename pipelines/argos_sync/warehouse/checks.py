"""Check the rows that a run loaded; the checks only read.

A check counts what is wrong in one place, a table or a column. A fault stays until a check of all
rows that could have it finds none. Values and fields that the contract does not know are no faults:
each is reported once, and named if its name cannot be personal data.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime
from textwrap import shorten

from argos_sync.fetch.windows import DateRange
from argos_sync.load.sql import Client, select
from argos_sync.shape.contract import (
    CHECKS,
    RUNS,
    SUBMISSIONS,
    Table,
    load_contract,
    tables_for_sections,
)
from argos_sync.warehouse.rows import read_rows, rows_without_parent
from argos_sync.warehouse.submissions import (
    HAS_CHANGED,
    Period,
    count_fetched_by_day,
    count_not_fetched_by_day,
    latest_credible,
    select_changed,
)
from argos_sync.warehouse.unknown_values import unknown_fields, unknown_values

KNOWN_VALUES = "known_values"
KNOWN_FIELDS = "known_fields"
COUNTS = "counts_match_source"
SHAPE = "usual_shape"
VOLUME = "usual_volume"
VALUES_FIT = "values_fit"

_COUNTED = {
    "unique_key": ("key", "with several rows"),
    "has_parent": ("row", "without a parent row"),
    "timestamps_ordered": ("row", "with kyc_result_at before created_at"),
    KNOWN_VALUES: ("new value", "seen"),
    KNOWN_FIELDS: ("new field", "seen"),
    COUNTS: ("day", "whose submissions differ from the source"),
    VALUES_FIT: ("value", "of a run that did not fit the column, as others did before"),
    SHAPE: ("measure", "of new submissions that is not as usual"),
    VOLUME: ("day", "with unusually few or many submissions"),
}
"""What each check counts: a noun, and what is wrong with it."""

CHECK_NAMES = tuple(_COUNTED)
"""Names of all post-run checks."""

_MAX_SAMPLE = 200
_SEPARATOR = ", "


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check in one place; its attributes are columns of `sync_checks`.

    The place is a table, or a table and column. The sample has the faults themselves, unless they
    may be personal data.
    """

    check_name: str
    place: str
    found: int = 0
    sample: str | None = None

    @property
    def passed(self) -> bool:
        """Whether there are no faults."""
        return self.found == 0

    def __str__(self) -> str:
        """Describe the result in one line."""
        noun, fault = _COUNTED[self.check_name]
        plural = "" if self.found == 1 else "s"
        sample = f": {shorten(self.sample, _MAX_SAMPLE, placeholder=' ...')}" if self.sample else ""
        return f"{self.place}: {self.found:,} {noun}{plural} {fault}{sample}"


def last_success_end(client: Client, run_id: str, started_at: datetime) -> datetime | None:
    """Return when the last successful run before this one ended; None if there was none.

    Rows that changed since then are unchecked, even if a run was killed in between.
    """
    where = "error IS NULL AND ended_at <= ? AND run_id <> ?"
    rows = select(client, f"SELECT MAX(ended_at) FROM {RUNS} WHERE {where}", started_at, run_id)  # noqa: S608 names
    ended_at: datetime | None = rows[0][0] if rows else None
    return ended_at


def check_rows(
    client: Client,
    sections: Sequence[str],
    since: datetime | None,
    previous: Collection[CheckResult],
) -> list[CheckResult]:
    """Check the rows of submissions that have changed; return no results if none has.

    `since` is the time (UTC) of the last change that was checked; None checks all rows. So does a
    check whose last earlier result (oldest first) is a failure: the changed rows cannot show that
    a fault is gone. Only tables of the fetched sections are checked; others may not exist.
    """
    if since is not None and not select_changed(client, "SELECT 1 FROM changed LIMIT 1", since):
        return []
    filled = tables_for_sections(sections).values()
    tables = [one for one in filled if one.belongs_to_submission or one.name == SUBMISSIONS]
    return [
        *_count_faults(client, tables, since, previous),
        *(
            _result_of_new(KNOWN_VALUES, place, values, previous)
            for place, values in unknown_values(client, tables, since)
        ),
        _result_of_new(KNOWN_FIELDS, SUBMISSIONS, unknown_fields(client, since), previous),
    ]


def check_counts(
    client: Client,
    returned: Mapping[date, int],
    complete: Sequence[DateRange],
    period: Period,
    *,
    previous: Iterable[CheckResult] = (),
    repaired: Sequence[DateRange] = (),
    damaged: AbstractSet[date] = frozenset(),
) -> list[CheckResult]:
    """Compare days with the source; return no result if the source was not asked for any day.

    The warehouse must have every submission that the source returned in the period, by UTC day of
    `created_at`, and no others on days that were read completely. On `damaged` days, some have
    another number of rows than the source. A day that differs in the
    earlier results, oldest first, stays a fault until it is read completely, or repaired: compared
    with the source one submission at a time.
    """
    if not (returned or complete or repaired):
        return []
    fetched = count_fetched_by_day(client, period)
    days = {day for day, count in returned.items() if fetched.get(day, 0) < count}
    days |= count_not_fetched_by_day(client, complete, period).keys() | damaged
    checked = (*complete, *repaired)
    last = _last_results(previous).get((COUNTS, SUBMISSIONS))
    if last and last.sample:
        differed = map(date.fromisoformat, re.findall(r"\d{4}-\d\d-\d\d", last.sample))
        days |= {day for day in differed if not any(one.has_day(day) for one in checked)}
    sample = _SEPARATOR.join(map(str, sorted(days))) or None
    return [CheckResult(COUNTS, SUBMISSIONS, len(days), sample)]


def recorded_results(client: Client, now: datetime) -> list[CheckResult]:
    """Return the results of all earlier runs, oldest first.

    Results that a wrong clock dated in the future count as the oldest.
    """
    columns = ("checked_at", "check_name", "place", "found", "sample")
    limit = latest_credible(now)
    rows = sorted(read_rows(client, CHECKS, columns), key=lambda row: (row[0] <= limit, row[0]))
    return [CheckResult(*row[1:]) for row in rows]


def changed_results(
    results: Iterable[CheckResult], previous: Iterable[CheckResult]
) -> list[CheckResult]:
    """Return the results that differ from the last one of the same check in the same place."""
    last = _last_results(previous)
    return [result for result in results if last.get((result.check_name, result.place)) != result]


def _last_results(previous: Iterable[CheckResult]) -> dict[tuple[str, str], CheckResult]:
    """Return the last result of each check and place."""
    return {(result.check_name, result.place): result for result in previous}


def _count_faults(
    client: Client, tables: Sequence[Table], since: datetime | None, previous: Iterable[CheckResult]
) -> Iterator[CheckResult]:
    """Yield the results of the checks that count rows or keys."""
    children = [table for table in tables if table.belongs_to_submission]
    checks = [
        *(("unique_key", table, _repeated_keys) for table in tables),
        *(("has_parent", table, rows_without_parent) for table in children),
        ("timestamps_ordered", load_contract()[SUBMISSIONS], _results_before_creation),
    ]
    failed = {key for key, result in _last_results(previous).items() if not result.passed}
    for name, table, query in checks:
        all_rows = since is None or (name, table.name) in failed
        # Without its submission, a row belongs to none that has changed.
        if all_rows or name != "has_parent" or not _is_of_submission(table):
            rows = query(table, "1 = 1" if all_rows else HAS_CHANGED)
            # One query per check: each groups or joins by key, and DuckDB would keep the
            # intermediate results of all of them at once.
            count_query = f"SELECT COUNT(*) AS faults FROM ({rows}) AS q"  # noqa: S608 ours
            for (count,) in select_changed(client, count_query, since):
                yield CheckResult(name, table.name, int(count))


def _repeated_keys(table: Table, condition: str) -> str:
    keys = ", ".join(table.key)
    return f"SELECT {keys} FROM {table.name} WHERE {condition} GROUP BY {keys} HAVING COUNT(*) > 1"  # noqa: S608 ours


def _is_of_submission(table: Table) -> bool:
    """Whether the parent rows are submissions, not rows of a list."""
    parent = load_contract().parent(table)
    return parent is not None and parent.name == SUBMISSIONS


def _results_before_creation(table: Table, condition: str) -> str:
    fault = "kyc_result_at < created_at"
    return f"SELECT submission_id FROM {table.name} WHERE {fault} AND {condition}"  # noqa: S608 names


def _result_of_new(
    check_name: str, place: str, names: set[str], previous: Collection[CheckResult]
) -> CheckResult:
    """Return a result that counts the names which no earlier result has reported."""
    reported = {
        name
        for result in previous
        if (result.check_name, result.place) == (check_name, place) and result.sample
        for name in result.sample.split(_SEPARATOR)
    }
    new = sorted(names - reported)
    return CheckResult(check_name, place, len(new), _SEPARATOR.join(new) or None)
