"""A `forget` on a DuckLake that kills itself just before a statement of the clean-up.

Usage: `python killed_erasure.py API_URL TARGET USERID STATEMENT`: the target as JSON, and a part of
the statement's text.
"""

import json
import os
import signal
import sys
from typing import Any

import pytest
from dlt.destinations.impl.ducklake.sql_client import DuckLakeSqlClient

from argos_sync.commands.forget import forget
from argos_sync.load.target import Target
from support import LATER, context_for


def kill_before(part: str) -> None:
    """Have this process killed before it sends a statement with this text."""
    send = DuckLakeSqlClient.execute_sql

    def send_or_die(client: DuckLakeSqlClient, sql: Any, *arguments: Any, **options: Any) -> Any:
        if part in str(sql):
            os.kill(os.getpid(), signal.SIGKILL)
        return send(client, sql, *arguments, **options)

    pytest.MonkeyPatch().setattr(DuckLakeSqlClient, "execute_sql", send_or_die)


if __name__ == "__main__":
    base_url, target, userid, statement = sys.argv[1:]
    kill_before(statement)
    forget(context_for(base_url, Target(**json.loads(target)), LATER), [("userid", userid)])
