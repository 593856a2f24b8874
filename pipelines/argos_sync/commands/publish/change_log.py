"""`publish --format delta`: append what has changed to Delta tables, for other engines to read.

The rows come from the same copy that `publish` writes for analysts, so the same columns are left
out. Usually a publish appends the rows of new and changed submissions. It rewrites the change log,
that is, it appends all rows and makes the other loads invisible, if a submission is gone or has
lost personal values, so that nothing old stays anywhere; if the columns are others; and if the old
versions of rows are many or a week old.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa

from argos_sync.commands.publish.change_diff import CopyDiff, Difference, logged_tables, total
from argos_sync.commands.publish.source import copied_tables
from argos_sync.commands.publish.tables import public_tables
from argos_sync.load.atomic_file import private_folder, write_errors
from argos_sync.load.delta_log import LOAD, DeltaLog
from argos_sync.load.destinations.duckdb import BOUNDED_MEMORY
from argos_sync.load.target import Target, locate
from argos_sync.shape.contract import SUBMISSIONS
from argos_sync.shape.pseudonyms import Pseudonymizer

log = logging.getLogger("argos_sync")

_REWRITE_AFTER = timedelta(days=7)
_MAX_VERSIONS = 2
"""Rows per key that the change log may have on average before it is rewritten."""

_COPY = "change-log-copy.duckdb"


@dataclass(frozen=True, slots=True)
class ChangeLogResult:
    """What a publish wrote.

    Attributes:
        url: Path or URL of the change log.
        load: Number of the load.
        rewrite: Why the change log was rewritten; None if changes were appended.
        submissions: How many submissions are new, changed, and gone from the warehouse.
        rows: Rows appended, by table.
        files_deleted: Number of files deleted that were not needed any more.
    """

    url: str
    load: int
    rewrite: str | None
    submissions: Mapping[str, int]
    rows: Mapping[str, int]
    files_deleted: int


def publish_changes(
    target: Target,
    url: str,
    *,
    strict: bool = False,
    mode: int = 0o600,
    pseudonymizer: Pseudonymizer | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ChangeLogResult:
    """Append what has changed since the last publish to the Delta tables of a change log.

    Args:
        target: Where the warehouse is.
        url: Path or URL of the folder of the change log, which is created if there is none.
        strict: Whether columns of class `quasi` are left out too.
        mode: Permissions of the files of a local folder.
        pseudonymizer: Makes the columns with pseudonyms; None leaves them out.
        clock: Returns the time, with a time zone.

    Raises:
        ConfigurationError: The folder has something else in it, the destination is unknown, or the
            key for pseudonyms is not the warehouse's.
        DestinationError: The warehouse is empty, locked or not reachable, the storage of the change
            log fails, or another publish to it has begun meanwhile.
    """
    delta, location = DeltaLog(url, mode), locate(target)
    folder = location.working.parent
    tables = public_tables(strict=strict, pseudonyms=pseudonymizer is not None)
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    loads = delta.begin()
    # Only now: a warehouse that was read before could lack what another publish knew.
    with private_folder(folder) as private:
        copy = private / _COPY
        with copied_tables(target, tables, copy, pseudonymizer):
            log.debug("publish: copied the warehouse")
        settings = BOUNDED_MEMORY | {"temp_directory": str(private)}
        with write_errors(copy), duckdb.connect(str(copy), config=settings) as connection:
            diff = CopyDiff(connection, location.dataset, logged_tables(tables))
            return _write(delta, diff, loads, location.dataset, clock())


def _write(
    delta: DeltaLog, diff: CopyDiff, loads: pa.Table, dataset: str, now: datetime
) -> ChangeLogResult:
    """Append the rows of a load, make it visible, and remove what is not visible any more."""
    for name in diff.tables:
        delta.prepare(name, diff.schema(name))
    visible = loads[LOAD].to_pylist()
    differences = {
        table.name: diff.compare(table.name, delta.rows(table.name), visible)
        for table in diff.keyed_tables
    }
    layout = diff.layout
    urgent = _urgent_reason(loads, differences, dataset, layout)
    reason = urgent or _routine_reason(loads, differences, now)
    rows = {}
    for name in diff.tables:
        rows[name] = diff.count(name, everything=reason is not None)
        if rows[name]:
            delta.append(name, diff.rows(name, delta.number, everything=reason is not None))
            log.info("publish: appended to %s, %d rows", name, rows[name])
    changes = differences[SUBMISSIONS]
    load = {
        "published_at": now,
        "rewritten": reason is not None,
        "dataset": dataset,
        "layout": layout,
        "submissions": rows[SUBMISSIONS],
        "rows": sum(rows.values()),
    }
    delta.commit(load, replaces=reason is not None)
    # After a routine rewrite the old loads stay until the next publish: a query that has begun
    # finds its files.
    kept = {delta.number, *(() if urgent else visible)}
    return ChangeLogResult(
        url=delta.url,
        load=delta.number,
        rewrite=reason,
        submissions={"new": changes.new, "changed": changes.changed, "gone": changes.gone},
        rows=rows,
        files_deleted=delta.remove(kept),
    )


def _urgent_reason(
    loads: pa.Table, differences: Mapping[str, Difference], dataset: str, layout: str
) -> str | None:
    """Return why old rows must not stay in the change log; None if they may."""
    if loads.num_rows == 0:
        return "it is new"
    last = max(loads.to_pylist(), key=lambda load: load[LOAD])
    if last["dataset"] != dataset:
        return "it was written from another dataset"
    if last["layout"] != layout:
        return "its columns are others"
    if total(differences, "gone"):
        return "rows are gone from the warehouse"
    if total(differences, "emptied"):
        return "submissions have lost personal values"
    return None


def _routine_reason(
    loads: pa.Table, differences: Mapping[str, Difference], now: datetime
) -> str | None:
    """Return why it is time to remove old versions; None if it is not."""
    if total(differences, "versions") > _MAX_VERSIONS * total(differences, "logged"):
        return "most of its rows are old versions"
    first = min(loads["published_at"].to_pylist(), default=now)
    return "its oldest load is a week old" if now - first >= _REWRITE_AFTER else None
