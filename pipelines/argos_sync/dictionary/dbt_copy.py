"""Write dbt sources that fit a published copy: its tables, views and columns, and no others."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb

from argos_sync.dictionary.dbt_sources import SIGNATURE, render_sources
from argos_sync.load.atomic_file import FileType, atomic_replacement, check_output_path
from argos_sync.shape.contract import Column, Contract, Table, load_contract
from argos_sync.warehouse.views import View, load_views

SOURCES_FILE = FileType("a dbt sources file of argos-sync", SIGNATURE.encode())

Comments = dict[str, tuple[bool, str]]
"""Whether a column may be null, and its comment, by name."""


def check_sources_path(output: Path) -> Path:
    """Return the path to write dbt sources to, with links resolved.

    Raises:
        ConfigurationError: The folder does not exist, or something else is at this path.
    """
    return check_output_path(output, SOURCES_FILE)


def write_copy_sources(copy: Path, dataset: str, output: Path, mode: int = 0o600) -> Path:
    """Write the dbt sources of a published copy, replacing earlier ones; return the file's path.

    dbt reads the copy under the name of its file, as DuckDB attaches it.

    Args:
        copy: DuckDB file that `publish` wrote.
        dataset: Schema of its tables.
        output: File to create or to replace; links are followed.
        mode: Permissions of a new file; a replaced file keeps its permissions.

    Raises:
        ConfigurationError: The output cannot be replaced.
    """
    path = check_sources_path(output)
    existing = _read_columns(copy, dataset)
    text = render_sources(
        Contract({table.name: table for table in _tables(existing)}),
        sorted(_views(existing), key=lambda view: view.name),
        origin=f"Written by `argos-sync publish` for {copy.name}.",
        dataset=dataset,
        database=copy.stem,
    )
    with atomic_replacement(path, mode, SOURCES_FILE) as new_file:
        new_file.write_text(text, encoding="utf-8")
    return path


def _read_columns(copy: Path, dataset: str) -> dict[str, Comments]:
    """Return the columns of each table and view, in their order."""
    query = """
        SELECT table_name, column_name, is_nullable, COALESCE(comment, '')
        FROM duckdb_columns() WHERE schema_name = ? AND NOT internal
        ORDER BY table_name, column_index"""
    columns: dict[str, Comments] = {}
    with duckdb.connect(str(copy), read_only=True) as connection:
        for table, column, nullable, comment in connection.execute(query, [dataset]).fetchall():
            columns.setdefault(table, {})[column] = (nullable, comment)
    return columns


def _tables(existing: dict[str, Comments]) -> Iterator[Table]:
    """Yield the contract's tables that exist, with the columns that exist."""
    for table in load_contract().tables.values():
        if columns := existing.get(table.name):
            known = table.columns_by_name
            yield replace(
                table,
                columns=tuple(
                    replace(known[name], nullable=nullable)
                    if name in known
                    # Such as a pseudonym, which only copies have.
                    else Column(name, "text", "quasi", comment, nullable=nullable)
                    for name, (nullable, comment) in columns.items()
                ),
            )


def _views(existing: dict[str, Comments]) -> Iterator[View]:
    """Yield the views that exist, with the columns that exist."""
    for view in load_views():
        if columns := existing.get(view.name):
            described = {
                name: view.columns.get(name, comment) for name, (_, comment) in columns.items()
            }
            yield replace(view, columns=described)
