"""Shape submissions for tests and return their rows as plain Python values."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from argos_sync.shape.contract import load_contract
from argos_sync.shape.identity import content_hash
from argos_sync.shape.tables import Issue, shape_submissions

FETCHED_AT = datetime(2026, 2, 1, 12, 30, tzinfo=UTC)
ADDED_COLUMNS = frozenset({"_synced_at", "_changed_at", "_content_hash", "_deleted_at"})
JSON_COLUMNS = frozenset(
    (table.name, column.name)
    for table in load_contract().api_tables
    for column in table.columns
    if column.type == "json"
)


@dataclass
class ShapedRows:
    """Hold the rows of every API table, with parsed JSON columns, and the issues."""

    tables: dict[str, list[dict[str, Any]]]
    issues: list[Issue]

    def rows(self, table: str, *columns: str) -> list[Any]:
        """Return the rows of a table, or only some columns: bare values for a single column."""
        rows = self.tables[table]
        if not columns:
            return rows
        picked = [tuple(row[column] for column in columns) for row in rows]
        return [row[0] for row in picked] if len(columns) == 1 else picked

    def row(self, table: str) -> dict[str, Any]:
        """Return the only row of a table."""
        (row,) = self.tables[table]
        return row

    def row_extra(self, table: str) -> Any:
        """Return `_extra` of the only row of a table."""
        return self.row(table)["_extra"]

    @property
    def extras(self) -> dict[str, list[Any]]:
        """Return the non-empty `_extra` values of each table that has any."""
        extras = {name: [r["_extra"] for r in rows if r["_extra"]] for name, rows in self.items}
        return {name: values for name, values in extras.items() if values}

    @property
    def items(self) -> Iterable[tuple[str, list[dict[str, Any]]]]:
        """Return pairs of table name and rows."""
        return self.tables.items()

    @property
    def problems(self) -> list[tuple[str, str, str]]:
        """Return table, path and problem of each issue."""
        return [(issue.table_name, issue.path, issue.problem) for issue in self.issues]


def shape_one(**fields: Any) -> ShapedRows:
    """Shape one submission with an identity and these fields."""
    return shape_all([{"submission_id": "s1", "created_at": "2026-01-05-09-00-00-123", **fields}])


def shape_all(submissions: Sequence[dict[str, Any]]) -> ShapedRows:
    """Shape submissions; tables without rows are present and empty."""
    shaped = shape_submissions(
        submissions, [content_hash(item) for item in submissions], FETCHED_AT
    )
    tables = {
        table.name: [
            _parsed(table.name, row)
            for row in (
                shaped.tables[table.name].to_pylist() if table.name in shaped.tables else []
            )
        ]
        for table in load_contract().api_tables
    }
    return ShapedRows(tables, shaped.issues)


def comparable(rows: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """Return rows ordered by key, as texts that are equal only if type and value are."""
    plain = [{k: _plain(v) for k, v in row.items() if k not in ADDED_COLUMNS} for row in rows]
    return sorted(plain, key=lambda row: [(k, row[k]) for k in sorted(row) if _is_key(k)])


def _is_key(column: str) -> bool:
    return column == "submission_id" or column.endswith("_index")


def _parsed(table: str, row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: json.loads(value) if value is not None and (table, name) in JSON_COLUMNS else value
        for name, value in row.items()
    }


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    return repr(value)
