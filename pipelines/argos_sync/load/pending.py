"""The package that a killed run left behind, and the warehouse it was built on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import dlt

from argos_sync.load.sql import Client, select

_BASE = "built_on"


def note_base(pipeline: dlt.Pipeline, client: Client) -> None:
    """Note in the working directory which load of the warehouse the next package builds on."""
    file = Path(pipeline.working_dir) / _BASE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_last_load(client), encoding="utf-8")


def finish_pending(pipeline: dlt.Pipeline, client: Client) -> None:
    """Load what a killed run left behind, if the warehouse is what it was built on."""
    file = Path(pipeline.working_dir) / _BASE
    if not (pipeline.has_pending_data and file.exists()):
        return
    if file.read_text(encoding="utf-8") != _last_load(client):
        return
    with suppress(Exception):  # what cannot be loaded is fetched again
        pipeline.normalize()
        pipeline.load()


def _last_load(client: Client) -> str:
    """Return what tells one state of the dataset from the next; empty before the first load.

    A load is named after the moment, and of two machines one may have a clock that is behind: so
    the number of completed loads counts too.
    """
    query = "SELECT COUNT(*), MAX(load_id) FROM _dlt_loads WHERE status = 0"
    ((number, last),) = select(client, query) or [(0, None)]
    return f"{number} {last}" if number else ""
