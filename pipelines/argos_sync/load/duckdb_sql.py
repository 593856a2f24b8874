"""Names and texts as DuckDB's SQL has them, where it takes no parameters."""

from __future__ import annotations


def quoted(name: str) -> str:
    """Return a name as DuckDB's SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as DuckDB's SQL has it."""
    return "'" + text.replace("'", "''") + "'"
