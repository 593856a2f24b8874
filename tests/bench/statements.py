"""Run argos-sync and note the seconds its SQL takes, by table.

    python tests/bench/statements.py COMMAND [OPTIONS]

dlt sends a merge as one text; here its statements go one by one, each with a watch. Seconds by
table, and those of everything else, are written to `statements.json` in the working directory.
"""

from __future__ import annotations

import atexit
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from argos_sync.cli.app import main
from argos_sync.load.duckdb import _SqlClient

_CHANGE = re.compile(r'\s*(?:INSERT INTO|DELETE FROM|UPDATE) "(argos\w*)"\."(\w+)"')

taken: list[tuple[str, float]] = []


@contextmanager
def _watch(name: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        taken.append((name, time.perf_counter() - began))


def _name(sql: str) -> str:
    if (change := _CHANGE.match(sql)) is None:
        return "reading, and temporary tables"
    dataset, table = change.groups()
    return table if dataset == "argos" else "staging"


def _timed(plain: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(plain)
    def execute_sql(client: _SqlClient, sql: str, *arguments: Any, **options: Any) -> Any:
        with _watch(_name(sql)):
            return plain(client, sql, *arguments, **options)

    return execute_sql


def _one_by_one(client: _SqlClient, statements: Sequence[str], *arguments: Any) -> list[Any]:
    return [client.execute_sql(statement, *arguments) for statement in statements]


def _timed_commit(plain: Callable[..., None]) -> Callable[..., None]:
    @wraps(plain)
    def commit_transaction(client: _SqlClient) -> None:
        with _watch("commit"):
            plain(client)

    return commit_transaction


def _write() -> None:
    seconds: Counter[str] = Counter()
    for name, one in taken:
        seconds[name] += one
    Path("statements.json").write_text(json.dumps(seconds), encoding="utf-8")


if __name__ == "__main__":
    _SqlClient.execute_sql = _timed(_SqlClient.execute_sql)
    _SqlClient.execute_many = _one_by_one
    _SqlClient.commit_transaction = _timed_commit(_SqlClient.commit_transaction)
    atexit.register(_write)  # the command leaves without coming back here
    main()
