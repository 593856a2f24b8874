"""Helpers for tests of `publish`: submissions with marked values, and reading a copy."""

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
"""Prefixes of personal texts of class `direct` and `quasi`, and a text that is not personal."""


def recognisable(number: int) -> dict[str, Any]:
    """Return a submission with every field of the contract and marked personal texts."""
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
    """Return the copy as a warehouse that can be queried."""

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
    """Return the columns of every table of the copy, in order."""
    columns_by_table: dict[str, list[str]] = {}
    type_list = ", ".join(f"'{name}'" for name in types)
    # What the copy was made with is not of the warehouse.
    query = f"""
        SELECT table_name AS t, column_name AS c FROM information_schema.columns
        JOIN information_schema.tables USING (table_catalog, table_schema, table_name)
        WHERE table_catalog = 'published' AND table_name <> 'publication'
            AND table_type IN ({type_list})
        ORDER BY ordinal_position"""
    for row in copy.query(query):
        columns_by_table.setdefault(row["t"], []).append(row["c"])
    return columns_by_table


def content(warehouse: Warehouse, columns_by_table: dict[str, list[str]]) -> dict[str, Rows]:
    """Return the rows of these columns, in the order of the keys, with decoded JSON."""
    return {
        table: _read_columns(warehouse, table, names) for table, names in columns_by_table.items()
    }


def _read_columns(warehouse: Warehouse, table: str, names: list[str]) -> Rows:
    rows = warehouse.query(f"SELECT {', '.join(names)} FROM {table}")
    decoded = [{name: _decode(name, row[name]) for name in names} for row in rows]
    key = load_contract()[table].key
    return sorted(decoded, key=lambda row: [row[name] for name in key])


def _decode(name: str, value: Any) -> Any:
    return json.loads(value) if name in JSON_COLUMNS and isinstance(value, str) else value


def texts(copy: Warehouse) -> Iterator[str]:
    """Yield every row of every table and view of the copy, and of its catalog, as text."""
    for table in columns(copy, ("BASE TABLE", "VIEW")):
        for row in copy.query(f"SELECT COLUMNS(*)::VARCHAR FROM {table}"):
            yield json.dumps(row, default=str)
    for row in copy.query("SELECT sql FROM sqlite_master"):
        yield str(row)


def folder_bytes(folder: Path) -> bytes:
    """Return the bytes of all files in a folder and its subfolders."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
