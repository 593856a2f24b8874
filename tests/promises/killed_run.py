"""A backfill in a process that kills itself as soon as its second merge has deleted old rows.

Usage: `python killed_run.py API_URL TARGET`, the target as JSON.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from datetime import date
from importlib import import_module
from itertools import count
from typing import Any

import pytest
from dlt.destinations.job_client_impl import SqlLoadJob

from argos_sync.commands.backfill import backfill
from argos_sync.load.sql import Client, dialect_of
from argos_sync.load.target import Target
from argos_sync.shape.contract import SUBMISSIONS
from support import LATER, context_for

CHUNK = 20
KILLED_IN_MERGE = 2


def kill_in_merge(number: int) -> None:
    """Have this process killed in a merge: after the statement that deletes the old rows.

    Where all of a merge is one call, the process is killed before it can commit.
    """
    run = SqlLoadJob.run
    numbers = count(1)

    def run_until_killed(job: SqlLoadJob) -> None:
        if job._parsed_file_name.table_name == SUBMISSIONS and next(numbers) == number:
            kill_in_deletion(job._job_client.sql_client)
        run(job)

    pytest.MonkeyPatch().setattr(SqlLoadJob, "run", run_until_killed)


def kill_in_deletion(client: Client) -> None:
    """Have this process killed after the next statement that deletes rows."""
    owner, name = sender_of(client)
    send = getattr(owner, name)

    def send_and_kill(*arguments: Any, **options: Any) -> Any:
        result = send(*arguments, **options)
        if any("DELETE FROM" in str(argument) for argument in arguments):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    pytest.MonkeyPatch().setattr(owner, name, send_and_kill)


def sender_of(client: Client) -> tuple[Any, str]:
    """Return whose method sends one statement, or one transaction: dlt's client, or its driver's.

    dlt's client of ClickHouse splits a text at its semicolons, and sends one statement at a time.
    """
    if dialect_of(client) == "clickhouse":
        return import_module("clickhouse_driver.dbapi.cursor").Cursor, "execute"
    return client, "execute_sql"


if __name__ == "__main__":
    kill_in_merge(KILLED_IN_MERGE)
    base_url, target = sys.argv[1:]
    context = context_for(base_url, Target(**json.loads(target)), LATER, page_size=10)
    backfill(replace(context, chunk_size=CHUNK), date(2025, 1, 1), date(2025, 1, 31), force=True)
