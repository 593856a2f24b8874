"""What tests read of shaped submissions: rows as plain Python values."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from argos_sync.shape.contract import load_contract
from argos_sync.shape.identity import content_hash
from argos_sync.shape.tables import Issue, shape_submissions

FETCHED_AT = datetime(2026, 2, 1, 12, 30, tzinfo=UTC)
MADE_HERE = frozenset({"_synced_at", "_changed_at", "_content_hash", "_deleted_at"})
JSON_COLUMNS = frozenset(
    (table.name, column.name)
    for table in load_contract().api_tables
    for column in table.columns
    if column.type == "json"
)


@dataclass
class Landed:
    """The rows of every API table, JSON columns parsed, and the issues."""

    tables: dict[str, list[dict[str, Any]]]
    issues: list[Issue]

    def rows(self, table: str, *columns: str) -> list[Any]:
        """Return the rows of a table, or of these columns only: bare values for a single one."""
        rows = self.tables[table]
        if not columns:
            return rows
        picked = [tuple(row[column] for column in columns) for row in rows]
        return [row[0] for row in picked] if len(columns) == 1 else picked

    def row(self, table: str) -> dict[str, Any]:
        """Return the only row of a table."""
        (row,) = self.tables[table]
        return row

    def kept(self, table: str) -> Any:
        """Return `_extra` of the only row of a table."""
        return self.row(table)["_extra"]

    @property
    def extras(self) -> dict[str, list[Any]]:
        """What the tables keep in `_extra`, tables without any left out."""
        found = {name: [r["_extra"] for r in rows if r["_extra"]] for name, rows in self.items}
        return {name: extras for name, extras in found.items() if extras}

    @property
    def items(self) -> Iterable[tuple[str, list[dict[str, Any]]]]:
        """Tables with their rows."""
        return self.tables.items()

    @property
    def problems(self) -> list[tuple[str, str, str]]:
        """The issues as table, path and problem."""
        return [(issue.table_name, issue.path, issue.problem) for issue in self.issues]


def land(**fields: Any) -> Landed:
    """Shape one submission made of these fields and an identity."""
    return land_all([{"submission_id": "s1", "created_at": "2026-01-05-09-00-00-123", **fields}])


def land_all(submissions: Sequence[dict[str, Any]]) -> Landed:
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
    return Landed(tables, shaped.issues)


def comparable(rows: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """Return rows ordered by key, with values that only compare equal when type and value are."""
    plain = [{k: _plain(v) for k, v in row.items() if k not in MADE_HERE} for row in rows]
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
