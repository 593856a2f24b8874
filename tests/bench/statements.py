"""Run argos-sync and measure the seconds of its SQL by table.

    python tests/bench/statements.py COMMAND [OPTIONS]

dlt sends a merge as one script; here its statements are sent and timed one by one. The seconds by
table, and those of all other SQL, are written to `statements.json` in the working directory.
"""

import atexit
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

from argos_sync.cli.app import main
from argos_sync.load.destinations.duckdb import _SqlClient

_CHANGE = re.compile(r'\s*(?:INSERT INTO|DELETE FROM|UPDATE) "(argos\w*)"\."(\w+)"')

timings: list[tuple[str, float]] = []


@contextmanager
def _time(name: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        timings.append((name, time.perf_counter() - started))


def _name(sql: str) -> str:
    if (change := _CHANGE.match(sql)) is None:
        return "reads and temporary tables"
    dataset, table = change.groups()
    return table if dataset == "argos" else "staging"


def _timed(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def execute_sql(client: _SqlClient, sql: str, *arguments: Any, **options: Any) -> Any:
        with _time(_name(sql)):
            return original(client, sql, *arguments, **options)

    return execute_sql


def _one_by_one(client: _SqlClient, statements: Sequence[str], *arguments: Any) -> list[Any]:
    return [client.execute_sql(statement, *arguments) for statement in statements]


def _timed_commit(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def commit_transaction(client: _SqlClient) -> None:
        with _time("commit"):
            original(client)

    return commit_transaction


def _write() -> None:
    seconds: dict[str, float] = defaultdict(float)
    for name, duration in timings:
        seconds[name] += duration
    Path("statements.json").write_text(json.dumps(seconds), encoding="utf-8")


if __name__ == "__main__":
    patch.multiple(
        _SqlClient,
        execute_sql=_timed(_SqlClient.execute_sql),
        execute_many=_one_by_one,
        commit_transaction=_timed_commit(_SqlClient.commit_transaction),
    ).start()
    atexit.register(_write)  # the command exits without returning here
    main()
