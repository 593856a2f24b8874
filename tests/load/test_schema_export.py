"""dlt's schema as exported from the contract."""

from pathlib import Path

import yaml

from argos_sync.load.source import dlt_schema
from argos_sync.shape.contract import load_contract, schemas_folder


def test_the_exported_schema_has_the_contracts_tables() -> None:
    """Every table and column of the contract, with its type, and nothing else but dlt's own."""
    exported = yaml.safe_load(dlt_schema())["tables"]
    for name, table in load_contract().tables.items():
        columns = exported[name]["columns"]
        assert {n: c["data_type"] for n, c in columns.items() if n != "_dlt_id"} == {
            column.name: column.type for column in table.columns
        }, name
    assert {name for name in exported if not name.startswith("_dlt")} == set(load_contract().tables)


def test_the_schemas_are_found_in_the_checkout() -> None:
    """An editable install reads `schemas/` of the checkout."""
    assert schemas_folder() == Path(__file__).parents[2] / "schemas"
