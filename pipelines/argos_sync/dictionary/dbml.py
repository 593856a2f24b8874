"""The tables as DBML, which diagram tools read (https://dbml.dbdiagram.io/docs)."""

from __future__ import annotations

from collections.abc import Iterator

from argos_sync.dictionary.references import Reference, find_references
from argos_sync.shape.contract import Column, Contract, Table


def render_dbml(contract: Contract) -> str:
    """Return all tables with their columns, and how they refer to each other."""
    lines = [
        "// Made by `make schema` from schemas/*.yaml: change those.",
        "",
        *(line for table in contract.tables.values() for line in _table(table)),
        *map(_reference, find_references(contract)),
    ]
    return "".join(f"{line}\n" for line in lines)


def _table(table: Table) -> Iterator[str]:
    yield f"Table {table.name} {{"
    for column in table.columns:
        yield f"  {column.name} {column.type} [{', '.join(_settings(table, column))}]"
    if len(table.key) > 1:
        yield "  indexes {"
        yield f"    ({', '.join(table.key)}) [pk]"
        yield "  }"
    yield f"  Note: {_text(table.description)}"
    yield "}"
    yield ""


def _settings(table: Table, column: Column) -> Iterator[str]:
    if table.key == (column.name,):
        yield "pk"
    if not column.nullable:
        yield "not null"
    yield f"note: {_text(column.comment)}"


def _reference(one: Reference) -> str:
    columns = ", ".join(one.columns)
    columns = f"({columns})" if len(one.columns) > 1 else columns
    kind = "-" if one.at_most_one else ">"
    return f"Ref: {one.table.name}.{columns} {kind} {one.to.name}.{columns}"


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
