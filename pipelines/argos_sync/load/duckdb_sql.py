"""Names, texts and types as DuckDB's SQL has them, where it takes no parameters."""

from __future__ import annotations

from collections.abc import Mapping

from argos_sync.shape.contract import ColumnType

TYPES: Mapping[ColumnType, str] = {
    "text": "VARCHAR",
    "json": "JSON",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
    "double": "DOUBLE",
    "bigint": "BIGINT",
    "bool": "BOOLEAN",
}
"""DuckDB's type of each column type."""


def quote_name(name: str) -> str:
    """Return a name as DuckDB's SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return a text as DuckDB's SQL has it."""
    return "'" + text.replace("'", "''") + "'"
