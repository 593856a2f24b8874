"""Two machines start at once: one writes, and the other one is told by whom it is kept out."""

import os
import select
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from argos_sync.emulator.http_server import Response
from cli.command import TIMEOUT_SECONDS, Command
from pooler import transaction_pooler
from support import (
    Rows,
    Warehouse,
    assert_equal,
    duckdb_warehouse,
    postgres_address,
    postgres_database,
    postgres_warehouse,
)
from whole_lists import Emulator

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux can wait for any process"),
]

MACHINES = ("one", "other")


class HeldEmulator(Emulator):
    """An API that answers nothing until the test allows it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Create the event that the test sets."""
        super().__init__(*arguments, **options)
        self.released = threading.Event()

    def answer(self, *arguments: Any) -> Response:
        """Wait for the event, and answer."""
        self.released.wait(TIMEOUT_SECONDS)
        return super().answer(*arguments)


@pytest.fixture
def held_api(submissions: Rows) -> Iterator[HeldEmulator]:
    """Run an API that is held until the test ends at the latest."""
    with HeldEmulator(submissions) as emulator:
        yield emulator
        emulator.released.set()


@pytest.fixture(
    params=[
        "duckdb",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("pooled postgres", marks=pytest.mark.postgres),
    ]
)
def warehouse(
    request: pytest.FixtureRequest, argos_sync: Command, tmp_path: Path
) -> Iterator[Warehouse]:
    """An empty warehouse of each kind that is tested, where the command loads to."""
    if request.param == "duckdb":
        yield duckdb_warehouse(argos_sync.folder)
        return
    with ExitStack() as stack:
        database = stack.enter_context(postgres_database())
        address = postgres_address(database)
        reached = address
        if request.param.startswith("pooled"):
            reached = f"{stack.enter_context(transaction_pooler(tmp_path))}/{database}"
        argos_sync.settings["DESTINATION__POSTGRES__CREDENTIALS"] = reached
        yield postgres_warehouse(tmp_path, "argos", address)


def first_to_end(processes: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """Wait until one of several processes ends, and return it."""
    with ExitStack() as stack:
        ends = {
            stack.enter_context(closing(os.fdopen(os.pidfd_open(process.pid)))): process
            for process in processes
        }
        ended, _, _ = select.select(list(ends), [], [], TIMEOUT_SECONDS / 2)
        assert ended, "both run"
        return ends[ended[0]]


def test_two_machines_at_once(
    argos_sync: Command, warehouse: Warehouse, held_api: HeldEmulator
) -> None:
    """The first one loads everything, and the second one nothing twice."""
    argos_sync.settings |= {
        "SOURCES__ARGOS__API_KEY": "k" * 40,
        "SOURCES__ARGOS__BASE_URL": held_api.base_url,
    }
    command = ("sync", "--destination", warehouse.target.destination, "--pipelines-dir")
    processes = [argos_sync.start(*command, machine) for machine in MACHINES]
    loser = first_to_end(processes)
    (winner,) = (process for process in processes if process is not loser)
    refused = argos_sync.finish(loser)
    assert refused.returncode == 5
    assert "locked by" in refused.stderr
    assert str(winner.pid) in refused.stderr
    held_api.released.set()
    assert argos_sync.finish(winner).returncode == 0
    argos_sync(*command, MACHINES[processes.index(loser)])
    assert_equal(warehouse, held_api.store.all())
    schemas = warehouse.query("SELECT schema_name AS name FROM information_schema.schemata")
    assert not [row for row in schemas if "staging" in row["name"]]
