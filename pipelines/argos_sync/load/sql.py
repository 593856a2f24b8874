"""The one place through which this package speaks SQL to a warehouse, whichever it is.

Statements are written once, in DuckDB's dialect: tables and columns by their bare names, `?` for a
parameter, `column = ANY(?)` for a list of values, and the words of `PHRASES` for what dialects say
differently. Here tables get their dataset, columns their quotes, and the rest is sqlglot's. To stay
within what every warehouse has, UPDATE and DELETE name one table, without an alias, and have a
WHERE. dlt's clients all take `%s` for parameters, also where the driver below has another way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import sqlglot
from dlt.common.destination.dataset import DBApiCursor
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from argos_sync.load.dialects import PHRASES

Client = SqlClientBase[Any]
Storage = SqlJobClientBase
ResultRows = Sequence[Sequence[Any]]

SOURCE_DIALECT = "duckdb"

_TAKES_LISTS = {"duckdb", "postgres"}
"""Dialects whose drivers take a list as one parameter, which is ten times as fast as many."""

_KEYS_A_STATEMENT = 1_000
"""For all other dialects: well below the limits of every warehouse dlt speaks to."""


def execute(client: Client, statement: str, *parameters: Any) -> ResultRows:
    """Run a statement, and return the rows it answers with.

    Args:
        client: Connected to the warehouse.
        statement: Written as the module says.
        parameters: One for each `?`; a list for `ANY(?)`.
    """
    words, values = translate(client, statement, parameters)
    return execute_native(client, words, *values)


def select(client: Client, query: str, *parameters: Any) -> ResultRows:
    """Return the rows of a query; none when a table of it does not exist yet."""
    try:
        return execute(client, query, *parameters)
    except DatabaseUndefinedRelation:
        return ()


def tables_exist(client: Client, names: Collection[str]) -> bool:
    """Return whether all of these tables and views exist."""
    # In words that all of them have: to translate those for a dozen names takes longer than to ask.
    places = map(client.make_qualified_table_name, names)
    queries = [f"SELECT 1 FROM {place} WHERE 1 = 0" for place in places]  # noqa: S608 names
    try:
        if queries:
            execute_native(client, " UNION ALL ".join(queries))
    except DatabaseUndefinedRelation:
        return False
    return True


def key_batches(client: Client, keys: Sequence[str]) -> Iterator[list[str]]:
    """Yield keys in lists, each of which one statement takes for `ANY(?)`."""
    most = len(keys) if dialect_of(client) in _TAKES_LISTS else _KEYS_A_STATEMENT
    for start in range(0, len(keys), most or 1):
        yield list(keys[start : start + most])


def execute_native(client: Client, words: str, *parameters: Any) -> ResultRows:
    """Run a statement that is in the destination's own words already."""
    return client.execute_sql(words, *parameters) or ()


def execute_all_native(client: Client, words: Sequence[str]) -> None:
    """Run statements that are in the destination's own words already, as few calls as it takes."""
    client.execute_many(words)


def stream_native(client: Client, words: str) -> AbstractContextManager[DBApiCursor]:
    """Run a query that is in the destination's own words; its rows are taken as they come."""
    return client.execute_query(words)


def transaction(client: Client) -> AbstractContextManager[Any]:
    """Return one transaction for all that follows, where the destination has them.

    dlt says of itself where there are none; where there are it mostly says nothing (1.31, the
    capabilities of PostgreSQL, DuckDB and others have None).
    """
    if client.capabilities.supports_transactions is False:
        return nullcontext()
    return client.begin_transaction()


def quote_column(client: Client, name: str) -> str:
    """Return a column's name as the destination's statements have it."""
    can = client.capabilities
    return can.escape_identifier(can.casefold_identifier(name))


def quote_text(client: Client, text: str) -> str:
    """Return a text as the destination's statements have it, where it takes no parameters."""
    return exp.Literal.string(text).sql(dialect=dialect_of(client))


def dialect_of(client: Client) -> str:
    """Return the name sqlglot has for what the destination speaks."""
    return client.capabilities.sqlglot_dialect or ""


def translate(
    client: Client, statement: str, parameters: Sequence[Any] = ()
) -> tuple[str, list[Any]]:
    """Return a statement in the destination's words, with the parameters it takes.

    Args:
        client: Of the destination; it need not be connected.
        statement: Written as the module says.
        parameters: One for each `?`; a list for `ANY(?)`.
    """
    lists = dialect_of(client) in _TAKES_LISTS
    sizes: list[int | None] = []
    values: list[Any] = []
    for one in parameters:
        if one is None:
            # BigQuery's driver has no type for it.
            sizes.append(None)
        elif isinstance(one, list) and not lists:
            sizes.append(len(one))
            values += one
        else:
            sizes.append(1)
            values.append(one)
    names = tuple(table.name for table in table_references(_parsed(statement)))
    places = tuple(map(client.make_qualified_table_name, names))
    fold = client.capabilities.casefold_identifier
    return _in_words(statement, dialect_of(client), places, fold, tuple(sizes)), values


def table_references(statement: exp.Expression) -> list[exp.Table]:
    """Return every mention of a table or view, without those of the query's own CTEs."""
    if not isinstance(statement, exp.Query):
        return list(statement.find_all(exp.Table))
    found = {
        id(source): source
        for scope in traverse_scope(statement)
        for source in scope.sources.values()
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)
    }
    return list(found.values())


def qualify_table(table: exp.Table, place: str, dialect: str) -> None:
    """Make a mention of a table name the dataset too.

    Args:
        table: Changed.
        place: The destination's whole name of it.
        dialect: That this name is written in.
    """
    qualified = exp.to_table(place, dialect=dialect)
    for part in ("this", "db", "catalog"):
        table.set(part, qualified.args.get(part))


def to_dialect(statement: exp.Expression, dialect: str) -> str:
    """Return a statement, which is changed, as a dialect has it, also where sqlglot has no word."""
    changed = statement.transform(_with_words, dialect, copy=False)
    text: str = changed.sql(dialect=dialect, comments=False)
    if dialect == "clickhouse" and isinstance(statement, exp.Update):
        # There a table is changed by a mutation, which comes true later unless it is waited for.
        text = text.replace("UPDATE ", "ALTER TABLE ", 1).replace(" SET ", " UPDATE ", 1)
        text += " SETTINGS mutations_sync = 1"
    return text


@lru_cache(maxsize=256)
def _parsed(statement: str) -> exp.Expression:
    return sqlglot.parse_one(statement, dialect=SOURCE_DIALECT)


@lru_cache(maxsize=256)
def _in_words(
    statement: str,
    dialect: str,
    places: tuple[str, ...],
    fold: Callable[[str], str],
    sizes: tuple[int | None, ...],
) -> str:
    tree = _parsed(statement).copy()
    for column in [*tree.find_all(exp.Column)]:
        column.set("this", exp.to_identifier(fold(column.name), quoted=True))
    for listed in [*tree.find_all(exp.Schema)]:
        names = [exp.to_identifier(fold(one.name), quoted=True) for one in listed.expressions]
        listed.set("expressions", names)
    for table, place in zip(table_references(tree), places, strict=True):
        qualify_table(table, place, dialect)
    # Depth first is the order of the text.
    holders = [*tree.find_all(exp.Placeholder, bfs=False)]
    for holder, size in zip(holders, sizes, strict=True):
        _fill(holder, size, dialect)
    return to_dialect(tree, dialect)


def _fill(holder: exp.Placeholder, size: int | None, dialect: str) -> None:
    """Put in the place of a parameter what dlt's client for the destination takes."""
    any_of = holder.find_ancestor(exp.Any)
    comparison = any_of.parent if any_of else None
    if comparison is None:
        holder.replace(exp.null() if size is None else _slot())
    elif dialect not in _TAKES_LISTS:
        slots = [_slot() for _ in range(size or 0)]
        comparison.replace(exp.In(this=comparison.this, expressions=slots))
    elif dialect == "duckdb":
        # Joined as a table, which is faster than looking through a list for each row.
        values = exp.select(exp.Anonymous(this="unnest", expressions=[_slot()]))
        comparison.replace(exp.In(this=comparison.this, query=values.subquery()))
    else:
        holder.replace(_slot())


def _slot() -> exp.Var:
    return exp.Var(this="%s")


def _with_words(node: exp.Expression, dialect: str) -> exp.Expression:
    name = node.name.upper() if isinstance(node, exp.Anonymous) else ""
    if isinstance(node, exp.TimeToUnix):
        name = "TIME_TO_UNIX"
    words = PHRASES.get(name, {})
    template = words.get(dialect, words.get(""))
    if template is None:
        return node
    arguments = node.expressions if isinstance(node, exp.Anonymous) else [node.this]
    return exp.Var(this=template.format(*(to_dialect(one, dialect) for one in arguments)))
