"""Destinations that no test can reach are documented as dlt describes them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from dlt.common.destination import Destination

from argos_sync.dictionary import render_destinations
from argos_sync.load.destinations.support import ACCEPTED, REFUSED

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
    others = {"aws-secrets", "dagster", "delta", "google-secrets", "otel", "report"}
    assert set(extras) - others == {name for name, one in ACCEPTED.items() if one.extra}
    assert set(EXAMPLES) == set(extras) - others - {"postgres"}
    for name in EXAMPLES:
        assert extras[name][0] == f"dlt[{name}]>=1.31,<1.32"
        assert extras[name][1:] == [] or name == "ducklake"  # whose extensions are packages, too


def test_the_tables_are_up_to_date() -> None:
    """`make schema` changes nothing; every destination has a row."""
    assert render_destinations(PAGE) == PAGE, "run `make schema`"
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    for name in ACCEPTED.keys() | REFUSED.keys():
        assert [row for row in rows if f"`{name}`" in row.split(" | ")[0]], name
