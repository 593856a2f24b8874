"""A copy that is updated equals one that is written as a whole, whatever happened before."""

import shutil
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from argos_sync.commands.parquet_folder import publish_parquet
from argos_sync.commands.publish import publish
from combinations import THOROUGH
from published import copy_of
from published_changes import CHANGES, ERASING, change, rows_of, rows_of_folder
from support import NOW, Warehouse, duckdb_warehouse

EVERYTHING = [name for name in CHANGES if name not in ERASING]
nights = st.lists(st.lists(st.sampled_from([*CHANGES]), max_size=3), min_size=1, max_size=4)


@pytest.mark.slow
@settings(
    max_examples=50 if THOROUGH else 5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(nights)
@example([["run", "new", "by hand"], ["decided", "merged", "marked"], ["erased"], ["value lost"]])
@example([EVERYTHING, ["restored", "fetched"], ["child lost", "erased"]])
def test_an_updated_copy_equals_a_whole_one(
    synced_warehouse: Warehouse, changes: Sequence[Sequence[str]]
) -> None:
    """In all tables, and in their order of columns; so does a folder of Parquet files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(str(synced_warehouse.target.file), folder)
        warehouse = duckdb_warehouse(folder)
        updated, whole = folder / "updated.duckdb", folder / "whole.duckdb"
        number = 0
        for night, names in enumerate(([], *changes)):
            for one in names:
                number += 1
                change(warehouse, one, number)
            now = NOW + timedelta(days=night)
            result = publish(warehouse.target, updated, clock=lambda now=now: now)  # type: ignore[misc]
            whole.unlink(missing_ok=True)
            publish(warehouse.target, whole)
            expected = rows_of(whole)
            assert rows_of(updated) == expected
            assert result.rows == {table: len(rows) for table, rows in expected.items()}
            assert (result.rewrite is None) == (night > 0 and not ERASING & {*names})
            relations = "SELECT layout, relations FROM publication"
            assert copy_of(updated).query(relations) == copy_of(whole).query(relations)
            parquet = publish_parquet(warehouse.target, str(folder / "parquet"))
            assert rows_of_folder(folder / "parquet") == expected
            assert (parquet.removed is None) == (not ERASING & {*names})
