"""Shorter ways for dlt: the same answers as before."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from datetime import date
from typing import Any

import pytest
from dlt.common import validation
from dlt.common.configuration import resolve
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import environ
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.destination import utils
from dlt.common.destination.configuration import ParquetFormatConfiguration
from dlt.common.normalizers.json import helpers
from dlt.common.schema import utils as schema_utils
from dlt.common.schema.typing import TColumnSchema, TSchemaTables, TStoredSchema, TTableSchema
from dlt.destinations import duckdb, postgres
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration
from dlt.destinations.impl.postgres.configuration import PostgresCredentials

from argos_sync.emulator import Emulator
from argos_sync.load import shortcuts
from argos_sync.commands.sync import refresh
from argos_sync.load.pipeline import attach, working_dir
from argos_sync.load.shortcuts import _ASKED, _GIVEN, _copied, _once, take_shortcuts
from argos_sync.load.source import _NestedTable
from support import context_for, duckdb_warehouse


@pytest.fixture(autouse=True)
def remembering() -> None:
    """Whatever ran before in this process."""
    take_shortcuts()


@pytest.mark.parametrize(
    "spec", [ParquetFormatConfiguration, DuckDbClientConfiguration, PostgresCredentials]
)
def test_settings_are_looked_up_as_before(spec: type[BaseConfiguration]) -> None:
    """Above all what is a secret, whatever was asked about before."""
    hints = list(spec.get_resolvable_fields().values())
    assert len(hints) > 3
    for _ in range(2):
        for module in (environ, resolve):
            assert list(map(module.is_secret_hint, hints)) == list(
                map(module.is_secret_hint.__wrapped__, hints)
            )
        for hint in hints:
            for named in ({}, {"preserve_literal": True}):
                before = resolve.extract_inner_hint.__wrapped__(hint, **named)
                assert resolve.extract_inner_hint(hint, **named) is before


@pytest.mark.parametrize("spec", [TColumnSchema, TTableSchema, TStoredSchema])
def test_schemas_are_checked_as_before(spec: Any) -> None:
    """Within the namespace of the module that has the type."""
    names = vars(sys.modules[spec.__module__])
    before = validation.get_type_hints.__wrapped__(spec, globalns=names)
    assert validation.get_type_hints(spec, globalns=names) == before
    assert validation.get_type_hints(spec, globalns=names) is validation.get_type_hints(
        spec, globalns=names
    )


def test_each_is_found_out_once() -> None:
    """Unless it has no hash."""
    asked = []
    ask = _once(lambda hint, **_: asked.append(hint))
    for hint in (int, str, int, [], []):
        ask(hint, preserve=True)
    ask(int, preserve=False)
    assert asked == [int, str, [], [], int]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> TSchemaTables:
    """The tables of a schema, as a load leaves them."""
    warehouse = duckdb_warehouse(tmp_path_factory.mktemp("stored"))
    with Emulator() as api:
        refresh(context_for(api.base_url, warehouse.target), submission_ids=["nobody"])
    pipeline = attach(warehouse.target, working_dir(warehouse.target))
    return pipeline.default_schema.tables


def test_tables_are_copied_whole(stored: TSchemaTables) -> None:
    """A copy is equal, of the same kind, and has nothing in common with what it was made from."""
    tables = stored | {"nested": _NestedTable(stored["kyc"])}
    copied = _copied(tables)
    assert copied == tables
    assert type(copied["nested"]) is _NestedTable
    for name, table in tables.items():
        assert copied[name] is not table
        assert copied[name]["columns"] is not table["columns"]
        for column, hints in table["columns"].items():
            assert copied[name]["columns"][column] is not hints
    assert _copied({"a": [{"b": date(2025, 1, 1)}]}) == {"a": [{"b": date(2025, 1, 1)}]}


@pytest.mark.parametrize("factory", [duckdb, postgres])
@pytest.mark.parametrize("given", ["as an argument", "in the container", "nowhere"])
def test_tables_are_prepared_as_before(stored: TSchemaTables, factory: Any, given: str) -> None:
    """With the capabilities of a destination, wherever dlt has them, or with none."""
    capabilities = factory().capabilities()
    around: Any = Container().injectable_context(capabilities)
    arguments = (capabilities,) if given == "as an argument" else ()
    with around if given == "in the container" else nullcontext():
        for table in stored.values():
            for ask in (utils.prepare_load_table, helpers.resolve_merge_strategy):
                plain = ask.__wrapped__
                assert plain is not ask
                assert ask(stored, table, *arguments) == plain(stored, table, *arguments)
                assert plain.__wrapped__  # dlt's own way of finding what it is given


def test_dlt_takes_them() -> None:
    """Where it calls what was replaced; another version of it may call something else."""
    for module, name in (*_ASKED, *_GIVEN):
        asked = getattr(module, name)
        assert asked.__code__.co_filename == shortcuts.__file__
    assert schema_utils.deepcopy is _copied
