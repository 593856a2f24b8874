"""Compact a DuckDB file: deleted rows stay in its blocks until the file is rewritten."""

from pathlib import Path

import duckdb

from argos_sync.load.atomic_file import atomic_replacement
from argos_sync.load.dialects import quote_literal, quote_name
from argos_sync.load.duckdb import BOUNDED_MEMORY, duckdb_file
from argos_sync.load.errors import destination_errors
from argos_sync.load.locks import lock_file
from argos_sync.load.target import Target, make_pipeline, working_dir


def compact(target: Target, command: str) -> None:
    """Rewrite a DuckDB file without the blocks of deleted rows.

    Processes that have the file open for reading keep the old one until they close it; those that
    are kept out meanwhile see the name of the command. Does nothing if it is not a DuckDB file.

    Raises:
        DestinationError: The file is locked, or there is no space for a second one.
    """
    working = working_dir(target)
    with destination_errors():
        file = duckdb_file(make_pipeline(target, working).sql_client())
        if file is None:
            return  # without a lock: other processes may be loading
        with lock_file(working.with_suffix(".lock"), command):
            if file.is_file():
                _replace_by_copy(file.resolve())


def _replace_by_copy(file: Path) -> None:
    # The connection keeps the old file locked until it is replaced, so nobody writes to it.
    with (
        duckdb.connect(str(file), config=BOUNDED_MEMORY) as connection,
        atomic_replacement(file) as new,
    ):
        connection.execute(f"ATTACH {quote_literal(str(new))} AS rewritten")
        ((catalog,),) = connection.execute("SELECT current_catalog()").fetchall()
        connection.execute(f"COPY FROM DATABASE {quote_name(catalog)} TO rewritten")
        connection.execute("DETACH rewritten")
        connection.execute("CHECKPOINT")
