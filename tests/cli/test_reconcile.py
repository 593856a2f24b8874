"""`reconcile`, `backfill --force`, `sync --accept-emptied`: exit codes, table, summary."""

from dataclasses import replace

import pytest

from cli.command import Command
from whole_lists import Emulator

pytestmark = pytest.mark.process

JANUARY = ("--from", "2025-01-01", "--to", "2025-01-31")


def test_reconcile_repairs_a_difference(loaded: Command, api: Emulator) -> None:
    """A dry run exits with 6 and shows the day; a real run repairs it, and the next finds none."""
    deleted = api.store.all()[40]
    day = "-".join(deleted["created_at"].split("-")[:3])
    api.store.delete(deleted["submission_id"])
    dry_run = loaded("reconcile", *JANUARY, "--dry-run", code=6)
    header, row, _ = dry_run.stdout.splitlines()
    assert header.split() == ["day", "source", "warehouse", "missing", "gone", "changed"]
    assert row.split()[0] == day
    assert row.split()[3:] == ["0", "1", "0"]
    assert loaded.rows("SELECT COUNT(*) FROM submissions WHERE _deleted_at IS NOT NULL") == [(0,)]
    summary = loaded.json("reconcile", *JANUARY)
    assert summary["submissions_deleted"] == 1
    assert [(entry["day"], entry["gone"]) for entry in summary["days"]] == [(day, 1)]
    marked = loaded.rows("SELECT submission_id FROM submissions WHERE _deleted_at IS NOT NULL")
    assert marked == [(deleted["submission_id"],)]
    assert loaded.json("reconcile", *JANUARY, "--dry-run", "--deep")["days"] == []


def test_reconcile_refuses_many_deletions(loaded: Command, api: Emulator) -> None:
    """The message says how many are missing, and which option allows to mark them as deleted."""
    for submission_id in api.store.ids()[:20]:
        api.store.delete(submission_id)
    message = loaded.error_line("reconcile", *JANUARY, code=4)
    assert message.startswith("20 of 80 submissions from 2025-01-01 to 2025-01-31 are gone from")
    assert "--max-deleted" in message
    assert loaded.json("reconcile", *JANUARY, "--max-deleted", "30%")["submissions_deleted"] == 20


def test_a_finished_backfill(configured: Command, api: Emulator) -> None:
    """A second backfill fetches nothing and says so; with --force it reads everything again."""
    assert configured.json("backfill", *JANUARY)["submissions_new"] == 80
    before = api.request_count
    again = configured("backfill", *JANUARY)
    assert "note: 2025-01-01 to 2025-01-31 was finished before; --force" in again.stdout
    assert api.request_count == before
    assert configured.json("backfill", *JANUARY, "--force")["submissions_unchanged"] == 80


def test_lost_sections_are_reported_and_accepted(loaded: Command, api: Emulator) -> None:
    """The exit code is 4 and the note says what to do; an unknown section is a usage error."""
    loaded.settings["SOURCES__ARGOS__LOOKBACK_DAYS"] = "3000"
    api.behaviour = replace(api.behaviour, empty=["aml"])
    count = "SELECT COUNT(*) FROM aml"
    before = loaded.rows(count)
    done = loaded("sync", code=4)
    assert "run argos-sync sync --accept-emptied aml" in done.stdout
    assert loaded.rows(count) == before
    message = loaded.error_line("sync", "--accept-emptied", "comments", code=2)
    assert "use one of aml, attempts" in message
    loaded("sync", "--accept-emptied", "aml")
    assert loaded.rows(count) == [(0,)]
