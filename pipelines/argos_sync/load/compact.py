"""A DuckDB file, written anew: what is deleted stays in its blocks until they are needed."""

from __future__ import annotations

from pathlib import Path

import duckdb

from argos_sync.load.atomic_file import atomic_replacement
from argos_sync.load.dialects import quote_literal, quote_name
from argos_sync.load.duckdb import BOUNDED_MEMORY
from argos_sync.load.errors import destination_errors
from argos_sync.load.locks import lock_file
from argos_sync.load.target import Target, duckdb_file, make_pipeline, working_dir


def compact(target: Target, command: str) -> None:
    """Write a warehouse's file anew, without the blocks of what was deleted.

    Who has it open for reading keeps the old one until they close it. Where the warehouse is no
    file, nothing happens.

    Args:
        target: Where the warehouse is.
        command: Named to whom wants to open it meanwhile.

    Raises:
        DestinationError: It is locked, or there is no space for a second one.
    """
    working = working_dir(target)
    with destination_errors():
        file = duckdb_file(make_pipeline(target, working).destination_client())
        if file is None:
            return  # nor is anything locked: others may be loading beside this run
        with lock_file(working.with_suffix(".lock"), command):
            if file.is_file():
                _replace_by_copy(file.resolve())


def _replace_by_copy(file: Path) -> None:
    # Replaced while the old one is still locked, so that nobody writes to it in between.
    with (
        duckdb.connect(str(file), config=BOUNDED_MEMORY) as connection,
        atomic_replacement(file) as new,
    ):
        connection.execute(f"ATTACH {quote_literal(str(new))} AS rewritten")
        ((catalog,),) = connection.execute("SELECT current_catalog()").fetchall()
        connection.execute(f"COPY FROM DATABASE {quote_name(catalog)} TO rewritten")
        connection.execute("DETACH rewritten")
        connection.execute("CHECKPOINT")
