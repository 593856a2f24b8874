"""A quarter of nightly syncs, of which thirty go wrong, each in another way.

Half as many, in half of the nights, unless all combinations run. After every night the warehouse
has no submission that the source never had, and on the night after each fault it has all that a
sync must find. Nights without a fault raise no alarm.
"""

import shutil
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from argos_sync.api.errors import BadGateway, MalformedResponse, RateLimited
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.sync import sync
from argos_sync.emulator import Faults, generate
from argos_sync.load.errors import LoadError
from argos_sync.run.context import Context
from argos_sync.run.project import AnotherProject
from argos_sync.run.quarantine import TooManyUnreadable
from argos_sync.run.summary import RunSummary
from combinations import ALL, THOROUGH, some
from interruptions import Interruption, PowerCut
from oracle import flatten
from snapshot import Snapshot, Tables, differing_tables, in_order
from support import Rows, Warehouse, context_for, created_at, duckdb_warehouse
from whole_lists import Behaviour, Emulator

pytestmark = [pytest.mark.slow, pytest.mark.longest]

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIRST_NIGHT = date(2025, 4, 1)
PER_DAY = 20 if THOROUGH else 6
HISTORY_DAYS, NIGHTS = 60, 90 if ALL else 45
LOOKBACK_DAYS, OPEN_DAYS, SWEEP_DAYS = 7, 30, 30
USUAL, RELIABLE = Behaviour(), Faults()
API_KEY, OTHER_KEY = "own-" * 10, "other-" * 8


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a night.

    Attributes:
        ends: The exit status of the sync, or the error that it raises; None if it may warn.
        behaviour: What the API does in this night only.
        faults: How its gateway fails in this night only.
        begin: What happens before the sync.
        context: The context of the sync.
        interruption: Where the sync is interrupted.
        repair: What a person does before the next night.
        damages: Whether the warehouse is wrong until then.
        misses: Whether some submissions cannot be read until then, which is no alarm.
    """

    ends: int | type[BaseException] | None = 0
    behaviour: Behaviour = USUAL
    faults: Faults = RELIABLE
    begin: Callable[["Quarter"], None] = lambda quarter: None
    context: Callable[["Quarter", Context], Context] = lambda quarter, context: context
    interruption: Interruption | None = None
    repair: Callable[["Quarter"], None] = lambda quarter: None
    damages: bool = False
    misses: bool = False


@dataclass
class Quarter:
    """A project and its warehouse, night by night.

    Attributes:
        night: Number of the night, from 0.
        versions: The contents that each submission has had.
        changed_in: The night before which each submission got its last one.
        gone: The submissions that the source has deleted, and the night before which.
        delay: Nights by which a restored backup has put off the sweep.
        is_damaged: Whether rows were lost that the source may not have any more.
        others: Emulators of other sources.
    """

    warehouse: Warehouse
    api: Emulator
    night: int = 0
    versions: dict[str, list[Tables]] = field(default_factory=dict)
    served: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed_in: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    delay: int = 0
    is_damaged: bool = False
    others: ExitStack = field(default_factory=ExitStack)

    @property
    def now(self) -> datetime:
        """Tonight, when the sync starts."""
        return datetime.combine(FIRST_NIGHT, time(3), UTC) + self.night * DAY

    @property
    def file(self) -> Path:
        """The DuckDB file."""
        return Path(str(self.warehouse.target.file))

    def context(self) -> Context:
        """Return tonight's context."""
        return context_for(
            self.api.base_url,
            self.warehouse.target,
            self.now,
            api_key=API_KEY,
            lookback_days=LOOKBACK_DAYS,
            open_days=OPEN_DAYS,
            sweep_days=SWEEP_DAYS,
        )

    def put(self, submission: dict[str, Any]) -> None:
        """Add a submission to the source, or replace it."""
        key = submission["submission_id"]
        if self.served.get(key) == submission or key in self.gone:
            return
        (self.api.store.replace if key in self.served else self.api.store.add)(submission)
        self.served[key] = submission
        self.versions.setdefault(key, []).append(in_order(flatten([submission])))
        self.changed_in[key] = self.night

    def delete(self, key: str) -> None:
        """Delete a submission from the source."""
        self.api.store.delete(key)
        self.gone[key] = self.night

    def live(self) -> Rows:
        """Return what the source has, by age."""
        return sorted((s for k, s in self.served.items() if k not in self.gone), key=created_at)

    def pass_a_day(self) -> None:
        """Let applicants, reviewers and screening go on, and delete an old and a new submission."""
        start, end = FIRST_NIGHT - HISTORY_DAYS * DAY, FIRST_NIGHT + (NIGHTS + 1) * DAY
        count = PER_DAY * (HISTORY_DAYS + NIGHTS)
        for submission in generate(count, seed=15, start=start, end=end, now=self.now - HOUR):
            self.put(submission)
        if self.night % 4 == 1:
            live = self.live()
            self.delete(live[len(live) // 3]["submission_id"])
            self.delete(live[-5]["submission_id"])

    def assert_right(self, before: Snapshot | None, *, is_whole: bool) -> Snapshot:
        """Assert that the warehouse is right.

        Unless `is_whole`, submissions may be missing or as they were before: then the sync failed.
        """
        after = Snapshot(self.file)
        days = SWEEP_DAYS + 1 + self.delay
        fetched = before.open(self.now - OPEN_DAYS * DAY) if before else set(self.served)
        first_day = self.now.date() - LOOKBACK_DAYS * DAY
        fetched |= {k for k, s in self.served.items() if created_at(s).date() >= first_day}
        for key, versions in self.versions.items():
            rows, was_there = after.parts.get(key), before is not None and key in before.parts
            is_gone = key in self.gone
            changed_in = self.gone[key] if is_gone else self.changed_in[key]
            is_due = is_whole and (key in fetched or self.night - changed_in > days)
            if rows is None:
                assert not was_there, f"{key} has vanished"
                assert is_gone or not is_whole, f"{key} is missing"
                continue
            is_marked = after.marks[key] is not None
            assert is_gone or not is_marked, f"{key} is marked as deleted"
            assert is_marked or not (is_gone and is_due), f"{key} is not marked as deleted"
            if is_gone and self.is_damaged:
                continue  # what the damage has taken of these, nobody has any more
            # Of a new submission, nothing is known that could be missed.
            assert rows in versions or not (is_whole or was_there), (
                f"{key} never had {differing_tables(rows, versions[-1])}"
            )
            assert is_gone or not is_due or rows == versions[-1], f"{key} is out of date"
        assert after.parts.keys() <= self.versions.keys()
        if is_whole:
            assert not after.tables["quarantine"]
        return after


# What a person or the world does


def execute(sql: str) -> Callable[[Quarter], None]:
    """Return a function that changes the warehouse behind the back of argos-sync."""

    def run(quarter: Quarter) -> None:
        with duckdb.connect(str(quarter.file)) as connection:
            connection.execute(f"USE argos; {sql}")

    return run


def deep_reconcile(quarter: Quarter) -> None:
    """Do what `status` advises after rows were lost."""
    days = [created_at(submission).date() for submission in quarter.served.values()]
    context = replace(quarter.context(), clock=lambda: quarter.now + 5 * HOUR)
    reconcile(context, min(days), max(days), deep=True)


def back_up(quarter: Quarter) -> None:
    """Copy the warehouse."""
    shutil.copy(quarter.file, quarter.file.with_suffix(".backup"))


def restore_backup(quarter: Quarter) -> None:
    """Put back the copy, and lose the working directory."""
    shutil.copy(quarter.file.with_suffix(".backup"), quarter.file)
    shutil.rmtree(str(quarter.warehouse.target.pipelines_dir))
    quarter.delay = 3


def misdate(value: Any) -> Callable[[Quarter], None]:
    """Return a function that gives the three newest submissions another `created_at`."""

    def change(quarter: Quarter) -> None:
        for submission in quarter.live()[-3:]:
            quarter.api.store.misdate(submission["submission_id"], value)

    return change


def date_rightly(quarter: Quarter) -> None:
    """Undo `misdate`."""
    for key, submission in quarter.served.items():
        if key not in quarter.gone:
            quarter.api.store.misdate(key, submission["created_at"])


DECIDED = {"userid": "u-1", "data": {"name": "A"}, "kyc": {"result": "approved"}}


def arrive(created: Callable[[Quarter], str], **fields: Any) -> Callable[[Quarter], None]:
    """Return a function that adds two submissions."""

    def add(quarter: Quarter) -> None:
        for number in range(2):
            created_at = created(quarter)
            name = f"arrived-{quarter.night}-{number}"
            quarter.put({"submission_id": name, "created_at": created_at, **DECIDED, **fields})

    return add


def days_ago(days: int) -> Callable[[Quarter], str]:
    """Return a function that writes a time some days ago, as the API does."""
    return lambda quarter: f"{quarter.now - days * DAY:%Y-%m-%d-%H-%M-%S-000}"


def clock(difference: timedelta, looks: int = 0) -> Callable[[Quarter, Context], Context]:
    """Return a context whose clock is wrong, after it was looked at so often."""

    def set_clock(quarter: Quarter, context: Context) -> Context:
        remaining = iter(range(looks))
        return replace(
            context,
            clock=lambda: quarter.now + (timedelta() if next(remaining, None) else difference),
        )

    return set_clock


def other_source(*submissions: Any) -> Callable[[Quarter, Context], Context]:
    """Return a context of another source, which has these submissions."""

    def ask(quarter: Quarter, context: Context) -> Context:
        api = quarter.others.enter_context(Emulator(submissions))
        settings = context.settings.copy()
        settings.base_url, settings.api_key = api.base_url, OTHER_KEY
        return replace(context, settings=settings)

    return ask


FAULTS: dict[str, Fault] = {
    "bad gateway": Fault(BadGateway, faults=Faults(rate_502=1, max_consecutive=10**6)),
    "too many requests": Fault(RateLimited, behaviour=Behaviour(max_requests_per_day=2)),
    "maintenance page": Fault(MalformedResponse, faults=Faults(rate_html=1, max_consecutive=10**6)),
    "shaky line": Fault(faults=Faults(rate_500=0.2, rate_drop=0.1, rate_truncate=0.1)),
    "killed": Fault(PowerCut, interruption=Interruption("process", 1)),
    "full disk": Fault(LoadError, interruption=Interruption("merge", 3)),
    "AML without rows": Fault(4, Behaviour(empty=["aml"])),
    "KYC is null": Fault(4, Behaviour(empty=["kyc"], empty_as="null")),
    "attempts are lists": Fault(4, Behaviour(empty=["attempts"], empty_as="list")),
    "dates in an unknown form": Fault(TooManyUnreadable, Behaviour(created_at="unknown")),
    "dates as epochs": Fault(behaviour=Behaviour(created_at="epoch_milliseconds")),
    "three without a date": Fault(misses=True, begin=misdate(""), repair=date_rightly),
    "clock set back": Fault(context=clock(-HOUR, looks=5)),
    "clock a day slow": Fault(context=clock(-DAY)),
    "clock of 1970": Fault(misses=True, context=clock(-55 * 365 * DAY)),
    "clock of 2099": Fault(misses=True, context=clock(74 * 365 * DAY)),
    "ids refused": Fault(behaviour=Behaviour(unknown_id="404")),
    "page keys as text": Fault(
        behaviour=Behaviour(nextpage_key="json", nextpage_key_taken="opaque")
    ),
    "page keys with types": Fault(behaviour=Behaviour(nextpage_key="typed")),
    "odd pages": Fault(
        behaviour=Behaviour(
            order="shuffled", short_pages=True, empty_pages=True, duplicate_rows=True
        )
    ),
    "large values": Fault(
        behaviour=Behaviour(max_page_bytes=2_000_000),
        begin=arrive(
            days_ago(1), aml={"currentstatus": "Not Screened", "raw_data": {"t": "x" * 10**6}}
        ),
    ),
    "late rows": Fault(begin=arrive(days_ago(5))),
    "year 1": Fault(begin=arrive(lambda _: "0001-01-01-00-00-00-000")),
    "year 9999": Fault(begin=arrive(lambda _: "9999-12-31-23-59-59-999")),
    "rows lost": Fault(
        None, damages=True, begin=execute("DELETE FROM attempts"), repair=deep_reconcile
    ),
    "column dropped": Fault(
        None,
        damages=True,
        begin=execute("ALTER TABLE kyc DROP COLUMN result CASCADE"),
        repair=deep_reconcile,
    ),
    "table dropped": Fault(
        None, damages=True, begin=execute("DROP TABLE matches CASCADE"), repair=deep_reconcile
    ),
    "another project": Fault(AnotherProject, context=other_source(*generate(40, seed=16))),
    "empty source": Fault(None, context=other_source()),
    "backup": Fault(repair=back_up),
    "restored backup": Fault(begin=restore_backup),
}

USUAL_FAULTS = (
    "bad gateway",
    "maintenance page",
    "killed",
    "full disk",
    "AML without rows",
    "dates in an unknown form",
    "three without a date",
    "clock set back",
    "clock of 2099",
    "ids refused",
    "odd pages",
    "late rows",
    "rows lost",
    "table dropped",
    "another project",
    "empty source",
    "backup",
    "restored backup",
)
"""Those that differ most. Each of the others has a test of its own as well."""


def run_night(quarter: Quarter, fault: Fault) -> RunSummary | None:
    """Run a night's sync; return None if it raises what the fault says."""
    quarter.api.behaviour, quarter.api.faults = fault.behaviour, fault.faults
    fault.begin(quarter)
    context = fault.context(quarter, quarter.context())
    interrupted = fault.interruption and fault.interruption(context, quarter.api)
    fails = isinstance(fault.ends, type) and pytest.raises(fault.ends)
    summary = None
    with fails or nullcontext(), interrupted or nullcontext(context) as tonight:
        summary = sync(tonight)
    quarter.api.behaviour, quarter.api.faults = USUAL, RELIABLE
    return summary


def alarms(summary: RunSummary) -> list[str]:
    """Return what a sync tells people about."""
    failed = [check.check_name for check in summary.checks if not check.passed]
    return [
        *failed,
        *([summary.note] if summary.note else []),
        *(["exit"] if summary.exit_status else []),
    ]


def test_a_quarter(tmp_path: Path) -> None:
    """No row is wrong or missing on the night after a fault, and no alarm is false."""
    faults = [(name, FAULTS[name]) for name in some(FAULTS, USUAL_FAULTS)]
    nights = dict(zip(range(5, NIGHTS, 2), faults, strict=False))
    assert len(nights) == len(faults)
    with Emulator() as api, ExitStack() as others:
        quarter = Quarter(duckdb_warehouse(tmp_path), api, others=others)
        before = None
        for quarter.night in range(NIGHTS):
            quarter.pass_a_day()
            name, fault = nights.get(quarter.night, ("no fault", Fault()))
            quarter.is_damaged |= fault.damages
            summary = run_night(quarter, fault)
            try:
                if fault.ends == 0:
                    assert summary
                    assert alarms(summary) == []
                if not fault.damages:
                    before = quarter.assert_right(
                        before, is_whole=fault.ends == 0 and not fault.misses
                    )
            except AssertionError as error:
                error.add_note(f"night {quarter.night}: {name}")
                raise
            fault.repair(quarter)
