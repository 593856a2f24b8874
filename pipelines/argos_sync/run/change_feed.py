"""The change feed: which columns of a submission have changed, and when, but never their values.

A changed submission's rows are compared with those they replace. The merge replaces its rows of the
change feed, too, so they are always written completely, like the status history.

Not compared are the times and the hash that argos-sync adds, and the query part of image URLs; of
image URLs and JSON that are hashed or encrypted, only the presence is (see `fingerprints`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from argos_sync.load.pipeline import Warehouse
from argos_sync.load.sql import Client
from argos_sync.run.journal import TableRows, make_rows
from argos_sync.shape.contract import (
    CHANGES,
    SUBMISSIONS,
    Column,
    Contract,
    Table,
    tables_for_sections,
)
from argos_sync.shape.privacy import PrivacyPolicy
from argos_sync.warehouse.fingerprints import ADDED_COLUMNS, comparable
from argos_sync.warehouse.rows import read_rows

Row = Mapping[str, Any]

_SUBMISSIONS_PER_QUERY = 5_000


@dataclass(frozen=True, slots=True)
class ChangeFeed:
    """Compares rows to load with the rows of the same submissions in a warehouse.

    `existing` are the tables and columns of the warehouse: a value without a column counts as null.
    Tables of sections that are not fetched are not compared.
    """

    client: Client
    policy: PrivacyPolicy
    sections: Sequence[str]
    existing: Contract

    @classmethod
    def of(cls, warehouse: Warehouse, policy: PrivacyPolicy) -> Self:
        """Return the change feed of a warehouse."""
        # A partition's own pipeline may be new; before it was opened, all tables were created.
        is_partition = warehouse.shared is not None
        existing = warehouse.contract if is_partition else warehouse.existing
        return cls(warehouse.client, policy, warehouse.sections, existing)

    def rows(
        self, tables: Mapping[str, pa.Table], changed: Collection[str], stored: Iterable[Row]
    ) -> TableRows:
        """Return the complete rows of the change feed about a chunk's submissions.

        Args:
            tables: Rows to load, by contract table.
            changed: Submissions that the warehouse has and the source has changed.
            stored: Rows of the change feed that the merge would delete.
        """
        found = [row for ids in _batches(sorted(changed)) for row in self._compare(tables, ids)]
        by_key = {(row["submission_id"], _utc(row), *_place(row)): row for row in (*stored, *found)}
        return make_rows(CHANGES, by_key.values()) if by_key else {}

    def _compare(self, tables: Mapping[str, pa.Table], ids: Sequence[str]) -> Iterator[Row]:
        """Yield the rows about some submissions."""
        fetched = _select_rows(tables[SUBMISSIONS], ["submission_id", "_synced_at"], ids)
        fetched_at = dict(fetched)
        for table in tables_for_sections(self.sections, self.policy.contract).values():
            if not table.from_api:
                continue
            for submission_id, name in sorted(self._places(table, tables, list(fetched_at))):
                yield {
                    "submission_id": submission_id,
                    "changed_at": fetched_at[submission_id],
                    "table_name": table.name,
                    "column_name": name,
                }

    def _places(
        self, table: Table, tables: Mapping[str, pa.Table], ids: Sequence[str]
    ) -> set[tuple[str, str]]:
        """Return the changed columns of a table, each with its submission."""
        columns = [column for column in table.columns if column.name not in ADDED_COLUMNS]
        names = [column.name for column in columns]
        new = _select_rows(tables[table.name], names, ids) if table.name in tables else ()
        after, before = (
            {tuple(row[names.index(name)] for name in table.key): row for row in rows}
            for rows in (new, self._stored_rows(table.name, names, ids))
        )
        nothing = (None,) * len(names)
        versions = (
            (key[0], before.get(key, nothing), after.get(key, nothing))
            for key in after.keys() | before.keys()
        )
        return {
            (submission_id, column.name)
            for submission_id, old_row, new_row in versions
            if old_row != new_row
            for column, old, value in zip(columns, old_row, new_row, strict=True)
            if old != value and self._differ(table, column, old, value)
        }

    def _stored_rows(
        self, table: str, names: Sequence[str], ids: Sequence[str]
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the stored rows; a column that does not exist has null."""
        if table not in self.existing.tables:
            return
        existing = self.existing[table].columns_by_name
        stored = [name for name in names if name in existing]
        for row in read_rows(self.client, table, stored, ids):
            if len(stored) == len(names):
                yield tuple(row)
            else:
                values = dict(zip(stored, row, strict=True))
                yield tuple(values.get(name) for name in names)

    def _differ(self, table: Table, column: Column, old: Any, new: Any) -> bool:
        """Return whether two values of a column that are not equal mean different things."""
        if column.name in table.key:
            return False
        if old is None or new is None:
            return True
        base = self.policy.base_contract[table.name].columns_by_name[column.name]
        is_plain = self.policy.modes[f"{table.name}.{column.name}"] == "plain"
        return len({comparable(base, value, is_plain=is_plain) for value in (old, new)}) > 1


def _batches(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _SUBMISSIONS_PER_QUERY):
        yield list(ids[start : start + _SUBMISSIONS_PER_QUERY])


def _select_rows(
    rows: pa.Table, names: Sequence[str], ids: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Return columns of the rows of some submissions."""
    is_one = pc.is_in(rows["submission_id"], value_set=pa.array(ids, pa.string()))
    selected = rows.select(names).filter(is_one)
    return zip(*(column.to_pylist() for column in selected.columns), strict=True)


def _place(row: Row) -> tuple[str, str]:
    return row["table_name"], row["column_name"]


def _utc(row: Row) -> datetime:
    changed_at: datetime = row["changed_at"]
    return changed_at.astimezone(UTC)
