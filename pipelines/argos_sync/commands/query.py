"""`sql`: run a query on the warehouse, which it cannot change.

A DuckDB file is opened for reading, and PostgreSQL runs the query in a read-only transaction.
Elsewhere the statement is parsed, and refused unless it is a query.
"""

import json
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import duckdb
import sqlglot
from sqlglot import Token, exp
from sqlglot.errors import SqlglotError

from argos_sync.api.errors import ConfigurationError
from argos_sync.load.errors import DatabaseException, destination_errors
from argos_sync.load.read_only import open_read_only
from argos_sync.load.sql import (
    Client,
    ResultRows,
    dialect_of,
    execute_native,
    qualify_table,
    stream_native,
    table_references,
    transaction,
)
from argos_sync.load.sqlstate import driver_error, is_disconnected, server_fault, sqlstate
from argos_sync.load.target import Target

BATCH_ROWS = 5_000
"""Rows in memory at once."""

_READ_ONLY_TRANSACTION = "SET TRANSACTION READ ONLY"
_CURSOR = "argos_query"

_CURSOR_QUERIES = {"SELECT", "WITH", "VALUES", "TABLE", "("}
"""First words of statements that a cursor of PostgreSQL takes."""

_QUERIES = _CURSOR_QUERIES | {
    "DESC",
    "DESCRIBE",
    "EXPLAIN",
    "FROM",
    "PIVOT",
    "SHOW",
    "SUMMARIZE",
    "UNPIVOT",
}
"""First words of statements that return rows and, alone, change nothing."""

_ONLY_QUERIES = "give one query, such as SELECT COUNT(*) FROM submissions"

_ABOUT_THE_STATEMENT = (
    duckdb.ParserException,
    duckdb.BinderException,
    duckdb.CatalogException,
)
"""Errors of DuckDB about the text of a statement, before it has read a row."""

_SYNTAX, _READ_ONLY = "42", "25006"
"""The class of SQLSTATEs about the text of a statement, and that of a read-only transaction."""

_LONGEST_TEXT = 200
"""Characters of a database's message that are shown."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of a query: names of its columns, no two alike, and its rows in batches."""

    columns: tuple[str, ...]
    batches: Iterator[ResultRows]


@contextmanager
def run_query(target: Target, text: str) -> Iterator[QueryResult]:
    """Run one query in the destination's dialect; bare names are those of the dataset.

    Args:
        target: Where the warehouse is.
        text: The query; comments and a semicolon at its end are allowed.

    Raises:
        ConfigurationError: It is not one query, or the destination refuses it. The message quotes
            the destination only where it cannot have read a row yet, and without literals.
        DestinationError: There is no warehouse, or it is locked or not reachable.
    """
    with open_read_only(target) as warehouse, destination_errors(), _query_errors():
        client = warehouse.client
        word, statement = _one_query(client, text)
        # Batches end before the connection, also if nobody reads them all.
        with _reading_only(client), closing(_batches(client, word, statement)) as batches:
            yield QueryResult(_unique(next(batches)), batches)


def _one_query(client: Client, text: str) -> tuple[str, str]:
    """Return the first word of a query and its text without a semicolon at its end.

    Raises:
        ConfigurationError: It is something else, or several statements.
    """
    dialect = dialect_of(client)
    try:
        tokens = sqlglot.tokenize(text, dialect=dialect)
    except SqlglotError:
        raise ConfigurationError("the query cannot be read", "check its quotes") from None
    end = next((i for i, token in enumerate(tokens) if _is_end(token)), len(tokens))
    if not all(map(_is_end, tokens[end:])):
        raise ConfigurationError("there are several statements", _ONLY_QUERIES)
    word = tokens[0].text.upper() if end else ""
    if word not in _QUERIES:
        raise ConfigurationError("this is not a query", _ONLY_QUERIES)
    statement = text[: tokens[end].start] if end < len(tokens) else text
    if dialect in ("duckdb", "postgres"):
        return word, statement
    return word, _qualified_query(client, statement, dialect)


def _is_end(token: Token) -> bool:
    return bool(token.token_type.name == "SEMICOLON")


def _qualified_query(client: Client, statement: str, dialect: str) -> str:
    """Return a query with the dataset before bare names, for destinations without a search path."""
    try:
        tree = sqlglot.parse_one(statement, dialect=dialect)
    except SqlglotError:
        raise ConfigurationError("the query cannot be read", "check its syntax") from None
    if not isinstance(tree, exp.Query) or tree.find(exp.DML):
        raise ConfigurationError("this is not a query", _ONLY_QUERIES)
    for table in table_references(tree):
        if not table.db:
            alias = table.alias or table.name
            qualify_table(table, client.make_qualified_table_name(table.name), dialect)
            table.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
    return tree.sql(dialect=dialect)


@contextmanager
def _reading_only(client: Client) -> Iterator[None]:
    is_postgres = dialect_of(client) == "postgres"
    with transaction(client) if is_postgres else nullcontext():
        if is_postgres:
            execute_native(client, _READ_ONLY_TRANSACTION)
        yield


def _batches(client: Client, word: str, statement: str) -> Generator[Any, None, None]:
    """Yield the names of the columns, then the rows in batches."""
    if dialect_of(client) == "postgres" and word in _CURSOR_QUERIES:
        # Without a server-side cursor the driver reads all rows before it returns the first.
        execute_native(client, f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {statement}")
        statement = f"FETCH {BATCH_ROWS} FROM {_CURSOR}"
        with stream_native(client, statement) as cursor:
            yield [column[0] for column in cursor.description]
            rows: ResultRows = cursor.fetchall()
        while rows:
            yield rows
            rows = execute_native(client, statement)
        return
    with stream_native(client, statement) as cursor:
        yield [column[0] for column in cursor.description]
        json_columns = [
            place for place, column in enumerate(cursor.description) if str(column[1]) == "JSON"
        ]
        while rows := cursor.fetchmany(BATCH_ROWS):
            yield _with_json(rows, json_columns) if json_columns else rows


def _with_json(rows: ResultRows, columns: Sequence[int]) -> ResultRows:
    """Return rows of DuckDB with the values of JSON columns, as PostgreSQL's driver does."""
    return [
        tuple(_parsed(value) if place in columns else value for place, value in enumerate(row))
        for row in rows
    ]


def _parsed(value: str | None) -> Any:
    """Return the value of a JSON text; the text if it is nested too deep for Python."""
    with suppress(RecursionError):
        return json.loads(value) if value is not None else None
    return value


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, with `_2` and so on after those that occurred before."""
    unique: dict[str, None] = {}
    for name in names:
        number, candidate = 1, name
        while candidate in unique:
            number += 1
            candidate = f"{name}_{number}"
        unique[candidate] = None
    return tuple(unique)


@contextmanager
def _query_errors() -> Iterator[None]:
    """Turn the destination's refusal of the query into a usage error."""
    try:
        yield
    except (DatabaseException, duckdb.Error) as error:
        if _is_outage(error):
            raise
        raise ConfigurationError(f"the query failed: {_explanation(error)}", "correct it") from None
    except RecursionError:  # in PostgreSQL's driver, which parses JSON
        raise ConfigurationError(
            "a JSON value of the result is nested too deep", "cast it to text in the query"
        ) from None


def _is_outage(error: BaseException) -> bool:
    """Whether the destination has failed, not the query."""
    cause = driver_error(error)
    if isinstance(cause, duckdb.OperationalError) or is_disconnected(cause):
        return True
    fault = server_fault(cause)
    return fault is not None and fault.kind != "statement" and sqlstate(cause) != _READ_ONLY


def _explanation(error: BaseException) -> str:
    """Return what a database says of a statement, or only the error's class if it may quote rows.

    A literal of the statement may be a person's value, so literals are left out.
    """
    cause = driver_error(error)
    code = sqlstate(cause) or ""
    if code == _READ_ONLY:
        return "it would change the database"
    if isinstance(cause, _ABOUT_THE_STATEMENT) or code.startswith(_SYNTAX):
        line = (str(cause).splitlines() or [""])[0]
        return re.sub(r"'[^']*'", "'…'", line)[:_LONGEST_TEXT]
    return f"{type(cause).__name__}{', SQLSTATE ' if code else ''}{code}"
