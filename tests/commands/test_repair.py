"""Rows that were lost or changed in the warehouse come back, though the source has not changed."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.load.errors import DestinationError
from argos_sync.run.context import Context
from combinations import pairs, some
from support import NOW, Rows, Warehouse, at, context_for, empty_warehouse
from warehouse.direct import connected
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.tables_made

LATER = NOW + timedelta(days=1)
JANUARY = date(2025, 1, 1), date(2025, 1, 31)
COLUMNS = ("_synced_at", "_changed_at")
FILLED = (
    *("submissions", "applicants", "kyc", "kyc_comments", "attempts", "attempt_retries", "aml"),
    *("matches", "match_risk_icons", "additional_answers", "submission_status_history"),
)
"""Tables that `synced_submissions` have rows in."""

SOME = "submission_id = (SELECT MIN(submission_id) FROM {table})"

COPY = (
    "INSERT INTO {{{table}}} ({columns}, _dlt_id)"
    " SELECT {columns}, 'copy/' || _dlt_id FROM {{{table}}}"
)
"""Copies rows, with keys of their own for dlt."""

LOST_ROWS = {
    "children": ["DELETE FROM {kyc}"],
    "some children": [f"DELETE FROM {{attempts}} WHERE {SOME.format(table='{attempts}')}"],
    "grandchildren": ["DELETE FROM {match_risk_icons}"],
    "history": ["DELETE FROM {submission_status_history}"],
    "values": [
        "UPDATE {aml} SET current_status = 'other'",
        "UPDATE {applicants} SET name = NULL, date_of_birth = '2000-01-01'",
        "UPDATE {matches} SET score = score + 1",
        "UPDATE {attempts} SET _extra = '{{\"a\": 1}}'",
        "UPDATE {submissions} SET userid = 'other'",
        "UPDATE {submission_status_history} SET kyc_result = 'other'",
    ],
    "doubled rows": [
        COPY.format(table="kyc_comments", columns="submission_id, comment_index, comment"),
        COPY.format(table="submission_status_history", columns="submission_id, valid_from"),
    ],
}
"""Statements that damage the tables in braces."""


def damage(warehouse: Warehouse, *statements: str) -> None:
    """Change the warehouse behind the back of argos-sync."""
    with connected(warehouse) as client:

        class Names(dict[str, str]):
            def __missing__(self, table: str) -> str:
                return client.make_qualified_table_name(table)

        for statement in statements:
            client.execute_sql(statement.format_map(Names()))


def rows_of(warehouse: Warehouse) -> dict[str, Rows]:
    """Return all rows of a submission's tables."""
    return warehouse.tables(FILLED)


def without_starts(tables: dict[str, Rows]) -> dict[str, Rows]:
    """Return the rows without the starts of the status history, which only the lost rows had."""
    history = [dict(row) for row in tables["submission_status_history"]]
    for row in history:
        assert row.pop("valid_from") is not None
    return tables | {"submission_status_history": history}


def refresh_all(submissions: Rows, context: Context) -> Any:
    """Refresh every submission by its id."""
    return refresh(context, submission_ids=[item["submission_id"] for item in submissions])


def backfill_all(_: Rows, context: Context) -> Any:
    """Backfill all days once more."""
    return backfill(context, *JANUARY, force=True)


ON_REQUEST: dict[str, Callable[[Rows, Context], Any]] = {
    "refresh": refresh_all,
    "backfill": backfill_all,
}


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.parametrize(
    ("lost", "command"), pairs(some(LOST_ROWS, [*LOST_ROWS][::2]), [*ON_REQUEST])
)
def test_what_is_fetched_on_request_is_written(
    command: str,
    lost: str,
    synced_warehouse: Warehouse,
    synced_submissions: Rows,
) -> None:
    """Refresh and a forced backfill replace all rows; nothing counts as changed."""
    before = rows_of(synced_warehouse)
    changed_at = synced_warehouse.query("SELECT submission_id, _changed_at FROM submissions")
    damage(synced_warehouse, *LOST_ROWS[lost])
    assert rows_of(synced_warehouse) != before
    with Emulator(synced_submissions) as api:
        context = at(context_for(api.base_url, synced_warehouse.target), LATER)
        summary = ON_REQUEST[command](synced_submissions, context)
    after = rows_of(synced_warehouse)
    if lost == "history":
        before, after = without_starts(before), without_starts(after)
    assert after == before
    assert summary.submissions_unchanged == len(synced_submissions)
    assert summary.submissions_changed == 0
    repaired = synced_warehouse.query("SELECT submission_id, _changed_at FROM submissions")
    key = partial(sorted, key=str)
    assert key(repaired) == key(changed_at)


@pytest.mark.slow
@pytest.mark.parametrize("statements", [LOST_ROWS["values"], LOST_ROWS["doubled rows"]])
def test_what_is_fetched_on_request_is_written_everywhere(
    statements: list[str], any_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """The same on every destination."""
    with Emulator(synced_submissions) as api:
        context = context_for(api.base_url, any_warehouse.target)
        sync(context)
        before = rows_of(any_warehouse)
        damage(any_warehouse, *statements)
        backfill(at(context, LATER), *JANUARY, force=True)
    assert rows_of(any_warehouse) == before


OTHER_DAY = (
    "UPDATE {submissions} SET created_at = '2025-01-15T00:00:00+00:00'"
    f" WHERE {SOME.format(table='{submissions}')}"
)
DEEP = LOST_ROWS | {
    "submissions": [f"DELETE FROM {{submissions}} WHERE {SOME.format(table='{submissions}')}"],
    "doubled submissions": ["INSERT INTO {kyc} SELECT * FROM {kyc}"],
    "another day": [OTHER_DAY],
    "json": ["UPDATE {attempts} SET verification = NULL, _extra = '1'"],
    "a table": ["DROP TABLE {matches} CASCADE"],
    "a column": ["ALTER TABLE {applicants} DROP COLUMN name CASCADE"],
    "an orphan": ["INSERT INTO {kyc} (submission_id, result) VALUES ('nobody', 'approved')"],
}
USUALLY_DAMAGED = (*("history", "values", "doubled rows", "submissions"),)

DROPPED = {
    **{
        f"{table} is dropped": [f"DROP TABLE {{{table}}} CASCADE"]
        for table in (*FILLED, "quarantine", "sync_issues", "sync_runs", "sync_windows")
    },
    "a column": ["ALTER TABLE {kyc} DROP COLUMN result CASCADE"],
    "json": ["ALTER TABLE {attempts} DROP COLUMN verification CASCADE"],
    "a key": ["ALTER TABLE {attempts} DROP COLUMN submission_id CASCADE"],
    "dlt's key": ["ALTER TABLE {attempts} DROP COLUMN _dlt_id CASCADE"],
    "created_at": ["ALTER TABLE {submissions} DROP COLUMN created_at CASCADE"],
    "times": [
        "ALTER TABLE {submissions} DROP COLUMN _synced_at CASCADE",
        "ALTER TABLE {submissions} DROP COLUMN _changed_at CASCADE",
    ],
    "hash": ["ALTER TABLE {submissions} DROP COLUMN _content_hash CASCADE"],
    "a record": ["ALTER TABLE {sync_runs} DROP COLUMN started_at CASCADE"],
    "several": [
        "DROP TABLE {matches} CASCADE",
        "ALTER TABLE {submissions} DROP COLUMN userid CASCADE",
    ],
    "views": ["DROP VIEW {staleness}", "DROP VIEW {submissions_wide}"],
}
"""Statements that drop tables, columns and views."""

USUALLY_DROPPED = (*("submissions is dropped", "a key", "views"),)


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.parametrize("dropped", some(DROPPED, USUALLY_DROPPED))
def test_what_was_dropped_is_created_again(
    dropped: str,
    synced_warehouse: Warehouse,
    synced_submissions: Rows,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The next run ends as usual, says what was missing, and a forced backfill fills it."""
    before = rows_of(synced_warehouse)
    damage(synced_warehouse, *DROPPED[dropped])
    with Emulator(synced_submissions) as api:
        context = context_for(api.base_url, synced_warehouse.target)
        assert sync(at(context, LATER)).exit_status == 0
        if dropped != "views":
            assert "the warehouse lacked" in caplog.text
        caplog.clear()
        backfill_all([], at(context, LATER + timedelta(days=1)))
        assert "the warehouse lacked" not in caplog.text
    after = rows_of(synced_warehouse)
    if dropped == "submission_status_history is dropped":
        assert len(after["submission_status_history"]) == len(synced_submissions)
        after["submission_status_history"] = before["submission_status_history"]
    assert after == before
    assert synced_warehouse.query("SELECT * FROM staleness")
    assert synced_warehouse.query("SELECT * FROM submissions_wide")


@pytest.mark.slow
@pytest.mark.parametrize(
    "statements",
    [
        ["DROP TABLE {submissions} CASCADE", "DROP TABLE {sync_issues} CASCADE"],
        [*DROPPED["a key"], *DROPPED["times"], *DROPPED["a column"]],
    ],
    ids=["tables", "columns"],
)
def test_what_was_dropped_is_created_again_everywhere(
    statements: list[str], any_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """The same on every destination, where a backfill may be a partition."""
    with Emulator(synced_submissions) as api:
        context = context_for(api.base_url, any_warehouse.target)
        sync(context)
        before = rows_of(any_warehouse)
        damage(any_warehouse, *statements)
        backfill_all([], at(context, LATER))
    assert rows_of(any_warehouse) == before
    assert any_warehouse.query("SELECT * FROM staleness")


@pytest.mark.slow
@pytest.mark.parametrize(
    "tables",
    [
        ["_dlt_pipeline_state"],
        ["_dlt_loads"],
        ["_dlt_pipeline_state", "_dlt_loads", "_dlt_version"],
    ],
    ids=["states", "loads", "all"],
)
def test_a_lost_state_is_not_made_up(
    tables: list[str], any_warehouse: Warehouse, january: Rows
) -> None:
    """Without it no run begins, so that nothing is written; with it, the next one goes on."""
    with Emulator(january[:5]) as api:
        run = context_for(api.base_url, any_warehouse.target)
        sync(run)
        damage(any_warehouse, *(f"ALTER TABLE {{{one}}} RENAME TO saved{one}" for one in tables))
        api.store.add(january[5])
        with pytest.raises(DestinationError, match="lacks _dlt_pipeline_state"):
            sync(at(run, LATER))
        assert any_warehouse.count("submissions") == 5
        damage(any_warehouse, *(f"ALTER TABLE {{saved{one}}} RENAME TO {one}" for one in tables))
        assert sync(at(run, LATER)).submissions_new == 1


@pytest.mark.slow
def test_a_lost_suppression_list_is_told(
    synced_warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing else knows who was on it."""
    damage(synced_warehouse, "DROP TABLE {sync_suppressions}")
    with Emulator() as api:
        refresh(context_for(api.base_url, synced_warehouse.target), submission_ids=["nobody"])
    assert "forget the people again" in caplog.text


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.parametrize("damaged", some(DEEP, USUALLY_DAMAGED))
def test_a_deep_reconcile_repairs_what_is_stored(
    damaged: str, synced_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """A dry run reports it, the next run repairs it, and then nothing differs."""
    before = rows_of(synced_warehouse)
    check_deep(synced_warehouse, synced_submissions, DEEP[damaged])
    after = rows_of(synced_warehouse)
    if damaged == "history":
        before, after = without_starts(before), without_starts(after)
    assert after == before


PRIVACY: dict[str, dict[str, Any]] = {
    "plain": {"direct": "plain"},
    "hash and encrypt": {"direct": "hash", "quasi": "encrypt", "key": "k" * 32},
    "drop": {"direct": "drop", "quasi": "hash", "key": "k" * 32},
}


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize(
    ("privacy", "kind"), pairs(some(PRIVACY, [*PRIVACY][:2]), ["postgres", "duckdb"])
)
def test_a_deep_reconcile_repairs_everywhere(
    privacy: str, kind: str, tmp_path: Path, january: Rows
) -> None:
    """Values are compared as each destination returns them, under every privacy mode."""
    with (
        empty_warehouse(kind, tmp_path) as warehouse,
        Emulator(january, behaviour=Behaviour(image_urls="signed")) as api,
    ):
        context = context_for(api.base_url, warehouse.target, privacy=PRIVACY[privacy])
        sync(context)
        before = rows_of(warehouse)
        check = partial(reconcile, at(context, LATER), *JANUARY, deep=True)
        clean = check(dry_run=True)
        assert (clean.days, clean.orphans, clean.summary.exit_status) == ((), (), 0)
        damage(
            warehouse,
            f"DELETE FROM {{kyc}} WHERE {SOME.format(table='{kyc}')}",
            "UPDATE {matches} SET score = score + 1 WHERE match_index = 0",
            "UPDATE {aml} SET current_status = 'other'",
        )
        assert check(dry_run=True).summary.exit_status == 6
        check()
        assert check(dry_run=True).summary.exit_status == 0
        after = rows_of(warehouse)
    for name in ("kyc", "matches", "kyc_comments", "submission_status_history", "aml"):
        assert after[name] == before[name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "statements",
    [LOST_ROWS["children"], LOST_ROWS["doubled rows"], DROPPED["matches is dropped"]],
    ids=["children", "doubled rows", "a table"],
)
def test_a_sync_counts_the_rows_of_what_it_fetches(
    statements: list[str], synced_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """The days that differ fail a check until they are repaired; there is no false alarm."""
    with Emulator(synced_submissions) as api:
        context = context_for(api.base_url, synced_warehouse.target, lookback_days=40)

        def found(days: int, command: Callable[[Context], Any]) -> int:
            run = command(at(context, NOW + timedelta(days=days)))
            results = [one for one in run.checks if one.check_name == "counts_match_source"]
            return sum(one.found for one in results)

        assert found(1, sync) == 0
        damage(synced_warehouse, *statements)
        assert found(2, sync) > 0
        assert found(3, sync) > 0
        assert found(4, lambda context: reconcile(context, *JANUARY, deep=True).summary) == 0
        assert found(5, sync) == 0


@pytest.mark.slow
def test_rows_that_cannot_come_back_leave_no_orphans(
    synced_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """The source no longer has the submission, so nothing restores the parents of its rows."""
    one = synced_submissions[1]["submission_id"]
    with Emulator(synced_submissions) as api:
        context = context_for(api.base_url, synced_warehouse.target, lookback_days=40)
        api.store.delete(one)
        sync(at(context, LATER))
        damage(synced_warehouse, f"DELETE FROM {{attempts}} WHERE submission_id = '{one}'")
        deep = partial(reconcile, at(context, LATER), *JANUARY, deep=True)
        assert deep(dry_run=True).orphans == (one,)
        deep()
        assert deep(dry_run=True).summary.exit_status == 0
        assert [check for check in sync(at(context, LATER)).checks if not check.passed] == []
    marked = synced_warehouse.query("SELECT * FROM submissions WHERE _deleted_at IS NOT NULL")
    assert [row["submission_id"] for row in marked] == [one]
    rows = synced_warehouse.query("SELECT submission_id FROM matches")
    assert {"submission_id": one} in rows


def check_deep(warehouse: Warehouse, submissions: Rows, statements: list[str]) -> None:
    """Damage the warehouse, and have a deep reconcile repair it."""
    with Emulator(submissions) as api:
        context = at(context_for(api.base_url, warehouse.target), LATER)
        clean = reconcile(context, *JANUARY, deep=True, dry_run=True)
        assert (clean.days, clean.orphans, clean.summary.exit_status) == ((), (), 0)
        damage(warehouse, *statements)
        damaged = rows_of(warehouse) if "DROP" not in statements[0] else None
        dry = reconcile(context, *JANUARY, deep=True, dry_run=True)
        assert dry.summary.exit_status == 6
        if damaged:
            assert rows_of(warehouse) == damaged
        assert reconcile(context, *JANUARY, deep=True).summary.exit_status == 0
        last = reconcile(context, *JANUARY, deep=True, dry_run=True)
        assert (last.days, last.orphans, last.summary.exit_status) == ((), (), 0)
