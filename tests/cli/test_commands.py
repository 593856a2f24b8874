"""Each command: what it changes in the warehouse, and what it prints."""

import json
import os
import re
import shutil
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from cli.command import EXECUTABLE, Command, CommandInProcess
from terminal import Terminal
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.process

LOG_LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?:DEBUG|INFO|WARNING) \d{8}T\d{6}-[0-9a-f]{8} \S"
)
"""Time in UTC, level, run id, message."""
COMMON = ("--destination", "duckdb", "--dataset", "kyc_test", "--pipelines-dir", "work", "-v")


def parse_time(text: str) -> datetime:
    """Return a time of the API, UTC."""
    return datetime.strptime(text + "000+0000", "%Y-%m-%d-%H-%M-%S-%f%z")


def test_sync(configured: Command, api: Emulator, private: set[str]) -> None:
    """A sync loads every submission; a second one changes nothing but its run record."""
    first = configured("sync")
    assert first.stdout.startswith(
        "sync: 80 submissions (80 new, 0 changed, 0 unchanged, 0 deleted), 1"
    )
    assert all(LOG_LINE.match(line) for line in first.stderr.splitlines())
    assert "sync: 1 page, 80 submissions (80 new, 0 changed), 1 window done" in first.stderr
    expected = [
        (
            submission["submission_id"],
            parse_time(submission["created_at"]),
            submission["kyc"]["result"],
            submission["email"],
        )
        for submission in api.store.all()
    ]
    query = """
        SELECT submission_id, created_at, k.result, p.email
        FROM submissions JOIN kyc AS k USING (submission_id)
        LEFT JOIN applicants AS p USING (submission_id) ORDER BY created_at, 1"""
    rows = configured.rows(query)
    assert [(id_, at.astimezone(UTC), *rest) for id_, at, *rest in rows] == expected
    second = configured.json("sync")
    assert second["submissions_new"] == second["submissions_changed"] == 0
    assert second["submissions_unchanged"] == second["submissions_fetched"]
    assert configured.rows(query) == rows
    files = [path for path in (configured.folder / "dlt").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files for text in private if text.encode() in path.read_bytes()]


def test_json_output(configured: Command) -> None:
    """With --json, stdout has the run record as in sync_runs, and stderr has the log lines."""
    done = configured("sync", "--json", *COMMON)
    summary = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    lines = done.stderr.splitlines()
    assert all(LOG_LINE.match(line) for line in lines)
    assert "page 1: 80 submissions, window: all days" in lines[0]
    columns = ("run_id", "command", "pages", "requests", "submissions_fetched", "exit_status")
    (row,) = configured.rows(f"SELECT {', '.join(columns)} FROM sync_runs", dataset="kyc_test")
    assert row == tuple(summary[name] for name in columns)
    # Two requests find out how the API reads `end_date`.
    assert row[1:] == ("sync", 3, 3, 80, 0)
    assert list((configured.folder / "work").iterdir())
    assert not list((configured.folder / "dlt").rglob("argos_sync"))


def test_backfill(configured: Command, api: Emulator) -> None:
    """A backfill loads exactly the submissions of its days, both ends included."""
    days = ("--from", "2025-01-10", "--to", "2025-01-20")
    summary = configured.json("backfill", *days, "--workers", "2", *COMMON)
    expected = [
        submission["submission_id"]
        for submission in api.store.all()
        if "2025-01-10" <= submission["created_at"][:10] <= "2025-01-20"
    ]
    query = "SELECT submission_id FROM submissions ORDER BY created_at, 1"
    rows = configured.rows(query, dataset="kyc_test")
    assert [row[0] for row in rows] == expected
    assert summary["submissions_new"] == len(expected) > 20
    assert (summary["command"], summary["exit_status"]) == ("backfill", 0)


def test_refresh(loaded: Command, api: Emulator) -> None:
    """A refresh by id, user or address loads what has changed in the source."""
    first, second, third, fourth = api.store.ids()[:4]
    for id_ in (first, second, third, fourth):
        api.store.update(id_, {"reviewer": "somebody else"})
    arguments = ("--submission-id", first, "--submission-id", second)
    person = ("--userid", api.store.get(third)["userid"])
    summary = loaded.json("refresh", *arguments, *person)
    changed = loaded.rows("SELECT submission_id FROM submissions WHERE reviewer = 'somebody else'")
    assert {row[0] for row in changed} == {first, second, third}
    assert summary["submissions_changed"] == 3
    address = ("--email", api.store.get(fourth)["email"])
    assert loaded("refresh", *address).stdout.startswith("refresh: 1 submission (0 new, 1 changed")


def test_status(loaded: Command, api: Emulator) -> None:
    """Status shows rows, runs and high-water mark; --max-age decides its exit code."""
    summary = loaded.json("status", "--max-age", "26h")
    assert summary["rows"]["submissions"] == 80
    assert summary["high_water_mark"].startswith(
        parse_time(api.store.all()[-1]["created_at"]).isoformat("T", "milliseconds")[:23]
    )
    assert [run["command"] for run in summary["runs"]] == ["sync"]
    assert (summary["stale"], summary["issues"]) == (False, [])
    assert all(check["passed"] for check in summary["checks"])
    assert summary["next_expected"] is None
    assert summary["last_sync"] == summary["last_success"]
    stale = loaded("status", "--max-age", "0m", "--tables", "--runs", "1", code=7)
    assert re.fullmatch(
        r"argos-sync: stale: the last successful sync began [\d.]+ minutes? ago;"
        r" --max-age is 0 minutes; look at .*\n",
        stale.stderr,
    )
    assert "  submissions                           80\n" in stale.stdout
    assert stale.stdout.endswith(" sync       exit 0, 80 submissions\n")
    brief = loaded("status").stdout
    assert re.fullmatch(
        r"warehouse: .*kyc\.duckdb, dataset argos \(argos-sync \S+\)\n"
        r"last sync: \S+ \S+ UTC, .* ago\n"
        r"next sync: unknown, .*\n"
        r"high-water mark: \S+ \S+ UTC, .* ago\n"
        r"freshness: kept, the oldest row was fetched 0\.0 days ago \(bound: 30 days\)\n"
        r"checks: (2\d|3\d) of \1 passed\nissues: none\n",
        brief,
    )
    api.store.update(api.store.ids()[-1], {"data": {"futureScalar": 1}})
    failed = {"check_name": "known_fields", "place": "submissions", "found": 1}
    assert loaded.json("sync")["checks"]["failed"] == [failed | {"sample": "data.futureScalar"}]
    assert re.search(
        r"\n  FAIL known_fields submissions, 1 found \S+ \S+: data\.futureScalar\n",
        loaded("status").stdout,
    )
    empty = loaded.json("status", *COMMON, "--max-age", "30d", code=7)
    assert (empty["last_success"], empty["stale"]) == (None, True)
    assert set(empty["rows"].values()) == {0}
    assert empty["staleness"] == {
        "max_age_days": None,
        "bound_days": 30,
        "kept": True,
        "open_days": 30,
    }
    assert "\nno tables yet: " in loaded("status", *COMMON[:-1]).stdout


def test_doctor(configured: Command, api: Emulator) -> None:
    """Each check has a line, and the first failed check decides the exit code."""
    api.behaviour = Behaviour(end_date="exclusive")
    assert [line.split(":")[0] for line in configured("doctor").stdout.splitlines()] == [
        "ok   configuration",
        "ok   API and key",
        "ok   encryption",
        "ok   end_date",
        "ok   completeness",
        "ok   destination",
        "ok   load",
        "ok   merge",
        "ok   view",
        "ok   comment",
        "ok   clean-up",
        "ok   project",
    ]
    api.behaviour = Behaviour(ip_denied=True)
    checks = configured.json("doctor", *COMMON, code=3)["checks"]
    assert [(check["name"], check["exit_code"]) for check in checks] == [
        ("configuration", 0),
        ("API and key", 3),
        ("destination", 0),
        *((step, 0) for step in ("load", "merge", "view", "comment", "clean-up")),
    ]
    assert "public IP address" in checks[1]["said"]


def test_demo(argos_sync: Command) -> None:
    """The demo needs no configuration, and prints tables, three queries and what to do next.

    It fits into a terminal of 80 columns, and the command at its end works as it is printed.
    """
    argos_sync.settings["PATH"] = f"{EXECUTABLE.parent}{os.pathsep}{os.environ['PATH']}"
    terminal = Terminal(columns=80, lines=120)
    assert terminal.run([EXECUTABLE, "demo"], argos_sync.folder, argos_sync.environment) == 0
    assert {path.name for path in argos_sync.folder.iterdir()} - {"dlt"} == {
        "kyc_demo.duckdb",
        "kyc_demo.html",
    }
    assert max(map(len, terminal.written_lines)) <= 80
    text = "\n".join(terminal.screen)
    for table in ("submissions", "attempts", "matches", "match_risk_icons"):
        query = f"SELECT COUNT(*) FROM {table}"
        ((count,),) = argos_sync.rows(query, file="kyc_demo")
        assert count > 3
        assert re.search(rf"│ {table} +│ +{count:,} │", text)
    assert "no rows" not in text
    queries = re.findall(r"^-- .*\n((?:.+\n)+?)┏", text, re.MULTILINE)
    assert len(queries) == 3
    assert all(argos_sync.rows(query, file="kyc_demo") for query in queries)
    report, command = terminal.screen[-2:]
    assert report == "Open kyc_demo.html in a browser for the report. Next, try:"
    assert "</svg>" in (argos_sync.folder / "kyc_demo.html").read_text()
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=argos_sync.folder,
        env=argos_sync.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[1].startswith("┃ outcome ")


def test_demo_replaces_reports_only(argos_sync: Command) -> None:
    """If its report's name is that of another file, it says so before it replaces anything."""
    command = CommandInProcess(argos_sync.folder)
    for name in ("kyc_demo.html", "kyc_demo.duckdb"):
        (command.folder / name).write_text("mine")
    assert command.error_line("demo", "-n", "1", code=2).startswith(
        f"{command.folder / 'kyc_demo.html'} is not a report and stays as it is; "
    )
    assert (command.folder / "kyc_demo.duckdb").read_text() == "mine"


def test_demo_beside_a_warehouse(loaded: Command, api: Emulator) -> None:
    """The demo replaces an earlier one, and never uses the configured API or warehouse."""
    loaded.settings |= {
        "SOURCES__ARGOS__ENCRYPTION": "gcm",
        "SOURCES__ARGOS__START_DATE": "2030-01-01",
        "SOURCES__ARGOS__REQUEST_TYPES": '["others"]',
    }
    before = (loaded.folder / "kyc.duckdb").read_bytes()
    shutil.copy(loaded.folder / "kyc.duckdb", loaded.folder / "kyc_demo.duckdb")
    summary = loaded.json("demo", "-n", "300", *COMMON)
    assert (summary["file"], summary["report"]) == ("kyc_demo.duckdb", "kyc_demo.html")
    assert summary["rows"]["submissions"] == 300
    assert summary["run"]["submissions_fetched"] == 300
    assert [len(rows) > 0 for rows in summary["queries"].values()] == [True] * 3
    query = "SELECT COUNT(*) FROM submissions"
    assert loaded.rows(query, file="kyc_demo", dataset="kyc_test") == [(300,)]
    assert (loaded.folder / "kyc.duckdb").read_bytes() == before
    assert api.request_count == 0


def test_emulator(argos_sync: Command) -> None:
    """The emulator prints its base URL as JSON, and serves until it is interrupted."""
    with argos_sync.start("emulator", "--port", "0", "-n", "3", "--json") as process:
        assert process.stdout is not None
        summary = json.loads(process.stdout.readline())
        assert (summary["submissions"], summary["seed"]) == (3, 0)
        url = f"{summary['base_url']}/submission"
        response = httpx.get(url, headers={"x-api-key": "any"}, trust_env=False)
        assert len(response.json()["Items"]) == 3
        process.send_signal(signal.SIGINT)
        done = argos_sync.finish(process)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(Path(argos_sync.folder).iterdir()) == []
