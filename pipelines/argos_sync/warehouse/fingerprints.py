"""Compare the rows a submission has in the warehouse with those it would have if loaded now.

The content hash says what the source returned, not what the tables still have. A fingerprint is the
sum of hashes of a submission's rows in all tables that runs over these sections fill, so a missing,
changed or doubled row changes it, and the order of rows does not.

Not compared are the times and the hash that argos-sync adds, and the query part of image URLs. Of
image URLs and JSON that are hashed or encrypted, only the presence is compared: the query part and
the order of keys may differ on every fetch. Of the status history, the current period counts.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from argos_sync.fetch.protection import Protection
from argos_sync.load.sql import Client
from argos_sync.shape.contract import (
    HISTORY,
    SUBMISSIONS,
    Column,
    Contract,
    Table,
    tables_for_sections,
)
from argos_sync.shape.stubs import shape_stubs
from argos_sync.shape.tables import shape_submissions
from argos_sync.warehouse.rows import read_rows

Fingerprints = Mapping[str, int]
"""Fingerprints by submission id; 0 for a submission without rows."""

ADDED_COLUMNS = {"_synced_at", "_changed_at", "_deleted_at", "_content_hash"}
"""Columns of `submissions` that argos-sync adds."""

_SUBMISSIONS_PER_QUERY = 2_000
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Fingerprinter:
    """Makes the fingerprints of submissions, as the source has them and as the warehouse does.

    `existing` are the tables and columns of the warehouse: a value without a column counts as null.
    `status_rows` returns the status history of new submissions from the rows of all tables, and
    `status_columns` are the columns of it that these sections fill.
    """

    client: Client
    protection: Protection
    sections: Sequence[str]
    existing: Contract
    status_rows: Callable[[Mapping[str, pa.Table]], pa.Table]
    status_columns: Collection[str]

    def of_source(self, whole: Sequence[Any], stubs: Sequence[Any]) -> Fingerprints:
        """Return the fingerprints of whole submissions and of deletion stubs, each given once."""
        shaped = shape_submissions(whole, [""] * len(whole), _ANY_TIME).tables
        tables = self._protect(shaped)
        stub_tables = self._protect(shape_stubs(stubs, [""] * len(stubs), _ANY_TIME))
        fingerprints: Counter[str] = Counter()
        for rows in (tables, stub_tables):
            for name in self._tables.keys() & rows.keys():
                self._add(fingerprints, name, _rows_of(rows[name]))
        if SUBMISSIONS in tables:
            self._add(fingerprints, HISTORY, _rows_of(self.status_rows(tables)))
        return fingerprints

    def of_warehouse(self, submission_ids: Sequence[str]) -> Fingerprints:
        """Return the fingerprints of these submissions; those without rows are missing."""
        fingerprints: Counter[str] = Counter()
        for start in range(0, len(submission_ids), _SUBMISSIONS_PER_QUERY):
            ids = submission_ids[start : start + _SUBMISSIONS_PER_QUERY]
            for name, table in self._tables.items():
                names = [
                    column.name for column in table.columns if column.name not in ADDED_COLUMNS
                ]
                stored = read_rows(self.client, name, names, ids)
                rows = (dict(zip(names, row, strict=True)) for row in stored)
                self._add(fingerprints, name, _current(rows) if name == HISTORY else rows)
        return fingerprints

    @property
    def _tables(self) -> dict[str, Table]:
        """Return the compared tables with the columns that exist; the key comes first."""
        filled = tables_for_sections(self.sections, self.protection.policy.contract)
        return {
            name: self.existing.tables.get(name, table)
            for name, table in filled.items()
            if table.from_api or name == HISTORY
        }

    def _protect(self, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        policy = self.protection.policy
        return {name: policy.protect(name, rows) for name, rows in tables.items()}

    def _add(
        self, fingerprints: Counter[str], name: str, rows: Iterable[Mapping[str, Any]]
    ) -> None:
        """Add the hashes of a table's rows to the fingerprints of their submissions."""
        policy = self.protection.policy
        compared = policy.contract[name].columns_by_name.keys() - ADDED_COLUMNS
        if name == HISTORY:
            compared &= {"submission_id", "valid_to", *self.status_columns}
        columns = [
            (column, policy.modes[f"{name}.{column.name}"] == "plain")
            for column in policy.base_contract[name].columns
            if column.name in compared
        ]
        for row in rows:
            values = [
                (column.name, comparable(column, row[column.name], is_plain=is_plain))
                for column, is_plain in columns
                if row.get(column.name) is not None
            ]
            digest = blake2b(repr((name, values)).encode("utf-8", "surrogatepass"), digest_size=16)
            fingerprints[row["submission_id"]] += int.from_bytes(digest.digest(), "big")


def _rows_of(rows: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in rows.to_batches(max_chunksize=1_000):
        yield from batch.to_pylist()


def _current(periods: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the current periods, and those that are stored twice."""
    seen = set()
    for period in periods:
        key = period["submission_id"], period["valid_from"]
        if period["valid_to"] is None or key in seen:
            yield period
        seen.add(key)


def comparable(column: Column, value: Any, *, is_plain: bool) -> Any:
    """Return a value that is not null in a form that does not depend on the destination.

    It is that of an image URL without its query part, and of JSON in any order of keys. `is_plain`
    says that the value is neither hashed nor encrypted.
    """
    if not is_plain:
        return "" if column.url or column.type == "json" else value
    if column.type == "json":
        return _comparable_json(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if column.type == "double":
        return float(value)
    return value.partition("?")[0] if column.url else str(value)


def _comparable_json(value: Any) -> str:
    """Return JSON with sorted keys, in which equal numbers are equal texts."""
    with suppress(ValueError):
        while isinstance(value, str):  # one driver parses JSON, another returns its text
            value = json.loads(value)
    return json.dumps(_plain_numbers(value), sort_keys=True)


def _plain_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain_numbers(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(entry) for entry in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    return value
