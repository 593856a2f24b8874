"""The published copy and the report, each materialized alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import duckdb
import pytest

from argos_sync.commands.publish.tables import public_tables
from argos_sync.report import REPORT_FILE
from orchestration.conftest import load_definitions, private_values, recent_submissions
from support import Warehouse


def materialize(asset: dg.AssetsDefinition, **options: Any) -> dict[str, Any]:
    """Materialize one asset, and return its metadata; Dagster stores nothing personal."""
    config = dg.RunConfig(ops={asset.op.name: {"config": options}}) if options else None
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([asset], run_config=config, instance=instance)
        stored = "\n".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert asset.op.name in stored
    assert [text for text in private_values(recent_submissions()) if text in stored] == []
    (found,) = result.asset_materializations_for_node(asset.op.name)
    return {name: value.value for name, value in found.metadata.items()}


def query(file: Path, statement: str) -> list[Any]:
    """Query a DuckDB file."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(statement).fetchall()


def copied_columns(file: Path) -> set[tuple[str, str]]:
    """Return table and column of all tables of a copy, without views."""
    statement = (
        "SELECT table_name, column_name FROM duckdb_columns() JOIN duckdb_tables() USING"
        " (schema_name, table_name) WHERE schema_name = 'argos'"
    )
    return set(query(file, statement))


@pytest.mark.slow
@pytest.mark.covered
def test_the_copy_is_published(
    definitions: ModuleType, synced_warehouse: Warehouse, tmp_path: Path
) -> None:
    """Its file has the rows that the metadata says, and no column of class `direct`."""
    metadata = materialize(definitions.published_copy)
    file = tmp_path / "analysts.duckdb"
    assert metadata["file"] == str(file)
    assert file.stat().st_mode & 0o777 == 0o644
    rows = {record.data["table"]: record.data["rows"] for record in metadata["tables"].records}
    assert rows["submissions"] == 60
    for table, count in rows.items():
        assert query(file, f"SELECT COUNT(*) FROM argos.{table}") == [(count,)]
    assert metadata["rows"] == metadata["rows_written"] == sum(rows.values())
    assert "submissions_wide" in metadata["views"]
    assert (metadata["strict"], metadata["pseudonyms"]) == (False, False)
    expected = {(t.name, c.name) for t in public_tables(strict=False) for c in t.columns}
    assert copied_columns(file) >= expected
    assert ("applicants", "email") not in copied_columns(file)


@pytest.mark.slow
@pytest.mark.covered
def test_a_copy_is_strict_and_has_pseudonyms_by_configuration(
    configured: None, synced_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pseudonyms need the privacy key; without it nothing is written or retried."""
    section = "SOURCES__ARGOS__ORCHESTRATION__PUBLISH_"
    for name, value in {"TO": "strict.duckdb", "STRICT": "true", "PSEUDONYMS": "true"}.items():
        monkeypatch.setenv(f"{section}{name}", value)
    asset = load_definitions().published_copy
    result = dg.materialize([asset], raise_on_error=False)
    (event,) = [e for e in result.all_events if e.is_step_failure]
    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    assert "privacy.key, which publish_pseudonyms needs; set " in str(failure.description)
    assert failure.metadata["exit_code"].value == 2
    file = tmp_path / "strict.duckdb"
    assert not file.exists()
    monkeypatch.setenv("SOURCES__ARGOS__PRIVACY__KEY", "a-secret-that-is-long-enough")
    metadata = materialize(asset)
    assert (metadata["strict"], metadata["pseudonyms"]) == (True, True)
    expected = {
        (t.name, c.name) for t in public_tables(strict=True, pseudonyms=True) for c in t.columns
    }
    copied = {column for column in copied_columns(file) if column[0] in dict(expected)}
    assert copied == expected


@pytest.mark.slow
@pytest.mark.covered
def test_the_report_is_written(
    definitions: ModuleType, synced_warehouse: Warehouse, tmp_path: Path
) -> None:
    """Its period and its figures are in the metadata."""
    before = datetime.now(UTC).date()
    metadata = materialize(definitions.report, days=30)
    file = tmp_path / "report.html"
    assert file.read_bytes().startswith(REPORT_FILE.signature)
    assert (metadata["file"], metadata["bytes"]) == (str(file), file.stat().st_size)
    days = {before, datetime.now(UTC).date()}  # midnight may have passed
    assert metadata["period"] in {f"{day - timedelta(29)} to {day}" for day in days}
    assert metadata["submissions"] == 60
    assert metadata["urgent"] >= 0


def test_a_report_of_nothing_fails_in_one_line(definitions: ModuleType) -> None:
    """A period without days is a configuration error, which is not retried."""
    config = dg.RunConfig(ops={"report": {"config": {"days": 0}}})
    result = dg.materialize([definitions.report], run_config=config, raise_on_error=False)
    (event,) = [e for e in result.all_events if e.is_step_failure]
    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    assert failure.metadata["exit_code"].value == 2
