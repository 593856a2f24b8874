"""Run each test on every destination that can be reached, and expect what the gate's data says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from argos_sync.load.destination_support import ACCEPTED
from argos_sync.load.promises import Promise
from promises.places import KINDS, Place

INSTALLED = [name for name, kind in KINDS.items() if kind.is_installed]


@pytest.fixture(params=INSTALLED)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place of each destination.

    A test of a promise that the destination breaks must fail.
    """
    name = str(request.param)
    promise = Promise(request.node.originalname.removeprefix("test_"))
    if reason := ACCEPTED[name].broken.get(promise):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    has_tables = request.node.get_closest_marker("tables_made") is not None
    made = request.getfixturevalue if has_tables else None
    with KINDS[name].place(tmp_path, made) as opened:
        yield opened
