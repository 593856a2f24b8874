"""Run commands of argos-sync in forks of a process that has imported it.

Imports take most of the time of a small command. A fork begins after them, and otherwise runs like
the installed command: as a process with a folder, an environment and outputs of its own.

The process reads commands from stdin, one a line, and answers each with its exit code, which is
negative for a signal.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory
from typing import NoReturn

from argos_sync.cli.app import main
from argos_sync.process import limit_memory

_IMPORTED = (
    "argos_sync.commands.sync",
    "argos_sync.fetch.process.parent",
    "argos_sync.load.destinations.factory",
    "argos_sync.load.read_only",
    "argos_sync.run.analyst_views",
    "dlt._workspace._plugins",
    "dlt.common.libs.pyarrow",
    "dlt.common.libs.sql_alchemy_compat",
    "dlt.destinations.impl.duckdb.duck",
    "dlt.destinations.impl.postgres.postgres",
    "dlt.sources.helpers.requests",
)
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "ARROW_", "COVERAGE_")
"""How variables begin that a process reads when it starts, or when it imports."""


def can_fork(environment: Mapping[str, str]) -> bool:
    """Tell whether a fork behaves in this environment as a new process does."""
    return not any(value and name.startswith(_READ_AT_START) for name, value in environment.items())


def run_in_fork(
    name: str,
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    timeout_seconds: float,
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a fork, to its end.

    Raises:
        subprocess.TimeoutExpired: It takes too long.
    """
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with TemporaryDirectory() as outputs:
        out, err = Path(outputs, "out"), Path(outputs, "err")
        command = {
            "arguments": [name, *arguments],
            "folder": str(folder),
            "environment": dict(environment),
            "outputs": [str(out), str(err)],
        }
        server.stdin.write(json.dumps(command) + "\n")
        server.stdin.flush()
        if not select([server.stdout], [], [], timeout_seconds)[0]:
            os.killpg(server.pid, 9)
            _server.cache_clear()
            raise subprocess.TimeoutExpired([name, *arguments], timeout_seconds)
        exit_code = int(server.stdout.readline())
        return subprocess.CompletedProcess(
            [name, *arguments], exit_code, out.read_text(), err.read_text()
        )


@cache
def _server() -> subprocess.Popen[str]:
    """Start the process; it ends with the one that starts it, which closes its stdin."""
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    return subprocess.Popen(
        [sys.executable, "-P", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
        start_new_session=True,
    )


def _serve() -> NoReturn:
    limit_memory()
    for module in _IMPORTED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _run(**json.loads(line))
        status = os.waitpid(pid, 0)[1]
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    os._exit(0)  # otherwise DuckDB reports what has not been freed


def _run(
    arguments: list[str], folder: str, environment: dict[str, str], outputs: Sequence[str]
) -> NoReturn:
    """Become the process of one command."""
    exit_code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        out, err = (os.open(output, os.O_WRONLY | os.O_CREAT) for output in outputs)
        for stream, number in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        sys.argv = arguments
        main()
    except SystemExit as end:
        exit_code = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(exit_code)


if __name__ == "__main__":
    _serve()
