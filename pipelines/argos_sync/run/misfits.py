"""Notice when most values of a column do not fit it any more, though those stored before did.

A value that does not fit is null in its column and kept in `_extra`. A few of them are issues of
single submissions; most of them mean that the API has changed, and that rows lose what they had.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from argos_sync.load.sql import Client, select
from argos_sync.shape.contract import CHECKS, ISSUES, load_contract
from argos_sync.shape.frames import general_path
from argos_sync.shape.tables import UNKNOWN_FIELD
from argos_sync.warehouse.checks import VALUES_FIT, CheckResult

MIN_MISFITS = 20
"""Fewer values that do not fit, or that did fit before, say nothing about a column."""

MAX_MISFITS = 0.5
"""Largest share of a run's values of a column that may not fit."""

USUAL_MISFITS = 0.05
"""A column of which more did not fit before has always been like that."""

_Place = tuple[str, str]
"""A table and one of its columns."""


@dataclass(slots=True)
class Misfits:
    """Counts the values that a run loads by column: those that fit, and those that do not."""

    misfits: Counter[_Place] = field(default_factory=Counter)
    fitting: Counter[_Place] = field(default_factory=Counter)
    _stored: dict[_Place, int] = field(default_factory=dict)

    def count(self, client: Client, tables: Mapping[str, pa.Table]) -> None:
        """Count the values of rows that are about to be committed."""
        for name, rows in tables.items():
            for column in rows.column_names:
                self.fitting[name, column] += rows.num_rows - rows[column].null_count
        if ISSUES not in tables:
            return
        issues = tables[ISSUES].filter(pc.not_equal(tables[ISSUES]["problem"], UNKNOWN_FIELD))
        places = (issues[name].to_pylist() for name in ("table_name", "path"))
        for table, path in zip(*places, strict=True):
            column = _column_of(table, path)
            if column and (table not in tables or column in tables[table].column_names):
                self.misfits[table, column] += 1
        for place, number in self.misfits.items():
            if number >= MIN_MISFITS and place not in self._stored:
                # Before the commit, which may replace every row that had a value.
                table, column = place
                query = f"SELECT COUNT({column}) FROM {table}"  # noqa: S608 names of the contract
                self._stored[place] = sum(int(count) for (count,) in select(client, query))

    def has(self, place: str) -> bool:
        """Return whether a value did not fit a column, named `table.column`."""
        return any(".".join(one) == place for one in +self.misfits)

    def results(self, client: Client, run_id: str) -> list[CheckResult]:
        """Return a failed result for each column that most values do not fit any more.

        A column that an earlier run has reported stays a fault until more values fit than not.
        """
        failed = {
            place: self.misfits[place]
            for place in self._stored
            if self._is_new(client, place, run_id)
        }
        reported = _reported(client)
        for place, found in reported.items():
            if self.fitting[place] <= self.misfits[place]:
                failed.setdefault(place, self.misfits[place] or found)
        return [
            CheckResult(VALUES_FIT, ".".join(place), failed.get(place, 0))
            for place in sorted({*failed, *reported})
        ]

    def _is_new(self, client: Client, place: _Place, run_id: str) -> bool:
        """Whether most values of a column do not fit, and most of those stored before did."""
        misfits, stored = self.misfits[place], self._stored[place]
        if stored < MIN_MISFITS or misfits <= MAX_MISFITS * (misfits + self.fitting[place]):
            return False
        earlier = _count_earlier_misfits(client, place, run_id)
        return earlier <= USUAL_MISFITS * (earlier + stored)


def _count_earlier_misfits(client: Client, place: _Place, run_id: str) -> int:
    """Return how many submissions have had a value that did not fit a column in earlier runs."""
    query = (
        f"SELECT submission_id, path FROM {ISSUES}"  # noqa: S608 names
        f" WHERE table_name = ? AND run_id <> ? AND problem <> '{UNKNOWN_FIELD}'"
        " GROUP BY submission_id, path"
    )
    rows = select(client, query, place[0], run_id)
    found = {key for key, path in rows if _column_of(place[0], path) == place[1]}
    return len(found)


def _reported(client: Client) -> dict[_Place, int]:
    """Return the columns whose last result is a failure, with the number of their misfits."""
    query = f"SELECT place, found FROM {CHECKS} WHERE check_name = ? ORDER BY checked_at"  # noqa: S608 a name
    last = {place: int(found) for place, found in select(client, query, VALUES_FIT)}
    places = {tuple(place.split(".", 1)): found for place, found in last.items() if found}
    return {(table, column): found for (table, column), found in places.items()}


def _column_of(table: str, path: str) -> str | None:
    """Return the column that a value at a concrete API path belongs to, if it has one."""
    return _columns_by_path().get((table, general_path(path)))


@cache
def _columns_by_path() -> dict[tuple[str, str], str]:
    """Return the name of each column by its table and API path."""
    tables = load_contract().api_tables
    return {(t.name, c.path): c.name for t in tables for c in t.api_columns if c.path}
