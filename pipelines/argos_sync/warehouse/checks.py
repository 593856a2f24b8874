"""Checks of what a run has brought: they look, and change nothing.

A check says how much is not as it should be at a place, a table or a column. A fault stays until a
look at all that could have it finds none. Values and fields that are not known are news, not
faults: each is found once, and named where its name cannot be anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from textwrap import shorten

from argos_sync.fetch.windows import DateRange
from argos_sync.load.sql import Client, ResultRows, select
from argos_sync.shape.contract import (
    CHECKS,
    ISSUES,
    RUNS,
    SUBMISSIONS,
    Column,
    Table,
    load_contract,
    tables_for_sections,
)
from argos_sync.shape.tables import UNKNOWN_FIELD
from argos_sync.warehouse.integrity import parent_table, repeated_keys, rows_without_parent
from argos_sync.warehouse.rows import read_rows
from argos_sync.warehouse.submissions import count_fetched_by_day, count_not_fetched_by_day

KNOWN_VALUES = "known_values"
KNOWN_FIELDS = "known_fields"
COUNTS = "counts_match_source"

_WORDS = {
    "unique_key": ("key", "with several rows"),
    "has_parent": ("row", "without a row to belong to"),
    "timestamps_ordered": ("row", "with kyc_result_at before created_at"),
    KNOWN_VALUES: ("new value", "seen"),
    KNOWN_FIELDS: ("new field", "seen"),
    COUNTS: ("day", "with other submissions than the source has"),
}
"""What each check counts."""

CHECK_NAMES = tuple(_WORDS)
"""Names of all post-run checks."""

_HAS_CHANGED = "submission_id IN (SELECT submission_id FROM changed)"
"""Of rows, for `_select_changed`."""

_LINE = 200
_MOST_VALUES = 1_000
_SEPARATOR = ", "


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found at a place.

    Attributes:
        check_name: One of `_WORDS`.
        place: Table or column.
        found: How much is not as it should be.
        sample: What it is, where that is nobody's data.
    """

    check_name: str
    place: str
    found: int = 0
    sample: str | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return self.found == 0

    def __str__(self) -> str:
        """Say it in one line."""
        noun, rest = _WORDS[self.check_name]
        plural = "" if self.found == 1 else "s"
        sample = f": {shorten(self.sample, _LINE, placeholder=' ...')}" if self.sample else ""
        return f"{self.place}: {self.found:,} {noun}{plural} {rest}{sample}"


def last_success_end(client: Client, run_id: str, started_at: datetime) -> datetime | None:
    """Return when the last run that ended well before this one began did so; None if none did.

    What has changed since then nobody has checked yet, also where a run was killed meanwhile.
    """
    query = (
        f"SELECT MAX(ended_at) FROM {RUNS} WHERE error IS NULL AND ended_at <= ? AND run_id <> ?"  # noqa: S608 a name
    )
    rows = select(client, query, started_at, run_id)
    moment: datetime | None = rows[0][0] if rows else None
    return moment


def check_rows(
    client: Client, sections: Sequence[str], since: datetime | None, before: Collection[CheckResult]
) -> list[CheckResult]:
    """Look at the rows of submissions that have changed; nothing is found out when none has.

    Args:
        client: Connected to the warehouse.
        sections: `request_type`s that are fetched; tables of others may not be there.
        since: Moment (UTC) of the last change that was checked; None looks at all rows.
        before: What was found until now, oldest first. Where it was a fault, all rows are looked
            at again: those that have changed do not tell that it is gone.
    """
    if since is not None and not _have_changed(client, since):
        return []
    filled = tables_for_sections(sections).values()
    tables = [one for one in filled if one.belongs_to_submission or one.name == SUBMISSIONS]
    return [
        *_counted(client, tables, since, before),
        *_new_values(client, tables, since, before),
        _new_fields(client, since, before),
    ]


def check_counts(
    client: Client,
    returned: Mapping[date, int],
    whole: Sequence[DateRange],
    since: datetime,
    *,
    before: Iterable[CheckResult] = (),
    repaired: Sequence[DateRange] = (),
) -> list[CheckResult]:
    """Compare days with what the source has; nothing is found out when it was not asked for any.

    What the source returned has to be there, and of a day that was read whole nothing else. A day
    that was not as the source has it stays so until it is read whole, or repaired.

    Args:
        client: Connected to the warehouse.
        returned: How many submissions it returned, by day (UTC) of `created_at`.
        whole: Days (UTC) that were read whole.
        since: When the reading began.
        before: What was found until now, oldest first.
        repaired: Days (UTC) that were compared with the source one submission at a time.
    """
    if not (returned or whole or repaired):
        return []
    there = count_fetched_by_day(client, since)
    days = {day for day, number in returned.items() if there.get(day, 0) < number}
    days |= count_not_fetched_by_day(client, whole, since).keys()
    looked_at = (*whole, *repaired)
    last = _last(before).get((COUNTS, SUBMISSIONS))
    if last and last.sample:
        wrong = map(date.fromisoformat, re.findall(r"\d{4}-\d\d-\d\d", last.sample))
        days |= {day for day in wrong if not any(one.has_day(day) for one in looked_at)}
    sample = _SEPARATOR.join(map(str, sorted(days))) or None
    return [CheckResult(COUNTS, SUBMISSIONS, len(days), sample)]


def recorded_results(client: Client) -> list[CheckResult]:
    """Return what was found until now, oldest first."""
    columns = ("checked_at", "check_name", "place", "found", "sample")
    rows = sorted(read_rows(client, CHECKS, columns), key=lambda row: row[0])
    return [CheckResult(*row[1:]) for row in rows]


def changed_results(
    results: Iterable[CheckResult], before: Iterable[CheckResult]
) -> list[CheckResult]:
    """Return the results that are not what was found last at their place."""
    last = _last(before)
    return [one for one in results if last.get((one.check_name, one.place)) != one]


def _last(before: Iterable[CheckResult]) -> dict[tuple[str, str], CheckResult]:
    """Return what was found last, by check and place."""
    return {(one.check_name, one.place): one for one in before}


def _have_changed(client: Client, since: datetime) -> bool:
    query = f"SELECT COUNT(*) FROM {SUBMISSIONS} WHERE _changed_at > ?"  # noqa: S608 a name
    rows = select(client, query, since)
    return bool(rows and rows[0][0])


def _counted(
    client: Client, tables: Sequence[Table], since: datetime | None, before: Iterable[CheckResult]
) -> Iterator[CheckResult]:
    parts = [table for table in tables if table.belongs_to_submission]
    made = [
        *(("unique_key", table, repeated_keys) for table in tables),
        *(("has_parent", table, rows_without_parent) for table in parts),
        ("timestamps_ordered", load_contract()[SUBMISSIONS], _decided_before_made),
    ]
    failed = {key for key, one in _last(before).items() if not one.passed}
    for name, table, query in made:
        whole = since is None or (name, table.name) in failed
        # A row whose submission is not there belongs to none that has changed.
        if whole or name != "has_parent" or parent_table(table).name != SUBMISSIONS:
            rows = query(table, "1 = 1" if whole else _HAS_CHANGED)
            # One at a time: each groups or joins by key, and DuckDB would keep all of it at once.
            counted = f"SELECT COUNT(*) AS found FROM ({rows}) AS q"  # noqa: S608 ours
            for (found,) in _select_changed(client, counted, since):
                yield CheckResult(name, table.name, int(found))


def _decided_before_made(table: Table, condition: str) -> str:
    late = "kyc_result_at < created_at"
    return f"SELECT submission_id FROM {table.name} WHERE {late} AND {condition}"  # noqa: S608 names


def _new_values(
    client: Client, tables: Sequence[Table], since: datetime | None, before: Collection[CheckResult]
) -> Iterator[CheckResult]:
    """Look for values of enumerations that neither the contract knows nor an earlier check saw."""
    looked_at = "1 = 1" if since is None else _HAS_CHANGED
    columns = {
        f"{table.name}.{column.name}": (table, column)
        for table in tables
        for column in table.columns
        if column.known
    }
    found = " UNION ALL ".join(
        f"SELECT '{place}' AS place, {column.name} AS seen FROM {table.name}"  # noqa: S608 ours
        f" WHERE {_is_not_known(column)} AND {looked_at} GROUP BY {column.name}"
        for place, (table, column) in columns.items()
    )
    query = f"SELECT place, seen FROM ({found}) AS q ORDER BY 1, 2 LIMIT {_MOST_VALUES}"  # noqa: S608 ours
    rows = _select_changed(client, query, since) if columns else ()
    for place, (_, column) in columns.items():
        values = {_named(column, value) for where, value in rows if where == place}
        yield _news(KNOWN_VALUES, place, values, before)


def _new_fields(
    client: Client, since: datetime | None, before: Collection[CheckResult]
) -> CheckResult:
    """Look for fields, by API path, that neither the contract knows nor an earlier check saw."""
    within, parameters = "1 = 1", []
    if since is not None:
        within, parameters = f"run_id IN (SELECT run_id FROM {RUNS} WHERE started_at >= ?)", [since]  # noqa: S608 a name
    query = f"SELECT DISTINCT path FROM {ISSUES} WHERE problem = '{UNKNOWN_FIELD}' AND {within}"  # noqa: S608 ours
    paths = {re.sub(r"\[\d+\]", "[i]", path) for (path,) in select(client, query, *parameters)}
    return _news(KNOWN_FIELDS, SUBMISSIONS, paths, before)


def _news(
    check_name: str, place: str, seen: set[str], before: Collection[CheckResult]
) -> CheckResult:
    told = {
        one
        for result in before
        if (result.check_name, result.place) == (check_name, place) and result.sample
        for one in result.sample.split(_SEPARATOR)
    }
    fresh = sorted(seen - told)
    return CheckResult(check_name, place, len(fresh), _SEPARATOR.join(fresh) or None)


def _select_changed(client: Client, query: str, since: datetime | None) -> ResultRows:
    """Return the rows of a query that may have `_HAS_CHANGED` for conditions.

    What has changed is looked for once, however often the query asks.
    """
    if since is None:
        return select(client, query)
    changed = f"SELECT submission_id FROM {SUBMISSIONS} WHERE _changed_at > ?"  # noqa: S608 a name
    return select(client, f"WITH changed AS ({changed}) {query}", since)


def _is_not_known(column: Column) -> str:
    return f"LOWER({column.name}) NOT IN {tuple(map(str.lower, column.known))}"


def _named(column: Column, value: str) -> str:
    """Return a value of an enumeration, or `*` where it may be somebody's data.

    It is named if it is one word, without digits, or several of which known values have one, as
    the levels of a risk do.
    """
    if not column.named or not re.fullmatch(r"[A-Za-z][A-Za-z_ -]{0,31}", value):
        return "*"
    words, known = ({*text.lower().split()} for text in (value, " ".join(column.known)))
    return value if " " not in value or words & known else "*"
