"""The views for analysts: `schemas/views/*.sql`, in the words of whichever destination.

Each file is one SELECT in DuckDB's dialect over bare names of tables and of other views, with the
words of `load.sql`. Its header says what the view answers and, after an empty comment line, what
each column is: its name, two or more blanks, its meaning. It names its columns: PostgreSQL fixes
what `*` means when a view is made, DuckDB refuses to read on. Any column of the shipped contract
may be read: where a warehouse has dropped it, or made it a text, it is empty, and has the type it
is meant to have. With the views the comments are kept, on them and on tables.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from argos_sync.load import sql
from argos_sync.load.dialects import DUCKDB_TYPES
from argos_sync.load.errors import DatabaseException, error_kind
from argos_sync.load.sql import (
    SOURCE_DIALECT,
    Client,
    dialect_of,
    execute_all_native,
    execute_native,
    qualify_table,
    table_references,
    tables_exist,
    to_dialect,
)
from argos_sync.shape.contract import Column, Contract, load_contract, schemas_folder
from argos_sync.warehouse import comments
from argos_sync.warehouse.comments import TABLE, VIEW, comment_on, header

log = logging.getLogger("argos_sync")

STALENESS = "staleness"

_DROPPED_TOGETHER = {"postgres", "redshift"}
"""Dialects whose databases refuse to drop a view that another one reads, unless both go at once."""

_SETTINGS = {"clickhouse": " SETTINGS join_use_nulls = 1"}
"""What follows a SELECT: without it an outer join there finds empty texts and zeros, not nulls."""

_MADE_BY = tuple(Path(str(module)) for module in (__file__, comments.__file__, sql.__file__))
"""The code that makes SQL of the files."""


@dataclass(frozen=True, slots=True)
class View:
    """One view: a file of `schemas/views/`.

    Attributes:
        name: View name in the warehouse.
        select: Its text, parsed.
        reads: Names of the tables and views it reads, in alphabetical order: that of a set differs
            from run to run.
        description: What it answers.
        columns: What each of its columns is, by name, in order.
    """

    name: str
    select: exp.Expression
    reads: tuple[str, ...]
    description: str
    columns: dict[str, str]


def _nothing() -> None:
    """Drop nothing."""


@cache
def load_views(folder: Path | None = None) -> tuple[View, ...]:
    """Read every view, those first that others read, once a process.

    Args:
        folder: Where the files are; None is `schemas/views/`.
    """
    views = {path.stem: _read(path) for path in _files(folder)}
    order = TopologicalSorter({name: view.reads for name, view in views.items()})
    return tuple(views[name] for name in order.static_order() if name in views)


def view_names(folder: Path | None = None) -> list[str]:
    """Return the names of all views, without reading them; `folder` is that of `load_views`."""
    return [path.stem for path in _files(folder)]


def view_query(client: Client, view: View, contract: Contract | None = None) -> str:
    """Return the view's SELECT as the destination understands it.

    Args:
        client: Of the destination; it need not be connected.
        view: One of `load_views`.
        contract: What the tables are like; the shipped one when left out.
    """
    dialect = dialect_of(client)
    # A DuckDB view looks for bare names in its own schema, so it survives a file that is renamed
    # or attached under another name. DuckDB 2 also drops the catalog from the text of a view,
    # which leaves `argos.submissions` in `argos.duckdb`, and that is ambiguous (`destination`).
    if dialect == SOURCE_DIALECT:
        return duckdb_query(view, contract)
    select = _over(view, contract)
    for table in table_references(select):
        # Columns may be written with the bare name before them.
        alias = exp.to_identifier(table.alias or table.name)
        qualify_table(table, client.make_qualified_table_name(table.name), dialect)
        table.set("alias", exp.TableAlias(this=alias))
    return to_dialect(select, dialect) + _SETTINGS.get(dialect, "")


def duckdb_query(view: View, contract: Contract | None = None) -> str:
    """Return the view's SELECT for the schema of a DuckDB file that it is made in.

    Args:
        view: One of `load_views`.
        contract: What the tables are like; the shipped one when left out.
    """
    return to_dialect(_over(view, contract), SOURCE_DIALECT)


def update_views(
    client: Client,
    remembered: str | None,
    folder: Path | None = None,
    contract: Contract | None = None,
    clear: Callable[[], object] = _nothing,
) -> str:
    """Drop all views and make them anew, unless they are there as they are meant to be.

    A view that reads a table which does not exist is left out. Where the database changes views in
    transactions, no reader ever misses one. Rows do not depend on views, so a database that
    refuses them is told in the log and does not fail the run; the next one tries again. With the
    views the comments on them and on the tables are made.

    Args:
        client: dlt's SQL client, connected.
        remembered: What the last call returned; None when there was none.
        folder: Where the files are; None is `schemas/views/`.
        contract: What the tables are like; the shipped one when left out.
        clear: Called before views are dropped; drops views of ours elsewhere that read them.

    Returns:
        What to remember: a hash of what views and comments are made of, and the views' names.
    """
    contract = contract or load_contract()
    digest = _digest(client, folder, contract)
    names = view_names(folder)
    wanted = _memory(digest, names)
    try:
        if not _kept(client, wanted, remembered):
            # Only now, for it takes a while: mostly nothing has changed, and all tables are there.
            views = _readable(client, load_views(folder))
            wanted = _memory(digest, (view.name for view in views))
            if not _kept(client, wanted, remembered):
                made = {view.name: view_query(client, view, contract) for view in views}
                clear()
                replace_views(client, made, {*names, *_names(remembered)})
                # Apart from them: a view is worth more than what is said of it.
                _comment(client, contract, views)
    except DatabaseException as error:
        log.warning(
            "the database refused to make the views for analysts (%s), or the comments: see that"
            " the user may create views and comment on the tables, that no table is named like a"
            " view (%s), and that no view of your own reads one; the next run tries again",
            error_kind(error),
            ", ".join(_names(wanted)),
        )
        return remembered or ""
    return wanted


def _files(folder: Path | None) -> list[Path]:
    return sorted((folder or schemas_folder() / "views").glob("*.sql"))


def _read(path: Path) -> View:
    text = path.read_text(encoding="utf-8")
    select = sqlglot.parse_one(text, dialect=SOURCE_DIALECT)
    reads = tuple(sorted({table.name for table in table_references(select)}))
    return View(path.stem, select, reads, *header(text))


def _over(view: View, contract: Contract | None) -> exp.Expression:
    """Return a copy of the SELECT in which every table has the columns it is meant to have.

    In the place of a table that lacks some of those that the SELECT mentions, or has them with
    another type, there is a subquery of the same name that has them, empty.
    """
    select = view.select.copy()
    shipped, there = load_contract().tables, (contract or load_contract()).tables
    mentioned = {column.name for column in select.find_all(exp.Column)}
    for table in table_references(select):
        if table.name not in shipped or table.name not in there:
            continue
        meant = [one for one in shipped[table.name].columns if one.name in mentioned]
        types = {one.name: one.type for one in there[table.name].columns}
        if any(types.get(one.name) != one.type for one in meant):
            columns = [_column(one, there=types.get(one.name) == one.type) for one in meant]
            whole = exp.select(*columns).from_(exp.to_table(table.name))
            table.replace(whole.subquery(table.alias or table.name))
    return select


def _column(column: Column, *, there: bool) -> exp.Expression:
    if there:
        return exp.column(column.name)
    empty = exp.cast(exp.null(), DUCKDB_TYPES[column.type], dialect=SOURCE_DIALECT)
    return exp.Alias(this=empty, alias=exp.to_identifier(column.name))


def _digest(client: Client, folder: Path | None, contract: Contract) -> str:
    """Return a hash of all that views and comments depend on, which are slow to make."""
    digest = blake2b(digest_size=8)
    place = client.make_qualified_table_name("views")
    tables = [*contract.tables.values()]
    digest.update(f"{version('sqlglot')} {dialect_of(client)} {place} {tables}".encode())
    for path in (*_MADE_BY, *_files(folder)):
        digest.update(f"\n{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _memory(digest: str, names: Iterable[str]) -> str:
    return " ".join([digest, *sorted(names)])


def _names(remembered: str | None) -> list[str]:
    return (remembered or "").split()[1:]


def _kept(client: Client, wanted: str, remembered: str | None) -> bool:
    """Return whether exactly these views were made last, and can still be read."""
    if remembered != wanted:
        return False
    try:
        return tables_exist(client, _names(wanted))
    except DatabaseException:
        return False


def _readable(client: Client, views: Collection[View]) -> list[View]:
    """Return the views that read only tables that exist, and views that do."""
    names = {view.name for view in views}
    tables = {table for view in views for table in view.reads} - names
    there = {table for table in tables if tables_exist(client, [table])}
    for view in views:
        if there.issuperset(view.reads):
            there.add(view.name)
    return [view for view in views if view.name in there]


def replace_views(client: Client, made: Mapping[str, str], gone: Iterable[str]) -> None:
    """Drop views and make others, in one transaction where the database can.

    Args:
        client: Connected; its dataset is where views are dropped.
        made: Queries of the others, by name, in the destination's words.
        gone: Names of views that may be there.
    """
    dropped = [client.make_qualified_table_name(name) for name in sorted(gone)]
    if dropped and dialect_of(client) in _DROPPED_TOGETHER:
        dropped = [", ".join(dropped)]
    with _at_once(client):
        for names in dropped:
            execute_native(client, f"DROP VIEW IF EXISTS {names}")
        for name, query in made.items():
            place = client.make_qualified_table_name(name)
            execute_native(client, f"CREATE VIEW {place} AS {query}")


def _comment(client: Client, contract: Contract, views: Collection[View]) -> None:
    """Say of tables that exist, and of views, what they are."""
    statements: list[str] = []
    all_there = tables_exist(client, contract.tables)
    for name, table in contract.tables.items():
        if all_there or tables_exist(client, [name]):
            columns = {one.name: one.comment for one in table.columns}
            statements += comment_on(client, TABLE, name, table.comment, columns)
    for view in views:
        statements += comment_on(client, VIEW, view.name, view.description, view.columns)
    with _at_once(client):
        execute_all_native(client, statements)


def _at_once(client: Client) -> AbstractContextManager[Any]:
    """Return a transaction, where the database has them for what defines tables and views."""
    atomic = client.capabilities.supports_ddl_transactions
    return client.begin_transaction() if atomic else nullcontext()
