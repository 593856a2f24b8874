"""Send SQL to a warehouse; no other module sends a statement through dlt's client.

Statements are written once, in DuckDB's dialect: tables and columns by their bare names, `?` for a
parameter, `column = ANY(?)` for a list of texts, and the functions in `PHRASES` where dialects
differ. This module adds the dataset to tables, quotes columns, and lets sqlglot translate the rest.
To stay within what every warehouse supports, UPDATE and DELETE name one table without an alias and
have a WHERE. dlt's clients take `%s` for parameters, whatever the driver below them takes.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import sqlglot
from dlt.common.destination.dataset import DBApiCursor
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.impl.ducklake.sql_client import DuckLakeSqlClient
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from argos_sync.load.dialects import PHRASES

Client = SqlClientBase[Any]
Storage = SqlJobClientBase
ResultRows = Sequence[Sequence[Any]]

SOURCE_DIALECT = "duckdb"

_DIALECTS_WITH_LISTS = {"duckdb", "postgres"}
"""Dialects that take a list of texts as one parameter, ten times as fast as one per value."""

_KEYS_PER_STATEMENT = 1_000
"""Limit for all other dialects, well below that of every warehouse dlt supports."""


def execute(client: Client, statement: str, *parameters: Any) -> ResultRows:
    """Run a statement, with a parameter for each `?` and a list for `ANY(?)`; return its rows."""
    text, values = translate(client, statement, parameters)
    return execute_native(client, text, *values)


def select(client: Client, query: str, *parameters: Any) -> ResultRows:
    """Return the rows of a query; none if one of its tables does not exist yet."""
    try:
        return execute(client, query, *parameters)
    except DatabaseUndefinedRelation:
        return ()


def tables_exist(client: Client, names: Collection[str]) -> bool:
    """Return whether all of these tables and views exist.

    In PostgreSQL, locks of other sessions on them do not delay it.
    """
    tables = [client.make_qualified_table_name(name) for name in names]
    if tables and dialect_of(client) == "postgres":
        # The query below would wait for each lock; this function reads only the catalog.
        query = "SELECT BOOL_AND(TO_REGCLASS(name) IS NOT NULL) FROM UNNEST(%s) AS name"
        ((exist,),) = execute_native(client, query, tables)
        return bool(exist)
    # Every dialect understands this query: translating it for a dozen names would take longer than
    # running it.
    queries = [f"SELECT 1 FROM {table} WHERE 1 = 0" for table in tables]  # noqa: S608 names
    try:
        if queries:
            execute_native(client, " UNION ALL ".join(queries))
    except DatabaseUndefinedRelation:
        return False
    return True


def count_rows(client: Client, table: str) -> int:
    """Return the number of rows of a table; 0 if it does not exist yet."""
    # Every dialect understands this query, too.
    query = f"SELECT COUNT(*) FROM {client.make_qualified_table_name(table)}"  # noqa: S608 a name
    try:
        ((count,),) = execute_native(client, query)
    except DatabaseUndefinedRelation:
        return 0
    return int(count)


def key_batches(client: Client, keys: Sequence[str]) -> Iterator[list[str]]:
    """Yield keys in lists that are short enough for one statement's `ANY(?)`."""
    size = len(keys) if dialect_of(client) in _DIALECTS_WITH_LISTS else _KEYS_PER_STATEMENT
    for start in range(0, len(keys), size or 1):
        yield list(keys[start : start + size])


def execute_native(client: Client, text: str, *parameters: Any) -> ResultRows:
    """Run a statement in the destination's own dialect and return its rows."""
    return client.execute_sql(text, *parameters) or ()


def execute_all_native(client: Client, texts: Sequence[str]) -> None:
    """Run statements in the destination's own dialect, in as few calls as possible."""
    client.execute_many(texts)


def stream_native(client: Client, text: str) -> AbstractContextManager[DBApiCursor]:
    """Run a query in the destination's own dialect and return a cursor that streams its rows."""
    return client.execute_query(text)


def transaction(client: Client) -> AbstractContextManager[Any]:
    """Return a transaction, or a context without one if the destination has no transactions.

    dlt 1.31 declares only their absence: PostgreSQL, DuckDB and others have None.
    """
    if client.capabilities.supports_transactions is False:
        return nullcontext()
    return client.begin_transaction()


def quote_column(client: Client, name: str) -> str:
    """Return a column name quoted for the destination."""
    capabilities = client.capabilities
    return capabilities.escape_identifier(capabilities.casefold_identifier(name))


def quote_text(client: Client, text: str) -> str:
    """Return a text as a literal for statements of the destination that take no parameters."""
    literal = exp.Literal.string(text).sql(dialect=dialect_of(client))
    # dlt 1.31 ends a statement for ClickHouse at each semicolon, also within a literal.
    return literal.replace(";", r"\x3B") if dialect_of(client) == "clickhouse" else literal


def dialect_of(client: Client) -> str:
    """Return sqlglot's name for the destination's dialect."""
    return client.capabilities.sqlglot_dialect or ""


def is_ducklake(client: Client) -> bool:
    """Return whether the destination is a DuckLake, whose dialect is DuckDB's."""
    return isinstance(client, DuckLakeSqlClient)


def translate(
    client: Client, statement: str, parameters: Sequence[Any] = ()
) -> tuple[str, list[Any]]:
    """Return a statement in the destination's dialect, and its parameters; see `execute`."""
    takes_lists = dialect_of(client) in _DIALECTS_WITH_LISTS
    sizes: list[int | None] = []
    values: list[Any] = []
    for parameter in parameters:
        if parameter is None:
            # Written into the statement: not every driver has a type for None.
            sizes.append(None)
        elif isinstance(parameter, list) and not takes_lists:
            sizes.append(len(parameter))
            values += parameter
        else:
            sizes.append(1)
            is_text = isinstance(parameter, list) and dialect_of(client) == "duckdb"
            values.append(json.dumps(parameter) if is_text else parameter)
    references = table_references(_parse(statement))
    tables = tuple(client.make_qualified_table_name(table.name) for table in references)
    casefold = client.capabilities.casefold_identifier
    return _translate_text(statement, dialect_of(client), tables, casefold, tuple(sizes)), values


def table_references(statement: exp.Expression) -> list[exp.Table]:
    """Return every reference to a table or view, without those to the query's own CTEs."""
    if not isinstance(statement, exp.Query):
        return list(statement.find_all(exp.Table))
    references = {
        id(source): source
        for scope in traverse_scope(statement)
        for source in scope.sources.values()
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)
    }
    return list(references.values())


def qualify_table(table: exp.Table, qualified_name: str, dialect: str) -> None:
    """Add the dataset to a reference to a table, which is changed.

    The qualified name is the destination's full name of the table, in its dialect.
    """
    qualified = exp.to_table(qualified_name, dialect=dialect)
    for part in ("this", "db", "catalog"):
        table.set(part, qualified.args.get(part))


def to_dialect(statement: exp.Expression, dialect: str) -> str:
    """Return the text of a statement, which is changed, with the functions of `PHRASES`."""
    changed = statement.transform(_replace_phrase, dialect, copy=False)
    text: str = changed.sql(dialect=dialect, comments=False, copy=False)
    if dialect == "clickhouse" and isinstance(statement, exp.Update):
        # ClickHouse updates rows by a mutation, which runs later unless the statement waits for it.
        text = text.replace("UPDATE ", "ALTER TABLE ", 1).replace(" SET ", " UPDATE ", 1)
        text += " SETTINGS mutations_sync = 1"
    return text


@lru_cache(maxsize=256)
def _parse(statement: str) -> exp.Expression:
    return sqlglot.parse_one(statement, dialect=SOURCE_DIALECT)


@lru_cache(maxsize=256)
def _translate_text(
    statement: str,
    dialect: str,
    tables: tuple[str, ...],
    casefold: Callable[[str], str],
    sizes: tuple[int | None, ...],
) -> str:
    """Return a statement's text in a dialect.

    The tables are full names in the order of `table_references`. `casefold` spells a column name as
    the destination does. A size is the number of values for a `?`; None for NULL.
    """
    tree = _parse(statement).copy()
    for column in [*tree.find_all(exp.Column)]:
        column.set("this", exp.to_identifier(casefold(column.name), quoted=True))
    for schema in [*tree.find_all(exp.Schema)]:
        names = [exp.to_identifier(casefold(c.name), quoted=True) for c in schema.expressions]
        schema.set("expressions", names)
    for table, qualified_name in zip(table_references(tree), tables, strict=True):
        qualify_table(table, qualified_name, dialect)
    # Depth first is the order of the text.
    placeholders = [*tree.find_all(exp.Placeholder, bfs=False)]
    for placeholder, size in zip(placeholders, sizes, strict=True):
        _replace_placeholder(placeholder, size, dialect)
    return to_dialect(tree, dialect)


def _replace_placeholder(placeholder: exp.Placeholder, size: int | None, dialect: str) -> None:
    """Replace `?` or `= ANY(?)` by what dlt's client of the destination takes."""
    parameter = exp.Var(this="%s")
    any_of = placeholder.find_ancestor(exp.Any)
    comparison = any_of.parent if any_of else None
    if comparison is None:
        placeholder.replace(exp.null() if size is None else parameter)
    elif dialect not in _DIALECTS_WITH_LISTS:
        parameters = [parameter.copy() for _ in range(size or 0)]
        comparison.replace(exp.In(this=comparison.this, expressions=parameters))
    elif dialect == "duckdb":
        # DuckDB joins a table faster than it searches a list for each row. The list comes as JSON:
        # of a list, DuckDB 1.5 tries to import pandas for each value.
        keys = exp.Anonymous(
            this="from_json", expressions=[parameter, exp.Literal.string('["VARCHAR"]')]
        )
        values = exp.select(exp.Anonymous(this="unnest", expressions=[keys]))
        comparison.replace(exp.In(this=comparison.this, query=values.subquery()))
    else:
        placeholder.replace(parameter)


def _replace_phrase(node: exp.Expression, dialect: str) -> exp.Expression:
    """Return what stands for a function of `PHRASES` in a dialect; any other node unchanged."""
    name = node.name.upper() if isinstance(node, exp.Anonymous) else ""
    if isinstance(node, exp.TimeToUnix):
        name = "TIME_TO_UNIX"
    templates = PHRASES.get(name, {})
    template = templates.get(dialect, templates.get(""))
    if template is None:
        return node
    arguments = node.expressions if isinstance(node, exp.Anonymous) else [node.this]
    return exp.Var(this=template.format(*(to_dialect(a, dialect) for a in arguments)))
