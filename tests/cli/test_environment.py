"""The machine around a command: streams, folders and signals, as schedulers leave them."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from argos_sync.emulator import generate
from cli.command import Command
from cli.events import SignallingEmulator

pytestmark = [pytest.mark.process, pytest.mark.slow]

SHELL = "/bin/sh"


def shell(command: Command, script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script in the command's folder; `$0` is the command."""
    return subprocess.run(
        [SHELL, "-c", script, command.executable],
        cwd=command.folder,
        env=command.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_closed_streams(configured: Command) -> None:
    """What would be printed there is lost, and nothing of it is in the warehouse."""
    done = shell(configured, '"$0" sync 2>&- && "$0" status <&- >&- 2>&- && "$0" sync >&-')
    assert done.returncode == 0
    assert done.stdout.count("80 submissions (80 new") == 1
    assert configured.rows("SELECT exit_status FROM sync_runs") == [(0,), (0,)]
    assert shell(configured, '"$0" sync --nonsense 2>&-').returncode == 2


def test_a_removed_working_directory(configured: Command) -> None:
    """The line names it; help needs no folder."""
    gone = configured.folder / "gone"
    gone.mkdir()
    done = shell(configured, 'cd gone && rmdir ../gone && "$0" --version && "$0" sync')
    assert done.returncode == 2
    assert done.stderr.startswith(f"argos-sync: the working directory {gone} does not exist any")


def test_a_working_directory_that_is_not_text(configured: Command) -> None:
    """Its path is nothing that dlt could read; the line shows no byte that a terminal cannot."""
    done = shell(configured, 'mkdir "$(printf \'m\\374ll\')" && cd m* && "$0" sync')
    assert done.returncode == 2
    assert "m\\udcfcll has a name that is not UTF-8; change into another one" in done.stderr


@pytest.mark.parametrize(
    ("settings", "arguments", "path"),
    [
        ({}, ("sync", "--pipelines-dir", "file/pipelines"), "file/pipelines"),
        ({"DLT_DATA_DIR": "{folder}/file/dlt"}, ("sync",), "file/dlt"),
        ({"DESTINATION__DUCKDB__CREDENTIALS": "duckdb:///{folder}/no/k.duckdb"}, ("sync",), "no/k"),
        ({}, ("publish", "--to", "no/copy.duckdb"), "no"),
    ],
)
def test_an_unusable_folder(
    loaded: Command, settings: dict[str, str], arguments: tuple[str, ...], path: str
) -> None:
    """The line names the path, and the exit code says that a setting or the machine is wrong."""
    (loaded.folder / "file").touch()
    for name, value in settings.items():
        loaded.settings[name] = value.format(folder=loaded.folder)
    done = loaded.run(*arguments)
    assert done.returncode in (2, 5)
    (line,) = done.stderr.splitlines()
    assert str(loaded.folder / path) in line


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux can wait for any process")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_run(argos_sync: Command, number: signal.Signals) -> None:
    """It has a line in sync_runs, leaves nothing in its folders, and the next run goes on."""
    with SignallingEmulator(generate(500, seed=4)) as api:
        argos_sync.settings |= {
            "SOURCES__ARGOS__API_KEY": "k" * 40,
            "SOURCES__ARGOS__BASE_URL": api.base_url,
            "SOURCES__ARGOS__PAGE_SIZE": "10",
            "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "20",
        }
        process = argos_sync.start("sync")
        api.wait(process.pid, 10)
        process.send_signal(number)
        done = argos_sync.finish(process)
        assert done.returncode == 128 + number
        assert "argos-sync: interrupted; run it again" in done.stderr
        (run,) = argos_sync.rows("SELECT exit_status, ended_at IS NOT NULL FROM sync_runs")
        assert run == (128 + number, True)
        assert not list(Path(argos_sync.environment["DLT_DATA_DIR"]).rglob("*.parquet"))
        argos_sync.settings["SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND"] = "1000"
        argos_sync("sync")
        assert argos_sync.rows("SELECT COUNT(*) FROM submissions") == [(500,)]
