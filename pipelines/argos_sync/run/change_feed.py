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

_SUBMISSIONS_PER_QUERY = 2_000


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

    def _compare(self, tables: Mapping[str, pa.Table], ids: list[str]) -> Iterator[Row]:
        """Yield the rows about some submissions."""
        new = {name: _rows_of(rows, ids) for name, rows in tables.items() if name != CHANGES}
        fetched_at = {row["submission_id"]: row["_synced_at"] for row in new[SUBMISSIONS]}
        ids = [key for key in ids if key in fetched_at]
        for table in tables_for_sections(self.sections, self.policy.contract).values():
            if not table.from_api:
                continue
            columns = [column for column in table.columns if column.name not in ADDED_COLUMNS]
            after = _by_key(table, new.get(table.name, ()))
            before = _by_key(table, self._stored_rows(table, ids))
            places = {
                (key[0], column.name)
                for key in after.keys() | before.keys()
                for column in columns
                if self._differ(table, column, before.get(key, {}), after.get(key, {}))
            }
            for submission_id, name in sorted(places):
                yield {
                    "submission_id": submission_id,
                    "changed_at": fetched_at[submission_id],
                    "table_name": table.name,
                    "column_name": name,
                }

    def _stored_rows(self, table: Table, ids: list[str]) -> Iterator[Row]:
        if table.name not in self.existing.tables:
            return
        existing = self.existing[table.name].columns_by_name.keys() - ADDED_COLUMNS
        names = [column.name for column in table.columns if column.name in existing]
        for row in read_rows(self.client, table.name, names, ids):
            yield dict(zip(names, row, strict=True))

    def _differ(self, table: Table, column: Column, before: Row, after: Row) -> bool:
        """Return whether a column has different values in two versions of a row."""
        old, new = before.get(column.name), after.get(column.name)
        if old == new or column.name in table.key:
            return False
        if old is None or new is None:
            return True
        base = self.policy.base_contract[table.name].columns_by_name[column.name]
        is_plain = self.policy.modes[f"{table.name}.{column.name}"] == "plain"
        values = (comparable(base, value, is_plain=is_plain) for value in (old, new))
        return len(set(values)) > 1


def _batches(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _SUBMISSIONS_PER_QUERY):
        yield list(ids[start : start + _SUBMISSIONS_PER_QUERY])


def _rows_of(rows: pa.Table, ids: list[str]) -> list[dict[str, Any]]:
    """Return the rows of some submissions."""
    if "submission_id" not in rows.column_names:
        return []
    is_one = pc.is_in(rows["submission_id"], value_set=pa.array(ids, pa.string()))
    selected: list[dict[str, Any]] = rows.filter(is_one).to_pylist()
    return selected


def _by_key(table: Table, rows: Iterable[Row]) -> dict[tuple[Any, ...], Row]:
    return {tuple(row.get(name) for name in table.key): row for row in rows}


def _place(row: Row) -> tuple[str, str]:
    return row["table_name"], row["column_name"]


def _utc(row: Row) -> datetime:
    changed_at: datetime = row["changed_at"]
    return changed_at.astimezone(UTC)
