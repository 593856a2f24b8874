"""Delta and Iceberg tables: the limits of dlt's merge into them, and a copy without those limits.

These tests show each limit that docs/destinations.md states. `sync` refuses such a destination
(`test_failures.py`).
"""

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
from support import Rows, Warehouse, context_for
from whole_lists import Emulator

pytestmark = [
    pytest.mark.slow,
    # Raised when an empty Iceberg table is overwritten.
    pytest.mark.filterwarnings("ignore:Delete operation did not match any records"),
]

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
ReadTable = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(params=list(JOBS))
def table_format(request: pytest.FixtureRequest) -> str:
    """A table format."""
    return str(request.param)


@pytest.fixture
def read_lake(table_format: str, tmp_path: Path) -> ReadTable:
    """Return a function that reads a table with the format's own library."""

    def read(name: str) -> list[dict[str, Any]]:
        folder = tmp_path / "lake" / "argos" / name
        if table_format == "delta":
            rows = pa.table(DeltaTable(folder).to_pyarrow_table())
        else:
            newest = max((folder / "metadata").glob("*.metadata.json"))
            rows = StaticTable.from_metadata(str(newest)).scan().to_arrow()
        return list(rows.sort_by([(key, "ascending") for key in KEYS[name]]).to_pylist())

    return read


def merge(
    folder: Path, table_format: str, rows: Mapping[str, Rows], strategy: str = "upsert"
) -> None:
    """Merge rows into the lake with dlt."""
    disposition: Any = {"disposition": "merge", "strategy": strategy}
    format_name: Any = table_format

    @dlt.source(name="argos")
    def tables() -> Iterator[Any]:
        for name, table_rows in rows.items():
            yield dlt.resource(
                table_rows,
                name=name,
                primary_key=KEYS[name],
                write_disposition=disposition,
                table_format=format_name,
            )

    lake_pipeline(folder).run(tables())


def lake_pipeline(folder: Path) -> dlt.Pipeline:
    """Return a pipeline that loads into the folder's lake."""
    lake = dlt.destinations.filesystem(str(folder / "lake"))
    return dlt.pipeline("lake", str(folder / "p"), destination=lake, dataset_name="argos")


def fail_at(name: str, table_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the job of one table fail."""
    original_run = JOBS[table_format].run

    def run(job: Any) -> None:
        if job._load_table["name"] == name:
            raise DestinationTerminalException("stopped")
        original_run(job)

    monkeypatch.setattr(JOBS[table_format], "run", run)


def test_a_merge_keeps_removed_children(
    table_format: str, read_lake: ReadTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes no duplicates, but old children stay, and tables are not changed atomically."""
    first, second = {"submission_id": "a", "reviewer": "x"}, {"submission_id": "b", "reviewer": "x"}
    matches = [{"submission_id": "a", "match_index": i} for i in range(2)]
    for _ in range(2):
        merge(tmp_path, table_format, {"submissions": [first, second], "matches": matches})
        rows = [{name: row[name] for name in first} for row in read_lake("submissions")]
        assert rows == [first, second]
        assert [row["match_index"] for row in read_lake("matches")] == [0, 1]
    # The submission has one match less.
    merge(tmp_path, table_format, {"submissions": [first], "matches": matches[:1]})
    assert [row["match_index"] for row in read_lake("matches")] == [0, 1]
    # The submission changes, and the run fails between two tables.
    fail_at("matches", table_format, monkeypatch)
    more_matches = [*matches, {"submission_id": "a", "match_index": 2}]
    changed = [first | {"reviewer": "y"}]
    with pytest.raises(PipelineStepFailed):
        merge(tmp_path, table_format, {"submissions": changed, "matches": more_matches})
    assert [row["reviewer"] for row in read_lake("submissions")] == ["y", "x"]
    assert [row["match_index"] for row in read_lake("matches")] == [0, 1]


def test_rows_cannot_be_deleted_by_key(table_format: str, tmp_path: Path) -> None:
    """This package's merge strategy is refused before anything is written."""
    rows = {"submissions": [{"submission_id": "a"}]}
    with pytest.raises(PipelineStepFailed, match="`delete-insert` merge strategy not supported"):
        merge(tmp_path, table_format, rows, "delete-insert")
    assert not (tmp_path / "lake" / "argos" / "submissions").exists()


@pytest.fixture
def published_file(warehouse: Warehouse, january: Rows, tmp_path: Path) -> Path:
    """A published copy of a warehouse."""
    with Emulator(january[:12]) as api:
        sync(context_for(api.base_url, warehouse.target))
    return publish(warehouse.target, tmp_path / "analysts.duckdb").file


def documented_copy(table_format: str) -> CodeType:
    """Return the code in docs/destinations.md that copies a published file to a lake."""
    text = PAGE.read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(import duckdb\n.*?)```", text, re.DOTALL)
    return compile(block.replace('"delta"', f'"{table_format}"'), "destinations.md", "exec")


def test_the_documented_copy_matches_the_published_file(
    table_format: str,
    read_lake: ReadTable,
    published_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each table has the published rows, even after all of them are deleted."""
    copy_code = documented_copy(table_format)
    monkeypatch.chdir(published_file.parent)
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(published_file.parent / "lake"))
    monkeypatch.setenv("DLT_DATA_DIR", str(published_file.parent / "dlt"))
    exec(copy_code, {})  # noqa: S102 from our own docs
    assert read_lake("submissions") == published_rows(published_file, "submissions")
    attempts = read_lake("attempts")
    assert attempts == published_rows(published_file, "attempts") != []
    with duckdb.connect(published_file) as connection:
        connection.execute("DELETE FROM argos.attempts")
        connection.execute("DELETE FROM argos.submissions WHERE rowid > 5")
    # Each table is replaced by a commit of its own.
    with monkeypatch.context() as patch:
        fail_at("attempts", table_format, patch)
        with pytest.raises(PipelineStepFailed):
            exec(copy_code, {})  # noqa: S102 the same
    assert (len(read_lake("submissions")), read_lake("attempts")) == (6, attempts)
    exec(copy_code, {})  # noqa: S102 the same
    assert (len(read_lake("submissions")), read_lake("attempts")) == (6, [])


def published_rows(file: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table in the published file."""
    order = ", ".join(KEYS[name])
    with duckdb.connect(file, read_only=True) as connection:
        rows = connection.sql(f"FROM argos.{name} ORDER BY {order}").to_arrow_table()
    return list(pa.table(rows).to_pylist())
