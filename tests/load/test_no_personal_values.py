"""Personal values stay in their tables: not in files, state, other tables or errors."""

import gzip
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dlt.common.versioned_state import decompress_state

from argos_sync.api.errors import ServerError
from argos_sync.commands.backfill import backfill
from argos_sync.emulator import Faults
from support import API_KEY, Warehouse, context_for
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made

MARKER = "Sentinel-Person-7391"
FIRST, LAST = date(2025, 1, 1), date(2025, 1, 31)


def marked(submission: dict[str, Any]) -> dict[str, Any]:
    """Return a submission with the marker as every personal value, even where it does not fit."""
    return submission | {
        "email": f"{MARKER}@example.org",
        "userid": MARKER,
        "data": {
            "name": MARKER,
            "date_of_birth": MARKER,
            "unknown field": MARKER,
            f"{MARKER}@x": 1,
        },
        "aml": {"raw_data": {"who": MARKER}, "matches": [{"score": MARKER}]},
        "additional_list": [{"answer": "Name", "inputValue": MARKER}],
        "created_at": submission["created_at"],
    }


def contents(folder: Path) -> bytes:
    """Return everything in a folder's files, gzipped files unpacked as well."""
    raw = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return b"".join(raw + [gzip.decompress(data) for data in raw if data[:2] == b"\x1f\x8b"])


@pytest.fixture
def people(january: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Marked submissions, one of which is quarantined."""
    return [*map(marked, january[:20]), marked(january[20]) | {"created_at": MARKER}]


def test_the_working_directory_has_no_values(
    warehouse: Warehouse, people: list[dict[str, Any]]
) -> None:
    """After a run, its files contain no personal value and no key."""
    with Emulator(people) as api:
        backfill(context_for(api.base_url, warehouse.target, page_size=10), FIRST, LAST)
    content = contents(Path(str(warehouse.target.pipelines_dir)))
    assert content
    assert MARKER.encode() not in content
    assert API_KEY.encode() not in content


@pytest.mark.slow
def test_records_and_state_have_no_values(
    any_warehouse: Warehouse, people: list[dict[str, Any]]
) -> None:
    """Issues, runs, windows and dlt's tables never have values; the staging dataset is dropped."""
    with Emulator(people) as api:
        backfill(context_for(api.base_url, any_warehouse.target, page_size=10), FIRST, LAST)
    issues = any_warehouse.table("sync_issues")
    assert {issue["path"] for issue in issues} >= {"data.date_of_birth", "data.*", "created_at"}
    for name in ("sync_issues", "sync_runs", "sync_windows", "_dlt_pipeline_state", "_dlt_loads"):
        assert MARKER not in str(any_warehouse.query(f"SELECT * FROM {name}")), name
    for state in any_warehouse.query("SELECT state FROM _dlt_pipeline_state"):
        assert MARKER not in str(decompress_state(state["state"]))
    dataset = any_warehouse.target.dataset
    staging = any_warehouse.query(
        "SELECT schema_name FROM information_schema.schemata"
        f" WHERE schema_name LIKE '{dataset}_staging%'"
    )
    assert staging == []


def test_an_error_has_no_values(warehouse: Warehouse, people: list[dict[str, Any]]) -> None:
    """A failure in the middle of a run does not repeat rows that it has fetched."""
    with (
        Emulator(people, faults=Faults(rate_500=1, max_consecutive=99)) as api,
        pytest.raises(ServerError) as raised,
    ):
        backfill(context_for(api.base_url, warehouse.target), FIRST, LAST)
    assert MARKER not in f"{raised.value!r} {raised.value} {raised.getrepr()}"
