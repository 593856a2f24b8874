"""ClickHouse: its engine chdb behind a stand-in for its server."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from argos_sync.load.target import Target
from promises.place import Place, read_through_dlt

SERVER = Path(__file__).with_name("clickhouse_server.py")
LEASE_SECONDS = "5"
"""How long the lease of a killed run keeps the next one waiting."""


@contextmanager
def clickhouse_server(folder: Path) -> Iterator[tuple[str, str]]:
    """Run the stand-in, and yield its ports: of the native protocol and of HTTP."""
    with subprocess.Popen(
        [sys.executable, SERVER, folder], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        native, http = process.stdout.readline().split()
        try:
            yield native, http
        finally:
            process.kill()


@contextmanager
def clickhouse_place(folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Yield a database of its own."""
    native, http = request.getfixturevalue("_clickhouse_server")
    database = f"argos_{uuid.uuid4().hex[:10]}"
    credentials = {
        "host": "127.0.0.1",
        "port": native,
        "http_port": http,
        "secure": "0",
        "database": database,
        "username": "default",
        "password": "none",
    }
    environment = {
        "SOURCES__ARGOS__LEASE_SECONDS": LEASE_SECONDS,
        **{f"DESTINATION__CLICKHOUSE__CREDENTIALS__{n.upper()}": v for n, v in credentials.items()},
    }
    connect = import_module("clickhouse_driver").Client  # is installed where chdb is
    with pytest.MonkeyPatch.context() as patch, connect("127.0.0.1", port=native) as server:
        for name, value in environment.items():
            patch.setenv(name, value)
        server.execute(f"CREATE DATABASE {database}")
        target = Target("clickhouse", "argos", str(folder / "pipelines"), allow_untried=True)
        try:
            yield Place(read_through_dlt(target), environment)
        finally:
            server.execute(f"DROP DATABASE {database} SYNC")
