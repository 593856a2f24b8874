"""Destinations that no test can reach are documented as dlt describes them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from dlt.common.destination import Destination

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "destinations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n# \.dlt/secrets\.toml[^\n]*\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES: dict[str, dict[str, Any]] = tomllib.loads("".join(BLOCKS))["destination"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_complete(name: str) -> None:
    """No required key is missing, and dlt knows every key."""
    example = EXAMPLES[name]
    destination: Any = Destination.from_reference(name, **example)
    settings = destination.configuration(destination.spec()._bind_dataset_name("argos"))
    assert settings.is_resolved()
    assert set(example["credentials"]) <= set(settings.credentials.get_resolvable_fields())


def test_every_destination_has_an_example_and_an_extra() -> None:
    """Each destination of the table has an extra of its name, which installs dlt's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    others = {"dagster", "delta", "iceberg", "otel", "postgres", "report"}
    assert set(EXAMPLES) == set(extras) - others
    for name in EXAMPLES:
        assert extras[name] == [f"dlt[{name}]>=1.31,<1.32"]


@pytest.mark.parametrize(
    ("name", "whole"),
    {
        **dict.fromkeys(("duckdb", "postgres", "motherduck", "snowflake", "redshift"), True),
        **dict.fromkeys(("bigquery", "databricks", "clickhouse"), False),
    }.items(),
)
def test_where_a_chunk_is_one_transaction(name: str, whole: bool) -> None:
    """Dlt's merge creates temporary tables, so it needs transactions that may contain DDL."""
    destination: Any = Destination.from_reference(name)
    capabilities = destination.capabilities()
    assert bool(capabilities.supports_ddl_transactions) == whole
    row = next(line for line in PAGE.splitlines() if line.startswith("| `") and f"`{name}`" in line)
    assert ("| one transaction |" in row) == whole
