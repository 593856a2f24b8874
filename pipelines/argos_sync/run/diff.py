"""Which rows of a chunk say something new."""

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


def quarantine_ids(tables: Mapping[str, pa.Table]) -> list[str]:
    """Return the keys of the objects a chunk puts in quarantine."""
    return _column(tables, QUARANTINE, "quarantine_id")


def earliest_fetch(seen: pa.Table) -> datetime | None:
    """Return when the first of a chunk's submissions was fetched; None when it has none."""
    moment: datetime | None = pc.min(seen["_synced_at"]).as_py()
    return moment


def count_first_fetches_by_day(
    seen: pa.Table, known: Mapping[str, StoredSubmission], since: datetime
) -> dict[date, int]:
    """Return how many of a chunk's submissions no chunk before it had, by day of `created_at`.

    Args:
        seen: A chunk's submissions.
        known: What the warehouse has, by submission id.
        since: When the run began, UTC; what was fetched since then was in a chunk.
    """
    repeated = [key for key, had in known.items() if had.synced_at.astimezone(UTC) >= since]
    if repeated:
        seen = seen.filter(_is_not_in(seen["submission_id"], repeated))
    days = pc.value_counts(seen["created_at"].cast(pa.date32()))
    return {one["values"]: one["counts"] for one in days.to_pylist()}


def diff_chunk(
    tables: Mapping[str, pa.Table],
    seen: pa.Table,
    known: Mapping[str, StoredSubmission],
    quarantined: set[str],
) -> Diff:
    """Leave out what the warehouse already has.

    A submission without rows was held as it is when the reading began. Should the warehouse have
    another version by now, it counts as not seen: a sync asks for it once more in the end, and any
    other run finds in its checks that a day is not as the source has it.

    Args:
        tables: A chunk's rows by contract table.
        seen: Its submissions.
        known: What the warehouse has, by submission id.
        quarantined: Keys of the objects its quarantine already keeps.
    """
    with_rows = set(_column(tables, SUBMISSIONS, "submission_id"))
    ids, hashes = (seen[name].to_pylist() for name in ("submission_id", "_content_hash"))
    old = [
        (key, known[key], hashed) for key, hashed in zip(ids, hashes, strict=True) if key in known
    ]
    same = {key for key, had, hashed in old if had.content_hash == hashed and not had.deleted}
    unchanged = [key for key, _, _ in old if key in same]
    changed = [key for key, _, _ in old if key not in same and key in with_rows]
    kept = {name: _without(rows, name, unchanged, quarantined) for name, rows in tables.items()}
    kept = {name: rows for name, rows in kept.items() if rows.num_rows}
    return Diff(kept, len(with_rows - known.keys()), changed, unchanged)


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
