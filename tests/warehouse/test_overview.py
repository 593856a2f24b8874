"""What `status` reads."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from argos_sync.emulator import Behaviour, Emulator, generate
from argos_sync.load.commands import backfill
from argos_sync.load.pipeline import look_into, open_warehouse
from argos_sync.warehouse.overview import overview
from support import NOW, context_for, duckdb_warehouse


def test_an_overview_counts_what_is_there(tmp_path: Path) -> None:
    """Rows by table, the last runs newest first, and issues by problem."""
    warehouse = duckdb_warehouse(tmp_path)
    submissions: list[Any] = generate(80, seed=2, end=date(2025, 1, 31))
    submissions[0]["data"]["date_of_birth"] = "31/12/1990"
    submissions[1]["data"]["date_of_birth"] = "1/1/1991"
    submissions[2]["recognition_score"] = {"no": "number"}
    with Emulator(submissions, behaviour=Behaviour()) as api:
        context = context_for(api.base_url, warehouse.target)
        for _ in range(2):
            backfill(context, date(2025, 1, 1), date(2025, 1, 31))
    with look_into(warehouse.target) as view:
        seen = overview(view.client)
    assert seen.rows["submissions"] == seen.rows["kyc"] == 80
    assert seen.rows["sync_runs"] == len(seen.runs) == 2
    assert [run["submissions_new"] for run in seen.runs] in ([0, 80], [80, 0])
    assert seen.last_success == NOW
    assert seen.issues == [
        {
            "table_name": "applicants",
            "problem": "not a date (YYYY-MM-DD) but a text",
            "count": 2,
        },
        {"table_name": "submissions", "problem": "not a number but an object", "count": 1},
    ]


def test_an_empty_warehouse_has_an_overview_too(tmp_path: Path) -> None:
    """Tables that do not exist yet count as empty."""
    warehouse = duckdb_warehouse(tmp_path)
    with open_warehouse(warehouse.target):
        pass
    with look_into(warehouse.target) as view:
        seen = overview(view.client)
        assert view.state == {}
    assert set(seen.rows.values()) == {0}
    assert (seen.runs, seen.last_success, seen.issues) == ([], None, [])
