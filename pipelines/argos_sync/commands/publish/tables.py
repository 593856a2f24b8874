"""Choose the tables and columns of a published copy.

Only columns that the contract declares, with a privacy class that may be published, are copied.
Unknown tables, columns and views are not copied; neither are columns of class `direct`, even if
they are hashed or encrypted. In place of some of them a copy may have pseudonyms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from argos_sync.load.errors import DestinationError
from argos_sync.load.read_only import ReadOnlyWarehouse
from argos_sync.shape.contract import (
    CHANGES,
    CHECKS,
    HISTORY,
    ISSUES,
    RUNS,
    SUBMISSIONS,
    WINDOWS,
    Column,
    Table,
    load_contract,
)
from argos_sync.shape.pseudonyms import PSEUDONYMS, Pseudonym

_OTHER_TABLES = (HISTORY, CHANGES, ISSUES, RUNS, WINDOWS, CHECKS)
"""Tables that are copied besides those of the API. The quarantine is not: it has whole objects."""

_UNPUBLISHED_COLUMNS = {
    # With the rest of a submission, anybody could test guesses of its personal values.
    SUBMISSIONS: {"_content_hash"},
    # The API chooses what it contains.
    WINDOWS: {"page_key"},
}
"""Columns of class `none` that are of no use to analysts and might reveal something to others."""


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table of a copy, and which of its columns the warehouse has, all with their types there.

    `pseudonyms` are those of its columns that the warehouse has identifiers for.
    """

    table: Table
    stored: Table
    pseudonyms: tuple[Pseudonym, ...] = ()


def public_tables(*, strict: bool, pseudonyms: bool = False) -> list[Table]:
    """Return the tables that are copied, with the columns that are copied.

    Args:
        strict: Whether columns of class `quasi` are left out too.
        pseudonyms: Whether the columns of `PSEUDONYMS` are added, at the end of their tables.
    """
    classes = {"none"} if strict else {"none", "quasi"}
    return [
        replace(
            table,
            columns=(
                *(
                    column
                    for column in table.columns
                    if column.privacy in classes
                    and column.name not in _UNPUBLISHED_COLUMNS.get(table.name, ())
                ),
                *(one.column for one in PSEUDONYMS.get(table.name, ()) if pseudonyms),
            ),
        )
        for table in load_contract().tables.values()
        if table.from_api or table.name in _OTHER_TABLES
    ]


def match_columns(warehouse: ReadOnlyWarehouse, tables: Sequence[Table]) -> list[StoredTable]:
    """Return the tables of a copy with what the warehouse has of them.

    Raises:
        DestinationError: The dataset has no submissions.
    """
    stored = warehouse.columns([table.name for table in tables])
    if not stored[SUBMISSIONS]:
        raise DestinationError(
            f"there are no submissions in the dataset {warehouse.client.dataset_name}",
            "load something first, or name another dataset",
        )
    fold = warehouse.client.capabilities.casefold_identifier
    matched = []
    for table in tables:
        made = {one.name: one for one in PSEUDONYMS.get(table.name, ())}
        sources = {name: made[name].source for name in made.keys() & table.columns_by_name.keys()}
        types = {
            column.name: stored[table.name].get(fold(sources.get(column.name, column.name)))
            for column in table.columns
        }
        columns = tuple(_with_stored_type(column, types[column.name]) for column in table.columns)
        existing = tuple(column for column in columns if types[column.name])
        pseudonyms = tuple(made[c.name] for c in existing if c.name in made)
        matched.append(
            StoredTable(
                replace(table, columns=columns), replace(table, columns=existing), pseudonyms
            )
        )
    return matched


def _with_stored_type(column: Column, stored: str | None) -> Column:
    """Return a column with the warehouse's type: hashed and encrypted values are texts."""
    if stored is None:
        return replace(column, nullable=True)
    return replace(column, type="text") if stored == "text" else column
