"""What tests of the published copy share: people who can be recognised anywhere, and reading it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from argos_sync.load.target import Target
from argos_sync.shape.contract import Column, load_contract
from shape.api_fields import FIELDS, submission_with
from support import JSON_COLUMNS, Rows, Warehouse

DIRECT, QUASI, VISIBLE = "direct-marker-", "quasi-marker-", "Main"
"""What the personal texts of recognisable people begin with, and one that is not personal."""


def recognisable(number: int) -> dict[str, Any]:
    """A submission with every field of the contract, personal texts marked with their column."""
    columns = {
        column.path: _value(column, f"{column.name}-{number}")
        for table in load_contract().api_tables
        for column in table.columns
        if column.path
    }
    unknown = {"favourite": f"{DIRECT}unknown-{number}", "argos_score": f"{DIRECT}misfit-{number}"}
    return submission_with(columns | unknown | {"submission_id": f"sub-{number}"})


def _value(column: Column, name: str) -> Any:
    marker = {"direct": DIRECT, "quasi": QUASI}.get(column.privacy)
    if marker is None or column.type not in ("text", "json"):
        return FIELDS[str(column.path)]
    return {"of": marker + name} if column.type == "json" else marker + name


def copy_of(file: Path, dataset: str = "argos") -> Warehouse:
    """The copy, to be asked like a warehouse."""

    def query(sql: str) -> Rows:
        with duckdb.connect() as connection:
            path = str(file).replace("'", "''")
            connection.execute(f"ATTACH '{path}' AS published (READ_ONLY)")
            connection.execute(f"USE published.{dataset}; SET TimeZone = 'UTC'")
            result = connection.execute(sql)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    return Warehouse(Target(dataset=dataset, file=str(file)), query)


def columns(copy: Warehouse, types: Iterable[str] = ("BASE TABLE",)) -> dict[str, list[str]]:
    """The columns of every table of the copy, in order."""
    found: dict[str, list[str]] = {}
    listed = ", ".join(f"'{one}'" for one in types)
    query = f"""
        SELECT table_name AS t, column_name AS c FROM information_schema.columns
        JOIN information_schema.tables USING (table_catalog, table_schema, table_name)
        WHERE table_catalog = 'published' AND table_type IN ({listed}) ORDER BY ordinal_position"""
    for row in copy.query(query):
        found.setdefault(row["t"], []).append(row["c"])
    return found


def content(warehouse: Warehouse, wanted: dict[str, list[str]]) -> dict[str, Rows]:
    """Rows of these columns, ordered by the keys, JSON decoded."""
    found = {}
    for table, names in wanted.items():
        rows = warehouse.query(f"SELECT {', '.join(names)} FROM {table}")
        key = load_contract()[table].key
        decoded = [{name: _decoded(name, row[name]) for name in names} for row in rows]
        found[table] = sorted(decoded, key=lambda row, key=key: [row[name] for name in key])
    return found


def _decoded(name: str, value: Any) -> Any:
    return json.loads(value) if name in JSON_COLUMNS and isinstance(value, str) else value


def texts(copy: Warehouse) -> Iterator[str]:
    """Every row of every table and view of the copy, and what the catalog says."""
    for table in columns(copy, ("BASE TABLE", "VIEW")):
        for row in copy.query(f"SELECT COLUMNS(*)::VARCHAR FROM {table}"):
            yield json.dumps(row, default=str)
    for row in copy.query("SELECT sql FROM sqlite_master"):
        yield str(row)


def folder_bytes(folder: Path) -> bytes:
    """All bytes of all files in a folder and those below."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
