"""The change log as engines read it that have not written it, and in object storage.

DuckDB's extension for Delta reads it here; it is on PyPI for DuckDB 1.5 only.
"""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import duckdb
import pyarrow.fs as pafs
import pytest
from deltalake.fs import DeltaStorageHandler

from argos_sync.commands.change_log import publish_changes
from argos_sync.commands.sync import sync
from argos_sync.load.delta_log import DeltaLog
from argos_sync.load.errors import DestinationError
from argos_sync.shape.contract import load_contract
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
    """Publish, then change one submission, remove one, and publish again."""
    publish_changes(people.target, url, clock=lambda: NOW)
    with duckdb.connect(str(people.target.file)) as connection:
        connection.execute("UPDATE argos.kyc SET result = 'approved' WHERE submission_id = 'sub-0'")
        for table in ("submissions", "submission_status_history", *child_tables()):
            connection.execute(f"DELETE FROM argos.{table} WHERE submission_id = 'sub-1'")
    second = publish_changes(people.target, url, clock=lambda: NOW)
    assert second.submissions == {"new": 0, "changed": 1, "gone": 1}


def child_tables() -> list[str]:
    """Return the tables that belong to submissions and come from the API."""
    return [t.name for t in load_contract().api_tables if t.belongs_to_submission]


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


def test_object_storage(people: Warehouse, bucket: str, tmp_path: Path) -> None:
    """Two that begin at once have different numbers, and what is gone leaves no object."""
    publish_twice(people, bucket)
    assert current_rows(bucket) == published_rows(people, tmp_path / "copy.duckdb")
    handler = DeltaStorageHandler(bucket)
    selector = pafs.FileSelector("", recursive=True)
    paths = [file.path for file in pafs.PyFileSystem(handler).get_file_info(selector)]
    rows = {path for path in paths if path.endswith(".parquet") and "_loads" not in path}
    assert len({path.split("/")[-2] for path in rows}) == 1
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
