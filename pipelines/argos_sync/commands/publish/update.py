"""Update the rows of an earlier copy to those of the warehouse, instead of copying all of them.

Published rows of both are compared by their hashes: all of them, or those that `warehouse_rows`
fetches. Pseudonyms of a DuckDB file's rows that are otherwise the same are taken from the earlier
copy, if the row in `submissions` is the same too: every run that writes an identifier changes it.

Rows that are replaced leave their old values in free blocks of the file. So a copy is not updated,
but written again, if rows are gone or have lost personal values: what is erased must not stay
there. The same rules hold for a change log.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from argos_sync.commands.publish.erased_rows import (
    GONE,
    LOST_VALUES,
    emptied_values_query,
    missing_rows_query,
)
from argos_sync.commands.publish.file import PublishedFile
from argos_sync.commands.publish.publication import Publication
from argos_sync.commands.publish.source import Source
from argos_sync.commands.publish.tables import StoredTable
from argos_sync.commands.publish.warehouse_rows import AttachedRows, FetchedRows, WarehouseRows
from argos_sync.load.atomic_file import copy_file, log_of
from argos_sync.load.destinations.duckdb import duckdb_file
from argos_sync.load.dialects import quote_literal, quote_name
from argos_sync.load.errors import DestinationError
from argos_sync.shape.contract import SUBMISSIONS

_MAX_SHARE = 0.3
"""Share of the rows of a copy above which it takes longer to update it than to write it again."""

_MOST = "most of its rows have changed"
_FEW_ROWS = 10_000
"""So many rows may always be updated."""

_CHANGES = "temp.argos_changes"
"""Table with the numbers of the differing rows of all tables, in the warehouse and in the copy."""


def update_copy(
    source: Source, publication: Publication, new_file: Path, output: Path
) -> tuple[PublishedFile, dict[str, int]] | str:
    """Make a new copy of the last one, and update it.

    Args:
        source: The warehouse.
        publication: What the copy is made with.
        new_file: Where to write the new copy.
        output: The last copy, which need not exist.

    Returns:
        The new copy, and the number of rows written by table; or why there has to be a whole copy.
        Then there is no new file.

    Raises:
        ConfigurationError: The key for pseudonyms is not the warehouse's.
        DestinationError: The new copy cannot be written.
    """
    if not output.exists():
        return "it is new"
    if log_of(output).exists():
        return "somebody is writing to the last one"
    copy = None
    # DuckDB would rewrite whole row groups to get rid of a few deleted rows.
    source.writer.execute("SET max_vacuum_tasks = 0")
    try:
        copy_file(output, new_file)
        copy = PublishedFile(source.writer, new_file, output, source.dataset)
        updated = _update(copy, source, publication)
    except (OSError, duckdb.Error, DestinationError):
        # It may be damaged; if there is no space for a new one, writing that fails as well.
        updated = "the last one cannot be read"
    if copy is not None and not isinstance(updated, str):
        return copy, updated
    if copy is not None:
        copy.discard()
    for path in (new_file, log_of(new_file)):
        path.unlink(missing_ok=True)
    return str(updated)


def _update(copy: PublishedFile, source: Source, publication: Publication) -> dict[str, int] | str:
    """Update a copy, and return the number of rows written by table, or why it must not be."""
    reason = publication.reason_to_replace(copy.publication_row(), copy.relations())
    if reason is not None:
        return reason
    copy.run("BEGIN TRANSACTION")
    rows: WarehouseRows
    if duckdb_file(source.client) is not None:
        rows = AttachedRows(copy, source)
    else:
        rows = fetched = FetchedRows(copy, source)
        if fetched.submissions > max(_FEW_ROWS, copy.count(SUBMISSIONS) * _MAX_SHARE):
            return _MOST
        fetched.fetch()
    update = _CopyUpdate(copy, rows, source.tables)
    reason = update.reason_to_replace()
    if reason is not None:
        return reason
    written = update.apply()
    copy.record_update(publication)
    if not update.is_complete():
        return "it would not have as many rows as the warehouse"
    copy.run("COMMIT")
    return written


class _CopyUpdate:
    """The differences between an earlier copy and the warehouse."""

    def __init__(
        self, copy: PublishedFile, rows: WarehouseRows, tables: Sequence[StoredTable]
    ) -> None:
        """Compare the rows of all tables; `copy` is a file with what was published last."""
        self._copy, self._rows = copy, rows
        self._tables = {one.table.name: one for one in tables}
        # One statement, so that DuckDB compares several tables at a time.
        comparisons = " UNION ALL ".join(map(self._comparison, tables))
        self._copy.run(f"CREATE TEMP TABLE {_CHANGES} AS {comparisons}")
        for one in tables:
            if rows.identifiers(one) and one.table.name != SUBMISSIONS:
                self._add_rows_of_changed_submissions(one)
        changes = self._copy.run(
            f"SELECT table_name, COUNT(new) + COUNT(old) FROM {_CHANGES} GROUP BY table_name"  # noqa: S608 names only
        )
        self._changes: dict[str, int] = dict(changes)

    def reason_to_replace(self) -> str | None:
        """Return why the copy has to be written again; None if it can be updated."""
        total = sum(self._copy.counts(self._tables).values())
        changed = sum(self._changes.values()) / 2
        if changed > max(_FEW_ROWS, total * _MAX_SHARE):
            return _MOST
        for one in self._changed_tables:
            table = one.table
            old = self._listed(self._copy.qualified(table.name), table.name, "old")
            new = self._listed(self._rows.relation(one), table.name, "new")
            sources = self._rows.identifiers(one)
            for reason, query in (
                (GONE, missing_rows_query(table, old, new)),
                (LOST_VALUES, emptied_values_query(one.stored, old, new, sources)),
            ):
                if query and self._copy.run(query):
                    return reason
        return None

    def apply(self) -> dict[str, int]:
        """Replace the differing rows, and return how many were written by table."""
        written = {}
        for one in self._changed_tables:
            name = one.table.name
            self._copy.run(
                f"DELETE FROM {self._copy.qualified(name)}"  # noqa: S608 names only
                f" WHERE {_rows(name, 'old')}"
            )
            written[name] = self._rows.insert(one, f" WHERE {_rows(name)}")
        return written

    def is_complete(self) -> bool:
        """Return whether the copy now has as many rows as the warehouse.

        It has not if a warehouse has a row twice, or if somebody has deleted rows in a database of
        which only changed submissions are compared.
        """
        return self._copy.counts(self._tables) == self._rows.counts(list(self._tables.values()))

    @property
    def _changed_tables(self) -> list[StoredTable]:
        return [one for name, one in self._tables.items() if name in self._changes]

    def _comparison(self, one: StoredTable) -> str:
        """Return the query for the rows of a table that only the warehouse or only the copy has.

        A row is identified by its number, which stays the same as nothing is written meanwhile.
        """
        made = self._rows.identifiers(one)
        names = [quote_name(c.name) for c in one.stored.columns if c.name not in made]
        table = f"{quote_literal(one.table.name)} AS table_name"
        if not names:
            return f"SELECT {table}, NULL::BIGINT AS new, NULL::BIGINT AS old WHERE false"
        values = f"hash({', '.join(names)}) AS hash"
        return f"""
            SELECT {table}, new, old
            FROM (SELECT rowid AS new, {values} FROM {self._rows.relation(one)})
            FULL JOIN (
                SELECT rowid AS old, {values}
                FROM {self._copy.qualified(one.table.name)}{self._rows.condition(one)}) USING (hash)
            WHERE new IS NULL OR old IS NULL"""  # noqa: S608 names only

    def _add_rows_of_changed_submissions(self, one: StoredTable) -> None:
        """List also the rows of submissions whose own row differs: an identifier may differ."""
        name, submissions = one.table.name, self._tables[SUBMISSIONS]
        for column, relation, own in (
            ("new", self._rows.relation(one), self._rows.relation(submissions)),
            ("old", self._copy.qualified(name), self._copy.qualified(SUBMISSIONS)),
        ):
            self._copy.run(f"""
                INSERT INTO {_CHANGES} (table_name, {column})
                SELECT {quote_literal(name)}, rowid FROM {relation} WHERE submission_id IN (
                    SELECT submission_id FROM {own} WHERE {_rows(SUBMISSIONS, column)})
                AND NOT ({_rows(name, column)})
                """)  # noqa: S608 names only

    def _listed(self, relation: str, name: str, column: str) -> str:
        return f"(SELECT * FROM {relation} WHERE {_rows(name, column)})"  # noqa: S608 names only


def _rows(name: str, column: str = "new") -> str:
    """Return the condition for the listed rows of a table, in the warehouse or in the copy."""
    of_table = f"table_name = {quote_literal(name)}"
    return f"rowid IN (SELECT {column} FROM {_CHANGES} WHERE {of_table} AND {column} IS NOT NULL)"  # noqa: S608 names only
