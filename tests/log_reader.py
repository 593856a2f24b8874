"""Helpers for tests of change logs: reading one as an engine does, and searching its files."""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
from deltalake import DeltaTable

from argos_sync.commands.publish.change_diff import logged_tables
from argos_sync.commands.publish.change_log_views import current_views
from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.publish.tables import public_tables
from argos_sync.load.delta_log import LOADS
from published import content, copy_of
from support import Rows, Warehouse

ReadTable = Callable[[duckdb.DuckDBPyConnection, str, str], None]
"""Makes a Delta table at a URL readable under a name."""

NAMES = {
    table.name: list(table.columns_by_name) for table in logged_tables(public_tables(strict=False))
}
"""Columns of a change log's views, by view."""

_DELTA_SCAN = re.compile(r"VIEW (\S+) AS SELECT \* FROM delta_scan\('(.*)'\)")


def read_with_library(connection: duckdb.DuckDBPyConnection, name: str, url: str) -> None:
    """Read a Delta table with the library that wrote it; DuckDB 2 has no extension on PyPI yet."""
    connection.register("rows_of_table", DeltaTable(url).to_pyarrow_dataset())
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM rows_of_table")
    connection.unregister("rows_of_table")


def current_rows(
    url: str, read_table: ReadTable = read_with_library, dataset: str = "argos"
) -> Mapping[str, Rows]:
    """Return the rows of the views over a change log, in the order of their keys."""
    with closing(duckdb.connect()) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for statement in current_views("duckdb", url, dataset).split(";\n"):
            if found := _DELTA_SCAN.search(statement):
                read_table(connection, found[1], found[2].replace("''", "'"))
            elif statement and not statement.startswith(("INSTALL", "LOAD")):
                connection.execute(statement)

        def query(sql: str) -> Rows:
            result = connection.execute(sql.replace(" FROM ", f" FROM {dataset}."))
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

        return content(Warehouse(None, query), NAMES)  # type: ignore[arg-type] # only queried


def published_rows(warehouse: Warehouse, file: Path) -> Mapping[str, Rows]:
    """Return what the views must have: the rows that `publish` copies, without deleted ones."""
    publish(warehouse.target, file)
    rows = content(copy_of(file, warehouse.target.dataset), NAMES)
    deleted = {row["submission_id"] for row in rows["submissions"] if row["_deleted_at"]}
    of_submissions = {
        table.name
        for table in public_tables(strict=False)
        if table.belongs_to_submission or table.name == "submissions"
    }
    return {
        name: [
            row
            for row in rows[name]
            if not (name in of_submissions and row["submission_id"] in deleted)
        ]
        for name in NAMES
    }


def loads(url: str) -> list[dict[str, Any]]:
    """Return the visible loads of a change log, the oldest first."""
    rows: list[dict[str, Any]] = DeltaTable(f"{url}/{LOADS}").to_pyarrow_table().to_pylist()
    return sorted(rows, key=lambda row: int(row["_load"]))


def files_with(folder: Path, text: str) -> list[str]:
    """Return the files of a folder that have a text: as bytes, or in a Parquet file as a value."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (text.encode() in path.read_bytes() or text in _parquet_text(path))
    ]


def _parquet_text(path: Path) -> str:
    if path.suffix != ".parquet":
        return ""
    with pq.ParquetFile(path) as file:
        return f"{file.read().to_pydict()} {file.metadata.to_dict()}"


def parquet_files(folder: Path) -> list[Path]:
    """Return the files with rows of a change log, without those of `_loads`."""
    return [path for path in sorted(folder.rglob("*.parquet")) if LOADS not in path.parts]


def any_in(folder: Path, texts: Iterable[str]) -> dict[str, int]:
    """Return in how many files of a folder each text is."""
    return {text: len(files_with(folder, text)) for text in texts}
