"""SQL that differs between dialects, and how DuckDB writes names, literals and types."""

import re
from collections.abc import Mapping

from argos_sync.shape.contract import ColumnType

DUCKDB_TYPES: Mapping[ColumnType, str] = {
    "text": "VARCHAR",
    "json": "JSON",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
    "double": "DOUBLE",
    "bigint": "BIGINT",
    "bool": "BOOLEAN",
}
"""DuckDB's type for each column type."""

_DATABRICKS_TIME = "FROM_UTC_TIMESTAMP(TO_UTC_TIMESTAMP({}, CURRENT_TIMEZONE()), {})"
"""The time in a zone: its casts depend on the session's time zone."""

PHRASES: Mapping[str, Mapping[str, str]] = {
    # The day of a timestamp in a time zone.
    "DAY_IN": {
        "": "CAST({} AT TIME ZONE {} AS DATE)",
        "clickhouse": "toDate(toTimeZone({}, {}))",
        "databricks": f"CAST({_DATABRICKS_TIME} AS DATE)",
        "snowflake": "CAST(CONVERT_TIMEZONE({1}, {0}) AS DATE)",
    },
    # A parameter that is a time, as an argument of a function. dlt writes it as a text into
    # statements for ClickHouse.
    "MOMENT": {"": "{}", "clickhouse": "toDateTime64({}, 6, 'UTC')"},
    # The Monday of a timestamp's week in a time zone.
    "WEEK_IN": {
        "": "CAST(DATE_TRUNC('week', {} AT TIME ZONE {}) AS DATE)",
        "clickhouse": "toMonday(toTimeZone({}, {}))",
        "databricks": f"CAST(DATE_TRUNC('WEEK', {_DATABRICKS_TIME}) AS DATE)",
        # Its DATE_TRUNC takes the first day of a week from the session.
        "snowflake": "DATEADD(DAY, 1 - DAYOFWEEKISO(CONVERT_TIMEZONE({1}, {0})),"
        " CAST(CONVERT_TIMEZONE({1}, {0}) AS DATE))",
    },
    # A group's values joined by commas, ordered by the second argument. sqlglot 29 puts ORDER BY
    # where Redshift refuses it, and has no translation for ClickHouse.
    "JOINED": {
        "": "STRING_AGG({}, ', ' ORDER BY {})",
        "clickhouse": "arrayStringConcat(arrayMap(pair -> pair.2,"
        " arraySort(groupArray(({1}, {0})))), ', ')",
        **dict.fromkeys(
            ("databricks", "redshift", "snowflake"), "LISTAGG({}, ', ') WITHIN GROUP (ORDER BY {})"
        ),
    },
    # A JSON column as text, because drivers would parse it into objects.
    "JSON_TEXT": {
        "": "CAST({} AS TEXT)",
        "clickhouse": "CAST({} AS Nullable(String))",
        "databricks": "CAST({} AS STRING)",
        "redshift": "JSON_SERIALIZE({})",
    },
    # Seconds since 1970, with a fraction. sqlglot 29 translates it into whole seconds, and for
    # ClickHouse not at all; its own function for whole seconds refuses times before 1970.
    "TIME_TO_UNIX": {
        "clickhouse": "(toUnixTimestamp64Micro(toDateTime64({}, 6, 'UTC')) / 1000000)",
        "databricks": "(UNIX_MICROS({}) / 1000000)",
        # Of a NUMBER, a quotient would be a decimal.
        "snowflake": "(CAST(DATE_PART(EPOCH_MICROSECOND, {}) AS DOUBLE) / 1000000)",
    },
}
"""Functions of our SQL: by name and sqlglot dialect ("" is every other one), the template in which
`{}` stands for each argument in order."""


_PUNCTUATION = re.compile(r"'[^']*'|[(),]")
"""What separates arguments, and text literals, which may contain it."""


def expand_calls(text: str, templates: Mapping[str, str]) -> str:
    """Replace calls of functions in a statement without comments, which sqlglot need not parse.

    `templates` has, by name of the function in capitals, the text in which `{}` stands for each
    argument in order.

    Raises:
        ValueError: A parenthesis is not closed.
    """
    calls = re.compile(rf"\b({'|'.join(templates)})\(")
    while call := calls.search(text):
        arguments, end = split_arguments(text, call.end())
        text = text[: call.start()] + templates[call[1]].format(*arguments) + text[end:]
    return text


def split_arguments(text: str, start: int) -> tuple[list[str], int]:
    """Return what commas separate from a position after `(` on, and the position after its `)`.

    Raises:
        ValueError: The parenthesis is not closed.
    """
    arguments, depth, first = [], 0, start
    for token in _PUNCTUATION.finditer(text, start):
        if token[0] in {",", ")"} and depth == 0:
            arguments.append(text[first : token.start()].strip())
            first = token.end()
            if token[0] == ")":
                return arguments, first
        depth += {"(": 1, ")": -1}.get(token[0], 0)
    raise ValueError(text)


def quote_name(name: str) -> str:
    """Return a name quoted for DuckDB's SQL."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return a text as a literal of DuckDB's SQL."""
    return "'" + text.replace("'", "''") + "'"
