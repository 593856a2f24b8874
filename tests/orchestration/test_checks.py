"""The result of every check, read from the warehouse."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import duckdb
import pytest

from argos_sync.orchestration.checks import CHECKS, FRESHNESS, STALENESS, read_checks
from argos_sync.warehouse.checks import CHECK_NAMES, CheckResult
from argos_sync.warehouse.overview import UNREADABLE
from support import Warehouse

HOURS = 26.0


def results(warehouse: Warehouse, now: datetime | None = None) -> dict[str, dg.AssetCheckResult]:
    """Return the results by name."""
    found = read_checks(warehouse.target, now or datetime.now(UTC), HOURS)
    assert [result.check_name for result in found] == list(CHECKS)
    return dict(zip(CHECKS, found, strict=True))


def execute(warehouse: Warehouse, statement: str, *parameters: object) -> None:
    """Change the DuckDB file."""
    with duckdb.connect(str(warehouse.target.file)) as connection:
        connection.execute("USE argos")
        connection.execute(statement, parameters)


def record(warehouse: Warehouse, result: CheckResult, now: datetime) -> None:
    """Add a result to `sync_checks`, as a run does."""
    execute(
        warehouse,
        "INSERT INTO sync_checks BY NAME (SELECT ? AS run_id, ? AS check_name, ? AS place,"
        " ? AS passed, ? AS found, ? AS sample, ? AS checked_at)",
        *(f"run {now}", result.check_name, result.place, result.passed, result.found),
        *(result.sample, now),
    )


def failed(found: dict[str, dg.AssetCheckResult]) -> list[str]:
    """Return the names of the checks that did not pass."""
    return [name for name, result in found.items() if not result.passed]


def test_all_checks_pass_after_a_sync(synced_warehouse: Warehouse) -> None:
    """Every post-run check has results, and the rows are fresh."""
    found = results(synced_warehouse)
    assert failed(found) == []
    starts = {
        "has_parent": "passed; places checked: ",
        FRESHNESS: "the last successful sync started 0.0 h",
        STALENESS: "the oldest row was fetched 0.0 days ago",
    }
    assert all(str(found[name].description).startswith(text) for name, text in starts.items())


@pytest.mark.parametrize("name", CHECK_NAMES)
def test_a_recorded_failure_fails_its_check(name: str, synced_warehouse: Warehouse) -> None:
    """The text names the place and the number of faults; a later good result ends the failure."""
    now = datetime.now(UTC)
    failure = CheckResult(name, "kyc", 3)
    record(synced_warehouse, failure, now - timedelta(hours=1))
    found = results(synced_warehouse)
    assert failed(found) == [name]
    assert found[name].description == str(failure)
    assert found[name].metadata == {"kyc": dg.MetadataValue.int(3)}
    record(synced_warehouse, CheckResult(name, "kyc"), now)
    assert failed(results(synced_warehouse)) == []


def test_freshness_counts_from_the_last_successful_sync(synced_warehouse: Warehouse) -> None:
    """A sync older than max_age_hours fails the check, as does a warehouse with backfills only."""
    later = datetime.now(UTC) + timedelta(hours=HOURS + 1)
    found = results(synced_warehouse, later)
    assert failed(found) == [FRESHNESS]
    assert found[FRESHNESS].metadata["hours"].value == pytest.approx(HOURS + 1, abs=0.1)
    for change in ("command = 'backfill'", "command = 'sync', exit_status = 4"):
        execute(synced_warehouse, f"UPDATE sync_runs SET {change}")
        found = results(synced_warehouse)
        assert failed(found) == [FRESHNESS]
        assert found[FRESHNESS].description == "no sync has succeeded yet"


def test_a_sync_that_reads_too_little_is_not_fresh(synced_warehouse: Warehouse) -> None:
    """A successful backfill after it changes nothing."""
    execute(
        synced_warehouse,
        "INSERT INTO sync_runs BY NAME (SELECT * REPLACE (run_id || 'x' AS run_id,"
        " started_at + INTERVAL 1 SECOND AS started_at, 4 AS exit_status, ? AS error)"
        " FROM sync_runs)",
        UNREADABLE,
    )
    execute(
        synced_warehouse,
        "INSERT INTO sync_runs BY NAME (SELECT * REPLACE (run_id || 'y' AS run_id,"
        " started_at + INTERVAL 2 SECOND AS started_at, 'backfill' AS command)"
        " FROM sync_runs WHERE exit_status = 0)",
    )
    found = results(synced_warehouse)
    assert failed(found) == [FRESHNESS]
    assert found[FRESHNESS].description == "the last sync could not read too many submissions"


def test_staleness_is_compared_with_sweep_days(
    synced_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest row counts; without a sweep there is no limit."""
    execute(synced_warehouse, "UPDATE submissions SET _synced_at = _synced_at - INTERVAL 40 DAYS")
    found = results(synced_warehouse)
    assert failed(found) == [STALENESS]
    assert found[STALENESS].description == (
        "the oldest row was fetched 40.0 days ago; the limit is 30 days (sweep_days)"
    )
    monkeypatch.setenv("SOURCES__ARGOS__SWEEP_DAYS", "0")
    assert failed(results(synced_warehouse)) == []


def test_an_empty_warehouse_is_only_not_fresh(warehouse: Warehouse) -> None:
    """Without any results, only freshness fails."""
    for table in ("sync_checks", "sync_runs"):
        execute(warehouse, f"DELETE FROM {table}")
    found = results(warehouse)
    assert failed(found) == [FRESHNESS]
    assert found["unique_key"].description == "no result yet"
    assert found[STALENESS].description == "there are no submissions yet"
