"""Run each test on every destination that can be reached, and expect what the gate's data says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from argos_sync.load.destinations.promises import Promise
from argos_sync.load.destinations.support import ACCEPTED
from promises.clickhouse import clickhouse_server
from promises.place import Place
from promises.places import KINDS

INSTALLED = [name for name, kind in KINDS.items() if kind.is_installed]


@pytest.fixture(scope="session")
def _clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The ports of one stand-in for all tests, each of which has a database of its own."""
    with clickhouse_server(tmp_path_factory.mktemp("clickhouse")) as ports:
        yield ports


@pytest.fixture(params=INSTALLED)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place of each destination.

    A test of a promise that the destination breaks must fail.
    """
    name = str(request.param)
    promise = Promise(request.node.originalname.removeprefix("test_"))
    if reason := ACCEPTED[name].broken.get(promise):
        request.applymarker(pytest.mark.xfail(reason=reason))
    with KINDS[name].place(tmp_path, request) as opened:
        yield opened
