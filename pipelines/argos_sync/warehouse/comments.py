"""What databases say of their own tables, views and columns: the contract's words, as comments.

dlt writes those of the columns of tables on BigQuery, Databricks and Snowflake, when it makes them
(hint `description`); all others are written here. What a view is says the header of its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import takewhile

from argos_sync.load.sql import Client, dialect_of, quote_column, quote_text

TABLE, VIEW = "TABLE", "VIEW"

_COMMENT_ON = {
    TABLE: "COMMENT ON TABLE {place} IS {text}",
    VIEW: "COMMENT ON VIEW {place} IS {text}",
    f"COLUMN OF {TABLE}": "COMMENT ON COLUMN {place}.{column} IS {text}",
    f"COLUMN OF {VIEW}": "COMMENT ON COLUMN {place}.{column} IS {text}",
}

_WORDS: dict[str, dict[str, str]] = {
    "duckdb": _COMMENT_ON,
    "postgres": _COMMENT_ON,
    "redshift": _COMMENT_ON,
    "snowflake": {kind: _COMMENT_ON[kind] for kind in (TABLE, VIEW)},
    # Views are tables to this statement.
    "databricks": dict.fromkeys((TABLE, VIEW), _COMMENT_ON[TABLE]),
    # It changes what it knows of a table five times in ten seconds: too few for columns of views.
    "bigquery": {
        kind: f"ALTER {kind} {{place}} SET OPTIONS (description = {{text}})"
        for kind in (TABLE, VIEW)
    },
    "clickhouse": {
        TABLE: "ALTER TABLE {place} MODIFY COMMENT {text}",
        f"COLUMN OF {TABLE}": "ALTER TABLE {place} COMMENT COLUMN {column} {text}",
    },
}
"""How each dialect comments on what; what is missing has no words there, or is dlt's to say."""


def comment_on(
    client: Client, kind: str, name: str, description: str, columns: Mapping[str, str]
) -> Iterator[str]:
    """Yield statements, in the destination's words, that comment on a table or view.

    Args:
        client: Of the destination; it need not be connected.
        kind: `TABLE` or `VIEW`.
        name: Its name.
        description: What to say of it.
        columns: What to say of its columns, by their names.
    """
    words = _WORDS.get(dialect_of(client), {})
    place = client.make_qualified_table_name(name)
    if kind in words:
        yield words[kind].format(place=place, text=quote_text(client, description))
    if template := words.get(f"COLUMN OF {kind}"):
        for column, meaning in columns.items():
            said = {"column": quote_column(client, column), "text": quote_text(client, meaning)}
            yield template.format(place=place, **said)


def header(text: str) -> tuple[str, dict[str, str]]:
    """Return what a view's file says of it, and of each column; a line may go on in the next."""
    lines = takewhile(lambda line: line.startswith("--"), text.splitlines())
    said, _, listed = "\n".join(line.removeprefix("--") for line in lines).partition("\n\n")
    columns = re.findall(r"^ (\w+)  +(\S.*(?:\n   +\S.*)*)", listed, re.MULTILINE)
    return " ".join(said.split()), {name: " ".join(what.split()) for name, what in columns}
