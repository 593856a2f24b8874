"""Post-run checks: what they find and record, and that they never fail the run."""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.sync import sync
from argos_sync.fetch.windows import DateRange
from argos_sync.load.pipeline import open_warehouse
from argos_sync.run.context import Context
from argos_sync.run.summary import RunSummary
from argos_sync.shape.contract import SUBMISSIONS, load_contract
from argos_sync.warehouse.checks import COUNTS, CheckResult, check_counts, check_rows
from argos_sync.warehouse.submissions import Period
from support import NOW, Rows, Warehouse, at, context_for, created_at
from warehouse.direct import CREATED_AT, connected, insert_submissions
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made

MARKER = "Kim Minjun <kim.minjun@example.com>"


def faults(summary: RunSummary) -> dict[tuple[str, str], int]:
    """Return the number of faults of each failed check, by check and place."""
    return {(one.check_name, one.place): one.found for one in summary.checks if not one.passed}


def recorded(warehouse: Warehouse, run: RunSummary) -> Rows:
    """Return the results that a run recorded in `sync_checks`."""
    columns = "check_name, place, passed, found, sample"
    order = "ORDER BY check_name, place"
    return warehouse.query(
        f"SELECT {columns} FROM sync_checks WHERE run_id = '{run.run_id}' {order}"
    )


def change(warehouse: Warehouse, *statements: str) -> None:
    """Run statements outside of any run; table names are in braces."""
    with connected(warehouse) as client:
        name = client.make_qualified_table_name
        for statement in statements:
            client.execute_sql(re.sub(r"{(\w+)}", lambda match: name(match[1]), statement))


@pytest.mark.slow  # five runs
def test_each_fault_is_found_in_its_table(any_warehouse: Warehouse, january: Rows) -> None:
    """A run checks the rows it changed, reconcile checks all; a result is recorded once."""
    with Emulator(january[:60]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        first = sync(context)
        assert faults(first) == {}
        results = recorded(any_warehouse, first)
        assert len(results) == len(first.checks) > 20
        assert {(row["passed"], row["found"], row["sample"]) for row in results} == {
            (True, 0, None)
        }
        # Among many others:
        places = {(row["check_name"], row["place"]) for row in results}
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
        duplicates = any_warehouse.query(
            "SELECT _dlt_id FROM attempts WHERE _dlt_id = submission_id"
        )
        orphans = any_warehouse.count("attempt_retries")
        again = sync(at(context, NOW + timedelta(hours=1)))
        # The source returned nothing new, so only days were compared.
        assert [one.check_name for one in again.checks] == ["counts_match_source"]
        # Submissions that came back unchanged have another number of rows.
        assert [(row["place"], row["found"]) for row in recorded(any_warehouse, again)] == [
            ("submissions", 5)
        ]
        month = (date(2025, 1, 1), date(2025, 1, 31))
        reconciled = reconcile(at(context, NOW + timedelta(hours=2)), *month)
        # One submission is loaded again, without its duplicate; the others still have theirs.
        api.store.update(api.store.ids()[-1], {"argos_score": 0.5})
        after = sync(at(context, NOW + timedelta(hours=3)))
        remaining = len(duplicates) - 1
        assert faults(after)["unique_key", "attempts"] == remaining
        assert [(row["place"], row["found"]) for row in recorded(any_warehouse, after)] == [
            ("submissions", 4),
            ("attempts", remaining),
        ]
        change(
            any_warehouse,
            "UPDATE {attempt_retries} SET attempt_index = attempt_index - 99",
            "DELETE FROM {attempts} WHERE _dlt_id = submission_id",
        )
        api.store.update(api.store.ids()[-1], {"argos_score": 0.6})
        repaired = sync(at(context, NOW + timedelta(hours=4)))
        assert faults(repaired) == {}
        assert [(row["place"], row["passed"]) for row in recorded(any_warehouse, repaired)] == [
            ("submissions", True),
            ("attempt_retries", True),
            ("attempts", True),
        ]
    assert min(len(duplicates), orphans) > 10
    assert faults(reconciled.summary) == {
        ("unique_key", "attempts"): len(duplicates),
        ("has_parent", "attempt_retries"): orphans,
    }
    assert [
        (row["place"], row["found"]) for row in recorded(any_warehouse, reconciled.summary)
    ] == [
        ("submissions", 0),
        ("attempt_retries", orphans),
        ("attempts", len(duplicates)),
    ]


@pytest.fixture
def night(warehouse: Warehouse, january: Rows) -> Iterator[tuple[Emulator, Context]]:
    """The source of a loaded warehouse, and a context for the next night."""
    with Emulator(january[:20]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        yield api, at(context, NOW + timedelta(days=1))


@pytest.mark.slow  # four runs
def test_new_values_are_reported_once(
    night: tuple[Emulator, Context], warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """New values and fields are named unless they may be personal; the next night is silent."""
    api, context = night
    one, two, three = api.store.ids()[-3:]
    caplog.set_level(logging.WARNING, "argos_sync")
    api.store.update(one, {"kyc": {"result": "Escalated"}, "futureScalar": 1})
    api.store.update(two, {"kyc": {"result": MARKER}, "data": {"kim@example.com": 1}})
    api.store.update(three, {"reviewer": "AGENT"})
    report = sync(context)
    expected = {("known_values", "kyc.result"): 2, ("known_fields", "submissions"): 2}
    assert faults(report) == expected
    assert {row["sample"] for row in recorded(warehouse, report) if not row["passed"]} == {
        "*, Escalated",
        "data.*, futureScalar",
    }
    assert caplog.messages == [
        "check known_values: kyc.result: 2 new values seen: *, Escalated",
        "check known_fields: submissions: 2 new fields seen: data.*, futureScalar",
    ]
    assert MARKER not in json.dumps(warehouse.table("sync_checks"), default=str)
    api.store.update(one, {"reviewer": "agent", "attempts": []})
    assert faults(sync(at(context, NOW + timedelta(days=2)))) == {
        ("known_fields", "submissions"): 1
    }
    api.store.update(three, {"kyc": {"result": "escalated_again"}})
    (row,) = (
        row
        for row in recorded(warehouse, sync(at(context, NOW + timedelta(days=3))))
        if not row["passed"]
    )
    assert (row["place"], row["sample"]) == ("kyc.result", "escalated_again")


def test_personal_values_are_masked(night: tuple[Emulator, Context], warehouse: Warehouse) -> None:
    """Reviewers are never named, nor is a value that may be a name or a number."""
    api, context = night
    one, two, three = api.store.ids()[-3:]
    with_name = {"kyc": {"result": "Kim Minjun"}, "aml": {"currentstatus": "Kim Minjun"}}
    api.store.update(one, {"reviewer": "Kim Minjun"} | with_name)
    api.store.update(two, {"reviewer": "minjun", "kyc": {"result": "M12345678"}})
    api.store.update(three, {"aml": {"currentstatus": "Amber Flag"}})
    samples = {
        row["place"]: row["sample"] for row in recorded(warehouse, sync(context)) if row["found"]
    }
    assert samples == {
        "submissions.reviewer": "*",
        "kyc.result": "*",
        "aml.current_status": "*, Amber Flag",
    }


@pytest.mark.slow  # five runs
def test_a_result_before_its_submission_is_a_fault(
    night: tuple[Emulator, Context], warehouse: Warehouse
) -> None:
    """It is found when the submission is loaded, and again until it is repaired."""
    api, context = night
    late = {("timestamps_ordered", "submissions"): 1}
    api.store.update(api.store.ids()[-1], {"kyc_result_at": "2020-01-01-00-00-00-000"})
    killed = sync(context)
    assert faults(killed) == late
    # A killed run commits rows but no end of its run record.
    unfinished = "SET ended_at = NULL, exit_status = NULL"
    change(warehouse, f"UPDATE {{sync_runs}} {unfinished} WHERE run_id = '{killed.run_id}'")
    assert faults(sync(at(context, NOW + timedelta(days=2)))) == late
    assert sync(at(context, NOW + timedelta(days=3))).checks[0].check_name == COUNTS
    api.store.update(api.store.ids()[-1], {"kyc_result_at": None})
    assert faults(sync(at(context, NOW + timedelta(days=4)))) == {}


@pytest.mark.slow  # four runs
def test_days_are_compared_with_the_source(warehouse: Warehouse, january: Rows) -> None:
    """A day fails if the source no longer returns its rows, or if rows are missing."""
    month, january = (date(2025, 1, 1), date(2025, 1, 31)), january[:60]
    with Emulator(january) as api:
        # Pages and chunks overlap by a submission.
        context = context_for(api.base_url, warehouse.target, page_size=20)
        context = replace(context, chunk_size=20)
        assert faults(backfill(context, *month)) == {}
        for one in (january[5], january[50]):
            api.store.delete(one["submission_id"])
        report = backfill(at(context, NOW + timedelta(days=1)), *month, force=True)
        # A run over other days keeps the fault; reconcile repairs it.
        later = at(context, NOW + timedelta(days=2))
        other = backfill(later, date(2025, 2, 1), date(2025, 2, 1))
        (still,) = other.checks
        repaired = reconcile(later, *month).summary
    days = sorted({str(created_at(january[number]).date()) for number in (5, 50)})
    assert faults(report) == {("counts_match_source", "submissions"): len(days)}
    assert report.checks[-1].sample == ", ".join(days)
    assert (still, recorded(warehouse, other)) == (report.checks[-1], [])
    assert faults(repaired) == {}
    assert [row["check_name"] for row in recorded(warehouse, repaired)] == [COUNTS]


def test_days_with_missing_or_extra_rows_fail(any_warehouse: Warehouse) -> None:
    """A failed day stays a fault until it is read completely, or repaired."""
    day, other_day = CREATED_AT.date(), DateRange(date(2025, 2, 1), date(2025, 2, 1))
    fault, passed = CheckResult(COUNTS, SUBMISSIONS, 1, str(day)), CheckResult(COUNTS, SUBMISSIONS)
    whole_day, then = [DateRange(day, day)], Period(CREATED_AT, CREATED_AT)
    later = Period(*[CREATED_AT + timedelta(days=1)] * 2)
    with connected(any_warehouse) as client:
        insert_submissions(client, 3)
        assert check_counts(client, {day: 3}, whole_day, then) == [passed]
        assert check_counts(client, {day: 4}, (), then) == [fault]
        assert check_counts(client, {}, whole_day, later) == [fault]
        assert check_counts(client, {}, [other_day], later, previous=[fault]) == [fault]
        assert check_counts(client, {}, (), later, previous=[fault], repaired=whole_day) == [passed]
        assert check_counts(client, {}, (), later, previous=[fault]) == []


def test_rows_with_faults_are_counted(any_warehouse: Warehouse) -> None:
    """Repeated keys, rows without a parent, and results before their submission."""
    attempts = "INSERT INTO {attempts} (submission_id, attempt_index, _dlt_id)"
    with connected(any_warehouse) as client:
        insert_submissions(client, 3)
    change(
        any_warehouse,
        "UPDATE {submissions} SET kyc_result_at = '2020-01-01 00:00:00+00'",
        f"{attempts} VALUES ('nobody', 0, 'a'), ('nobody', 0, 'b')",
    )
    with connected(any_warehouse) as client:
        results = check_rows(client, (), None, [])
        assert check_rows(client, (), CREATED_AT, []) == []
    assert {(one.check_name, one.place): one.found for one in results if not one.passed} == {
        ("unique_key", "attempts"): 1,
        ("has_parent", "attempts"): 2,
        ("timestamps_ordered", "submissions"): 3,
    }


def test_a_database_error_in_a_check_fails_no_run(
    night: tuple[Emulator, Context], warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """The rows are committed, and the log says that the results were not recorded."""
    _, context = night
    change(warehouse, "ALTER TABLE {sync_checks} ALTER place TYPE INTEGER USING 1")
    assert sync(context).exit_status == 0
    assert "the post-run checks could not run (ConversionException)" in caplog.messages


def test_an_unexpected_error_in_a_check_fails_no_run(
    night: tuple[Emulator, Context], warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """For example when the warehouse returns a value that should not exist."""
    _, context = night
    change(
        warehouse,
        "ALTER TABLE {sync_checks} ALTER COLUMN checked_at DROP NOT NULL",
        "UPDATE {sync_checks} SET checked_at = NULL WHERE place = 'kyc'",
    )
    assert sync(context).exit_status == 0
    assert "the post-run checks could not run (TypeError)" in caplog.messages


@pytest.mark.slow  # a million rows
def test_all_rows_are_checked_in_little_memory(warehouse: Warehouse, january: Rows) -> None:
    """Each check groups or joins by key; all of them at once would need more memory."""
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
