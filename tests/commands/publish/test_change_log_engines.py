"""The change log as engines read it that have not written it, and in object storage.

DuckDB's extension for Delta reads it here; it is on PyPI for DuckDB 1.5 only.
"""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.fs as pafs
import pytest
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler

from argos_sync.commands.publish.change_log import publish_changes
from argos_sync.commands.sync import sync
from argos_sync.load.delta_log import LOAD, DeltaLog
from argos_sync.load.errors import DestinationError
from log_reader import current_rows, published_rows
from published import recognisable
from support import NOW, Warehouse, context_for
from whole_lists import Emulator

pytestmark = [pytest.mark.ducklake, pytest.mark.slow, pytest.mark.tables_made]

SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
"""A stand-in for S3, in a process of its own: deltalake lists objects without releasing the lock of
the interpreter."""

SECRET = "secret-access-key"


@pytest.fixture
def people(warehouse: Warehouse) -> Warehouse:
    """Return a warehouse with three people."""
    with Emulator([recognisable(number) for number in range(3)]) as api:
        sync(context_for(api.base_url, warehouse.target))
    return warehouse


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the URL of an empty bucket."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        endpoint = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        settings = {
            "AWS_ACCESS_KEY_ID": "an-access-key",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ALLOW_HTTP": "true",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        import_module("boto3").client("s3", endpoint_url=endpoint).create_bucket(Bucket="lake")
        try:
            yield "s3://lake/argos-log"
        finally:
            server.kill()


def publish_twice(people: Warehouse, url: str) -> None:
    """Publish, then change a submission, mark another as deleted, and publish again."""
    publish_changes(people.target, url, clock=lambda: NOW)
    with duckdb.connect(str(people.target.file)) as connection:
        connection.execute("USE argos")
        connection.execute("UPDATE kyc SET result = 'approved' WHERE submission_id = 'sub-0'")
        connection.execute("DELETE FROM match_risk_icons WHERE submission_id = 'sub-0'")
        connection.execute(
            "UPDATE submissions SET _deleted_at = _synced_at WHERE submission_id = 'sub-1'"
        )
    second = publish_changes(people.target, url, clock=lambda: NOW)
    assert (second.rewrite, second.submissions) == (None, {"new": 0, "changed": 2, "gone": 0})


def read_with_duckdb(connection: duckdb.DuckDBPyConnection, name: str, url: str) -> None:
    """Read a Delta table with DuckDB's own extension."""
    folder = Path(str(import_module("duckdb_extension_delta").__file__)).parent
    (extension,) = folder.glob(f"extensions/v{duckdb.__version__}/*.duckdb_extension")
    connection.execute(f"LOAD '{extension}'")
    path = url.replace("'", "''")
    connection.execute(f"CREATE VIEW {name} AS SELECT * FROM delta_scan('{path}')")


def test_duckdb_reads_the_change_log(people: Warehouse, tmp_path: Path) -> None:
    """It has the rows of the published copy, although DuckDB has not written the tables."""
    url = str(tmp_path / "it's a log")
    publish_twice(people, url)
    rows = current_rows(url, read_with_duckdb)
    assert rows == published_rows(people, tmp_path / "copy.duckdb")
    results = {row["submission_id"]: row["result"] for row in rows["kyc"]}
    assert results == {"sub-0": "approved", "sub-2": "rejected"}
    assert [row["submission_id"] for row in rows["match_risk_icons"]] == ["sub-2"]


def write_load(url: str, *, replaces: bool) -> DeltaLog:
    """Append a row to one table, make it visible, and remove what is not."""
    delta = DeltaLog(url)
    visible = delta.begin()[LOAD].to_pylist()
    row = pa.table({"submission_id": ["sub-1"], LOAD: [delta.number]})
    delta.prepare("kyc", row.schema)
    delta.append("kyc", row.to_reader())
    delta.commit({"published_at": NOW, "rewritten": replaces}, replaces=replaces)
    delta.remove({delta.number, *(() if replaces else visible)})
    return delta


def test_object_storage(bucket: str) -> None:
    """Loads are appended and removed there, and of two at once one is committed."""
    numbers = [write_load(bucket, replaces=replaces).number for replaces in (True, False)]
    assert DeltaTable(f"{bucket}/kyc").to_pyarrow_table()[LOAD].to_pylist() == numbers[::-1]
    (number,) = {write_load(bucket, replaces=True).number}
    handler = DeltaStorageHandler(f"{bucket}/kyc")
    selector = pafs.FileSelector("", recursive=True)
    paths = [file.path for file in pafs.PyFileSystem(handler).get_file_info(selector)]
    folders = {path.rpartition("/")[0] for path in paths if path.endswith(".parquet")}
    assert folders == {f"{LOAD}={number}"}
    first, second = DeltaLog(bucket), DeltaLog(bucket)
    first.begin()
    second.begin()
    assert first.number < second.number
    with pytest.raises(DestinationError, match="another publish to s3://lake/argos-log has begun"):
        first.commit({"rewritten": True}, replaces=True)


def test_object_storage_that_does_not_answer(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where credentials come from, and has none."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(DestinationError, match="credentials for object storage") as caught:
        DeltaLog(bucket).begin()
    assert SECRET not in str(caught.value)
