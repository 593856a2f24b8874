"""Write the contract's descriptions as comments on tables, views and columns.

dlt writes the comments of columns of tables on Databricks and Snowflake when it creates
the tables (hint `description`); all other comments are written here.
"""

from collections.abc import Iterator, Mapping

from argos_sync.load.sql import Client, dialect_of, is_ducklake, quote_column, quote_text

TABLE, VIEW = "TABLE", "VIEW"

_COMMENT_ON = {
    TABLE: "COMMENT ON TABLE {name} IS {text}",
    VIEW: "COMMENT ON VIEW {name} IS {text}",
    f"COLUMN OF {TABLE}": "COMMENT ON COLUMN {name}.{column} IS {text}",
    f"COLUMN OF {VIEW}": "COMMENT ON COLUMN {name}.{column} IS {text}",
}

_TEMPLATES: dict[str, dict[str, str]] = {
    "duckdb": _COMMENT_ON,
    # DuckLake has comments on columns of tables only.
    "ducklake": {kind: _COMMENT_ON[kind] for kind in (TABLE, VIEW, f"COLUMN OF {TABLE}")},
    "postgres": _COMMENT_ON,
    "redshift": _COMMENT_ON,
    "snowflake": {kind: _COMMENT_ON[kind] for kind in (TABLE, VIEW)},
    # COMMENT ON TABLE comments on views, too.
    "databricks": dict.fromkeys((TABLE, VIEW), _COMMENT_ON[TABLE]),
    "clickhouse": {
        TABLE: "ALTER TABLE {name} MODIFY COMMENT {text}",
        f"COLUMN OF {TABLE}": "ALTER TABLE {name} COMMENT COLUMN {column} {text}",
    },
}
"""Statements by dialect (or `ducklake`) and kind of object; where one is missing, the database has
no such comment or dlt writes it."""


def comment_on(
    client: Client, kind: str, name: str, description: str, columns: Mapping[str, str]
) -> Iterator[str]:
    """Yield statements in the destination's dialect that comment on a `TABLE` or `VIEW`."""
    database = "ducklake" if is_ducklake(client) else dialect_of(client)
    templates = _TEMPLATES.get(database, {})
    qualified = client.make_qualified_table_name(name)
    if template := templates.get(kind):
        yield template.format(name=qualified, text=quote_text(client, description))
    if template := templates.get(f"COLUMN OF {kind}"):
        for column, comment in columns.items():
            yield template.format(
                name=qualified,
                column=quote_column(client, column),
                text=quote_text(client, comment),
            )
