"""Compare a chunk with the warehouse: which submissions are new, changed or unchanged."""

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

    `tables` are the rows of new and changed submissions, by contract table, `new` is the number of
    submissions that the warehouse does not have, and the others are ids. Submissions that were
    marked as deleted count as changed.
    """

    tables: dict[str, pa.Table]
    new: int
    changed: list[str]
    unchanged: list[str]


def column_values(tables: Mapping[str, pa.Table], table: str, column: str) -> list[str]:
    """Return the values of a column; none if the chunk does not have the table."""
    values: list[str] = tables[table][column].to_pylist() if table in tables else []
    return values


def count_first_fetches_by_day(
    fetched: pa.Table, stored: Mapping[str, StoredSubmission], since: datetime
) -> dict[date, int]:
    """Count a chunk's submissions that came for the first time, by UTC day of `created_at`.

    Those stored since the start of the run (UTC) came with an earlier chunk.
    """
    repeated = [key for key, row in stored.items() if row.synced_at.astimezone(UTC) >= since]
    first = _drop(fetched, "submission_id", repeated)
    days = pc.value_counts(first["created_at"].cast(pa.date32()))
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

    `tables` are the chunk's rows, `fetched` its submissions with or without rows, `stored` the
    warehouse's versions of them by id, and `quarantined` keys that are already in quarantine.
    """
    with_rows = set(column_values(tables, SUBMISSIONS, "submission_id"))
    ids, hashes = (fetched[name].to_pylist() for name in ("submission_id", "_content_hash"))
    changed, unchanged = [], []
    for key, content_hash in zip(ids, hashes, strict=True):
        row = stored.get(key)
        if row and row.content_hash == content_hash and not row.deleted:
            unchanged.append(key)
        elif row and key in with_rows:
            changed.append(key)
    to_load = {}
    for name, rows in tables.items():
        if name == QUARANTINE:
            remaining = _drop(rows, "quarantine_id", sorted(quarantined))
        else:
            remaining = _drop(rows, "submission_id", unchanged)
        if remaining.num_rows:
            to_load[name] = remaining
    return Diff(to_load, len(with_rows - stored.keys()), changed, unchanged)


def _drop(rows: pa.Table, column: str, values: list[str]) -> pa.Table:
    """Return the rows of a table without those that have one of the values."""
    if not values:
        return rows
    return rows.filter(pc.invert(pc.is_in(rows[column], value_set=pa.array(values, pa.string()))))
