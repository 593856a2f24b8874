"""Tables as assets: one graph, descriptions of the contract, and what the warehouse has."""

from types import ModuleType
from typing import Any

import dagster as dg
import duckdb
import pytest

from argos_sync.commands.publish.tables import public_tables
from argos_sync.orchestration.tables import COLUMN_SCHEMA, ROW_COUNT, TABLE_NAME, read_tables
from argos_sync.shape.contract import load_contract
from support import Warehouse

CONTRACT = load_contract()
LOADERS = {"submissions", "submissions_by_day", "reconciliation"}
OUTPUTS = {"published_copy", "report"}


def names(keys: object) -> set[str]:
    """Return asset keys as texts."""
    assert isinstance(keys, set | frozenset)
    return {key.to_user_string() for key in keys}


def test_lineage_is_one_picture(definitions: ModuleType) -> None:
    """Commands load the tables, of which the copy and the report are made."""
    dg.Definitions.validate_loadable(definitions.defs)
    graph = definitions.defs.resolve_asset_graph()
    assert names(set(graph.get_all_asset_keys())) == CONTRACT.tables.keys() | LOADERS | OUTPUTS
    published = {table.name for table in public_tables(strict=False)}
    for node in graph.asset_nodes:
        name, parents = node.key.to_user_string(), names(set(node.parent_keys))
        if name in LOADERS:
            assert parents == set()
        elif name in OUTPUTS:
            assert parents == published | {"reconciliation"}
        else:
            assert parents == LOADERS
        assert node.group_name == "argos"
    assert {"submissions", "applicants", "sync_runs"} < published
    assert not {"quarantine", "sync_suppressions"} & published


def test_outputs_wait_for_loads_in_the_same_run(definitions: ModuleType) -> None:
    """Dagster orders only assets that it executes, so tables alone would not make them wait."""
    job = definitions.defs.resolve_implicit_global_asset_job_def()
    for invocation, inputs in job.graph.dependencies.items():
        if invocation.name in OUTPUTS:
            assert {one.node for one in inputs.values()} == {"submissions", "reconciliation"}


def test_what_dagster_executes_is_in_the_pool(definitions: ModuleType) -> None:
    """Tables are loaded by commands, so Dagster cannot materialize one alone."""
    graph = definitions.defs.resolve_asset_graph()
    executable = {node.key.to_user_string() for node in graph.asset_nodes if node.is_executable}
    assert executable == LOADERS | OUTPUTS
    pools = {node.key.to_user_string(): node.pools for node in graph.asset_nodes}
    assert {name for name, pool in pools.items() if pool == {"argos_api"}} == executable
    assert definitions.warehouse_checks.op.pool == "argos_api"


def test_tables_are_described_as_in_the_dictionary(definitions: ModuleType) -> None:
    """Each column has its type, meaning and privacy class."""
    graph = definitions.defs.resolve_asset_graph()
    for name, table in CONTRACT.tables.items():
        node = graph.get(dg.AssetKey(name))
        assert str(node.description).startswith(table.comment)
        assert node.metadata[TABLE_NAME] == f"argos.{name}"
        schema = node.metadata[COLUMN_SCHEMA]
        assert [column.name for column in schema.columns] == [c.name for c in table.columns]
        assert schema.constraints.other == [f"key: {', '.join(table.key)}"]
    columns = {
        column.name: column
        for column in graph.get(dg.AssetKey("applicants")).metadata[COLUMN_SCHEMA].columns
    }
    expected = CONTRACT["applicants"].columns_by_name
    assert columns["date_of_birth"].type == "date"
    assert columns["date_of_birth"].description == expected["date_of_birth"].meaning
    assert columns["submission_id"].constraints.nullable is False
    classes = {name: column.tags["privacy"] for name, column in columns.items()}
    assert classes == {name: column.privacy for name, column in expected.items()}
    assert (classes["email"], classes["submission_id"]) == ("direct", "none")


def test_a_table_has_the_rows_and_columns_that_there_are(synced_warehouse: Warehouse) -> None:
    """A dropped column is missing, a hashed one is a text, and a missing table is left out."""
    with duckdb.connect(str(synced_warehouse.target.file)) as connection:
        connection.execute("USE argos")
        connection.execute("ALTER TABLE applicants DROP COLUMN email")
        connection.execute("ALTER TABLE applicants ALTER date_of_birth TYPE VARCHAR")
        connection.execute("DROP TABLE match_risk_icons CASCADE")
        counted = {
            name: connection.execute(f"SELECT COUNT(*) FROM {name}").fetchall()[0][0]
            for name in CONTRACT.tables.keys() - {"match_risk_icons"}
        }
    found = read_tables(synced_warehouse.target)
    assert {name: metadata[ROW_COUNT] for name, metadata in found.items()} == counted
    assert counted["submissions"] == 60
    columns = {column.name: column.type for column in found["applicants"][COLUMN_SCHEMA].columns}
    expected = {column.name: column.type for column in CONTRACT["applicants"].columns}
    del expected["email"]
    assert columns == expected | {"date_of_birth": "text"}


@pytest.mark.slow
def test_outputs_follow_every_load(definitions: ModuleType) -> None:
    """The automation conditions ask for them after a load, also without some tables, and once."""
    with dg.DagsterInstance.ephemeral() as instance:

        def requested(cursor: Any = None) -> tuple[set[str], Any]:
            result = dg.evaluate_automation_conditions(
                definitions.defs, instance, dg.AssetSelection.assets(*OUTPUTS), cursor=cursor
            )
            numbers = {name: result.get_num_requested(dg.AssetKey(name)) for name in OUTPUTS}
            return {name for name, number in numbers.items() if number}, result.cursor

        found, cursor = requested()
        assert found == set()
        instance.report_runless_asset_event(dg.AssetMaterialization("applicants"))
        found, cursor = requested(cursor)
        assert found == OUTPUTS
        assert requested(cursor)[0] == set()
