import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from argos_sync.emulator import generate
from cli.command import Command

Process = AbstractContextManager[tuple[subprocess.Popen[str], str]]


pytestmark = pytest.mark.process


@pytest.fixture
def emulator_command(tmp_path: Path) -> Callable[..., Process]:
    """Run `argos-sync emulator`; yield the process and the line it prints when it listens."""

    @contextmanager
    def run(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        with Command(tmp_path).start("emulator", *options) as process:
            assert process.stdout is not None
            try:
                yield process, process.stdout.readline()
            finally:
                process.kill()

    return run


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_serve_until_a_signal(
    emulator_command: Callable[..., Process], stop: signal.Signals
) -> None:
    """The command prints its URL in one line, and exits with 0 on SIGINT or SIGTERM."""
    days = ("--start-date", "2025-01-01", "--end-date", "2025-01-09")
    options = ("--port", "0", "-n", "30", "--seed", "5", *days)
    with emulator_command(*options) as (process, line):
        start, _, rest = line.partition(" with ")
        assert start.startswith("Emulator listening on http://127.0.0.1:")
        assert rest == (
            "30 submissions created 2025-01-01 to 2025-01-09 (seed 5); stop with Ctrl-C\n"
        )
        url = f"{start.split()[-1]}/submission"
        page = httpx.get(url, headers={"x-api-key": "k"}, trust_env=False).json()
        assert [one["submission_id"] for one in page["Items"]] == [
            one["submission_id"] for one in generate(30, seed=5, end=date(2025, 1, 9))
        ]
        process.send_signal(stop)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_options_reach_the_server(emulator_command: Callable[..., Process]) -> None:
    """The options set the behaviour and the faults of the server."""
    behaviour = ("--port", "0", "--api-key", "secret", "--max-count", "9", "--oversize", "413")
    limit = ("--max-requests-per-day", "2", "--list", "summary")
    faults = ("--rate-503", "1", "--retry-after", "4", "--max-consecutive", "1")
    with emulator_command(*behaviour, *limit, *faults) as (_, line):
        url = f"{line.split()[3]}/submission?count=10"
        assert httpx.get(url, headers={"x-api-key": "k"}, trust_env=False).status_code == 403
        headers = {"x-api-key": "secret"}
        first, second = (httpx.get(url, headers=headers, trust_env=False) for _ in range(2))
        assert (first.status_code, first.headers["retry-after"]) == (503, "4")
        assert second.status_code == 413
        assert httpx.get(url, headers=headers, trust_env=False).status_code == 429


def test_data_of_the_last_year(emulator_command: Callable[..., Process]) -> None:
    """By default the data is of the year until yesterday; some of it is deleted or projected."""
    before = datetime.now(UTC).date()
    shares = ("--list", "whole", "--deleted-share", "0.2", "--projected-share", "0.2")
    with emulator_command("--port", "0", "-n", "400", *shares) as (_, line):
        url = f"{line.split()[3]}/submission?count=400"
        response = httpx.get(url, headers={"x-api-key": "k"}, trust_env=False)
        after = datetime.now(UTC).date()
    rows = response.json()["Items"]
    last = max(one["created_at"] for one in rows)[:10]
    assert f"{before - timedelta(days=30)}" < last <= f"{after - timedelta(days=1)}"
    assert min(one["created_at"] for one in rows)[:10] > f"{before - timedelta(days=366)}"
    assert 50 < sum(one["data"].get("name") == "Deleted Submission" for one in rows) < 110
    assert 40 < sum("projection" in one for one in rows) < 110


def test_port_in_use(emulator_command: Callable[..., Process], tmp_path: Path) -> None:
    """A command whose port is in use prints one line and exits with 2."""
    with emulator_command("--port", "0", "-n", "1") as (_, line):
        port = line.split(":")[2].split("/")[0]
        said = Command(tmp_path).error_line("emulator", "--port", port, "-n", "1", code=2)
    assert said == (
        f"port {port} on 127.0.0.1 cannot be used (Address already in use); choose another"
        " with --port, or 0 for a free one"
    )
