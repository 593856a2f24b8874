"""`reconcile` and `backfill --force` as a user meets them: exit codes, table, summary."""

from __future__ import annotations

import pytest

from argos_sync.emulator import Emulator
from cli.command import Command

JANUARY = ("--from", "2025-01-01", "--to", "2025-01-31")


def test_reconcile_from_difference_to_none(loaded: Command, api: Emulator) -> None:
    """A dry run exits with 6 and shows the day; a real one repairs; then nothing is left."""
    gone = api.store.all()[40]
    day = "-".join(gone["created_at"].split("-")[:3])
    api.store.delete(gone["submission_id"])
    told = loaded("reconcile", *JANUARY, "--dry-run", code=6)
    header, row, _ = told.stdout.splitlines()
    assert header.split() == ["day", "source", "warehouse", "missing", "gone", "changed"]
    assert row.split()[0] == day
    assert row.split()[3:] == ["0", "1", "0"]
    assert loaded.rows("SELECT COUNT(*) FROM submissions WHERE _deleted_at IS NOT NULL") == [(0,)]
    summary = loaded.json("reconcile", *JANUARY)
    assert summary["submissions_deleted"] == 1
    assert [(one["day"], one["gone"]) for one in summary["days"]] == [(day, 1)]
    marked = loaded.rows("SELECT submission_id FROM submissions WHERE _deleted_at IS NOT NULL")
    assert marked == [(gone["submission_id"],)]
    assert loaded.json("reconcile", *JANUARY, "--dry-run", "--deep")["days"] == []


def test_reconcile_refuses_a_source_with_holes(loaded: Command, api: Emulator) -> None:
    """The one line says how many are gone and which option would mark them all the same."""
    for submission_id in api.store.ids()[:20]:
        api.store.delete(submission_id)
    said = loaded.says("reconcile", *JANUARY, code=4)
    assert said.startswith("20 of 80 submissions from 2025-01-01 to 2025-01-31 are gone from")
    assert "--max-deleted" in said
    assert loaded.json("reconcile", *JANUARY, "--max-deleted", "30%")["submissions_deleted"] == 20


@pytest.mark.parametrize("share", ["many", "-1%", "101%", "5%%", "nan", ""])
def test_a_share_that_is_none(loaded: Command, share: str) -> None:
    """The message names the option and shows what it takes."""
    said = loaded.says("reconcile", *JANUARY, "--max-deleted", share, code=2)
    assert "--max-deleted takes a share such as 5% or 0.05" in said


def test_a_finished_backfill_says_so(configured: Command, api: Emulator) -> None:
    """Run again it fetches nothing; with --force it reads everything again."""
    assert configured.json("backfill", *JANUARY)["submissions_new"] == 80
    before = api.request_count
    again = configured("backfill", *JANUARY)
    assert "note: 2025-01-01 to 2025-01-31 was finished before; --force" in again.stdout
    assert api.request_count == before
    assert configured.json("backfill", *JANUARY, "--force")["submissions_unchanged"] == 80
