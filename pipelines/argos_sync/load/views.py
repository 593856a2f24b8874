"""The views for analysts: `schemas/views/*.sql`, in the words of whichever destination.

Each file is one SELECT in DuckDB's dialect over bare names of tables and of other views. Its header
says what the view answers and, after an empty comment line, what each column is. It names its
columns: PostgreSQL fixes what `*` means when a view is made, DuckDB refuses to read on.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from graphlib import TopologicalSorter
from hashlib import blake2b
from pathlib import Path

import sqlglot
from dlt.destinations.exceptions import DatabaseException
from sqlglot import exp

from argos_sync.load.sql import (
    WRITTEN_IN,
    Client,
    dialect_of,
    exist,
    in_dialect,
    put_in_place,
    send,
    tables_of,
)
from argos_sync.shape.contract import schemas_folder

log = logging.getLogger("argos_sync")

STALENESS = "staleness"

_DROPPED_TOGETHER = {"postgres", "redshift"}
"""Dialects whose databases refuse to drop a view that another one reads, unless both go at once."""


@dataclass(frozen=True, slots=True)
class View:
    """One view: a file of `schemas/views/`.

    Attributes:
        name: View name in the warehouse.
        select: Its text, parsed.
        reads: Names of the tables and views it reads, in alphabetical order: that of a set differs
            from run to run.
    """

    name: str
    select: exp.Expression
    reads: tuple[str, ...]


def load_views(folder: Path | None = None) -> list[View]:
    """Read every view, those first that others read.

    Args:
        folder: Where the files are; None is `schemas/views/`.
    """
    files = sorted((folder or schemas_folder() / "views").glob("*.sql"))
    views = {path.stem: _read(path) for path in files}
    order = TopologicalSorter({name: view.reads for name, view in views.items()})
    return [views[name] for name in order.static_order() if name in views]


def view_query(client: Client, view: View) -> str:
    """Return the view's SELECT as the destination understands it."""
    dialect = dialect_of(client)
    select = view.select.copy()
    # A DuckDB view looks for bare names in its own schema, so it survives a file that is renamed
    # or attached under another name. DuckDB 2 also drops the catalog from the text of a view,
    # which leaves `argos.submissions` in `argos.duckdb`, and that is ambiguous (`destination`).
    if dialect != WRITTEN_IN:
        for table in tables_of(select):
            # Columns may be written with the bare name before them.
            alias = exp.to_identifier(table.alias or table.name)
            put_in_place(table, client.make_qualified_table_name(table.name), dialect)
            table.set("alias", exp.TableAlias(this=alias))
    return in_dialect(select, dialect)


def keep_views(client: Client, remembered: str | None, folder: Path | None = None) -> str:
    """Drop all views and make them anew, unless they are there as they are meant to be.

    A view that reads a table which does not exist is left out. Where the database changes views in
    transactions, no reader ever misses one. Rows do not depend on views, so a database that
    refuses them is told in the log and does not fail the run; the next one tries again.

    Args:
        client: dlt's SQL client, connected.
        remembered: What the last call returned; None when there was none.
        folder: Where the files are; None is `schemas/views/`.

    Returns:
        What to remember: a hash of the views' texts, and their names.
    """
    views = load_views(folder)
    wanted = {view.name: _creation(client, view) for view in views}
    try:
        if not _kept(client, wanted, remembered):
            # Asked only now: mostly all tables are there, and a question may take a second.
            possible = _readable(client, views)
            wanted = {name: wanted[name] for name in possible}
            if not _kept(client, wanted, remembered):
                remake(client, wanted, {view.name for view in views} | _names(remembered))
    except DatabaseException as error:
        log.warning(
            "the database refused to make the views for analysts (%s): see that the user may"
            " create views, that no table is named like one (%s), and that no view of your own"
            " reads one; the next run tries again",
            type(error.dbapi_exception).__name__,
            ", ".join(wanted),
        )
        return remembered or ""
    return _fingerprint(wanted)


def _read(path: Path) -> View:
    select = sqlglot.parse_one(path.read_text(encoding="utf-8"), dialect=WRITTEN_IN)
    return View(path.stem, select, tuple(sorted({table.name for table in tables_of(select)})))


def _creation(client: Client, view: View) -> str:
    name = client.make_qualified_table_name(view.name)
    return f"CREATE VIEW {name} AS {view_query(client, view)}"


def _fingerprint(creations: Mapping[str, str]) -> str:
    digest = blake2b("\n".join(creations.values()).encode(), digest_size=8).hexdigest()
    return " ".join([digest, *creations])


def _names(remembered: str | None) -> set[str]:
    return set((remembered or "").split()[1:])


def _kept(client: Client, wanted: Mapping[str, str], remembered: str | None) -> bool:
    """Return whether exactly these views were made last, and can still be read."""
    if remembered != _fingerprint(wanted):
        return False
    try:
        return exist(client, wanted)
    except DatabaseException:
        return False


def _readable(client: Client, views: Collection[View]) -> list[str]:
    """Return the views that read only tables that exist, and views that do."""
    names = {view.name for view in views}
    tables = {table for view in views for table in view.reads} - names
    there = {table for table in tables if exist(client, [table])}
    for view in views:
        if there.issuperset(view.reads):
            there.add(view.name)
    return [view.name for view in views if view.name in there]


def remake(client: Client, wanted: Mapping[str, str], gone: Iterable[str]) -> None:
    """Drop views and make others, in one transaction where the database can.

    Args:
        client: Connected; its dataset is where views are dropped.
        wanted: Statements that make the others, by name.
        gone: Names of views that may be there.
    """
    dropped = [client.make_qualified_table_name(name) for name in sorted(gone)]
    if dropped and dialect_of(client) in _DROPPED_TOGETHER:
        dropped = [", ".join(dropped)]
    atomic = client.capabilities.supports_ddl_transactions
    with client.begin_transaction() if atomic else nullcontext():
        for names in dropped:
            send(client, f"DROP VIEW IF EXISTS {names}")
        for creation in wanted.values():
            send(client, creation)
