"""Reconcile: differences from the source are found, reported and repaired."""

from datetime import UTC, date, datetime, timedelta

import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.commands.reconcile import ReconcileResult, TooManyDeletions, reconcile
from argos_sync.commands.sync import sync
from argos_sync.shape.contract import load_contract
from combinations import some
from support import NOW, Rows, Warehouse, assert_equal, at, context_for, created_at, in_range
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.tables_made

FIRST, LAST = date(2025, 1, 5), date(2025, 1, 25)
LATER = NOW + timedelta(days=1)

SHUFFLED = "shuffled, short, empty, doubled"
SERVERS = {
    "plain": Behaviour(),
    "korean, excluded end, descending": Behaviour(
        day_zone="Asia/Seoul", end_date="exclusive", order="descending"
    ),
    SHUFFLED: Behaviour(order="shuffled", short_pages=True, empty_pages=True, duplicate_rows=True),
}


def differences(result: ReconcileResult) -> dict[date, tuple[int, int, int]]:
    """Return the numbers of missing, deleted and changed submissions by day."""
    return {d.day: (len(d.missing), len(d.deleted), len(d.changed)) for d in result.days}


def of_day(submissions: Rows, day: date) -> list[str]:
    """Return the ids of a day's submissions."""
    return [s["submission_id"] for s in submissions if created_at(s).date() == day]


def test_a_small_difference_is_repaired(
    synced_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """A missing submission is fetched, and a deleted one is marked."""
    deleted, other = in_range(synced_submissions, FIRST, LAST)[4:6]
    missing = other | {"submission_id": "missing"}
    with Emulator([*synced_submissions, missing]) as api:
        api.store.delete(deleted["submission_id"])
        context = context_for(api.base_url, synced_warehouse.target)
        result = reconcile(at(context, LATER), FIRST, LAST)
    assert (result.summary.submissions_new, result.summary.submissions_deleted) == (1, 1)
    marked = synced_warehouse.query(
        "SELECT submission_id FROM submissions WHERE _deleted_at IS NOT NULL"
    )
    assert marked == [{"submission_id": deleted["submission_id"]}]
    assert_equal(synced_warehouse, [*synced_submissions, missing])


@pytest.mark.slow
@pytest.mark.parametrize("path", ["status", "data.name"])
def test_deletion_stubs_are_not_at_the_source(
    path: str, synced_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """They are marked without a limit, and are no difference once they are marked."""
    section, _, name = path.rpartition(".")
    words = {name: "Deleted Submission"}
    changes = {section: words} if section else words
    deleted = [item["submission_id"] for item in in_range(synced_submissions, FIRST, LAST)[::3]]
    with Emulator(synced_submissions) as api:
        context = context_for(api.base_url, synced_warehouse.target)
        for submission_id in deleted:
            api.store.update(submission_id, changes)
        first = reconcile(at(context, LATER), FIRST, LAST)
        # Only the section `others` is read, so the name of a submission is not seen.
        assert first.summary.submissions_deleted == (0 if section else len(deleted))
        second = reconcile(at(context, LATER), FIRST, LAST, deep=True, max_deleted=0.0)
        assert second.summary.submissions_deleted == (len(deleted) if section else 0)
        marked = synced_warehouse.query("SELECT 1 FROM submissions WHERE _deleted_at IS NOT NULL")
        assert len(marked) == len(deleted)
        for deep in (False, True):
            result = reconcile(at(context, LATER), FIRST, LAST, deep=deep, dry_run=True)
            assert (result.days, result.summary.exit_status) == ((), 0)


@pytest.mark.slow
@pytest.mark.parametrize("request_types", ["", "others,kyc,data"])
def test_stubs_that_were_erased_are_not_missing(
    request_types: str, warehouse: Warehouse, january: Rows
) -> None:
    """They are no longer stored, and never loaded again; other unknown submissions are."""
    with Emulator(january) as api:
        context = context_for(
            api.base_url, warehouse.target, erase_deleted_after_days=0, request_types=request_types
        )
        backfill(context, FIRST, LAST)
        in_days = in_range(january, FIRST, LAST)
        for submission in in_days[::5]:
            api.store.update(submission["submission_id"], {"data": {"name": "Deleted Submission"}})
        reconcile(at(context, LATER), FIRST, LAST, deep=True, max_deleted=1.0)
        sync(at(context, LATER + timedelta(days=1)))
        assert warehouse.count("submissions") == len(january) - len(in_days[::5])
        api.store.add(in_days[0] | {"submission_id": "new"})
        later = at(context, LATER + timedelta(days=2))
        (day,) = reconcile(later, FIRST, LAST, dry_run=True).days
        assert day.missing == ("new",)
        assert reconcile(later, FIRST, LAST).summary.submissions_new == 1
        assert reconcile(later, FIRST, LAST, dry_run=True).summary.exit_status == 0


@pytest.mark.slow
@pytest.mark.parametrize("server", some(SERVERS, ["korean, excluded end, descending"]))
def test_repairs_differences(server: str, warehouse: Warehouse, january: Rows) -> None:
    """Missing and changed submissions are fetched, deleted ones marked; then nothing differs."""
    absent = of_day(january, date(2025, 1, 7))[:2]
    deleted = of_day(january, date(2025, 1, 12))[:3]
    edited = of_day(january, date(2025, 1, 20))[0]
    beyond = of_day(january, date(2025, 1, 26))[0]
    at_first = [s for s in january if s["submission_id"] not in absent]
    with Emulator(at_first, behaviour=SERVERS[server]) as api:
        context = context_for(api.base_url, warehouse.target, page_size=20)
        sync(context)
        for submission in january:
            if submission["submission_id"] in absent:
                api.store.add(submission)
        for submission_id in (*deleted, beyond):
            api.store.delete(submission_id)
        api.store.update(edited, {"userid": "edited"})
        context = at(context, LATER)
        dry_run = reconcile(context, FIRST, LAST, deep=True, dry_run=True)
        result = reconcile(context, FIRST, LAST, deep=True)
        second = reconcile(at(context, LATER + timedelta(hours=1)), FIRST, LAST, deep=True)
        served = api.store.all()
    expected = {
        date(2025, 1, 7): (2, 0, 0),
        date(2025, 1, 12): (0, 3, 0),
        date(2025, 1, 20): (0, 0, 1),
    }
    assert differences(dry_run) == differences(result) == expected
    assert second.days == ()
    summary = result.summary
    assert (summary.submissions_new, summary.submissions_changed) == (2, 1)
    assert summary.submissions_deleted == 3
    rows = warehouse.query("SELECT submission_id, _deleted_at FROM submissions")
    marked = {row["submission_id"]: row["_deleted_at"] for row in rows if row["_deleted_at"]}
    assert marked == dict.fromkeys(deleted, LATER)
    marked_or_beyond = [s for s in january if s["submission_id"] in (*deleted, beyond)]
    assert_equal(warehouse, [*served, *marked_or_beyond])


@pytest.mark.slow
def test_without_deep_contents_are_not_compared(warehouse: Warehouse, january: Rows) -> None:
    """Only ids are requested, with the section that has `created_at`."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        api.store.update(of_day(january, date(2025, 1, 20))[0], {"userid": "edited"})
        before = api.request_count
        result = reconcile(at(context, LATER), FIRST, LAST)
        requested = [r.parameters.get("request_type") for r in list(api.requests)[before:]]
    assert result.days == ()
    assert set(requested[-1:]) == {"others"}
    assert requested.count(None) <= 3  # the probe of end_date


@pytest.mark.slow
@pytest.mark.covered
def test_a_dry_run_changes_nothing(any_warehouse: Warehouse, january: Rows) -> None:
    """Its exit status is 6, its run record has the numbers, and no other table changes."""
    tables = [name for name in load_contract().tables if name != "sync_runs"]
    with Emulator(january[10:]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        sync(context)
        before = any_warehouse.tables(tables)
        missing = in_range(january[:10], FIRST, LAST) or january[:10]
        for submission in january[:10]:
            api.store.add(submission)
        first = min(created_at(s).date() for s in january)
        result = reconcile(at(context, LATER), first, LAST, dry_run=True)
    assert any_warehouse.tables(tables) == before
    (run,) = any_warehouse.query(
        "SELECT exit_status, submissions_new, submissions_deleted, error FROM sync_runs"
        " WHERE command = 'reconcile'"
    )
    missing_count = sum(len(day.missing) for day in result.days)
    assert missing_count >= len(missing) > 0
    assert run == {
        "exit_status": 6,
        "submissions_new": missing_count,
        "submissions_deleted": 0,
        "error": None,
    }


@pytest.mark.slow
@pytest.mark.covered
def test_too_many_deletions_are_refused(any_warehouse: Warehouse, january: Rows) -> None:
    """An incomplete source causes no deletions; missing submissions are still fetched."""
    with Emulator(january[1:]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        sync(context)
        api.store.add(january[0])
        deleted = [s["submission_id"] for s in in_range(january, FIRST, LAST)][::10]
        for submission_id in deleted:
            api.store.delete(submission_id)
        context = at(context, LATER)
        with pytest.raises(
            TooManyDeletions, match=rf"^{len(deleted)} of \d+ submissions from 2025-01-01"
        ):
            reconcile(context, date(2025, 1, 1), LAST)
        assert_equal(any_warehouse, january)
        (run,) = any_warehouse.query(
            "SELECT exit_status, error FROM sync_runs WHERE command = 'reconcile'"
        )
        result = reconcile(context, date(2025, 1, 1), LAST, max_deleted=0.2)
    assert run == {"exit_status": 4, "error": "TooManyDeletions"}
    assert result.summary.submissions_deleted == len(deleted)


@pytest.mark.slow
def test_a_deleted_submission_that_returns_is_fetched(warehouse: Warehouse, january: Rows) -> None:
    """`_deleted_at` is cleared, and the row has the current values of the source."""
    person = of_day(january, date(2025, 1, 12))[0]
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target)
        backfill(context, FIRST, LAST)
        api.store.delete(person)
        reconcile(at(context, LATER), FIRST, LAST)
        api.store.restore(person)
        api.store.update(person, {"userid": "back"})
        result = reconcile(at(context, LATER + timedelta(hours=1)), FIRST, LAST)
        served = api.store.all()
    assert result.summary.submissions_changed == 1
    assert warehouse.query("SELECT 1 FROM submissions WHERE _deleted_at IS NOT NULL") == []
    assert_equal(warehouse, in_range(served, FIRST, LAST))


@pytest.mark.slow
def test_an_empty_warehouse_is_filled(warehouse: Warehouse, january: Rows) -> None:
    """Whole days are read instead of hundreds of single submissions."""
    with Emulator(january) as api:
        result = reconcile(context_for(api.base_url, warehouse.target), FIRST, LAST)
    assert_equal(warehouse, in_range(january, FIRST, LAST))
    assert result.summary.requests < 30


@pytest.mark.slow
@pytest.mark.covered
def test_configured_sections_are_compared(warehouse: Warehouse, january: Rows) -> None:
    """With `request_types` a deep comparison reads only those sections."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target, request_types="others,kyc")
        backfill(context, FIRST, LAST)
        changed = of_day(january, date(2025, 1, 12))[0]
        api.store.update(changed, {"kyc": {"result": "changed"}})
        api.store.update(of_day(january, date(2025, 1, 13))[0], {"aml": {"currentstatus": "x"}})
        result = reconcile(at(context, datetime(2025, 2, 2, tzinfo=UTC)), FIRST, LAST, deep=True)
        requested = {request.parameters.get("request_type") for request in api.requests}
    assert differences(result) == {date(2025, 1, 12): (0, 0, 1)}
    assert requested == {"others", "kyc"}
