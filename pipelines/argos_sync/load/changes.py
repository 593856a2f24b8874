"""Which rows of a chunk say something new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from argos_sync.shape.contract import QUARANTINE, SUBMISSIONS


@dataclass(frozen=True, slots=True)
class Changes:
    """A chunk compared with the warehouse.

    Attributes:
        tables: The rows to load: those of new and changed submissions.
        new: Submissions the warehouse does not have.
        changed: Submissions that differ from what it has.
        unchanged: Ids of submissions that came back as they were.
    """

    tables: dict[str, pa.Table]
    new: int
    changed: int
    unchanged: list[str]


def submission_ids(tables: Mapping[str, pa.Table]) -> list[str]:
    """Return the ids of the submissions in a chunk's tables."""
    return _column(tables, SUBMISSIONS, "submission_id")


def quarantine_ids(tables: Mapping[str, pa.Table]) -> list[str]:
    """Return the keys of the objects a chunk puts in quarantine."""
    return _column(tables, QUARANTINE, "quarantine_id")


def compare(
    tables: Mapping[str, pa.Table], known: Mapping[str, str], quarantined: set[str]
) -> Changes:
    """Leave out what the warehouse already has.

    Args:
        tables: A chunk's rows by contract table.
        known: Content hashes by submission id, of what the warehouse has.
        quarantined: Keys of the objects its quarantine already keeps.
    """
    ids = submission_ids(tables)
    hashes = _column(tables, SUBMISSIONS, "_content_hash")
    unchanged = [key for key, hashed in zip(ids, hashes, strict=True) if known.get(key) == hashed]
    new = sum(key not in known for key in ids)
    kept = {name: _without(rows, name, unchanged, quarantined) for name, rows in tables.items()}
    kept = {name: rows for name, rows in kept.items() if rows.num_rows}
    return Changes(kept, new, len(ids) - new - len(unchanged), unchanged)


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
    repeated = pc.is_in(rows[key], value_set=pa.array(known, pa.string()))
    return rows.filter(pc.invert(repeated))
