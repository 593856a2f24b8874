"""Delta and Iceberg tables: what dlt's merge into them cannot keep, and the copy that does.

Each limit that docs/destinations.md states is seen here. `sync` refuses such a destination
(`test_failures.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

import dlt
import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dlt.common.destination.exceptions import DestinationTerminalException
from dlt.destinations.impl.filesystem import filesystem
from dlt.pipeline.exceptions import PipelineStepFailed
from pyiceberg.table import StaticTable

from argos_sync.commands.publish import publish
from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator
from support import Rows, Warehouse, context_for

# Of the first row of an empty Iceberg table that is overwritten.
pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match any records")

PAGE = Path(__file__).parents[2] / "docs" / "destinations.md"
JOBS = {
    "delta": filesystem.DeltaLoadFilesystemJob,
    "iceberg": filesystem.IcebergLoadFilesystemJob,
}
KEYS = {
    "submissions": ["submission_id"],
    "matches": ["submission_id", "match_index"],
    "attempts": ["submission_id", "attempt_index"],
}
Lake = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(params=list(JOBS))
def table_format(request: pytest.FixtureRequest) -> str:
    """Each of the formats."""
    return str(request.param)


@pytest.fixture
def lake(table_format: str, tmp_path: Path) -> Lake:
    """Reads a table with the format's own library."""

    def read(name: str) -> list[dict[str, Any]]:
        place = tmp_path / "lake" / "argos" / name
        if table_format == "delta":
            rows = pa.table(DeltaTable(place).to_pyarrow_table())
        else:
            newest = max((place / "metadata").glob("*.metadata.json"))
            rows = StaticTable.from_metadata(str(newest)).scan().to_arrow()
        return list(rows.sort_by([(key, "ascending") for key in KEYS[name]]).to_pylist())

    return read


def merge(
    folder: Path, table_format: str, rows: Mapping[str, Rows], strategy: str = "upsert"
) -> None:
    """Merge rows as dlt does for these tables."""

    @dlt.source(name="argos")
    def tables() -> Iterator[Any]:
        for name, some in rows.items():
            yield dlt.resource(
                some,
                name=name,
                primary_key=KEYS[name],
                write_disposition={"disposition": "merge", "strategy": strategy},
                table_format=table_format,
            )

    pipeline(folder).run(tables())


def pipeline(folder: Path) -> dlt.Pipeline:
    """Return a pipeline into the folder's lake."""
    lake = dlt.destinations.filesystem(str(folder / "lake"))
    return dlt.pipeline("lake", str(folder / "p"), destination=lake, dataset_name="argos")


def fail_at(name: str, table_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the job of one table fail for good."""
    plain = JOBS[table_format].run

    def run(job: Any) -> None:
        if job._load_table["name"] == name:
            raise DestinationTerminalException("stopped")
        plain(job)

    monkeypatch.setattr(JOBS[table_format], "run", run)


def test_a_merge_is_no_replacement(
    table_format: str, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes no duplicates; but stale children stay, and tables are not changed together."""
    one, two = {"submission_id": "a", "reviewer": "x"}, {"submission_id": "b", "reviewer": "x"}
    matches = [{"submission_id": "a", "match_index": i} for i in range(2)]
    for _ in range(2):
        merge(tmp_path, table_format, {"submissions": [one, two], "matches": matches})
        found = [{name: row[name] for name in one} for row in lake("submissions")]
        assert found == [one, two]
        assert [row["match_index"] for row in lake("matches")] == [0, 1]
    # The submission comes back with one match less.
    merge(tmp_path, table_format, {"submissions": [one], "matches": matches[:1]})
    assert [row["match_index"] for row in lake("matches")] == [0, 1]
    # It comes back changed, and the run fails between two tables.
    fail_at("matches", table_format, monkeypatch)
    more = [*matches, {"submission_id": "a", "match_index": 2}]
    changed = [one | {"reviewer": "y"}]
    with pytest.raises(PipelineStepFailed):
        merge(tmp_path, table_format, {"submissions": changed, "matches": more})
    assert [row["reviewer"] for row in lake("submissions")] == ["y", "x"]
    assert [row["match_index"] for row in lake("matches")] == [0, 1]


def test_rows_cannot_be_deleted_by_key(table_format: str, tmp_path: Path) -> None:
    """The strategy that this package merges with is refused before anything is written."""
    rows = {"submissions": [{"submission_id": "a"}]}
    with pytest.raises(PipelineStepFailed, match="`delete-insert` merge strategy not supported"):
        merge(tmp_path, table_format, rows, "delete-insert")
    assert not (tmp_path / "lake" / "argos" / "submissions").exists()


@pytest.fixture
def analysts(warehouse: Warehouse, january: Rows, tmp_path: Path) -> Path:
    """A file that is published from some submissions."""
    with Emulator(january[:12]) as api:
        sync(context_for(api.base_url, warehouse.target))
    return publish(warehouse.target, tmp_path / "analysts.duckdb").file


def documented_copy(table_format: str) -> CodeType:
    """Return the block of docs/destinations.md that copies to a lake."""
    text = PAGE.read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(import duckdb\n.*?)```", text, re.DOTALL)
    return compile(block.replace('"delta"', f'"{table_format}"'), "destinations.md", "exec")


def test_a_copy_of_what_is_published(
    table_format: str,
    lake: Lake,
    analysts: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each table as published, also after all of it is gone."""
    recipe = documented_copy(table_format)
    monkeypatch.chdir(analysts.parent)
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(analysts.parent / "lake"))
    monkeypatch.setenv("DLT_DATA_DIR", str(analysts.parent / "dlt"))
    exec(recipe, {})  # noqa: S102 our own lines
    assert lake("submissions") == published(analysts, "submissions")
    before = lake("attempts")
    assert before == published(analysts, "attempts") != []
    with duckdb.connect(analysts) as connection:
        connection.execute("DELETE FROM argos.attempts")
        connection.execute("DELETE FROM argos.submissions WHERE rowid > 5")
    # A table is replaced by one commit, and the next table by another.
    with monkeypatch.context() as patch:
        fail_at("attempts", table_format, patch)
        with pytest.raises(PipelineStepFailed):
            exec(recipe, {})  # noqa: S102
    assert (len(lake("submissions")), lake("attempts")) == (6, before)
    exec(recipe, {})  # noqa: S102
    assert (len(lake("submissions")), lake("attempts")) == (6, [])


def published(file: Path, name: str) -> list[dict[str, Any]]:
    """Return a table of the published file, as Arrow has it."""
    order = ", ".join(KEYS[name])
    with duckdb.connect(file, read_only=True) as connection:
        rows = connection.sql(f"FROM argos.{name} ORDER BY {order}").to_arrow_table()
    return list(pa.table(rows).to_pylist())
