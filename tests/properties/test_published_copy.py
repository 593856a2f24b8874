"""A copy that is updated equals one that is written as a whole, whatever happened before."""

import shutil
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.publish.parquet_folder import publish_parquet
from argos_sync.commands.publish.tables import public_tables
from combinations import THOROUGH
from published import content, copy_of
from published_changes import CHANGES, ERASING, change, rows_of, rows_of_folder
from support import NOW, Warehouse, duckdb_warehouse

EVERYTHING = [name for name in CHANGES if name not in ERASING]
NAMES = {table.name: [*table.columns_by_name] for table in public_tables(strict=False)}
nights = st.lists(st.lists(st.sampled_from([*CHANGES]), max_size=3), min_size=1, max_size=3)


@pytest.mark.slow
@settings(
    max_examples=50 if THOROUGH else 1,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(nights)
@example(
    [["run", "new", "by hand"], [*EVERYTHING, "restored"], ["fetched", "erased"], ["value lost"]]
)
def test_a_copy_has_the_rows_of_the_warehouse(
    synced_warehouse: Warehouse, changes: Sequence[Sequence[str]]
) -> None:
    """Whether it is updated or written as a whole; so has a folder of Parquet files."""
    with tempfile.TemporaryDirectory() as name:
        folder, made_with = Path(name), set()
        shutil.copy(str(synced_warehouse.target.file), folder)
        warehouse = duckdb_warehouse(folder)
        for night, names in enumerate(([], *changes)):
            for number, one in enumerate(names):
                change(warehouse, one, 10 * night + number)
            expected, now = content(warehouse, NAMES), NOW + timedelta(days=night)
            file = folder / "copy.duckdb"
            result = publish(warehouse.target, file, clock=lambda now=now: now)  # type: ignore[misc]
            assert rows_of(file) == expected
            assert result.rows == {table: len(rows) for table, rows in expected.items()}
            assert (result.rewrite is None) == (night > 0 and not ERASING & {*names})
            record = copy_of(file).query("SELECT layout, relations FROM publication")
            made_with |= {tuple(row.values()) for row in record}
            parquet = publish_parquet(warehouse.target, str(folder / "parquet"))
            assert rows_of_folder(folder / "parquet") == expected
            assert (parquet.removed is None) == (not ERASING & {*names})
        assert len(made_with) == 1
