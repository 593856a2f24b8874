"""Two machines start at once behind a connection pooler, where a lease keeps the second one out.

Without a pooler it is the promise `one_writer`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.command import Command
from cli.events import HeldEmulator, first_to_end
from pooler import transaction_pooler
from support import (
    Rows,
    Warehouse,
    assert_equal,
    postgres_address,
    postgres_database,
    postgres_warehouse,
)

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux can wait for any process"),
]

MACHINES = ("one", "other")


@pytest.fixture
def held_api(submissions: Rows) -> Iterator[HeldEmulator]:
    """Run an API that is held until the test ends at the latest."""
    with HeldEmulator(submissions) as emulator:
        yield emulator
        emulator.released.set()


@pytest.fixture
def warehouse(argos_sync: Command, tmp_path: Path) -> Iterator[Warehouse]:
    """An empty PostgreSQL database, which the command reaches through a connection pooler."""
    with postgres_database() as database, transaction_pooler(tmp_path) as pooler:
        argos_sync.settings["DESTINATION__POSTGRES__CREDENTIALS"] = f"{pooler}/{database}"
        yield postgres_warehouse(tmp_path, "argos", postgres_address(database))


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
