"""Days and weeks of views, of published copies and of the report are those of one time zone."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.sync import sync
from argos_sync.config import load_settings
from argos_sync.report import make_report, scope_of
from support import NOW, Rows, Warehouse, at, context_for
from whole_lists import Emulator

SEOUL = "Asia/Seoul"

SUNDAY: Rows = [
    {
        "submission_id": "1",
        "created_at": "2025-01-05-15-30-00-000",
        "kyc_result_at": "2025-01-05-15-31-00-000",
        "reviewer": "system",
        "kyc": {"result": "approved"},
    }
]
"""On a Monday in Seoul."""

DAYS = "SELECT created_day, created_week FROM submissions_wide"
IN_UTC = {"created_day": date(2025, 1, 5), "created_week": date(2024, 12, 30)}
IN_SEOUL = {"created_day": date(2025, 1, 6), "created_week": date(2025, 1, 6)}


@pytest.mark.slow
def test_days_are_those_of_the_zone(any_warehouse: Warehouse, tmp_path: Path) -> None:
    """A changed setting makes the views again, and their comments; a copy has the same days."""
    file, report = tmp_path / "copy.duckdb", tmp_path / "report.html"
    with Emulator(SUNDAY) as api:
        sync(context_for(api.base_url, any_warehouse.target))
        assert any_warehouse.query(DAYS) == [IN_UTC]
        context = context_for(api.base_url, any_warehouse.target, reporting_time_zone=SEOUL)
        sync(at(context, NOW + timedelta(days=1)))
    assert any_warehouse.query(DAYS) == [IN_SEOUL]
    assert any_warehouse.query("SELECT day FROM kyc_funnel_daily") == [{"day": date(2025, 1, 6)}]
    weeks = any_warehouse.query("SELECT week FROM kyc_time_to_decision")
    assert weeks == [{"week": date(2025, 1, 6)}]
    publish(any_warehouse.target, file, zone=SEOUL)
    with duckdb.connect(str(file), read_only=True) as connection:
        (row,) = connection.execute(f"USE argos; {DAYS}").fetchall()
        assert row == tuple(IN_SEOUL.values())
        comments = "SELECT comment FROM duckdb_views() WHERE view_name = 'kyc_funnel_daily'"
        ((comment,),) = connection.execute(comments).fetchall()
        assert comment.endswith("Days and weeks are those of Asia/Seoul.")
    late = datetime(2025, 1, 5, 16, tzinfo=UTC)
    make_report(any_warehouse.target, report, scope_of(late, zone=SEOUL, first=date(2025, 1, 6)))
    # Its only day is not over.
    assert "2025-01-06 (partial)" in report.read_text(encoding="utf-8")


@pytest.mark.parametrize("zone", ["Seoul", "+09:00", "UTC' OR '1", "../etc/passwd"])
def test_an_unknown_zone_is_refused(zone: Any) -> None:
    """Only names of the IANA database are zones."""
    with pytest.raises(ConfigurationError, match="reporting_time_zone"):
        load_settings({"api_key": "k" * 40, "reporting_time_zone": zone})
