"""Nothing personal is left behind outside the tables it belongs to."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dlt.common.versioned_state import decompress_state

from argos_sync.api.errors import ServerError
from argos_sync.commands.backfill import backfill
from argos_sync.emulator import Emulator, Faults
from support import API_KEY, Warehouse, context_for

pytestmark = pytest.mark.tables_made

MARK = "Sentinel-Person-7391"
FIRST, LAST = date(2025, 1, 1), date(2025, 1, 31)


def marked(submission: dict[str, Any]) -> dict[str, Any]:
    """Return the submission with the mark wherever a person's values stand, misfits included."""
    return submission | {
        "email": f"{MARK}@example.org",
        "userid": MARK,
        "data": {"name": MARK, "date_of_birth": MARK, "unknown field": MARK, f"{MARK}@x": 1},
        "aml": {"raw_data": {"who": MARK}, "matches": [{"score": MARK}]},
        "additional_list": [{"answer": "Name", "inputValue": MARK}],
        "created_at": submission["created_at"],
    }


def contents(folder: Path) -> bytes:
    """Return everything in a folder's files, gzipped files unpacked as well."""
    raw = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return b"".join(raw + [gzip.decompress(data) for data in raw if data[:2] == b"\x1f\x8b"])


@pytest.fixture
def people(january: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Submissions full of the mark, one of them only fit for quarantine."""
    return [*map(marked, january[:60]), marked(january[60]) | {"created_at": MARK}]


def test_a_finished_run_leaves_no_value_in_the_working_directory(
    warehouse: Warehouse, people: list[dict[str, Any]]
) -> None:
    """Loaded packages and state hold no personal value and no key."""
    with Emulator(people) as api:
        backfill(context_for(api.base_url, warehouse.target, page_size=20), FIRST, LAST)
    left = contents(Path(str(warehouse.target.pipelines_dir)))
    assert left
    assert MARK.encode() not in left
    assert API_KEY.encode() not in left


def test_reports_and_state_hold_no_value(
    any_warehouse: Warehouse, people: list[dict[str, Any]]
) -> None:
    """Issues, runs, windows, dlt's own tables and staging tell places and kinds, never values."""
    with Emulator(people) as api:
        backfill(context_for(api.base_url, any_warehouse.target, page_size=20), FIRST, LAST)
    issues = any_warehouse.table("sync_issues")
    assert {issue["path"] for issue in issues} >= {"data.date_of_birth", "data.*", "created_at"}
    for name in ("sync_issues", "sync_runs", "sync_windows", "_dlt_pipeline_state", "_dlt_loads"):
        assert MARK not in str(any_warehouse.query(f"SELECT * FROM {name}")), name
    for state in any_warehouse.query("SELECT state FROM _dlt_pipeline_state"):
        assert MARK not in str(decompress_state(state["state"]))
    dataset = any_warehouse.target.dataset
    staged = any_warehouse.query(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{dataset}_staging'"
    )
    assert bool(staged) == (any_warehouse.target.destination == "postgres")
    for row in staged:
        rows = any_warehouse.query(f"SELECT * FROM {dataset}_staging.{row['table_name']}")
        assert rows == [] or row["table_name"] == "_dlt_version", row["table_name"]


def test_an_error_holds_no_value(warehouse: Warehouse, people: list[dict[str, Any]]) -> None:
    """A failure in the middle of a run tells nothing of the rows on their way."""
    with (
        Emulator(people, faults=Faults(rate_500=1, max_consecutive=99)) as api,
        pytest.raises(ServerError) as raised,
    ):
        backfill(context_for(api.base_url, warehouse.target), FIRST, LAST)
    assert MARK not in f"{raised.value!r} {raised.value} {raised.getrepr()}"
