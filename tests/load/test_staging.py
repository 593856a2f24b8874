"""Staging datasets: each run has one of its own, where it may create it."""

import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.commands.sync import sync
from argos_sync.load.staging import make_run_token, staged_dataset, staging_layout
from support import (
    Rows,
    Warehouse,
    assert_equal,
    context_for,
    postgres_address,
    postgres_administrator,
    postgres_database,
    postgres_warehouse,
)
from whole_lists import Emulator


def test_the_name_of_a_staging_dataset() -> None:
    """It differs from run to run, and is recognized."""
    tokens = {make_run_token() for _ in range(100)}
    assert len(tokens) == 100
    assert {staged_dataset(staging_layout(token) % "kyc_2") for token in tokens} == {"kyc_2"}
    assert staged_dataset("kyc_2") is None


@pytest.fixture
def restricted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """Datasets that an administrator has made for a role that may not make others."""
    role = f"argos_test_{uuid.uuid4().hex[:10]}"
    with postgres_database() as database, postgres_administrator() as execute:
        warehouse = postgres_warehouse(tmp_path, "argos", postgres_address(database))
        execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
        try:
            for schema in ("argos", "argos_staging"):
                warehouse.query(f"CREATE SCHEMA {schema} AUTHORIZATION {role}; SELECT 1 AS one")
            address = postgres_address(database).replace("postgres:postgres", f"{role}:{role}")
            monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
            yield warehouse
        finally:
            warehouse.query(f"DROP OWNED BY {role} CASCADE; SELECT 1 AS one")
            execute(f"DROP ROLE {role}")


@pytest.mark.slow
@pytest.mark.postgres
def test_a_role_that_may_create_no_dataset(restricted: Warehouse, january: Rows) -> None:
    """Its runs use dlt's staging dataset, one run at a time, and leave it empty."""
    with Emulator(january[:20]) as api:
        context = context_for(api.base_url, restricted.target)
        sync(context)
        assert backfill(context, date(2025, 1, 1), date(2025, 1, 31), force=True).exit_status == 0
    assert_equal(restricted, january[:20])
    assert len(restricted.query("SELECT DISTINCT pipeline_name FROM _dlt_pipeline_state")) == 1
    assert restricted.query("SELECT COUNT(*) AS n FROM argos_staging.submissions") == [{"n": 0}]
