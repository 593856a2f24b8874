"""Snowflake for tests: fakesnow, a server of its protocol that translates SQL for DuckDB."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.destinations import snowflake

from argos_sync.load.source import make_source
from argos_sync.load.sql import Client
from argos_sync.load.target import Target, make_pipeline, working_dir
from argos_sync.shape.contract import Table, load_contract
from promises.place import read_through_dlt
from support import Rows, Warehouse
from warehouse.direct import connected

_NULL_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""What fakesnow's server sends for a time that is NULL; no test has this time."""


class OneStatement(snowflake):
    """Sends one statement in each request; fakesnow's server takes no more."""

    def capabilities(self, *arguments: Any, **options: Any) -> DestinationCapabilitiesContext:
        """Return dlt's description of the destination."""
        changed = super().capabilities(*arguments, **options)
        changed.supports_multiple_statements = False
        return changed


@contextmanager
def snowflake_warehouse(folder: Path) -> Iterator[Warehouse]:
    """Yield a dataset with the tables that dlt makes for the contract, all of them empty."""
    fakesnow = import_module("fakesnow")  # is installed by `make standins` only
    with fakesnow.server() as server, pytest.MonkeyPatch.context() as patch:
        address = f"{server['account']}/kyc?host={server['host']}&port={server['port']}"
        credentials = f"snowflake://{server['user']}:{server['password']}@{address}&protocol=http"
        patch.setenv(f"DESTINATION__{OneStatement.__name__.upper()}__CREDENTIALS", credentials)
        name = f"{OneStatement.__module__}.{OneStatement.__name__}"
        target = Target(name, pipelines_dir=str(folder / "pipelines"), allow_untried=True)
        pipeline = make_pipeline(target, working_dir(target))
        pipeline.extract(make_source(lambda _: iter([{}]), ()))
        pipeline.sync_schema()
        reader = read_through_dlt(target)
        yield replace(reader, query=lambda sql: [*map(_with_nulls, reader.query(sql))])


def _with_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value == _NULL_TIME else value for name, value in row.items()}


def copy_rows(source: Warehouse, destination: Warehouse) -> None:
    """Insert the rows of all tables of the contract."""
    with connected(destination) as client:
        for table in load_contract().tables.values():
            _insert(client, table, source.query(f"SELECT * FROM {table.name}"))


def _insert(client: Client, table: Table, rows: Rows) -> None:
    json = {column.name for column in table.columns if column.type == "json"}
    name = client.make_qualified_table_name(table.name)
    for row in rows:
        columns = ", ".join(row)
        values = ", ".join("PARSE_JSON(%s)" if column in json else "%s" for column in row)
        client.execute_sql(f"INSERT INTO {name} ({columns}) SELECT {values}", *row.values())
