"""Record in a published copy what it was made with, so that the next publish can update it.

A copy has one more table, `publication`, with one row. An earlier copy is only updated if a new one
would have the same tables, columns, comments and views, and if its own are still as they were
written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

from argos_sync.load import dialects, sql
from argos_sync.shape.contract import Table
from argos_sync.shape.pseudonyms import Pseudonymizer
from argos_sync.warehouse import copied_views, empty_columns, views
from argos_sync.warehouse.views import view_files

PUBLICATION = "publication"

_COLUMNS: Mapping[str, tuple[str, str]] = {
    "published_at": ("TIMESTAMP WITH TIME ZONE", "When the copy was published"),
    "whole_at": (
        "TIMESTAMP WITH TIME ZONE",
        "When the copy was last written as a whole; publishes since then have updated it",
    ),
    "dataset": ("VARCHAR", "Dataset of the warehouse"),
    "strict": ("BOOLEAN", "Whether columns of class quasi are left out"),
    "key_fingerprint": ("VARCHAR", "Fingerprint of the key of the pseudonyms; empty without any"),
    "time_zone": ("VARCHAR", "Time zone of the days and weeks of views"),
    "layout": ("VARCHAR", "Hash of what the tables and views were made with"),
    "relations": ("VARCHAR", "Hash of the tables and views as they were written"),
}

_WHOLE_AFTER = timedelta(days=7)

_CODE = tuple(
    Path(str(module.__file__)) for module in (copied_views, empty_columns, views, sql, dialects)
)
"""The code that the views of a copy depend on."""

_RELATIONS = """
    SELECT md5(string_agg(concat_ws(chr(31), kind, name, definition, comment), chr(30)
        ORDER BY kind, name))
    FROM (
        SELECT 'table' AS kind, schema_name || '.' || table_name AS name, sql AS definition, comment
        FROM duckdb_tables() WHERE database_name = '{0}'
        UNION ALL
        SELECT 'view', schema_name || '.' || view_name, sql, comment
        FROM duckdb_views() WHERE database_name = '{0}' AND NOT internal
        UNION ALL
        SELECT 'column', schema_name || '.' || table_name || '.' || column_name, data_type, comment
        FROM duckdb_columns() WHERE database_name = '{0}' AND NOT internal)
"""
"""A hash of all tables, views, columns and comments of an attached file."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What a copy is made with.

    Attributes:
        tables: Tables of the copy with the types that they have there.
        dataset: Dataset of the warehouse.
        strict: Whether columns of class `quasi` are left out.
        zone: Reporting time zone, an IANA name.
        pseudonymizer: Makes the columns with pseudonyms; None leaves them out.
        now: Time of the publish, with a time zone.
    """

    tables: Sequence[Table]
    dataset: str
    strict: bool
    zone: str
    pseudonymizer: Pseudonymizer | None
    now: datetime

    @property
    def layout(self) -> str:
        """Return a hash of everything that tables, comments and views of the copy depend on."""
        versions = [version(name) for name in ("argos-sync", "duckdb", "sqlglot")]
        options = (self.dataset, self.strict, self.zone, self._key_id)
        digest = blake2b(repr((versions, options, self.tables)).encode(), digest_size=16)
        for path in (*_CODE, *view_files()):
            digest.update(f"\n{path.name}\n".encode() + path.read_bytes())
        return digest.hexdigest()

    def row(self, relations: str) -> list[object]:
        """Return the row of the table `publication` of a whole copy."""
        return [
            self.now,
            self.now,
            self.dataset,
            self.strict,
            self._key_id,
            self.zone,
            self.layout,
            relations,
        ]

    def reason_to_replace(self, row: Mapping[str, object] | None, relations: str) -> str | None:
        """Return why a copy cannot be updated; None if it can.

        Args:
            row: The row of the earlier copy; None if it has none.
            relations: Hash of the tables and views that the earlier copy has.
        """
        if row is None:
            return "another version wrote the last one"
        if row["layout"] != self.layout:
            return "its tables, views or options are others"
        if row["relations"] != relations:
            return "somebody has changed its tables or views"
        whole_at = row["whole_at"]
        if not isinstance(whole_at, datetime) or not whole_at <= self.now < whole_at + _WHOLE_AFTER:
            return "it was last written as a whole a week ago"
        return None

    @property
    def _key_id(self) -> str | None:
        return self.pseudonymizer.keyring.key_id if self.pseudonymizer else None


def create_statement(name: str) -> str:
    """Return the statement that creates the table `publication` under a qualified name."""
    columns = ", ".join(f"{column} {kind}" for column, (kind, _) in _COLUMNS.items())
    return f"CREATE TABLE {name} ({columns})"


def column_comments() -> dict[str, str]:
    """Return the comments on the columns of the table `publication`."""
    return {column: comment for column, (_, comment) in _COLUMNS.items()}


def relations_query(catalog: str) -> str:
    """Return the query for the hash of the tables and views of an attached file."""
    return _RELATIONS.format(catalog.replace("'", "''"))


def insert_statement(name: str) -> str:
    """Return the statement that inserts the row into the table of a qualified name."""
    return f"INSERT INTO {name} VALUES ({', '.join('?' for _ in _COLUMNS)})"  # noqa: S608 a name
