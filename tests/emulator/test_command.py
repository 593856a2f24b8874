from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import httpx
import pytest

from argos_sync.emulator import generate

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = "import typer; from argos_sync.cli.emulator import emulator; typer.run(emulator)"


@contextmanager
def command(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Runs the command with its options; the line it prints once it listens."""
    with subprocess.Popen(  # noqa: S603 our own interpreter and script
        [sys.executable, "-c", SCRIPT, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(stop: signal.Signals) -> None:
    """One line says where; an interrupt or a termination ends it with exit code 0."""
    with command("--port", "0", "-n", "30", "--seed", "5", "--end-date", "2025-01-09") as started:
        process, line = started
        start, _, rest = line.partition(" with ")
        assert start.startswith("Emulator listening on http://127.0.0.1:")
        assert rest == (
            "30 submissions created 2025-01-01 to 2025-01-09 (seed 5); stop with Ctrl-C\n"
        )
        url = f"{start.split()[-1]}/submission"
        answer = httpx.get(url, headers={"x-api-key": "k"}, trust_env=False).json()
        assert [one["submission_id"] for one in answer["Items"]] == [
            one["submission_id"] for one in generate(30, seed=5, end=date(2025, 1, 9))
        ]
        process.send_signal(stop)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_options_reach_the_server() -> None:
    """Behaviour and faults can be set from the command line."""
    options = ("--port", "0", "--api-key", "secret", "--max-count", "9", "--oversize", "413")
    with command(*options, "--rate-503", "1", "--retry-after", "4", "--max-consecutive", "1") as (
        _,
        line,
    ):
        url = f"{line.split()[3]}/submission?count=10"
        assert httpx.get(url, headers={"x-api-key": "k"}, trust_env=False).status_code == 403
        headers = {"x-api-key": "secret"}
        first, second = (httpx.get(url, headers=headers, trust_env=False) for _ in range(2))
        assert (first.status_code, first.headers["retry-after"]) == (503, "4")
        assert second.status_code == 413


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rate-429", "0.9", "--rate-500", "0.9"), "together at most 1"),
        (("--start-date", "2026-01-01"), "lies before the first"),
        (("--encryption", "ecb", "--encryption-key", "short"), "5 bytes"),
        (("--order", "random"), "random"),
    ],
)
def test_wrong_options(options: tuple[str, ...], words: str) -> None:
    """What cannot be served is a usage error."""
    with command("--port", "0", *options) as (process, _):
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 2
        assert words in " ".join(errors.replace("│", "").split())


def test_a_port_in_use() -> None:
    """The second command on a port says so in one line and exits with 2."""
    with command("--port", "0", "-n", "1") as (_, line):
        port = line.split(":")[2].split("/")[0]
        with command("--port", port, "-n", "1") as (process, nothing):
            _, errors = process.communicate(timeout=10)
            assert nothing == ""
            assert process.returncode == 2
            assert errors == (
                f"port {port} on 127.0.0.1 cannot be used (Address already in use); choose another"
                " with --port, or 0 for a free one\n"
            )
