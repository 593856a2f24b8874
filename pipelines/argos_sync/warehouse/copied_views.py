"""Adapt the views for analysts to a published copy, which lacks columns.

A view of a copy has no column that is NULL by construction, because it only shows a column that is
left out. Where the copy has pseudonyms in place of such a column, the view reads these, and shows
them under their own name.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from argos_sync.load.sql import (
    SOURCE_DIALECT,
    Client,
    stream_native,
    table_references,
    translate,
)
from argos_sync.shape.contract import Contract
from argos_sync.warehouse.empty_columns import empty_columns
from argos_sync.warehouse.views import (
    View,
    adapt_to_tables,
    duckdb_query,
    duckdb_text,
    fits_tables,
    load_views,
    replace_table,
)

MissingColumns = Mapping[str, Mapping[str, str | None]]
"""By view, the columns that it lacks in a copy, with their DuckDB types, or None for any type."""


@dataclass(frozen=True, slots=True)
class CopiedView:
    """A view of a copy: its SELECT, for DuckDB, and the meanings of its columns.

    `missing` are the columns that it lacks, and `complete` is the SELECT that has them as NULL.
    """

    view: View
    select: str
    columns: Mapping[str, str]
    missing: frozenset[str] = frozenset()
    complete: str = ""


def copied_view(
    view: View,
    contract: Contract,
    zone: str,
    substitutes: Mapping[tuple[str, str], str],
    missing: MissingColumns,
) -> CopiedView | None:
    """Return a view for a copy; None if all of its columns would be NULL.

    Args:
        view: The view of the warehouse.
        contract: The tables of the copy.
        zone: Reporting time zone, an IANA name.
        substitutes: Columns with pseudonyms that the copy has, by table and source column.
        missing: What the views lack that were copied before.
    """
    if fits_tables(view, contract) and missing.keys().isdisjoint(view.reads):
        return CopiedView(view, duckdb_query(view, contract, zone), view.columns)
    select = adapt_to_tables(view, contract, substitutes)
    _add_missing(select, missing)
    empty = empty_columns(select)
    complete = select.copy() if empty else select
    if empty.issuperset(select.named_selects):
        return None
    columns = view.columns
    if isinstance(select, exp.Select):
        own_names = _own_names(select, {*substitutes.values()})
        select.set(
            "expressions",
            [
                exp.alias_(one, own_names[name]) if name in own_names else one
                for one in select.expressions
                if (name := one.alias_or_name) not in empty
            ],
        )
        meanings = _meanings(contract, {*own_names.values()})
        columns = {
            own_names.get(name, name): meanings.get(own_names.get(name, name), meaning)
            for name, meaning in view.columns.items()
            if name not in empty
        }
    else:
        empty = set()
    text = duckdb_text(select, zone)
    return CopiedView(
        view, text, columns, frozenset(empty), duckdb_text(complete, zone) if empty else ""
    )


def read_missing_as_null(client: Client, query: str) -> str:
    """Return a query over views, for a copy as well: it reads NULL for columns that are missing."""
    select = sqlglot.parse_one(query, dialect=SOURCE_DIALECT).assert_is(exp.Query)
    views = {view.name: view for view in load_views()}
    read = {table.name for table in table_references(select)} & views.keys()
    missing = {
        name: dict.fromkeys(lacking)
        for name in read
        if (lacking := views[name].columns.keys() - _column_names(client, name))
    }
    if not missing:
        return query
    _add_missing(select, missing)
    return select.sql(dialect=SOURCE_DIALECT)


def _column_names(client: Client, view: str) -> set[str]:
    query, _ = translate(client, f"SELECT * FROM {view} WHERE 1 = 0")  # noqa: S608 a name
    with stream_native(client, query) as cursor:
        return {str(column[0]).lower() for column in cursor.description or ()}


def _add_missing(select: exp.Query, missing: MissingColumns) -> None:
    """Let a SELECT, which is changed, read NULL for the columns that other views lack."""
    mentioned = {column.name for column in select.find_all(exp.Column)}
    for table in table_references(select):
        lacking = {
            name: kind for name, kind in missing.get(table.name, {}).items() if name in mentioned
        }
        if lacking:
            nulls = [exp.alias_(_null(kind), name) for name, kind in lacking.items()]
            replace_table(table, exp.select("*", *nulls).from_(exp.to_table(table.name)))


def _null(kind: str | None) -> exp.Expression:
    return exp.cast(exp.null(), kind, dialect=SOURCE_DIALECT) if kind else exp.null()


def _own_names(select: exp.Select, pseudonyms: set[str]) -> dict[str, str]:
    """Return the columns that show pseudonyms, with the names of the columns these are in."""
    scope = build_scope(select)
    sources = scope.sources if scope else {}
    names = {}
    for one in select.expressions:
        column = _value(one)
        source = sources.get(column.table) if isinstance(column, exp.Column) else None
        if isinstance(source, Scope) and isinstance(source.expression, exp.Select):
            shown = {part.alias_or_name: _value(part) for part in source.expression.selects}
            original = shown.get(column.name)
            if isinstance(original, exp.Column) and original.name in pseudonyms:
                names[one.alias_or_name] = original.name
    return names


def _value(column: exp.Expression) -> exp.Expression:
    """Return what a column of a SELECT shows."""
    return column.this if isinstance(column, exp.Alias) else column


def _meanings(contract: Contract, names: set[str]) -> dict[str, str]:
    """Return the meanings of columns of the copy, by names that only one table has."""
    return {
        column.name: column.meaning
        for table in contract.tables.values()
        for column in table.columns
        if column.name in names
    }
