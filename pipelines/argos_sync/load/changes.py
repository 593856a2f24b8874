"""Which rows of a chunk say something new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from argos_sync.load.known import Known
from argos_sync.shape.contract import QUARANTINE, SUBMISSIONS


@dataclass(frozen=True, slots=True)
class Changes:
    """A chunk compared with the warehouse.

    Attributes:
        tables: The rows to load: those of new and changed submissions.
        new: Submissions the warehouse does not have.
        changed: Ids of submissions that differ from what it has, or were marked as deleted.
        unchanged: Ids of submissions that came back as they were.
    """

    tables: dict[str, pa.Table]
    new: int
    changed: list[str]
    unchanged: list[str]


def submission_ids(tables: Mapping[str, pa.Table]) -> list[str]:
    """Return the ids of the submissions in a chunk's tables."""
    return _column(tables, SUBMISSIONS, "submission_id")


def quarantine_ids(tables: Mapping[str, pa.Table]) -> list[str]:
    """Return the keys of the objects a chunk puts in quarantine."""
    return _column(tables, QUARANTINE, "quarantine_id")


def oldest_fetch(tables: Mapping[str, pa.Table]) -> datetime | None:
    """Return when the first of a chunk's submissions was fetched; None when it has none."""
    if SUBMISSIONS not in tables:
        return None
    moment: datetime = pc.min(tables[SUBMISSIONS]["_synced_at"]).as_py()
    return moment


def first_seen_by_day(
    tables: Mapping[str, pa.Table], known: Mapping[str, Known], since: datetime
) -> dict[date, int]:
    """Return how many of a chunk's submissions no chunk before it had, by day of `created_at`.

    Args:
        tables: A chunk's rows by contract table.
        known: What the warehouse has, by submission id.
        since: When the run began, UTC; what was fetched since then was in a chunk.
    """
    if SUBMISSIONS not in tables:
        return {}
    rows = tables[SUBMISSIONS]
    repeated = [key for key, had in known.items() if had.synced_at.astimezone(UTC) >= since]
    if repeated:
        rows = rows.filter(_is_not_in(rows["submission_id"], repeated))
    days = pc.value_counts(rows["created_at"].cast(pa.date32()))
    return {one["values"]: one["counts"] for one in days.to_pylist()}


def compare(
    tables: Mapping[str, pa.Table], known: Mapping[str, Known], quarantined: set[str]
) -> Changes:
    """Leave out what the warehouse already has.

    Args:
        tables: A chunk's rows by contract table.
        known: What the warehouse has, by submission id.
        quarantined: Keys of the objects its quarantine already keeps.
    """
    ids = submission_ids(tables)
    hashes = _column(tables, SUBMISSIONS, "_content_hash")
    old = [
        (key, known[key], hashed) for key, hashed in zip(ids, hashes, strict=True) if key in known
    ]
    same = {key for key, had, hashed in old if had.content_hash == hashed and not had.deleted}
    unchanged = [key for key, _, _ in old if key in same]
    changed = [key for key, _, _ in old if key not in same]
    kept = {name: _without(rows, name, unchanged, quarantined) for name, rows in tables.items()}
    kept = {name: rows for name, rows in kept.items() if rows.num_rows}
    return Changes(kept, len(ids) - len(changed) - len(unchanged), changed, unchanged)


def _column(tables: Mapping[str, pa.Table], table: str, column: str) -> list[str]:
    values: list[str] = tables[table][column].to_pylist() if table in tables else []
    return values


def _without(rows: pa.Table, name: str, unchanged: list[str], quarantined: set[str]) -> pa.Table:
    key, known = (
        ("quarantine_id", sorted(quarantined))
        if name == QUARANTINE
        else ("submission_id", unchanged)
    )
    if not known:
        return rows
    return rows.filter(_is_not_in(rows[key], known))


def _is_not_in(column: pa.ChunkedArray, values: list[str]) -> pa.ChunkedArray:
    return pc.invert(pc.is_in(column, value_set=pa.array(values, pa.string())))
