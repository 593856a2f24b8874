"""DuckLakes for tests, read by an engine that knows nothing of this package.

The catalog is a database of the machine's PostgreSQL or an SQLite file; the Parquet files are in a
folder, or in `moto`'s stand-in for S3.
"""

import io
import logging
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pyarrow.parquet as pq
import pytest

from argos_sync.load.destinations.duckdb_extensions import loadable_extensions
from argos_sync.load.target import Target
from support import Rows, Warehouse, postgres_address

BUCKET = "lake"
REGION = "us-east-1"
KEY, SECRET = "lake-key", "lake-secret"
_PREFIX = "DESTINATION__DUCKLAKE__CREDENTIALS__"


@dataclass
class Lake:
    """An empty DuckLake.

    Attributes:
        target: Where commands load to.
        environment: What configures the destination.
        attach: Statements that attach the lake as `lake`, for a DuckDB of the test's own.
        files: The folder with all of its files; None if they are in S3.
        endpoint: The address of the S3 server, if there is one.
        catalog: The PostgreSQL database of the catalog; None if it is an SQLite file in `files`.
    """

    target: Target
    environment: Mapping[str, str]
    attach: tuple[str, ...]
    files: Path | None = None
    endpoint: str | None = None
    catalog: str | None = None
    warehouse: Warehouse = field(init=False)

    def __post_init__(self) -> None:
        """Add the warehouse, as other tests use it."""
        self.warehouse = Warehouse(self.target, self.query)

    def query(self, sql: str) -> Rows:
        """Return the rows of a query in the dataset `argos`."""
        self.connection.execute("USE lake.argos")
        result = self.connection.execute(sql)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB that has attached the lake; loading its extensions takes a second."""
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        for name in ("ducklake", "httpfs", "postgres_scanner", "sqlite_scanner"):
            (file,) = loadable_extensions([name])
            connection.execute(f"LOAD {file}")
        for statement in self.attach:
            connection.execute(statement)
        return connection

    def close(self) -> None:
        """Close the connection, if there is one."""
        if "connection" in self.__dict__:
            self.connection.close()

    def content(self) -> str:
        """Return all bytes of files and catalog, and the decoded rows of Parquet files."""
        files = dict(self._objects())
        tables = [
            str(pq.read_table(io.BytesIO(data)).to_pylist())
            for name, data in files.items()
            if name.endswith(".parquet")
        ]
        raw = b"".join(files.values()).decode("latin-1")
        return "\n".join((raw, *files, *tables, *self._catalog_rows()))

    def _objects(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the bytes of every file."""
        if self.files is not None:
            for file in self.files.rglob("*"):
                if file.is_file():
                    yield file.name, file.read_bytes()
        if self.endpoint is not None:
            bucket = _bucket(self.endpoint)
            for found in bucket.objects.all():
                yield found.key, found.get()["Body"].read()

    def _catalog_rows(self) -> Iterator[str]:
        """Yield every table of a catalog in PostgreSQL as a text."""
        if self.catalog is None:
            return
        with closing(psycopg2.connect(self.catalog)) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name)"
                " FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
                " AND table_schema NOT IN ('pg_catalog', 'information_schema')"
            )
            for (name,) in cursor.fetchall():
                cursor.execute(f"SELECT string_agg(t::text, ' ') FROM {name} AS t")
                ((text,),) = cursor.fetchall()
                yield f"{name} {text}"


@contextmanager
def folder_lake(folder: Path, made: Path | None = None) -> Iterator[Lake]:
    """Yield a lake in a folder, whose catalog is an SQLite file beside its Parquet files.

    It is empty, or a copy of the lake that was made in another folder.
    """
    files = folder / "lake"
    catalog = files / "catalog.sqlite"
    if made is None:
        files.mkdir()
    else:
        shutil.copytree(made / files.name, files)
        with closing(sqlite3.connect(catalog)) as connection, connection:
            statement = "UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'"
            connection.execute(statement, (f"{files}/data/",))
    environment = {
        f"{_PREFIX}CATALOG": f"sqlite:///{catalog}",
        f"{_PREFIX}STORAGE__BUCKET_URL": f"file://{files}/data",
    }
    attach = f"ATTACH 'ducklake:sqlite:{catalog}' AS lake (DATA_PATH '{files}/data')"
    target = Target("ducklake", pipelines_dir=str(folder / "pipelines"))
    lake = Lake(target, environment, (attach,), files)
    with _configured(environment), closing(lake):
        yield lake


@contextmanager
def s3_lake(folder: Path, database: str) -> Iterator[Lake]:
    """Yield a lake in a new S3 bucket, with its catalog in a database of the machine's PostgreSQL.

    A copy of another lake's catalog is a lake, too, if that one has all of its rows in it.
    """
    # Only the environment of these tests has it.
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        bucket = _bucket(endpoint)
        bucket.create()
        address = postgres_address(database)
        environment = {
            f"{_PREFIX}CATALOG": address,
            f"{_PREFIX}STORAGE__BUCKET_URL": f"s3://{BUCKET}/kyc",
            f"{_PREFIX}STORAGE__CREDENTIALS__AWS_ACCESS_KEY_ID": KEY,
            f"{_PREFIX}STORAGE__CREDENTIALS__AWS_SECRET_ACCESS_KEY": SECRET,
            f"{_PREFIX}STORAGE__CREDENTIALS__ENDPOINT_URL": endpoint,
            f"{_PREFIX}STORAGE__CREDENTIALS__REGION_NAME": REGION,
            # A killed run keeps its lease for so long.
            "SOURCES__ARGOS__LEASE_SECONDS": "10",
        }
        secret = (
            f"CREATE SECRET (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', REGION '{REGION}',"
            f" ENDPOINT '{host}:{port}', URL_STYLE 'path', USE_SSL false)"
        )
        attach = (
            f"ATTACH 'ducklake:postgres:{address}' AS lake"
            f" (DATA_PATH 's3://{BUCKET}/kyc', METADATA_SCHEMA 'ducklake')"
        )
        target = Target("ducklake", pipelines_dir=str(folder / "pipelines"))
        with _configured(environment):
            yield Lake(target, environment, (secret, attach), endpoint=endpoint, catalog=address)
        bucket.objects.all().delete()
        bucket.delete()
    finally:
        server.stop()


@contextmanager
def _configured(environment: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield


def _bucket(endpoint: str) -> Any:
    """Return boto3's object for the bucket, which need not exist."""
    import boto3  # noqa: PLC0415 only the environment of these tests has it

    service = boto3.resource(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    return service.Bucket(BUCKET)
