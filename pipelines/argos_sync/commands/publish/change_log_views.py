"""Write the SQL with which other engines read a change log: tables, and views of what is current.

The views have the names and columns of the published tables. They have the newest visible version
of each submission's rows, and no submission that is marked as deleted.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from argos_sync.commands.publish.change_diff import logged_tables
from argos_sync.commands.publish.tables import public_tables
from argos_sync.load.delta_log import LOAD, LOADS, DeltaLog
from argos_sync.shape.contract import SUBMISSIONS, Table

Engine = Literal["duckdb", "spark", "trino", "athena", "snowflake"]
ENGINES: tuple[Engine, ...] = get_args(Engine)

_VERSIONS = "_current_versions"
"""View of the newest visible version of each submission that is not deleted."""


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How an engine is told of a Delta table; `register` takes its schema, name and URL.

    `header` is what to do before, as comments and statements, for the schemas of tables and views.
    """

    quote: str
    header: str
    register: Callable[[str, str, str], str]


_DIALECTS: dict[Engine, _Dialect] = {
    "duckdb": _Dialect(
        '"',
        "INSTALL delta;\nLOAD delta;\n"
        "CREATE SCHEMA IF NOT EXISTS {tables};\nCREATE SCHEMA IF NOT EXISTS {views};",
        "CREATE OR REPLACE VIEW {}.{} AS SELECT * FROM delta_scan('{}')".format,
    ),
    "spark": _Dialect(
        "`",
        "CREATE SCHEMA IF NOT EXISTS {tables};\nCREATE SCHEMA IF NOT EXISTS {views};",
        "CREATE TABLE IF NOT EXISTS {}.{} USING delta LOCATION '{}'".format,
    ),
    "trino": _Dialect(
        '"',
        "-- In a catalog of the connector delta_lake with delta.register-table-procedure.enabled.\n"
        "CREATE SCHEMA IF NOT EXISTS {tables};\nCREATE SCHEMA IF NOT EXISTS {views};",
        "CALL system.register_table(schema_name => '{}', table_name => '{}',"
        " table_location => '{}')".format,
    ),
    "athena": _Dialect(
        '"',
        "CREATE SCHEMA IF NOT EXISTS {tables};\nCREATE SCHEMA IF NOT EXISTS {views};",
        "CREATE EXTERNAL TABLE IF NOT EXISTS {}.`{}` LOCATION '{}'"
        " TBLPROPERTIES ('table_type' = 'DELTA')".format,
    ),
    "snowflake": _Dialect(
        "",
        "-- Needs an external volume argos_volume whose STORAGE_BASE_URL is the change log, and\n"
        "-- CREATE CATALOG INTEGRATION argos_delta CATALOG_SOURCE = OBJECT_STORE"
        " TABLE_FORMAT = DELTA ENABLED = TRUE.\n"
        "CREATE SCHEMA IF NOT EXISTS {tables};\nCREATE SCHEMA IF NOT EXISTS {views};",
        lambda schema, name, url: (
            f"CREATE OR REPLACE ICEBERG TABLE {schema}.{name} EXTERNAL_VOLUME = 'argos_volume'"
            f" CATALOG = 'argos_delta' BASE_LOCATION = '{url.rpartition('/')[2]}'"
        ),
    ),
}


def current_views(
    engine: Engine, url: str, dataset: str, *, strict: bool = False, pseudonyms: bool = False
) -> str:
    """Return the statements that give an engine the tables of a change log, and views over them.

    The tables are in schema `<dataset>_log`, the views in a schema named like the dataset.

    Args:
        engine: The engine that will run them.
        url: Path or URL of the change log, which is not read.
        dataset: Name of the dataset that the change log is written from.
        strict: Whether the change log is written without columns of class `quasi`.
        pseudonyms: Whether it is written with columns of pseudonyms.

    Raises:
        ConfigurationError: The path or URL cannot be that of a change log.
    """
    dialect, base = _DIALECTS[engine], DeltaLog(url).url
    tables = logged_tables(public_tables(strict=strict, pseudonyms=pseudonyms))
    schema = f"{dataset}_log"
    names = [LOADS, *(table.name for table in tables)]
    statements = [
        dialect.header.format(tables=schema, views=dataset).rstrip(";"),
        *(dialect.register(schema, name, f"{base}/{name}".replace("'", "''")) for name in names),
        *_views(dialect.quote, schema, dataset, tables),
    ]
    return "".join(f"{statement};\n" for statement in statements)


def _views(quote: str, schema: str, dataset: str, tables: Sequence[Table]) -> Iterator[str]:
    """Yield a statement for each view; `schema` has the tables."""

    def name(column: str, relation: str = "t") -> str:
        return f"{relation}.{quote}{column}{quote}"

    def newest(table: str, key: Sequence[str]) -> str:
        """Return a join of the alias t with the newest visible version of each key of a table."""
        keys = ", ".join(name(column, "v") for column in key)
        load = f"{quote}{LOAD}{quote}"
        conditions = " AND ".join(f"{name(c)} = {name(c, 'n')}" for c in (*key, LOAD))
        return (
            f"JOIN (SELECT {keys}, MAX({name(LOAD, 'v')}) AS {load} FROM {schema}.{table} AS v"  # noqa: S608 names only
            f" JOIN {schema}.{quote}{LOADS}{quote} AS l ON {name(LOAD, 'v')} = {name(LOAD, 'l')}"
            f" GROUP BY {keys}) AS n ON {conditions}"
        )

    def view(view_name: str, select: str) -> str:
        return f"CREATE OR REPLACE VIEW {dataset}.{quote}{view_name}{quote} AS\n{select}"

    current = f"{name('submission_id')}, {name(LOAD)} FROM {schema}.{SUBMISSIONS} AS t"
    versions = newest(SUBMISSIONS, ["submission_id"])
    yield view(_VERSIONS, f"SELECT {current} {versions} WHERE {name('_deleted_at')} IS NULL")
    is_current = " AND ".join(f"{name(c)} = {name(c, 'c')}" for c in ("submission_id", LOAD))
    for table in tables:
        columns = ", ".join(name(column.name) for column in table.columns)
        if table.name == SUBMISSIONS or table.belongs_to_submission:
            join = f"JOIN {dataset}.{quote}{_VERSIONS}{quote} AS c ON {is_current}"
        else:
            join = newest(table.name, table.key)
        yield view(table.name, f"SELECT {columns} FROM {schema}.{table.name} AS t {join}")  # noqa: S608 names only
