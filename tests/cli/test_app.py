"""The command line in this process: help, exit codes, output of status and sync."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from argos_sync import __version__
from argos_sync.api.errors import IpNotAllowed
from argos_sync.cli import app, common, exit_codes, status_text
from argos_sync.run.context import Context
from argos_sync.warehouse.overview import UNREADABLE
from cli.command import run_in_process
from support import Rows, Warehouse, context_for
from whole_lists import Emulator

RunApp = Callable[..., int]
NOW = datetime(2025, 2, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunApp:
    """Return a function that runs the command line in an empty folder and returns its exit code."""
    monkeypatch.chdir(tmp_path)
    return run_in_process


@pytest.fixture
def file(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the DuckDB file of the warehouse, which the command line uses by default."""
    path = Path(str(warehouse.target.file))
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", f"duckdb:///{path}")
    return path


@pytest.fixture
def api(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Run an API with two submissions, which commands read in a thread of this process."""

    @contextmanager
    def context(options: common.Common, overrides: object = None) -> Iterator[Context]:
        yield context_for(running.base_url, warehouse.target)

    with Emulator([submission("a"), submission("b")]) as running:
        monkeypatch.setattr(common.Common, "context", context)
        yield running


def check_schema(summary: object) -> None:
    """Check that a JSON status is as docs/status.schema.json says."""
    schema = json.loads((ROOT / "docs" / "status.schema.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(summary)] == []


def submission(id_: str) -> dict[str, Any]:
    """Return a submission with hardly any values."""
    return {"submission_id": id_, "created_at": "2025-01-05-10-00-00-000"}


def test_help_lists_every_command(run_app: RunApp, capsys: pytest.CaptureFixture[str]) -> None:
    """Help is printed with --help, and without a command."""
    assert run_app("--help") == 0
    text = capsys.readouterr().out
    assert all(
        f" {command.callback.__name__} " in text
        for command in app.app.registered_commands
        if command.callback
    )
    assert run_app() == 0
    assert capsys.readouterr().out.split() == text.split()


def test_version(run_app: RunApp, capsys: pytest.CaptureFixture[str]) -> None:
    """The version alone is on stdout."""
    assert run_app("--version") == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_a_missing_api_key(run_app: RunApp, capsys: pytest.CaptureFixture[str]) -> None:
    """Doctor marks the missing key as failed, and exits with 2."""
    assert run_app("doctor", "--pipelines-dir", "work", "--json") == 2
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert [(check["name"], check["exit_code"]) for check in checks] == [
        ("configuration", 2),
        ("destination", 0),
        *((step, 0) for step in ("load", "merge", "view", "comment", "clean-up")),
    ]


def test_a_missing_file(run_app: RunApp, capsys: pytest.CaptureFixture[str]) -> None:
    """Status exits with 5 if there is no warehouse."""
    assert run_app("status", "--pipelines-dir", "work") == 5
    assert "there is no DuckDB file at" in capsys.readouterr().err
    assert list(Path().glob("*.duckdb")) == []


def test_status_without_a_file(run_app: RunApp, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was loaded yet, so the alarm goes off; without `--max-age` there is no warehouse."""
    assert run_app("status") == 5
    capsys.readouterr()
    assert run_app("status", "--max-age", "26h", "--json") == 7
    captured = capsys.readouterr()
    assert json.loads(captured.out)["stale"]
    assert "argos-sync: stale: there is no DuckDB file at " in captured.err


@pytest.mark.tables_made
@pytest.mark.usefixtures("file")
def test_status_of_an_empty_warehouse(run_app: RunApp, capsys: pytest.CaptureFixture[str]) -> None:
    """A warehouse without a successful run is stale: exit code 7, and one JSON object."""
    arguments = ("status", "--pipelines-dir", "work", "--json")
    assert run_app(*arguments) == 0
    capsys.readouterr()
    assert run_app(*arguments, "--max-age", "26h") == 7
    captured = capsys.readouterr()
    summary = json.loads(captured.out)
    assert (summary["last_success"], summary["stale"]) == (None, True)
    assert set(summary["rows"].values()) == {0}
    assert summary["staleness"] == {
        "max_age_days": None,
        "bound_days": 30,
        "kept": True,
        "open_days": 30,
    }
    assert (summary["error"], summary["exit_status"]) == ("Stale", 7)
    assert captured.err == (
        "argos-sync: stale: no sync has succeeded yet; --max-age is 26 hours;"
        " look at argos-sync status --runs 5, and whether the scheduler starts it\n"
    )


@pytest.mark.tables_made
def test_status_is_stale_after_a_run_that_could_not_read(
    run_app: RunApp, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """However new the last successful run is, and until the next one succeeds."""
    arguments = ("status", "--pipelines-dir", "work", "--max-age", "26h")
    now = datetime.now(UTC)
    for age, error, expected in ((3, None, 0), (2, UNREADABLE, 7), (1, None, 0)):
        with duckdb.connect(str(file)) as connection:
            connection.execute(
                "INSERT INTO argos.sync_runs BY NAME SELECT $age AS run_id, 'sync' AS command,"
                " $at AS started_at, 1 AS requests, 1 AS submissions_fetched, $error AS error,"
                " $status AS exit_status",
                {
                    "age": str(age),
                    "at": now - timedelta(hours=age),
                    "error": error,
                    "status": 4 if error else 0,
                },
            )
        assert run_app(*arguments) == expected
        assert ("stale: the last sync could" in capsys.readouterr().err) == (expected == 7)


@pytest.mark.tables_made
def test_status_compares_the_oldest_row_with_sweep_days(
    run_app: RunApp,
    file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bound is sweep_days, 30 by default; no API key is needed."""
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "INSERT INTO argos.submissions BY NAME SELECT 'a' AS submission_id, $now AS created_at,"
            " $now AS _changed_at, $fetched AS _synced_at, 'h' AS _content_hash",
            {"now": datetime.now(UTC), "fetched": datetime.now(UTC) - timedelta(days=3.2)},
        )

    def status_line() -> str:
        assert run_app("status", "--pipelines-dir", "work") == 0
        lines = capsys.readouterr().out.splitlines()
        return next(line for line in lines if line.startswith("freshness: "))

    assert (
        status_line() == "freshness: kept, the oldest row was fetched 3.2 days ago (bound: 30 days)"
    )
    monkeypatch.setenv("SOURCES__ARGOS__SWEEP_DAYS", "0")
    assert (
        status_line()
        == "freshness: the oldest row was fetched 3.2 days ago (no bound: sweep_days is 0)"
    )
    monkeypatch.setenv("SOURCES__ARGOS__SWEEP_DAYS", "3")
    assert (
        status_line()
        == "freshness: NOT KEPT, the oldest row was fetched 3.2 days ago (bound: 3 days)"
    )
    assert run_app("status", "--pipelines-dir", "work", "--json") == 0
    staleness = json.loads(capsys.readouterr().out)["staleness"]
    assert staleness.pop("max_age_days") == pytest.approx(3.2, abs=0.01)
    assert staleness == {"bound_days": 3, "kept": False, "open_days": 30}
    monkeypatch.setenv("SOURCES__ARGOS__SWEEP_DAYS", "-1")
    assert run_app("status") == 2
    assert "sources.argos.sweep_days has a value" in capsys.readouterr().err


@pytest.mark.tables_made
def test_only_a_sync_is_the_last_sync(
    run_app: RunApp, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new backfill hides no old sync; both ages are in the unit of --max-age."""
    now = datetime.now(UTC)
    with duckdb.connect(str(file)) as connection:
        for command, hours in (("sync", 30.25), ("backfill", 1)):
            connection.execute(
                "INSERT INTO argos.sync_runs BY NAME SELECT $command AS run_id,"
                " $command AS command, $at AS started_at, 1 AS requests, 1 AS submissions_fetched,"
                " 0 AS exit_status, '{\"2025-02-01\": 3}' AS requests_by_day",
                {"command": command, "at": now - timedelta(hours=hours)},
            )
    arguments = ("status", "--pipelines-dir", "work", "--max-age")
    assert run_app(*arguments, "31h", "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["age_seconds"], summary["last_sync_age_seconds"]) == (
        pytest.approx(3600, abs=60),
        pytest.approx(30.25 * 3600, abs=60),
    )
    assert [run["requests_by_day"] for run in summary["runs"]] == [{"2025-02-01": 3}] * 2
    check_schema(summary)
    for maximum, ages in (
        ("26h", "30.3 hours ago; --max-age is 26 hours"),
        ("1d", "1.3 days ago; --max-age is 1 day"),
    ):
        assert run_app(*arguments, maximum, "--quiet") == 7
        assert f"stale: the last successful sync began {ages}" in capsys.readouterr().err


def test_status_of_a_warehouse_without_tables(
    run_app: RunApp, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so; with --max-age it is stale."""
    duckdb.connect(str(file)).close()
    arguments = ("status", "--pipelines-dir", "work")
    assert run_app(*arguments) == 0
    assert "no tables yet: nothing was loaded; run argos-sync sync" in capsys.readouterr().out
    assert run_app(*arguments, "--max-age", "26h", "--json") == 7
    captured = capsys.readouterr()
    check_schema(json.loads(captured.out))
    assert captured.err == (
        "argos-sync: stale: the warehouse has no tables yet; run argos-sync sync\n"
    )


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(seconds=-130), "2 minutes ago"),
        (timedelta(hours=-26), "1 day ago"),
        (timedelta(hours=5, minutes=10), "in 5 hours"),
        (timedelta(), "a few seconds ago"),
    ],
)
def test_ages_in_words(distance: timedelta, words: str) -> None:
    """Moments are shown as an English distance from now."""
    assert status_text._relative(NOW + distance, NOW) == words


def test_a_late_sync() -> None:
    """The line about the next sync says by how much it is late."""
    expected = NOW - timedelta(hours=2)
    assert status_text._next_sync_line(expected, NOW) == (
        "next sync: expected 2025-02-01 10:00:00 UTC, 2 hours late"
    )


@pytest.mark.tables_made
@pytest.mark.usefixtures("api")
def test_sync_prints_its_summary(run_app: RunApp, capsys: pytest.CaptureFixture[str]) -> None:
    """The summary of a run is one line of text."""
    assert run_app("sync") == 0
    assert capsys.readouterr().out.startswith(
        "sync: 2 submissions (2 new, 0 changed, 0 unchanged, 0 deleted), 1 window, "
    )


def test_an_error_of_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is that of the error, and the message says what to do."""

    def fail() -> None:
        raise IpNotAllowed("HTTP 403")

    assert exit_codes.run(fail, []) == 3
    assert capsys.readouterr().err.startswith(
        "argos-sync: HTTP 403; add this machine's public IP address"
    )


@pytest.mark.parametrize("verbose", [False, True])
def test_an_unexpected_error(*, verbose: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Only its type is printed; with -v also where it was raised, without values."""
    value = "kim@example.com"

    def fail() -> None:
        raise ValueError(value)

    assert exit_codes.run(fail, ["-v"] if verbose else []) == 1
    first, *frames = capsys.readouterr().err.splitlines()
    assert first == "argos-sync: unexpected ValueError; run again with -v and report what it prints"
    assert bool(frames) == verbose
    assert not verbose or frames[0] == "argos-sync: raised at:"
    assert "example.com" not in "".join(frames)


def test_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C exits with 130; before a run has begun there is nothing to continue."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    assert exit_codes.run(interrupt, []) == 130
    assert capsys.readouterr().err == ("argos-sync: interrupted; nothing was changed\n")


def test_an_end_of_file_is_not_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    """A truncated file, such as bytecode written to a full disk, is an error, not Ctrl-D."""
    application = typer.Typer()

    @application.command()
    def read() -> None:
        raise EOFError

    assert exit_codes.run(lambda: application([], standalone_mode=False), []) == 1
    message = capsys.readouterr().err.strip()
    assert message == "argos-sync: unexpected EOFError; run again with -v and report what it prints"


DAYS = ("--from", "2025-01-01", "--to", "2025-01-31")


@pytest.mark.tables_made
@pytest.mark.usefixtures("file", "api")
@pytest.mark.parametrize(
    ("arguments", "fetched"),
    [(("backfill", *DAYS), 2), (("refresh", "--submission-id", "a"), 1)],
    ids=["backfill", "refresh"],
)
def test_commands_that_load(
    run_app: RunApp, arguments: tuple[str, ...], fetched: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Backfill and refresh print the summary of their run."""
    assert run_app(*arguments, "--json") == 0
    assert json.loads(capsys.readouterr().out)["submissions_fetched"] == fetched


@pytest.mark.tables_made
def test_reconcile_exits_with_6_for_a_difference(
    run_app: RunApp, file: Path, api: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The day and its numbers are printed."""
    assert run_app("reconcile", *DAYS, "--dry-run", "--json") == 6
    (day,) = json.loads(capsys.readouterr().out)["days"]
    assert (day["day"], day["missing"], day["gone"]) == ("2025-01-05", 2, 0)


@pytest.fixture
def synced(synced_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """Return a loaded warehouse, which the command line uses by default."""
    path = synced_warehouse.target.file
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", f"duckdb:///{path}")
    return synced_warehouse


def test_publish_needs_no_api_key(
    run_app: RunApp, synced: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rows of each table are printed."""
    assert run_app("publish", "--to", "copy.duckdb", "--json", "--pipelines-dir", "work") == 0
    assert json.loads(capsys.readouterr().out)["tables"]["submissions"] == 80


def test_reveal_needs_no_api_key(
    run_app: RunApp,
    synced: Warehouse,
    synced_submissions: Rows,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a privacy policy there is nothing to decrypt."""
    person = ("--submission-id", synced_submissions[1]["submission_id"])
    assert run_app("reveal", *person, "--pipelines-dir", "work") == 0
    assert capsys.readouterr().out == "reveal: this submission has no encrypted values\n"


def test_forget_needs_no_api_key(
    run_app: RunApp,
    synced: Warehouse,
    synced_submissions: Rows,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The rows erased are counted by table."""
    person = ("--submission-id", synced_submissions[1]["submission_id"])
    assert run_app("forget", *person, "--yes", "--json", "--pipelines-dir", "work") == 0
    assert json.loads(capsys.readouterr().out)["erased"]["submissions"] == 1
    assert synced.count("submissions") == 79


def test_doctor_asks_the_api(
    run_app: RunApp, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every line is ok; an encryption that the API does not use exits with 2."""
    with Emulator([submission("a")]) as running:
        monkeypatch.setenv("SOURCES__ARGOS__API_KEY", "k" * 40)
        monkeypatch.setenv("SOURCES__ARGOS__BASE_URL", running.base_url)
        assert run_app("doctor", "--pipelines-dir", "work") == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.partition(":")[0] for line in lines] == [
            *("ok   configuration", "ok   API and key", "ok   encryption", "ok   end_date"),
            "ok   completeness",
            "ok   destination",
            *(f"ok   {step}" for step in ("load", "merge", "view", "comment", "clean-up")),
            "ok   project",
        ]
        monkeypatch.setenv("SOURCES__ARGOS__ENCRYPTION", "gcm")
        assert run_app("doctor", "--pipelines-dir", "work") == 2
        assert "FAIL API and key: " in capsys.readouterr().out
