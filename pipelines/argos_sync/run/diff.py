"""Compare a chunk with the warehouse: which submissions are new, changed or unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from argos_sync.shape.contract import QUARANTINE, SUBMISSIONS
from argos_sync.warehouse.rows import StoredSubmission


@dataclass(frozen=True, slots=True)
class Diff:
    """The difference between a chunk and the warehouse.

    Attributes:
        tables: Rows to load: those of new and changed submissions, by contract table.
        new: Number of submissions that the warehouse does not have.
        changed: Ids of submissions whose content hash differs, or that were marked as deleted.
        unchanged: Ids of submissions with the stored content hash.
    """

    tables: dict[str, pa.Table]
    new: int
    changed: list[str]
    unchanged: list[str]


def quarantine_ids(tables: Mapping[str, pa.Table]) -> list[str]:
    """Return the keys of a chunk's quarantined objects."""
    return _column(tables, QUARANTINE, "quarantine_id")


def earliest_fetch(fetched: pa.Table) -> datetime | None:
    """Return when the first submission of a chunk was fetched; None for an empty chunk."""
    earliest: datetime | None = pc.min(fetched["_synced_at"]).as_py()
    return earliest


def count_first_fetches_by_day(
    fetched: pa.Table, stored: Mapping[str, StoredSubmission], since: datetime
) -> dict[date, int]:
    """Count the submissions that this run fetched for the first time, by UTC day of `created_at`.

    Args:
        fetched: The chunk's submissions.
        stored: The warehouse's versions of them, by submission id.
        since: Start of the run, UTC. Submissions stored since then came with an earlier chunk.
    """
    repeated = [key for key, row in stored.items() if row.synced_at.astimezone(UTC) >= since]
    if repeated:
        fetched = fetched.filter(_is_not_in(fetched["submission_id"], repeated))
    days = pc.value_counts(fetched["created_at"].cast(pa.date32()))
    return {entry["values"]: entry["counts"] for entry in days.to_pylist()}


def diff_chunk(
    tables: Mapping[str, pa.Table],
    fetched: pa.Table,
    stored: Mapping[str, StoredSubmission],
    quarantined: set[str],
) -> Diff:
    """Return the difference between a chunk and the warehouse.

    The fetch process sends no rows for a submission whose content hash was stored when the job
    started. If the warehouse has another version by now, the submission is neither changed nor
    unchanged: a sync requests it again as a deletion candidate, and the post-run checks of other
    commands report its day.

    Args:
        tables: The chunk's rows by contract table.
        fetched: The chunk's submissions, with or without rows.
        stored: The warehouse's versions of them, by submission id.
        quarantined: Keys of the objects that are already in quarantine.
    """
    with_rows = set(_column(tables, SUBMISSIONS, "submission_id"))
    ids, hashes = (fetched[name].to_pylist() for name in ("submission_id", "_content_hash"))
    known = [
        (key, stored[key], content_hash)
        for key, content_hash in zip(ids, hashes, strict=True)
        if key in stored
    ]
    same = {
        key
        for key, row, content_hash in known
        if row.content_hash == content_hash and not row.deleted
    }
    unchanged = [key for key, _, _ in known if key in same]
    changed = [key for key, _, _ in known if key not in same and key in with_rows]
    to_load = {
        name: _drop_stored(rows, name, unchanged, quarantined) for name, rows in tables.items()
    }
    to_load = {name: rows for name, rows in to_load.items() if rows.num_rows}
    return Diff(to_load, len(with_rows - stored.keys()), changed, unchanged)


def _column(tables: Mapping[str, pa.Table], table: str, column: str) -> list[str]:
    values: list[str] = tables[table][column].to_pylist() if table in tables else []
    return values


def _drop_stored(
    rows: pa.Table, name: str, unchanged: list[str], quarantined: set[str]
) -> pa.Table:
    """Return the rows of a table without those the warehouse already has."""
    column, stored = (
        ("quarantine_id", sorted(quarantined))
        if name == QUARANTINE
        else ("submission_id", unchanged)
    )
    if not stored:
        return rows
    return rows.filter(_is_not_in(rows[column], stored))


def _is_not_in(column: pa.ChunkedArray, values: list[str]) -> pa.ChunkedArray:
    return pc.invert(pc.is_in(column, value_set=pa.array(values, pa.string())))
