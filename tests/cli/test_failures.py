"""Failures outside of argos-sync: one line, the contract's exit code, a remedy."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from argos_sync.emulator import Faults
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.target import Target
from argos_sync.process import OUTPUT_ERROR
from cli.command import Command
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.process

PASSWORD = "password-of-the-warehouse"
LOCK = "import duckdb, sys; db = duckdb.connect(sys.argv[1]); print('locked', flush=True); input()"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Reserve a port on which no program listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


def test_a_wrong_option(argos_sync: Command) -> None:
    """One line names the option and the help, before the command does anything."""
    line = argos_sync.error_line("sync", "--fast", code=2)
    assert "No such option: --fast" in line
    assert line.endswith("; see argos-sync sync --help")
    assert list(argos_sync.folder.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [("--version",), ("status",), ("status", "--json"), ("doctor",)], ids=" ".join
)
def test_output_that_cannot_be_written(arguments: tuple[str, ...], loaded: Command) -> None:
    """The line says so, or nothing if the reader has ended; a failure keeps its own exit code."""
    failed = loaded.run(*arguments).returncode
    with Path("/dev/full").open("wb") as full:
        done = loaded.run(*arguments, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == (failed or OUTPUT_ERROR)
    if not failed:
        assert done.stderr == (
            "argos-sync: the output could not be written: No space left on device;"
            " free space, or write it to another place\n"
        )
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = loaded.run(*arguments, stdout=closed, stderr=subprocess.PIPE)
    assert done.returncode == (failed or OUTPUT_ERROR)
    assert failed or done.stderr == ""


ENCRYPTED = Behaviour(encryption="gcm", encryption_key="A" * 32)
OTHER_KEY = Behaviour(api_key="another")


@pytest.mark.parametrize(
    ("behaviour", "settings", "code", "message"),
    [
        (OTHER_KEY, {}, 3, "HTTP 403; check api_key against the key in the ARGOS dashboard"),
        (Behaviour(ip_denied=True), {}, 3, "add this machine's public IP address"),
        (Behaviour(), {"BASE_URL": "{url}/wrong"}, 4, "HTTP 404; base_url is probably wrong"),
        (Behaviour(force_error="invalid_project"), {}, 4, "exists and is active"),
        (ENCRYPTED, {}, 4, "or turn encryption on if it is required"),
        (
            ENCRYPTED,
            {"ENCRYPTION": "gcm", "ENCRYPTION_KEY": "B" * 32},
            2,
            "check encryption, encryption_key and key_derivation",
        ),
    ],
)
def test_refusals(
    configured: Command,
    api: Emulator,
    *,
    behaviour: Behaviour,
    settings: dict[str, str],
    code: int,
    message: str,
) -> None:
    """The command fails at once with a remedy when a retry cannot help."""
    api.behaviour = behaviour
    for name, value in settings.items():
        configured.settings[f"SOURCES__ARGOS__{name}"] = value.format(url=api.base_url)
    configured.private |= {"A" * 32, "B" * 32}
    assert message in configured.error_line("sync", code=code)
    assert api.request_count <= 3
    assert configured.rows("SELECT exit_status FROM sync_runs") == [(code,)]


def test_a_repeated_page_key(configured: Command, api: Emulator) -> None:
    """The pages before it are loaded, and the last line says what happened."""
    api.behaviour = Behaviour(repeated_key=True)
    configured.settings["SOURCES__ARGOS__PAGE_SIZE"] = "10"
    *lines, last = configured("sync", code=4).stderr.splitlines()
    assert len(lines) == 1
    assert "10 submissions (10 new" in lines[0]
    assert "the same nextpageKey twice" in last


def test_retried_failures(
    configured: Command, api: Emulator, closed_port: int, tmp_path: Path
) -> None:
    """Commands give up on an API that is down, and on one that only sends truncated pages.

    Six attempts wait 8 s on average and 15.5 s at most, so all commands run at the same time.
    """
    api.faults = Faults(rate_truncate=1, max_consecutive=1_000_000)
    closed = {"SOURCES__ARGOS__BASE_URL": f"http://127.0.0.1:{closed_port}/v3"}
    commands = {
        "closed": (("sync",), closed, "check base_url, DNS, proxy, firewall"),
        "truncated": (("sync",), {}, ""),
        "doctor": (("doctor",), closed, ""),
    }
    with ExitStack() as stack:
        started = {}
        for name, (arguments, settings, _) in commands.items():
            folder = tmp_path / name
            folder.mkdir()
            command = replace(configured, folder=folder, settings=configured.settings | settings)
            process = stack.enter_context(command.start(*arguments))
            stack.callback(process.kill)
            started[name] = (command, process)
        done = {name: command.finish(process) for name, (command, process) in started.items()}
    assert {name: result.returncode for name, result in done.items()} == dict.fromkeys(commands, 4)
    for name in ("closed", "truncated"):
        (line,) = done[name].stderr.splitlines()
        assert "(6 attempts); " in line
        assert commands[name][2] in line
    checks = done["doctor"].stdout.splitlines()
    assert [line.split(":")[0] for line in checks] == [
        "ok   configuration",
        "FAIL API and key",
        *(
            f"ok   {step}"
            for step in ("destination", "load", "merge", "view", "comment", "clean-up")
        ),
    ]
    assert "check base_url, DNS, proxy, firewall" in checks[1]


@pytest.mark.parametrize("arguments", [("sync",), ("status",), ("publish", "--to", "copy")])
def test_a_locked_file(loaded: Command, api: Emulator, arguments: tuple[str, ...]) -> None:
    """The command does not wait for a locked DuckDB file, and names the process that has it."""
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, str(loaded.folder / "kyc.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        message = loaded.error_line(*arguments, code=5)
        holder.communicate("\n")
    assert message.startswith(f"the DuckDB file is locked by process {holder.pid}; wait for it to")
    assert api.request_count == 0


@pytest.mark.parametrize("arguments", [("sync",), ("status",), ("publish", "--to", "copy")])
def test_an_unreachable_database(
    configured: Command, api: Emulator, closed_port: int, arguments: tuple[str, ...]
) -> None:
    """The message about a PostgreSQL that does not listen contains no credentials."""
    configured.private.add(PASSWORD)
    address = f"postgresql://loader:{PASSWORD}@127.0.0.1:{closed_port}/kyc"
    configured.settings["DESTINATION__POSTGRES__CREDENTIALS"] = address
    message = configured.error_line(*arguments, "--destination", "postgres", code=5)
    assert message.startswith("the destination does not answer (OperationalError); check that")
    assert api.request_count == 0


def test_no_warehouse_yet(argos_sync: Command) -> None:
    """The message names the missing file, and status does not create it."""
    file = argos_sync.folder / "kyc.duckdb"
    assert argos_sync.error_line("status", code=5) == (
        f"there is no DuckDB file at {file}; load something first, or name another file"
    )
    assert not file.exists()


@pytest.mark.parametrize("verbose", [(), ("-v",)])
def test_an_unexpected_error(argos_sync: Command, verbose: tuple[str, ...]) -> None:
    """Only the type of an unexpected error is printed; -v adds lines of code, but no values."""
    argos_sync.private.add("kim@example.com")
    file, pipelines_dir = (str(argos_sync.folder / name) for name in ("kyc.duckdb", "elsewhere"))
    with open_warehouse(Target(file=file, pipelines_dir=pipelines_dir)) as warehouse:
        warehouse.load({}, lambda state: state.update({"high_water_mark": "kim@example.com"}))
    done = argos_sync("status", *verbose, code=1)
    first, *frames = done.stderr.splitlines()
    assert first == "argos-sync: unexpected ValueError; run again with -v and report what it prints"
    assert bool(frames) == bool(verbose)
    if verbose:
        assert frames[0] == "argos-sync: raised at:"
        assert any("/cli/status.py" in line for line in frames)


@pytest.mark.parametrize("fails", [False, True])
def test_personal_values_on_the_command_line(
    configured: Command, api: Emulator, private: set[str], *, fails: bool
) -> None:
    """A refresh never prints the address and the user id of its options, even with -v."""
    if fails:
        api.behaviour = Behaviour(force_error="invalid_parameter")
    person = api.store.all()[0]
    assert private > {person["email"], person["userid"]}
    arguments = ("--email", person["email"], "--userid", person["userid"])
    done = configured("refresh", *arguments, "-v", code=4 if fails else 0)
    assert done.stderr
    sent = {item for request in api.requests for item in request.parameters.items()}
    assert ("email", person["email"]) in sent
