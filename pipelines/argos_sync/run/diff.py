"""Compare a chunk with the warehouse: new, changed, unchanged and newly deleted submissions."""

from collections import Counter
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from argos_sync.shape.contract import QUARANTINE, SUBMISSIONS
from argos_sync.warehouse.rows import StoredSubmission
from argos_sync.warehouse.submissions import Period


@dataclass(frozen=True, slots=True)
class Diff:
    """The difference between a chunk and the warehouse.

    `tables` are the rows to load, by contract table, `new` is the number of submissions that the
    warehouse does not have, and the others are ids. `unknown` are the new ones and the deletion
    stubs of others that the warehouse does not have. Submissions that were marked as deleted and
    return count as changed. `deleted` are deletion stubs of submissions that were not marked.
    `rewritten` are unchanged, and yet all their rows are loaded.
    """

    tables: dict[str, pa.Table]
    new: int
    changed: list[str]
    unchanged: list[str]
    deleted: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def without(self, submission_ids: Collection[str]) -> Self:
        """Return the difference without some changed submissions."""
        if not submission_ids:
            return self
        left_out = list(submission_ids)
        remaining = {
            name: rows if name == QUARANTINE else drop_rows(rows, "submission_id", left_out)
            for name, rows in self.tables.items()
        }
        tables = {name: rows for name, rows in remaining.items() if rows.num_rows}
        changed = [key for key in self.changed if key not in submission_ids]
        return replace(self, tables=tables, changed=changed)


def column_values(tables: Mapping[str, pa.Table], table: str, column: str) -> list[str]:
    """Return the values of a column; none if the chunk does not have the table."""
    values: list[str] = tables[table][column].to_pylist() if table in tables else []
    return values


def count_first_fetches_by_day(
    fetched: pa.Table,
    stored: Mapping[str, StoredSubmission],
    period: Period,
    stubs: AbstractSet[str] = frozenset(),
) -> Counter[date]:
    """Count a chunk's submissions that came for the first time, by UTC day of `created_at`.

    Those stored in the period of the run came with an earlier chunk. Deletion stubs do not
    count, and one whose submission came whole with an earlier chunk counts as minus one.
    """
    repeated = {key for key, row in stored.items() if row.synced_at in period}
    counts = _count_by_day(drop_rows(fetched, "submission_id", [*repeated, *stubs]))
    if returned := [key for key in stubs if key in repeated and not stored[key].deleted_at]:
        counts.subtract(_count_by_day(_select(fetched, "submission_id", returned)))
    return counts


def days_of(fetched: pa.Table, submission_ids: list[str]) -> set[date]:
    """Return the UTC days of `created_at` of some of a chunk's submissions."""
    return set(_count_by_day(_select(fetched, "submission_id", submission_ids)))


def _count_by_day(fetched: pa.Table) -> Counter[date]:
    days = pc.value_counts(fetched["created_at"].cast(pa.date32()))
    return Counter({entry["values"]: entry["counts"] for entry in days.to_pylist()})


def diff_chunk(
    tables: Mapping[str, pa.Table],
    fetched: pa.Table,
    stored: Mapping[str, StoredSubmission],
    quarantined: set[str],
    stubs: AbstractSet[str] = frozenset(),
    *,
    loads_unknown_stubs: bool = True,
    rewrites_unchanged: bool = False,
) -> Diff:
    """Return the difference between a chunk and the warehouse.

    A submission keeps the time when it was first marked as deleted, however often its stub comes.
    Without `loads_unknown_stubs`, stubs of submissions that are not in the warehouse are dropped.

    The fetch process sends no rows for a submission whose content hash was stored when the job
    started. If the warehouse has another version by now, the submission is neither changed nor
    unchanged: a sync requests it again as a deletion candidate, and the post-run checks of other
    commands report its day.

    The content hash tells what the source had, not what the tables still have: `rewrites_unchanged`
    loads the rows of unchanged submissions, too.

    `tables` are the chunk's rows, `fetched` its submissions with or without rows, `stored` the
    warehouse's versions of them by id, `quarantined` the keys of objects that are in quarantine
    with the same content, and `stubs` the ids of deletion stubs.
    """
    with_rows = set(column_values(tables, SUBMISSIONS, "submission_id"))
    ids, hashes = (fetched[name].to_pylist() for name in ("submission_id", "_content_hash"))
    changed, deleted, dropped = [], [], []
    unchanged: list[str] = []
    rewritten: list[str] = []
    for key, content_hash in zip(ids, hashes, strict=True):
        row, is_stub = stored.get(key), key in stubs
        is_marked = row is not None and row.deleted_at is not None
        if row and row.content_hash == content_hash and is_marked == is_stub:
            (rewritten if rewrites_unchanged and key in with_rows else unchanged).append(key)
        elif is_stub and not row and not loads_unknown_stubs:
            dropped.append(key)
        elif is_stub and not is_marked:
            deleted.append(key)
        elif row and key in with_rows:
            changed.append(key)
    to_load = {}
    for name, rows in tables.items():
        if name == QUARANTINE:
            remaining = drop_rows(rows, "quarantine_id", sorted(quarantined))
        else:
            remaining = drop_rows(rows, "submission_id", [*unchanged, *dropped])
        if remaining.num_rows:
            to_load[name] = remaining
    if SUBMISSIONS in to_load:
        marks = {key: row.deleted_at for key, row in stored.items() if key in stubs}
        to_load[SUBMISSIONS] = _keep_stored(to_load[SUBMISSIONS], "_deleted_at", marks)
        changed_at = {key: stored[key].changed_at for key in rewritten}
        to_load[SUBMISSIONS] = _keep_stored(to_load[SUBMISSIONS], "_changed_at", changed_at)
    unknown = sorted(with_rows - stored.keys() - set(dropped))
    new = sum(key not in stubs for key in unknown)
    return Diff(to_load, new, changed, unchanged, deleted, rewritten, unknown)


def _keep_stored(rows: pa.Table, name: str, stored: Mapping[str, datetime | None]) -> pa.Table:
    """Return rows of `submissions` with the stored times of a column, by submission id."""
    if not any(stored.values()):
        return rows
    ids, fetched = rows["submission_id"].to_pylist(), rows[name].to_pylist()
    times = [stored.get(key) or time for key, time in zip(ids, fetched, strict=True)]
    position = rows.schema.get_field_index(name)
    column = rows.schema.field(position)
    return rows.set_column(position, column, pa.array(times, column.type))


def drop_rows(rows: pa.Table, column: str, values: list[str]) -> pa.Table:
    """Return the rows of a table without those that have one of the values."""
    if not values:
        return rows
    return rows.filter(pc.invert(_is_in(rows, column, values)))


def _select(rows: pa.Table, column: str, values: list[str]) -> pa.Table:
    """Return the rows of a table that have one of the values."""
    return rows.filter(_is_in(rows, column, values))


def _is_in(rows: pa.Table, column: str, values: list[str]) -> pa.ChunkedArray:
    return pc.is_in(rows[column], value_set=pa.array(values, pa.string()))
