"""What README says of destinations that no test can reach, held against dlt's own word."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from dlt.common.destination import Destination

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n# \.dlt/secrets\.toml[^\n]*\n(.*?)```", README, re.DOTALL)
EXAMPLES: dict[str, dict[str, Any]] = tomllib.loads("".join(BLOCKS))["destination"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_what_dlt_reads(name: str) -> None:
    """Nothing that is needed is missing, and every key is one that dlt knows."""
    example = EXAMPLES[name]
    destination = Destination.from_reference(name, **example)
    settings = destination.configuration(destination.spec()._bind_dataset_name("argos"))
    assert settings.is_resolved()
    assert set(example["credentials"]) <= set(settings.credentials.get_resolvable_fields())


def test_every_destination_has_an_example_and_an_extra() -> None:
    """What README's table names can be installed under that name, with what dlt needs for it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert set(EXAMPLES) == set(extras) - {"dagster", "delta", "iceberg", "otel", "postgres"}
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
    """Dlt's merge makes temporary tables, so it is one where those may be part of it."""
    capabilities = Destination.from_reference(name).capabilities()
    assert bool(capabilities.supports_ddl_transactions) == whole
    row = next(
        line for line in README.splitlines() if line.startswith("| `") and f"`{name}`" in line
    )
    assert ("| one transaction |" in row) == whole
