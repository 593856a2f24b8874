"""Create the views for analysts in a warehouse, with the comments on views and tables."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

from argos_sync.load import dialects, sql
from argos_sync.load.errors import DatabaseException, error_kind
from argos_sync.load.sql import Client, dialect_of, execute_all_native, execute_native, tables_exist
from argos_sync.shape.contract import Contract, load_contract
from argos_sync.warehouse import comments, views
from argos_sync.warehouse.comments import TABLE, VIEW, comment_on
from argos_sync.warehouse.views import View, load_views, view_files, view_names, view_query

log = logging.getLogger("argos_sync")

_DROP_TOGETHER = {"postgres", "redshift"}
"""Dialects that refuse to drop a view which another view reads, unless one DROP names both."""

_CODE = tuple(
    Path(str(module))
    for module in (__file__, views.__file__, comments.__file__, sql.__file__, dialects.__file__)
)
"""The code that the views' SQL depends on."""


def update_views(
    client: Client,
    previous: str | None,
    folder: Path | None = None,
    contract: Contract | None = None,
    drop_dependents: Callable[[], object] = lambda: None,
) -> str:
    """Drop and create all views, unless they exist and are up to date.

    A view that reads a missing table is left out. If the database has transactions for DDL, readers
    always see all views. Rows do not depend on views: if the database refuses a view, the log says
    so, the run continues, and the next run tries again. Comments on views and tables are written
    whenever the views are.

    Before views are dropped, `drop_dependents` drops our views elsewhere that read them.

    Returns:
        Version of the views, to pass to the next call as `previous`: a hash of everything that
        views and comments depend on, and the names of the views.
    """
    contract = contract or load_contract()
    digest = _digest(client, folder, contract)
    names = view_names(folder)
    current = " ".join([digest, *names])
    try:
        if not _is_current(client, current, previous):
            # Parsing the views takes a while; mostly nothing has changed and all tables exist.
            readable = _readable_views(client, load_views(folder))
            current = " ".join([digest, *sorted(view.name for view in readable)])
            if not _is_current(client, current, previous):
                queries = {view.name: view_query(client, view, contract) for view in readable}
                drop_dependents()
                replace_views(client, queries, {*names, *_names_in(previous)})
                # Not in the same transaction: a refused comment must not cost a view.
                _write_comments(client, contract, readable)
    except DatabaseException as error:
        log.warning(
            "the database refused to create the views for analysts, or their comments (%s): check"
            " that the user may create views and comment on tables, that no table is named like a"
            " view (%s), and that no view of your own reads one; the next run tries again",
            error_kind(error),
            ", ".join(_names_in(current)),
        )
        return previous or ""
    return current


def replace_views(client: Client, queries: Mapping[str, str], dropped: Iterable[str]) -> None:
    """Drop views, if they exist, and create others, in one transaction if the database can.

    The queries, by name of the view, are in the destination's dialect.
    """
    targets = [client.make_qualified_table_name(name) for name in sorted(dropped)]
    if targets and dialect_of(client) in _DROP_TOGETHER:
        targets = [", ".join(targets)]
    with _ddl_transaction(client):
        for target in targets:
            execute_native(client, f"DROP VIEW IF EXISTS {target}")
        for name, query in queries.items():
            view = client.make_qualified_table_name(name)
            execute_native(client, f"CREATE VIEW {view} AS {query}")


def _digest(client: Client, folder: Path | None, contract: Contract) -> str:
    """Return a hash of everything that views and comments depend on, which are slow to create."""
    digest = blake2b(digest_size=8)
    location = client.make_qualified_table_name("views")
    tables = [*contract.tables.values()]
    digest.update(f"{version('sqlglot')} {dialect_of(client)} {location} {tables}".encode())
    for path in (*_CODE, *view_files(folder)):
        digest.update(f"\n{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _names_in(views_version: str | None) -> list[str]:
    return (views_version or "").split()[1:]


def _is_current(client: Client, current: str, previous: str | None) -> bool:
    """Return whether exactly these views were created last, and can still be read."""
    if previous != current:
        return False
    try:
        return tables_exist(client, _names_in(current))
    except DatabaseException:
        return False


def _readable_views(client: Client, views: Collection[View]) -> list[View]:
    """Return the views that read only existing tables, and readable views."""
    names = {view.name for view in views}
    tables = {table for view in views for table in view.reads} - names
    readable = {table for table in tables if tables_exist(client, [table])}
    for view in views:
        if readable.issuperset(view.reads):
            readable.add(view.name)
    return [view for view in views if view.name in readable]


def _write_comments(client: Client, contract: Contract, views: Collection[View]) -> None:
    """Comment on existing tables, and on views."""
    statements: list[str] = []
    all_exist = tables_exist(client, contract.tables)
    for name, table in contract.tables.items():
        if all_exist or tables_exist(client, [name]):
            columns = {column.name: column.comment for column in table.columns}
            statements += comment_on(client, TABLE, name, table.comment, columns)
    for view in views:
        statements += comment_on(client, VIEW, view.name, view.description, view.columns)
    with _ddl_transaction(client):
        execute_all_native(client, statements)


def _ddl_transaction(client: Client) -> AbstractContextManager[Any]:
    """Return a transaction if the database has transactions for DDL."""
    has_transactions = client.capabilities.supports_ddl_transactions
    return client.begin_transaction() if has_transactions else nullcontext()
