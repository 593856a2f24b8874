"""Create the views for analysts in a warehouse, with the comments on views and tables."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

from argos_sync.load import dialects, sql
from argos_sync.load.ddl import RelationsInUseError, execute_ddl, has_other_columns
from argos_sync.load.errors import DatabaseException, error_kind, is_out_of_space
from argos_sync.load.sql import Client, dialect_of, execute_all_native, tables_exist
from argos_sync.load.view_access import ViewAccess, read_view_access, restore_view_access
from argos_sync.shape.contract import Contract, load_contract
from argos_sync.warehouse import comments, views
from argos_sync.warehouse.comments import TABLE, VIEW, comment_on
from argos_sync.warehouse.views import UTC, View, load_views, view_files, view_names, view_query

log = logging.getLogger("argos_sync")

_DROP_TOGETHER = {"postgres", "redshift"}
"""Dialects that refuse to drop a view which another view reads, unless one DROP names both."""

_CODE = (
    Path(__file__),
    *(Path(str(module.__file__)) for module in (views, comments, sql, dialects)),
)
"""The code that the views' SQL depends on."""


def update_views(
    client: Client,
    previous: str | None,
    folder: Path | None = None,
    contract: Contract | None = None,
    drop_dependents: Callable[[], object] = lambda: None,
    *,
    zone: str = UTC,
) -> str:
    """Create or replace all views, unless they exist and are up to date.

    A view that reads a missing table is left out. If the database has transactions for DDL, readers
    always see all views. Rows do not depend on views: if the database refuses a view, or somebody's
    transaction uses it, the log says so, the run continues, and the next run tries again. Comments
    on views and tables are written whenever the views are.

    Before views are dropped, `drop_dependents` drops our views elsewhere that read them. `zone` is
    the reporting time zone, an IANA name.

    Returns:
        Version of the views, to pass to the next call as `previous`: a hash of everything that
        views and comments depend on, and the names of the views.
    """
    contract = contract or load_contract()
    digest = _digest(client, folder, contract, zone)
    names = view_names(folder)
    current = " ".join([digest, *names])
    try:
        if not _is_current(client, current, previous):
            # Parsing the views takes a while; mostly nothing has changed and all tables exist.
            readable = _readable_views(client, load_views(folder))
            current = " ".join([digest, *sorted(view.name for view in readable)])
            if not _is_current(client, current, previous):
                queries = {view.name: view_query(client, view, contract, zone) for view in readable}
                known = {*names, *_names_in(previous)}
                replace_views(client, queries, known, drop_dependents)
                # Not in the same transaction: a refused comment must not cost a view.
                _write_comments(client, contract, readable, zone)
    except RelationsInUseError as error:
        log.warning("the views for analysts, or comments, wait for the next run: %s", error.message)
        return previous or ""
    except DatabaseException as error:
        if is_out_of_space(error):
            log.warning(
                "no space is left to create the views for analysts; the next run tries again"
            )
            return previous or ""
        log.warning(
            "the database refused to create the views for analysts, or their comments (%s): check"
            " that the user may create views and comment on tables, that no table is named like a"
            " view (%s), and that no view of your own reads one; the next run tries again",
            error_kind(error),
            ", ".join(_names_in(current)),
        )
        return previous or ""
    return current


def replace_views(
    client: Client,
    queries: Mapping[str, str],
    dropped: Iterable[str],
    drop_dependents: Callable[[], object] = lambda: None,
    access: Mapping[str, ViewAccess] | None = None,
) -> dict[str, ViewAccess]:
    """Create or replace views, and drop others, in one transaction if the database can.

    PostgreSQL replaces views in place, so that views and rights that depend on them stay. Where a
    view's columns do not allow it, and in other databases, all are dropped and created; PostgreSQL
    then gets their owners and rights back.

    Args:
        client: A connected client of the views' dataset.
        queries: By name of the view, in the destination's dialect; after those they read.
        dropped: Views to drop if they exist and have no query.
        drop_dependents: Called before any other view is dropped.
        access: For views that were dropped before.

    Returns:
        Who could use the views before.

    Raises:
        RelationsInUseError: Transactions of others use the views; nothing was changed.
        DatabaseException: The database refused a statement; nothing was changed if it can undo it.
    """
    views = {name: client.make_qualified_table_name(name) for name in {*queries, *dropped}}
    has_roles = dialect_of(client) == "postgres"

    def change(create: str, names: Collection[str]) -> dict[str, ViewAccess]:
        stored = dict(access or {})
        if has_roles:
            stored |= read_view_access(client, views)
        targets = [views[name] for name in sorted(names)]
        if targets and dialect_of(client) in _DROP_TOGETHER:
            targets = [", ".join(targets)]
        drops = [f"DROP VIEW IF EXISTS {target}" for target in targets]
        creates = [f"{create} {views[name]} AS {query}" for name, query in queries.items()]
        # What is no longer needed may be read by what is replaced in place.
        in_place = create != "CREATE VIEW"
        execute_all_native(client, [*creates, *drops] if in_place else [*drops, *creates])
        if has_roles:
            restore_view_access(client, stored)
        return stored

    if has_roles:
        obsolete = views.keys() - queries.keys()
        try:
            return execute_ddl(client, partial(change, "CREATE OR REPLACE VIEW", obsolete), views)
        except DatabaseException as error:
            if not has_other_columns(error):
                raise
    drop_dependents()
    return execute_ddl(client, partial(change, "CREATE VIEW", views.keys()), views)


def _digest(client: Client, folder: Path | None, contract: Contract, zone: str) -> str:
    """Return a hash of everything that views and comments depend on, which are slow to create."""
    digest = blake2b(digest_size=8)
    location = client.make_qualified_table_name("views")
    tables = [*contract.tables.values()]
    digest.update(f"{version('sqlglot')} {dialect_of(client)} {location} {tables} {zone}".encode())
    for path in (*_CODE, *view_files(folder)):
        digest.update(f"\n{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _names_in(views_version: str | None) -> list[str]:
    return (views_version or "").split()[1:]


def _is_current(client: Client, current: str, previous: str | None) -> bool:
    """Return whether exactly these views were created last, and are still there.

    Where a lost column can break a view, which PostgreSQL prevents, they can also be read.
    """
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


def _write_comments(client: Client, contract: Contract, views: Collection[View], zone: str) -> None:
    """Comment on existing tables, and on views."""
    statements: list[str] = []
    all_exist = tables_exist(client, contract.tables)
    for name, table in contract.tables.items():
        if all_exist or tables_exist(client, [name]):
            columns = {column.name: column.comment for column in table.columns}
            statements += comment_on(client, TABLE, name, table.comment, columns)
    for view in views:
        statements += comment_on(client, VIEW, view.name, view.describe(zone), view.columns)
    execute_ddl(client, partial(execute_all_native, client, statements))
