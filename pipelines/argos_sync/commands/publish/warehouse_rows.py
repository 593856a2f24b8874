"""Let the rows of a warehouse be compared with those of an earlier copy, wherever they are.

A DuckDB file has one connection with the copy, so all of its rows are compared. From another
database only the rows of submissions are fetched whose times differ from those in the copy: every
run that writes a submission changes one of them. Rows that belong to no submission are all fetched.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import pyarrow as pa

from argos_sync.commands.publish.file import PublishedFile
from argos_sync.commands.publish.rows import read_rows, read_rows_of, select_columns
from argos_sync.commands.publish.source import Source
from argos_sync.commands.publish.tables import StoredTable
from argos_sync.load.dialects import quote_name
from argos_sync.load.sql import count_rows, key_batches
from argos_sync.shape.contract import SUBMISSIONS

_TIMES = ("_synced_at", "_changed_at", "_deleted_at")
_CHANGED = "temp.argos_changed_submissions"
_IDS = 5_000
"""Submissions whose rows are fetched at once."""


class WarehouseRows(Protocol):
    """The rows of the warehouse's tables, as relations of the copy's connection."""

    def relation(self, one: StoredTable) -> str:
        """Return the relation with the rows of a table that may be new."""

    def condition(self, one: StoredTable) -> str:
        """Return the WHERE for the rows of the copy that may be old; empty for all."""

    def identifiers(self, one: StoredTable) -> Mapping[str, str]:
        """Return the columns of the relation with identifiers, by those with pseudonyms."""

    def insert(self, one: StoredTable, where: str) -> int:
        """Copy rows of the relation, and return their number."""

    def counts(self, tables: Collection[StoredTable]) -> dict[str, int]:
        """Return the numbers of rows that the warehouse has, by table."""


class AttachedRows:
    """The rows of a DuckDB file."""

    def __init__(self, copy: PublishedFile, source: Source) -> None:
        """Take the copy, which has the connection of the source."""
        self._copy, self._source = copy, source

    def relation(self, one: StoredTable) -> str:
        """Return the table itself."""
        return self._source.client.make_qualified_table_name(one.table.name)

    def condition(self, one: StoredTable) -> str:  # noqa: ARG002 all rows, of every table
        """Return nothing: all rows are compared."""
        return ""

    def identifiers(self, one: StoredTable) -> Mapping[str, str]:
        """Return the columns that pseudonyms are made of."""
        return {pseudonym.name: pseudonym.source for pseudonym in one.pseudonyms}

    def insert(self, one: StoredTable, where: str) -> int:
        """Copy rows of the table, with pseudonyms in place of identifiers."""
        query = f"{select_columns(self._source.client, one)}{where}"
        if not one.pseudonyms:
            return self._copy.insert_selected(one.stored, query)
        rows = read_rows(
            self._source.client, one, query, self._source.pseudonymizer, self._source.writer
        )
        return self._copy.insert_rows(one.stored, rows.read_all())

    def counts(self, tables: Collection[StoredTable]) -> dict[str, int]:
        """Return the numbers of rows, by table."""
        relations = {one.table.name: self.relation(one) for one in tables if one.stored.columns}
        return {one.table.name: 0 for one in tables} | self._copy.counts_of(relations)


class FetchedRows:
    """The rows of another database that may have changed, in temporary tables."""

    def __init__(self, copy: PublishedFile, source: Source) -> None:
        """Fetch the times of all submissions, and list those that differ."""
        self._copy, self._source = copy, source
        (submissions,) = (one for one in source.tables if one.table.name == SUBMISSIONS)
        names = ("submission_id", *_TIMES)
        columns = tuple(c for c in submissions.stored.columns if c.name in names)
        times = StoredTable(submissions.table, replace(submissions.stored, columns=columns))
        self._copy.run(f"CREATE TEMP TABLE argos_times AS FROM {self._empty(times)}")
        for batch in read_rows(source.client, times, select_columns(source.client, times), None):
            self._copy.insert_rows(times.stored, pa.Table.from_batches([batch]), "temp.argos_times")
        stored = {column.name for column in columns}
        row = ", ".join(name for name in names if name in stored)
        self._copy.run(f"""
            CREATE TEMP TABLE argos_changed_submissions AS
            SELECT DISTINCT submission_id FROM (
                (SELECT {row} FROM temp.argos_times
                    EXCEPT SELECT {row} FROM {self._copy.qualified(SUBMISSIONS)})
                UNION ALL
                (SELECT {row} FROM {self._copy.qualified(SUBMISSIONS)}
                    EXCEPT SELECT {row} FROM temp.argos_times))""")  # noqa: S608 names only

    @property
    def submissions(self) -> int:
        """Return the number of submissions that may have changed."""
        ((changed,),) = self._copy.run(f"SELECT COUNT(*) FROM {_CHANGED}")  # noqa: S608 names only
        return int(changed)

    def fetch(self) -> None:
        """Fetch the rows that may have changed."""
        ids = [key for (key,) in self._copy.run(f"SELECT submission_id FROM {_CHANGED}")]  # noqa: S608 names only
        for one in self._source.tables:
            name = _temporary(one)
            self._copy.run(f"CREATE TEMP TABLE {name} AS FROM {self._empty(one)}")
            if one.stored.columns:
                for rows in self._rows(one, ids):
                    self._copy.insert_rows(one.stored, rows, f"temp.{name}")

    def relation(self, one: StoredTable) -> str:
        """Return the temporary table."""
        return f"temp.{_temporary(one)}"

    def condition(self, one: StoredTable) -> str:
        """Return the condition for rows of submissions that may have changed."""
        if not _is_of_submissions(one):
            return ""
        return f" WHERE submission_id IN (SELECT submission_id FROM {_CHANGED})"  # noqa: S608 names only

    def identifiers(self, one: StoredTable) -> Mapping[str, str]:  # noqa: ARG002 of no table
        """Return nothing: the rows have pseudonyms already."""
        return {}

    def insert(self, one: StoredTable, where: str) -> int:
        """Copy rows of the temporary table."""
        names = ", ".join(quote_name(column.name) for column in one.stored.columns)
        query = f"SELECT {names} FROM {self.relation(one)}{where}"  # noqa: S608 names only
        return self._copy.insert_selected(one.stored, query)

    def counts(self, tables: Collection[StoredTable]) -> dict[str, int]:
        """Return the numbers of rows, which the database counts, by table."""
        return {one.table.name: self._count(one) for one in tables}

    def _count(self, one: StoredTable) -> int:
        return count_rows(self._source.client, one.table.name) if one.stored.columns else 0

    def _empty(self, one: StoredTable) -> str:
        """Return a relation with the stored columns of a table of the copy, and no rows."""
        names = ", ".join(quote_name(column.name) for column in one.stored.columns)
        return f"(SELECT {names or '1'} FROM {self._copy.qualified(one.table.name)} LIMIT 0)"  # noqa: S608 names only

    def _rows(self, one: StoredTable, ids: Sequence[str]) -> Iterator[pa.Table]:
        client, pseudonymizer = self._source.client, self._source.pseudonymizer
        if not _is_of_submissions(one):
            for batch in read_rows(client, one, select_columns(client, one), pseudonymizer):
                yield pa.Table.from_batches([batch])
            return
        for start in range(0, len(ids), _IDS):
            for keys in key_batches(client, ids[start : start + _IDS]):
                yield read_rows_of(client, one, keys, pseudonymizer)


def _is_of_submissions(one: StoredTable) -> bool:
    return one.table.belongs_to_submission or one.table.name == SUBMISSIONS


def _temporary(one: StoredTable) -> str:
    return f"argos_fetched_{one.table.name}"
