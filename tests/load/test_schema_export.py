"""What is derived from the contract and kept in the repository."""

from __future__ import annotations

from pathlib import Path

import yaml

from argos_sync.load.source import dlt_schema
from argos_sync.shape.contract import load_contract, schemas_folder


def test_the_exported_schema_is_the_contract() -> None:
    """Every table and column of the contract, with its type, and nothing else but dlt's own."""
    exported = yaml.safe_load(dlt_schema())["tables"]
    for name, table in load_contract().tables.items():
        columns = exported[name]["columns"]
        assert {n: c["data_type"] for n, c in columns.items() if n != "_dlt_id"} == {
            column.name: column.type for column in table.columns
        }, name
    assert {name for name in exported if not name.startswith("_dlt")} == set(load_contract().tables)


def test_the_schemas_are_found_in_the_checkout() -> None:
    """An editable install reads the files beside the sources."""
    assert schemas_folder() == Path(__file__).parents[2] / "schemas"
