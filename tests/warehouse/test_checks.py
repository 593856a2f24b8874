"""The checks after a run: what they find, what they write, and that none of it fails the run."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.run.context import Context
from argos_sync.run.summary import RunSummary
from argos_sync.shape.contract import SUBMISSIONS, load_contract
from argos_sync.warehouse.checks import COUNTS, check_counts, check_rows
from support import NOW, Rows, Warehouse, at, context_for, created_at

pytestmark = pytest.mark.tables_made

MARKER = "Kim Minjun <kim.minjun@example.com>"


def found(report: RunSummary) -> dict[tuple[str, str], int]:
    """What the checks after a run found, by check and place, without those that passed."""
    return {(one.check_name, one.place): one.found for one in report.checks if not one.passed}


def rows(warehouse: Warehouse, run: RunSummary) -> Rows:
    """What a run wrote to `sync_checks`."""
    columns = "check_name, place, passed, found, sample"
    order = "ORDER BY check_name, place"
    return warehouse.query(
        f"SELECT {columns} FROM sync_checks WHERE run_id = '{run.run_id}' {order}"
    )


def change(warehouse: Warehouse, *statements: str) -> None:
    """Change the warehouse behind the back of all runs; tables are in braces."""
    with open_warehouse(warehouse.target) as opened:
        name = opened.client.make_qualified_table_name
        for statement in statements:
            opened.client.execute_sql(re.sub(r"{(\w+)}", lambda m: name(m[1]), statement))


def test_each_fault_is_found_where_it_is(any_warehouse: Warehouse, january: Rows) -> None:
    """By a run among what it brought, by reconcile everywhere; a result is written once."""
    with Emulator(january[:60]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        first = sync(context)
        assert found(first) == {}
        written = rows(any_warehouse, first)
        assert len(written) == len(first.checks) > 20
        assert {(row["passed"], row["found"], row["sample"]) for row in written} == {
            (True, 0, None)
        }
        # Whatever the tables, these are among them.
        places = {(row["check_name"], row["place"]) for row in written}
        assert {
            ("unique_key", "attempt_retries"),
            ("unique_key", "submission_status_history"),
            ("has_parent", "kyc"),
            ("known_values", "kyc.result"),
            ("known_fields", "submissions"),
            ("timestamps_ordered", "submissions"),
            ("counts_match_source", "submissions"),
        } <= places

        change(
            any_warehouse,
            "INSERT INTO {attempts} (submission_id, attempt_index, _dlt_id) SELECT"
            " submission_id, attempt_index, submission_id FROM {attempts} WHERE attempt_index = 0",
            "UPDATE {attempt_retries} SET attempt_index = attempt_index + 99",
        )
        twice = any_warehouse.query("SELECT _dlt_id FROM attempts WHERE _dlt_id = submission_id")
        lost = any_warehouse.count("attempt_retries")
        again = sync(at(context, NOW + timedelta(hours=1)))
        # Nothing came, so only days were compared, and they are as they were.
        assert [one.check_name for one in again.checks] == ["counts_match_source"]
        assert rows(any_warehouse, again) == []
        month = (date(2025, 1, 1), date(2025, 1, 31))
        whole = reconcile(at(context, NOW + timedelta(hours=2)), *month)
        # One submission comes again, and with it as it should be; the others are as they were.
        api.store.update(api.store.ids()[-1], {"argos_score": 0.5})
        after = sync(at(context, NOW + timedelta(hours=3)))
        left = len(twice) - 1
        assert found(after)["unique_key", "attempts"] == left
        assert [(row["place"], row["found"]) for row in rows(any_warehouse, after)] == [
            ("attempts", left)
        ]
        change(
            any_warehouse,
            "UPDATE {attempt_retries} SET attempt_index = attempt_index - 99",
            "DELETE FROM {attempts} WHERE _dlt_id = submission_id",
        )
        api.store.update(api.store.ids()[-1], {"argos_score": 0.6})
        mended = sync(at(context, NOW + timedelta(hours=4)))
        assert found(mended) == {}
        assert [(row["place"], row["passed"]) for row in rows(any_warehouse, mended)] == [
            ("attempt_retries", True),
            ("attempts", True),
        ]
    assert min(len(twice), lost) > 10
    assert found(whole.summary) == {
        ("unique_key", "attempts"): len(twice),
        ("has_parent", "attempt_retries"): lost,
    }
    assert [(row["place"], row["found"]) for row in rows(any_warehouse, whole.summary)] == [
        ("attempt_retries", lost),
        ("attempts", len(twice)),
    ]


@pytest.fixture
def night(warehouse: Warehouse, january: Rows) -> Iterator[tuple[Emulator, Context]]:
    """A loaded warehouse, its source, and the night after."""
    with Emulator(january[:20]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        yield api, at(context, NOW + timedelta(days=1))


def test_news_are_told_once(
    night: tuple[Emulator, Context], warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """New values and fields are named where that is nobody's data, and not again the next night."""
    api, context = night
    one, two, three = api.store.ids()[-3:]
    caplog.set_level(logging.WARNING, "argos_sync")
    api.store.update(one, {"kyc": {"result": "Escalated"}, "futureScalar": 1})
    api.store.update(two, {"kyc": {"result": MARKER}, "data": {"kim@example.com": 1}})
    api.store.update(three, {"reviewer": "AGENT"})
    report = sync(context)
    news = {("known_values", "kyc.result"): 2, ("known_fields", "submissions"): 2}
    assert found(report) == news
    assert {row["sample"] for row in rows(warehouse, report) if not row["passed"]} == {
        "*, Escalated",
        "data.*, futureScalar",
    }
    assert caplog.messages == [
        "check known_values: kyc.result: 2 new values seen: *, Escalated",
        "check known_fields: submissions: 2 new fields seen: data.*, futureScalar",
    ]
    assert MARKER not in json.dumps(warehouse.table("sync_checks"), default=str)
    api.store.update(one, {"reviewer": "agent", "attempts": []})
    assert found(sync(at(context, NOW + timedelta(days=2)))) == {("known_fields", "submissions"): 1}
    api.store.update(three, {"kyc": {"result": "escalated_again"}})
    (row,) = (
        row
        for row in rows(warehouse, sync(at(context, NOW + timedelta(days=3))))
        if not row["passed"]
    )
    assert (row["place"], row["sample"]) == ("kyc.result", "escalated_again")


def test_news_name_nobody(night: tuple[Emulator, Context], warehouse: Warehouse) -> None:
    """No reviewer is named, nor what looks like somebody where a status should be."""
    api, context = night
    one, two, three = api.store.ids()[-3:]
    with_name = {"kyc": {"result": "Kim Minjun"}, "aml": {"currentstatus": "Kim Minjun"}}
    api.store.update(one, {"reviewer": "Kim Minjun"} | with_name)
    api.store.update(two, {"reviewer": "minjun", "kyc": {"result": "M12345678"}})
    api.store.update(three, {"aml": {"currentstatus": "Amber Flag"}})
    written = {
        row["place"]: row["sample"] for row in rows(warehouse, sync(context)) if row["found"]
    }
    assert written == {
        "submissions.reviewer": "*",
        "kyc.result": "*",
        "aml.current_status": "*, Amber Flag",
    }


def test_decided_before_it_was_made(night: tuple[Emulator, Context], warehouse: Warehouse) -> None:
    """A result older than its submission counts when that comes, and until it is mended."""
    api, context = night
    late = {("timestamps_ordered", "submissions"): 1}
    api.store.update(api.store.ids()[-1], {"kyc_result_at": "2020-01-01-00-00-00-000"})
    killed = sync(context)
    assert found(killed) == late
    # What a run that is killed leaves behind: its rows, and no word of how it ended.
    unfinished = "SET ended_at = NULL, exit_status = NULL"
    change(warehouse, f"UPDATE {{sync_runs}} {unfinished} WHERE run_id = '{killed.run_id}'")
    assert found(sync(at(context, NOW + timedelta(days=2)))) == late
    assert sync(at(context, NOW + timedelta(days=3))).checks[0].check_name == COUNTS
    api.store.update(api.store.ids()[-1], {"kyc_result_at": None})
    assert found(sync(at(context, NOW + timedelta(days=4)))) == {}


def test_days_are_compared_with_the_source(warehouse: Warehouse, january: Rows) -> None:
    """A day with rows that the source no longer lists is told, and one whose rows got lost."""
    month, january = (date(2025, 1, 1), date(2025, 1, 31)), january[:60]
    with Emulator(january) as api:
        # What a page ends with comes again with the next, and what a chunk ends with too.
        context = context_for(api.base_url, warehouse.target, page_size=20)
        context = replace(context, chunk_size=20)
        assert found(backfill(context, *month)) == {}
        for one in (january[5], january[50]):
            api.store.delete(one["submission_id"])
        report = backfill(at(context, NOW + timedelta(days=1)), *month, force=True)
        # A run that reads other days leaves that standing; reconcile mends it.
        later = at(context, NOW + timedelta(days=2))
        other = backfill(later, date(2025, 2, 1), date(2025, 2, 1))
        (still,) = other.checks
        mended = reconcile(later, *month).summary
    days = sorted({str(created_at(january[number]).date()) for number in (5, 50)})
    assert found(report) == {("counts_match_source", "submissions"): len(days)}
    assert report.checks[-1].sample == ", ".join(days)
    assert (still, rows(warehouse, other)) == (report.checks[-1], [])
    assert found(mended) == {}
    assert [row["check_name"] for row in rows(warehouse, mended)] == [COUNTS]

    kept = (one for number, one in enumerate(january) if number not in {5, 50})
    there = Counter(created_at(one).date() for one in kept)
    day = created_at(january[30]).date()
    with open_read_only(warehouse.target) as view:
        assert check_counts(view.client, there, (), NOW)[0].found == 0
        (lost,) = check_counts(view.client, there + Counter([day]), (), NOW)
        assert (lost.found, lost.sample) == (1, str(day))
        assert check_counts(view.client, {}, (), NOW) == []


def test_checks_that_cannot_be_made_fail_nothing(
    night: tuple[Emulator, Context], warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """The rows are committed, and the log says that nobody has looked at them."""
    _, context = night
    change(warehouse, "ALTER TABLE {sync_checks} RENAME found TO lost")
    report = sync(context)
    assert (report.exit_status, report.checks) == (0, [])
    # Nor can the comment on the column be.
    assert "the checks could not be made (BinderException)" in caplog.messages


def test_what_nobody_expected_fails_nothing(
    night: tuple[Emulator, Context], warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does it when the warehouse answers, but with what cannot be."""
    _, context = night
    change(
        warehouse,
        "ALTER TABLE {sync_checks} ALTER COLUMN checked_at DROP NOT NULL",
        "UPDATE {sync_checks} SET checked_at = NULL WHERE place = 'kyc'",
    )
    assert sync(context).exit_status == 0
    assert "the checks could not be made (TypeError)" in caplog.messages


def test_all_rows_are_checked_in_little_memory(warehouse: Warehouse, january: Rows) -> None:
    """Each check groups or joins by key; all of them at once would need more than there is."""
    with Emulator(january[:60]) as api:
        sync(context_for(api.base_url, warehouse.target))
    with open_warehouse(warehouse.target) as opened:
        for table in load_contract().tables.values():
            if table.belongs_to_submission or table.name == SUBMISSIONS:
                copied = (
                    "INSERT INTO {0} SELECT one.* REPLACE ('copy-' || i AS submission_id)"
                    " FROM (SELECT * FROM {0} LIMIT 1) AS one, range(50_000) AS copies(i)"
                )
                name = opened.client.make_qualified_table_name(table.name)
                opened.client.execute_sql(copied.format(name))
        opened.client.execute_sql("SET memory_limit = '50MB'")
        results = check_rows(opened.client, (), None, [])
    assert len(results) > 20
    assert {one.found for one in results if one.check_name in ("unique_key", "has_parent")} == {0}
