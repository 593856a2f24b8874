"""Usage errors, wrong settings and help: the command fails before it fetches anything."""

import re
import shlex
import sys
from pathlib import Path

import pytest
import typer

from argos_sync.cli.app import app
from argos_sync.cli.help import EXAMPLES
from cli.command import Command, CommandInProcess
from cli.conftest import KEY
from whole_lists import Emulator

OUTPUT = ("--json", "--quiet", "-q", "--verbose", "-v", "--log-format", "-h")
COMMON = ("--destination", "--dataset", "--project", "--pipelines-dir", "--allow-untried")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined] # of a group


@pytest.fixture
def argos_sync(tmp_path: Path) -> CommandInProcess:
    """Return the command in an empty folder, without any configuration."""
    return CommandInProcess(tmp_path)


@pytest.fixture
def configured(argos_sync: CommandInProcess, api: Emulator) -> CommandInProcess:
    """Return the command with a key and the address of the API."""
    argos_sync.settings |= {
        "SOURCES__ARGOS__API_KEY": KEY,
        "SOURCES__ARGOS__BASE_URL": api.base_url,
    }
    return argos_sync


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("syncc",), "No such command 'syncc'"),
        (("sync", "--fast"), "No such option: --fast"),
        (("sync", "--quite"), "No such option: --quite. Did you mean --quiet?; see"),
        (("publish", "--format", "dleta", "--to", "x"), "'dleta' is not one of 'duckdb', "),
        (("backfill", "--from", "2025-01-01"), "Missing option '--to'"),
        (("reconcile", "--from", "x", "--to", "2025-01-01"), "--from 'x' is not a day; give"),
        (("backfill", "--from", "2025-02-30", "--to", "2025-03"), "'2025-02-30' is not a day"),
        (("backfill", "--from", "2025-01", "--to", "2025-13"), "--to '2025-13' is not a day; give"),
        (("backfill", "--from", "2999-01-01", "--to", "2999-02"), "2999-01-01 is in the future"),
        (("status", "--max-age", "26"), "--max-age takes a number with m, h or d, such as 26h"),
        (("status", "--max-age", "9999999999d"), "--max-age takes a number with m, h or d"),
        (("status", "--runs", "9" * 20), "less than or equal to 1000000"),
        (("demo", "-n", "9" * 20), "less than or equal to 10000000"),
        (("emulator", "--port", "0", "-n", "9" * 20), "less than or equal to 10000000"),
        (
            ("backfill", "--from", "2025", "--to", "2025", "--workers", "1001"),
            "less than or equal to 1000",
        ),
        (("refresh", "--submission-id"), "'--submission-id' requires an argument"),
        (("sync", "--pipelines-dir", sys.executable), "'--pipelines-dir'"),
        (("sync", "--pipelines-dir", "m\udcfcll"), "the value of --pipelines-dir is not UTF-8"),
        (("sql", "SELECT '\udcfc'"), "the value of QUERY is not UTF-8"),
        (
            ("forget", "--email", "m\udcfcll@example.com", "--yes"),
            "the value of --email is not UTF-8",
        ),
        (("refresh", "--submission-id", "\udcfc"), "the value of --submission-id is not"),
        (("backfill", "--from", "\udcfc", "--to", "2025-01"), "the value of --from is not UTF-8"),
    ],
)
def test_usage(argos_sync: CommandInProcess, arguments: tuple[str, ...], message: str) -> None:
    """The message names the wrong option and the help, before the command does anything."""
    line = argos_sync.error_line(*arguments, code=2)
    assert message in line
    assert line.endswith("--help")
    assert list(argos_sync.folder.iterdir()) == []


def test_an_address_without_an_option(argos_sync: CommandInProcess) -> None:
    """The message does not repeat it, because errors end up in logs."""
    argos_sync.private.add("kim@example.com")
    line = argos_sync.error_line("refresh", "kim@example.com", code=2)
    assert line == "Got unexpected extra argument(s); see argos-sync refresh --help"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("refresh",), "nothing to refresh; give --submission-id, --userid or --email"),
        (("backfill", "--from", "2025-01-05", "--to", "2025-01-04"), "swap --from and --to"),
        (("sync", "--destination", "duckbd"), "use a name like duckdb or postgres"),
        (("status", "--destination", "duckbd"), "use a name like duckdb or postgres"),
        (
            ("sync", "--destination", "postgres"),
            "lacks database, password, username, host; set DESTINATION__POSTGRES__CREDENTIALS__DA",
        ),
    ],
)
def test_impossible_requests(
    configured: CommandInProcess, api: Emulator, arguments: tuple[str, ...], message: str
) -> None:
    """The command fails before it sends a request to the API."""
    assert message in configured.error_line(*arguments, code=2)
    assert api.request_count == 0


RANGE = ("--from", "2025-01-01", "--to", "2025-01-02")
WRITERS = {
    "sync": (),
    "backfill": RANGE,
    "refresh": ("--userid", "kim"),
    "reconcile": RANGE,
    "forget": ("--userid", "kim", "--yes"),
    "reveal": ("--submission-id", "a"),
    "doctor": (),
}
READERS = {"status": (), "publish": ("--to", "copy"), "report": ("--out", "page.html")}


@pytest.mark.parametrize(("name", "options"), (WRITERS | READERS).items(), ids=WRITERS | READERS)
def test_a_refused_destination(
    configured: CommandInProcess, api: Emulator, name: str, options: tuple[str, ...]
) -> None:
    """Every command refuses it, whatever is allowed, and creates nothing."""
    options = ("--destination", "bigquery", "--allow-untried", *options)
    done = configured(name, *options, code=2)
    assert "the destination bigquery is refused: dlt loads no JSON columns" in (
        done.stdout if name == "doctor" else done.stderr
    )
    assert list(configured.folder.iterdir()) == []
    assert name == "doctor" or api.request_count == 0


@pytest.mark.parametrize(("name", "options"), WRITERS.items(), ids=WRITERS)
def test_a_tried_destination(
    configured: CommandInProcess, name: str, options: tuple[str, ...]
) -> None:
    """Every command that writes needs the permission, and then only lacks the credentials."""
    options = ("--destination", "snowflake", *options)
    refused = configured(name, *options, code=2)
    assert "snowflake is tried, not supported" in refused.stdout + refused.stderr
    allowed = configured(name, *options, "--allow-untried", code=2)
    assert "CREDENTIALS__HOST" in allowed.stdout + allowed.stderr
    assert list(configured.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"API_KEY": None}, "no value for sources.argos.api_key; set SOURCES__ARGOS__API_KEY"),
        ({"BASE_URL": "http://argos.invalid/v3"}, "unencrypted to argos.invalid; use https"),
        ({"PAGE_SIZE": "many"}, "sources.argos.page_size has a value of the wrong type"),
        ({"ENCRYPTION": "gcm", "ENCRYPTION_KEY": "short"}, "encryption_key has 5 bytes"),
    ],
)
def test_wrong_settings(
    configured: CommandInProcess, api: Emulator, settings: dict[str, str | None], message: str
) -> None:
    """The message names the setting and a remedy; nothing is sent or created."""
    for name, value in settings.items():
        configured.settings.pop(f"SOURCES__ARGOS__{name}", None)
        if value is not None:
            configured.settings[f"SOURCES__ARGOS__{name}"] = value
    assert message in configured.error_line("sync", code=2)
    assert api.request_count == 0
    assert not (configured.folder / "kyc.duckdb").exists()


@pytest.mark.parametrize("share", ["many", "-1%", "101%", "5%%", "nan", ""])
def test_invalid_shares(configured: CommandInProcess, share: str) -> None:
    """The message names the option and shows valid values."""
    message = configured.error_line(
        "reconcile", "--from", "2025-01-01", "--to", "2025-01-31", "--max-deleted", share, code=2
    )
    assert "--max-deleted takes a share such as 5% or 0.05" in message


@pytest.mark.parametrize("name", ["", "Japan", "../x", "2nd", "privacy", "orchestration"])
def test_invalid_project_names(name: str, configured: CommandInProcess) -> None:
    """The name must be valid as a section, and must not be a key or a reserved section."""
    message = configured.error_line("sync", "--project", name, code=2)
    assert message.startswith("the name of the project cannot be a section")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"direct": "mask"},
            "sources.argos.privacy.direct has a value that is not valid; use plain, hash, encrypt",
        ),
        ({"quasi": "hash"}, "no value for sources.argos.privacy.key, which hash and encrypt need"),
        ({"direct": "hash", "key": "short"}, "privacy.key has "),
        (
            {"columns": '{"applicants.shoe": "drop"}'},
            "sources.argos.privacy.columns: applicants has no column shoe",
        ),
        ({"columns": '{"kyc.result": "drop"}'}, "kyc.result is not personal"),
        ({"columns": "applicants.email"}, "privacy.columns has a value that is not valid"),
    ],
)
def test_invalid_privacy_settings(
    configured: CommandInProcess, api: Emulator, settings: dict[str, str], message: str
) -> None:
    """The command fails before it fetches or creates anything."""
    configured.settings |= {
        f"SOURCES__ARGOS__PRIVACY__{name.upper()}": text for name, text in settings.items()
    }
    assert message in configured.error_line("sync", code=2)
    assert not (configured.folder / "kyc.duckdb").exists()
    assert api.request_count == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--port", "0", "--rate-429", "0.9", "--rate-500", "0.9"), "add up to at most 1"),
        (("--port", "0", "--start-date", "2999-01-01"), "is in the future: today is"),
        (("--port", "0", "--start-date", "90d", "--end-date", "2026-01-x"), "is not a day; give"),
        (("--port", "0", "--start-date", "today"), "is before the first day"),
        (("--port", "0", "--encryption", "ecb", "--encryption-key", "short"), "5 bytes"),
        (("--port", "0", "--order", "random"), "'random'"),
        ((), "Missing option '--port'"),
    ],
)
def test_invalid_options_of_the_emulator(
    argos_sync: CommandInProcess, options: tuple[str, ...], words: str
) -> None:
    """Invalid options are a usage error of one line."""
    assert words in argos_sync.error_line("emulator", *options, code=2)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(argos_sync: CommandInProcess, name: str) -> None:
    """It has the common options where they apply, describes every option, and gives examples."""
    text = argos_sync(name, "-h").stdout
    assert all(re.search(rf"(?<=\s){option}\b", text) for option in OUTPUT)
    has_common = [bool(re.search(rf"(?<=\s){option}\b", text)) for option in COMMON]
    assert has_common == [name != "emulator"] * len(COMMON)
    assert "bool" not in text
    assert [one.name for one in COMMANDS[name].params if not one.help] == []
    examples = EXAMPLES[name]
    for example in examples:
        assert example.replace(" ", "") in re.sub(r"\s", "", text)
        program, command, *words = shlex.split(example)
        assert (program, command) == ("argos-sync", name)
        options = {one for option in COMMANDS[name].params for one in option.opts}
        assert {word for word in words if word.startswith("-")} <= options


def test_help_has_groups(argos_sync: CommandInProcess) -> None:
    """The commands are in five groups."""
    text = argos_sync("-h").stdout
    groups = re.findall(r"^╭─ (\w+) ─", text, re.MULTILINE)
    assert groups == ["Options", "Load", "Inspect", "Privacy", "Share", "Try"]
    assert argos_sync("-V").stdout == argos_sync("--version").stdout


@pytest.mark.process
def test_completion(tmp_path: Path) -> None:
    """The shell can complete commands."""
    command = Command(tmp_path, {"_ARGOS_SYNC_COMPLETE": "complete_bash"})
    command.settings |= {"COMP_WORDS": "argos-sync re", "COMP_CWORD": "1"}
    process = command.start()
    done = command.finish(process)
    assert sorted(done.stdout.split()) == ["reconcile", "refresh", "report", "reveal"]
