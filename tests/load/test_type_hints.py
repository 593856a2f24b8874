"""dlt's questions about type hints: the same answers as before, each found out once."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from dlt.common import validation
from dlt.common.configuration import resolve
from dlt.common.configuration.providers import environ
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.destination.configuration import ParquetFormatConfiguration
from dlt.common.schema.typing import TColumnSchema, TStoredSchema, TTableSchema
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration
from dlt.destinations.impl.postgres.configuration import PostgresCredentials

from argos_sync.load.type_hints import _once, remember_type_hints


@pytest.fixture(autouse=True)
def remembering() -> None:
    """Whatever ran before in this process."""
    remember_type_hints()


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
