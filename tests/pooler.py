"""PgBouncer in transaction mode, between a test and the PostgreSQL of the machine."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from requirements import report_missing
from support import PG, POSTGRES_PORT, require_postgres

_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server} user=postgres password=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
ignore_startup_parameters = extra_float_digits,options
{user}
"""


@contextmanager
def transaction_pooler(folder: Path) -> Iterator[str]:
    """Run PgBouncer and yield its address, without a database; skip the test if it is missing."""
    require_postgres()
    if (program := shutil.which("pgbouncer")) is None:
        report_missing("PgBouncer is not installed")
    with closing(socket.create_server(("127.0.0.1", 0))) as reserved:
        port = reserved.getsockname()[1]
    file = folder / "pgbouncer.ini"
    user = "user = nobody" if os.getuid() == 0 else ""  # it refuses to run as root
    file.write_text(_CONFIGURATION.format(server=POSTGRES_PORT, port=port, user=user))
    process = subprocess.Popen([program, file], stderr=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            log = [next(lines)]
            while "process up" not in log[-1]:
                log.append(next(lines, "") or pytest.fail("".join(log)))
            yield PG.rpartition("@")[0] + f"@127.0.0.1:{port}"
        finally:
            process.kill()
