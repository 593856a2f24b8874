"""Remove what a DuckLake keeps of rows that are gone: old snapshots, files and statistics.

DuckLake deletes a row by a note beside its Parquet file, keeps file and note for time travel, and
its catalog has the least and the greatest value of each column. Its functions that end this are on
the page "Maintenance" of its manual; each commits by itself, and the second attempt of all of them
does what the first has left.
"""

import subprocess
import sys
from pathlib import Path

from dlt.destinations.impl.ducklake.sql_client import DuckLakeSqlClient

from argos_sync.load.destinations.ducklake import catalog_file, metadata_table
from argos_sync.load.dialects import quote_literal, quote_name
from argos_sync.load.errors import DestinationError
from argos_sync.load.lease import LEASE_TABLE
from argos_sync.load.sql import Client, ResultRows, execute_native

_KEPT = "INTERVAL 1 DAY"
"""How long old snapshots stay for readers that use them."""

_OVERDUE = "INTERVAL 2 DAYS"
"""Age of the oldest snapshot at which old ones are removed: not at every run."""

_VACUUM = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("VACUUM")
busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
sys.exit(busy)
"""
"""For a process of its own: a second SQLite in this one would release DuckDB's locks of the file,
because POSIX keeps one lock per process and file (SQLite's page "How To Corrupt", 2.2)."""


def erase_old_versions(client: Client) -> None:
    """Remove all bytes of deleted and replaced rows of the dataset from a lake; else do nothing.

    Files with deleted rows are written anew, and all snapshots but the newest are removed, those
    of other datasets included. PostgreSQL frees the space in its catalog by its own VACUUM.

    Raises:
        DestinationError: A reader keeps the SQLite file of the catalog.
        DatabaseException: The lake refused it.
    """
    if not isinstance(client, DuckLakeSqlClient):
        return
    _rewrite(client)
    if outdated := _tables_with_old_statistics(client):
        for table, column in outdated:
            _renew_statistics(client, table, column)
        _rewrite(client)
    _call(client, "expire_snapshots", "older_than => TIMESTAMPTZ '9999-12-31'")
    _call(client, "cleanup_old_files", "cleanup_all => true")
    # A killed run leaves files that no snapshot has; so does, for a moment, one that is writing.
    shared = _has_other_datasets(client)
    age = f"older_than => now() - {_KEPT}" if shared else "cleanup_all => true"
    _call(client, "delete_orphaned_files", age)
    if (file := catalog_file(client)) is not None:
        _vacuum(file)


def limit_history(client: Client) -> None:
    """Merge small files and remove old snapshots of a lake, about every second day."""
    if not isinstance(client, DuckLakeSqlClient):
        return
    snapshots = metadata_table(client, "ducklake_snapshot")
    ((is_overdue,),) = execute_native(
        client,
        f"SELECT MIN(CAST(snapshot_time AS TIMESTAMPTZ)) < now() - {_OVERDUE} FROM {snapshots}",  # noqa: S608 names only
    )
    if is_overdue:
        for table in _tables(client):
            _call(client, "merge_adjacent_files", *_only(client, table))
        _call(client, "expire_snapshots", f"older_than => now() - {_KEPT}")
        _call(client, "cleanup_old_files", f"older_than => now() - {_KEPT}")


def _rewrite(client: DuckLakeSqlClient) -> None:
    """Write rows of the catalog to files, and the files with deleted rows without them."""
    schema = f"schema_name => {quote_literal(client.dataset_name)}"
    for table in _tables(client, "t.table_id IN (SELECT table_id FROM {inlined_data_tables})"):
        _call(client, "flush_inlined_data", schema, f"table_name => {quote_literal(table)}")
    has_deleted = "t.table_id IN (SELECT table_id FROM {delete_file} WHERE end_snapshot IS NULL)"
    for table in _tables(client, has_deleted):
        _call(client, "rewrite_data_files", *_only(client, table), "delete_threshold => 0")


def _tables_with_old_statistics(client: DuckLakeSqlClient) -> list[tuple[str, str]]:
    """Return tables whose statistics have values of no file, each with one of its columns.

    DuckLake computes them anew where it writes a file anew, but not if it drops whole files. All
    rows must be in files.
    """
    rows = execute_native(
        client,
        "WITH files AS (SELECT f.* FROM {file_column_stats} AS f JOIN {data_file} AS d"
        " ON d.data_file_id = f.data_file_id WHERE d.end_snapshot IS NULL)"
        " SELECT t.table_name, MIN(c.column_name) FROM {table_column_stats} AS s"
        " JOIN {table} AS t ON t.table_id = s.table_id AND t.end_snapshot IS NULL"
        " JOIN {schema} AS n ON n.schema_id = t.schema_id AND n.end_snapshot IS NULL"
        " JOIN {column} AS c ON c.table_id = t.table_id AND c.end_snapshot IS NULL"
        " WHERE n.schema_name = %s AND t.table_name <> %s AND ("
        "s.min_value IS NOT NULL AND NOT EXISTS (SELECT 1 FROM files AS f WHERE"
        " f.table_id = s.table_id AND f.column_id = s.column_id AND f.min_value = s.min_value)"
        " OR s.max_value IS NOT NULL AND NOT EXISTS (SELECT 1 FROM files AS f WHERE"
        " f.table_id = s.table_id AND f.column_id = s.column_id AND f.max_value = s.max_value))"
        " GROUP BY t.table_name".format_map(_MetadataNames(client)),
        client.dataset_name,
        LEASE_TABLE,
    )
    return [(table, column) for table, column in rows]


def _renew_statistics(client: DuckLakeSqlClient, table: str, column: str) -> None:
    """Let DuckLake compute a table's statistics anew, by replacing a row by itself."""
    name, quoted = client.make_qualified_table_name(table), quote_name(column)
    first = f"(SELECT MIN(rowid) FROM {name})"  # noqa: S608 names only
    if execute_native(client, f"SELECT 1 FROM {name} LIMIT 1"):  # noqa: S608 names only
        execute_native(client, f"UPDATE {name} SET {quoted} = {quoted} WHERE rowid = {first}")  # noqa: S608 names only
        return
    # DuckLake's own statistics of a table that has never had a row.
    names = _MetadataNames(client)
    execute_native(
        client,
        "UPDATE {table_column_stats} SET min_value = NULL, max_value = NULL, contains_null = NULL"
        " WHERE table_id IN (SELECT t.table_id FROM {table} AS t JOIN {schema} AS n"
        " ON n.schema_id = t.schema_id WHERE t.end_snapshot IS NULL AND n.end_snapshot IS NULL"
        " AND t.table_name = %s AND n.schema_name = %s)".format_map(names),
        table,
        client.dataset_name,
    )


def _has_other_datasets(client: DuckLakeSqlClient) -> bool:
    return bool(_select_tables(client, "n.schema_name <> %s"))


def _tables(client: DuckLakeSqlClient, condition: str = "TRUE") -> list[str]:
    """Return the names of the dataset's tables for which a condition holds.

    The lease is left out: it is written to at any time, and has no values of submissions.
    """
    names = _select_tables(client, f"n.schema_name = %s AND {condition}")
    return [name for name in names if name != LEASE_TABLE]


def _select_tables(client: DuckLakeSqlClient, condition: str) -> list[str]:
    query = (
        "SELECT t.table_name FROM {table} AS t JOIN {schema} AS n ON n.schema_id = t.schema_id"  # noqa: S608 names only
        " WHERE t.end_snapshot IS NULL AND n.end_snapshot IS NULL AND " + condition + " ORDER BY 1"
    )
    text = query.format_map(_MetadataNames(client))
    rows = execute_native(client, text, client.dataset_name)
    return [name for (name,) in rows]


def _only(client: DuckLakeSqlClient, table: str) -> tuple[str, str]:
    """Return the arguments of a function that restrict it to a table of the dataset."""
    return quote_literal(table), f"schema => {quote_literal(client.dataset_name)}"


def _call(client: DuckLakeSqlClient, function: str, *arguments: str) -> ResultRows:
    lake = quote_literal(client.credentials.ducklake_name)
    return execute_native(client, f"CALL ducklake_{function}({', '.join((lake, *arguments))})")


class _MetadataNames(dict[str, str]):
    """Full names of the catalog's tables, by their names without `ducklake_`."""

    def __init__(self, client: DuckLakeSqlClient) -> None:
        """Take the lake of a client."""
        super().__init__()
        self.client = client

    def __missing__(self, name: str) -> str:
        return metadata_table(self.client, f"ducklake_{name}")


def _vacuum(file: Path) -> None:
    """Rewrite an SQLite file without the bytes of deleted rows, and empty its log.

    Raises:
        DestinationError: Somebody else uses the file.
    """
    command = [sys.executable, "-c", _VACUUM, str(file)]
    if subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603 our own
        raise DestinationError(
            f"the catalog {file} still has deleted rows: another program uses it",
            "close that program, and run the command again",
        )
