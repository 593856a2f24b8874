"""Describe the warehouse's tables as Dagster assets: columns from the contract, rows after a run.

Every command that loads fills all tables at once, so that Dagster cannot materialize one of them
alone: a table is an asset without a function of its own, and the commands report what it has.
Metadata has names, types, descriptions and counts, never a value.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import dagster as dg

from argos_sync.load.read_only import open_read_only
from argos_sync.load.sql import count_rows
from argos_sync.load.target import Target
from argos_sync.shape.contract import SUBMISSIONS, Column, Table, load_contract

ROW_COUNT = "dagster/row_count"
COLUMN_SCHEMA = "dagster/column_schema"
TABLE_NAME = "dagster/table_name"
PRIVACY = "privacy"
"""Tag of a column: its privacy class."""


def table_specs(
    dataset: str, group: str, deps: Collection[dg.AssetsDefinition]
) -> list[dg.AssetSpec]:
    """Return an asset for each table of the contract but `submissions`, whose asset loads them all.

    Args:
        dataset: Name of the dataset.
        group: Asset group.
        deps: Assets whose commands load the tables.
    """
    return [
        dg.AssetSpec(
            name,
            deps=deps,
            description=table.comment,
            metadata=table_metadata(dataset, table),
            group_name=group,
            kinds={"table"},
        )
        for name, table in load_contract().tables.items()
        if name != SUBMISSIONS
    ]


def table_metadata(dataset: str, table: Table) -> dict[str, Any]:
    """Return a table's qualified name and its columns in the contract."""
    return {
        TABLE_NAME: f"{dataset}.{table.name}",
        COLUMN_SCHEMA: dg.TableSchema(
            [_column(column) for column in table.columns],
            dg.TableConstraints([f"key: {', '.join(table.key)}"]),
        ),
    }


def read_tables(target: Target) -> dict[str, dict[str, Any]]:
    """Return the metadata of the tables that the warehouse has: rows, and the columns there are.

    A column that the privacy policy drops is missing; one that it hashes or encrypts is a text.

    Raises:
        ConfigurationError: The destination is not valid.
        DestinationError: The warehouse does not exist, is locked or is unreachable.
    """
    contract = load_contract()
    with open_read_only(target) as warehouse:
        fold = warehouse.client.capabilities.casefold_identifier
        stored = warehouse.columns(contract.tables)
        return {
            name: {
                ROW_COUNT: count_rows(warehouse.client, name),
                COLUMN_SCHEMA: dg.TableSchema(
                    [
                        _column(column, stored[name][fold(column.name)])
                        for column in table.columns
                        if fold(column.name) in stored[name]
                    ]
                ),
            }
            for name, table in contract.tables.items()
            if stored[name]
        }


def table_events(
    tables: Mapping[str, Mapping[str, Any]],
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    """Yield an event for each table, with its metadata: what a command has loaded.

    `submissions` is observed only: a materialization is that of a sync, which its checks follow.
    """
    for name, metadata in tables.items():
        event = dg.AssetObservation if name == SUBMISSIONS else dg.AssetMaterialization
        yield event(name, metadata=metadata)


def _column(column: Column, stored_type: str | None = None) -> dg.TableColumn:
    return dg.TableColumn(
        column.name,
        "text" if stored_type == "text" else column.type,
        column.meaning,
        dg.TableColumnConstraints(nullable=column.nullable),
        tags={PRIVACY: column.privacy},
    )
