"""Our DuckDB: settings that bound its memory, and a merge that takes each row once."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob

from argos_sync.emulator import Emulator, Store
from argos_sync.load.commands import sync
from argos_sync.load.destination import _MergeJob
from support import Warehouse, assert_equal, context_for


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {("a", 1), ("b", 2), ("c", 3)}),
        ({"condition": "v > 1"}, {("b", 2), ("c", 3)}),
        ({"dedup_sort": ("v", "desc")}, {("a", 1), ("b", 2), ("c", 3)}),
        ({"skip_dedup": True, "condition": "v < 3"}, {("a", 1), ("b", 2)}),
    ],
)
def test_one_row_of_each_key_is_selected(
    more: dict[str, Any], expected: set[tuple[str, int]]
) -> None:
    """Conditions hold, and what dlt sorts or knows to be there once is left to dlt."""
    select = _MergeJob.gen_select_from_dedup_sql("t", ["k"], ["k", "v"], **more)
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE t AS FROM (VALUES ('a', 1), ('b', 2), ('c', 3)) AS t(k, v)"
        )
        if "skip_dedup" not in more:
            connection.execute("INSERT INTO t FROM t")
        found = connection.execute(select).fetchall()
    assert sorted(found) == sorted(expected)


def test_rows_twice_in_staging_are_loaded_once(
    warehouse: Warehouse, january: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that had written its rows when it failed writes them again when it is retried."""
    once = DuckDbCopyJob.run

    def twice(job: DuckDbCopyJob) -> None:
        once(job)
        once(job)

    monkeypatch.setattr(DuckDbCopyJob, "run", twice)
    with Emulator(Store(january)) as api:
        sync(context_for(api.base_url, warehouse.target))
    assert_equal(warehouse, january)
