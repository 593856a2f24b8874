"""The whole against a model: random histories of a source, of runs, of failures and of nights.

Each sequence changes the source and runs commands against it, some of which break off; after every
run the warehouse is compared with what the source has and had. What the rows must be comes from
`oracle`; what a run must have fetched is written here.

A run costs about half a second, nearly all of it in dlt, so a sequence has only a few of them.
Other sequences, and thousands of longer ones:

    MODEL_SEED=7 pytest -n auto tests/properties/test_model.py
    HYPOTHESIS_PROFILE=thorough pytest -n auto tests/properties/test_model.py
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dlt.common.storages import LoadStorage
from dlt.destinations.exceptions import DatabaseTerminalException
from dlt.destinations.job_client_impl import SqlJobClientBase, SqlLoadJob
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from argos_sync.api.errors import ServerError
from argos_sync.commands.backfill import backfill
from argos_sync.commands.reconcile import TooManyDeletions, reconcile
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.emulator import Behaviour, Emulator, Faults, generate
from argos_sync.load.errors import LoadError
from argos_sync.run.context import Context
from argos_sync.run.summary import NoProgress, RunSummary
from argos_sync.shape.contract import load_contract
from oracle import flatten, quarantined
from support import (
    JSON_COLUMNS,
    MADE_HERE,
    NOW,
    Rows,
    StopAfter,
    context_for,
    created_at,
    duckdb_warehouse,
    make_tables,
)

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SEED = int(os.environ.get("MODEL_SEED", "0"))
PARTS = 10
SEQUENCES = 400 if THOROUGH else 20
STEPS, MOST_RUNS = (20, [6]) if THOROUGH else (10, [1, 1, 2])

CONTRACT = load_contract()
API_TABLES = {table.name: table for table in CONTRACT.api_tables}
URLS = {name: {c.name for c in table.columns if c.url} for name, table in API_TABLES.items()}
"""Columns whose query part differs on every fetch."""
RECORD = ("sync_runs", "sync_windows", "sync_checks")
STATE = {
    "kyc_result": ("kyc", "result"),
    "aml_current_status": ("aml", "current_status"),
    "aml_risk_level_summary": ("aml", "risk_level_summary"),
    "reviewer": ("submissions", "reviewer"),
}

Submission = dict[str, Any]
Tables = dict[str, Rows]


# What the source can have


@cache
def bodies() -> Sequence[Submission]:
    """Return what submissions are made of: half of them plain, half of them irregular."""
    made = generate(60, seed=11) + generate(80, seed=12, messy=True, unencodable=True)
    return [s for s in made if not quarantined([s])]


def body(number: int, submission_id: str, created: datetime) -> Submission:
    """Return a new submission."""
    made = deepcopy(bodies()[number % len(bodies())])
    moment = f"{created:%Y-%m-%d-%H-%M-%S}-{created.microsecond // 1000:03}"
    return made | {"submission_id": submission_id, "created_at": moment}


def first_submissions() -> list[Submission]:
    """Return what the source has before the first run: mostly old, closed and open."""
    days = [0, 0, 1, 2, 3, 5, 7, 8, 12, *range(15, 42)]
    return [
        body(number * 7, f"first-{number:02}", NOW - timedelta(days=day, minutes=number))
        for number, day in enumerate(days)
    ]


CHILDREN = {
    "attempts": ("kyc", "attempts"),
    "comments": ("kyc", "comment"),
    "matches": ("aml", "matches"),
    "answers": ("additional_list",),
    "kyc": ("kyc",),
    "aml": ("aml",),
    "data": ("data",),
    "bank": ("bank_verification",),
}
"""Where children are that can become fewer: a list, or a whole section."""


def with_fewer(submission: Submission, steps: Sequence[str], kept: int) -> Submission:
    """Return the submission with at most some entries of a list left, or without a section."""
    changed = deepcopy(submission)
    *parents, name = steps
    holder: Any = changed
    for parent in parents:
        holder = holder.get(parent) if isinstance(holder, dict) else None
    if isinstance(holder, dict) and name in holder:
        old = holder[name]
        holder[name] = old[:kept] if isinstance(old, list) else None
    return changed


# What the warehouse has


class Seen:
    """A warehouse, read once.

    Attributes:
        tables: Rows of every table of the contract.
        marks: `_deleted_at` by submission.
    """

    def __init__(self, file: Path) -> None:
        """Read it."""
        with duckdb.connect(str(file), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'; USE argos")
            self.tables = {name: _read(connection, name) for name in CONTRACT.tables}
        self.marks = {
            row["submission_id"]: row["_deleted_at"] for row in self.tables["submissions"]
        }

    @cached_property
    def parts(self) -> dict[str, Tables]:
        """The API's rows by submission and table, without what only the package writes."""
        found: dict[str, Tables] = {}
        for name in API_TABLES:
            for row in self.tables[name]:
                kept = {
                    column: value.partition("?")[0] if value and column in URLS[name] else value
                    for column, value in row.items()
                    if column not in MADE_HERE
                }
                rows = found.setdefault(row["submission_id"], {key: [] for key in API_TABLES})
                rows[name].append(kept)
        return {key: in_order(tables) for key, tables in found.items()}

    @cached_property
    def periods(self) -> dict[str, Rows]:
        """The status history by submission, in order."""
        found: dict[str, Rows] = {}
        for row in sorted(self.tables["submission_status_history"], key=lambda r: r["valid_from"]):
            found.setdefault(row["submission_id"], []).append(row)
        return found

    @cached_property
    def lasting(self) -> dict[str, Counter[str]]:
        """All rows that a run without news must leave as they are."""
        return {
            name: Counter(str({k: v for k, v in row.items() if k != "_synced_at"}) for row in rows)
            for name, rows in self.tables.items()
            if name not in RECORD
        }

    def state(self, submission_id: str) -> dict[str, Any]:
        """Return what the history of a submission must end with."""
        tables = self.parts[submission_id]
        return {
            name: tables[table][0][column] if tables[table] else None
            for name, (table, column) in STATE.items()
        }

    def open(self) -> set[str]:
        """Return the submissions that a nightly sync asks for however old they are."""
        return {key for key in self.parts if not self.marks[key] and _is_open(self.state(key))}


def _read(connection: duckdb.DuckDBPyConnection, name: str) -> Rows:
    result = connection.execute(f"SELECT * FROM {name}")
    columns = [column[0] for column in result.description]
    decoded = [place for place, column in enumerate(columns) if column in JSON_COLUMNS]
    rows = []
    for values in map(list, result.fetchall()):
        for place in decoded:
            if values[place] is not None:
                values[place] = json.loads(values[place])
        rows.append(dict(zip(columns, values, strict=True)))
    return rows


def _is_open(state: Mapping[str, Any]) -> bool:
    result = (state["kyc_result"] or "").lower()
    status = (state["aml_current_status"] or "").lower()
    waits = result == "approved" and status == "not screened"
    return result not in ("approved", "rejected") or status == "red flag" or waits


def in_order(tables: Tables) -> Tables:
    """Return the rows of a submission in the order of their keys."""
    return {
        name: sorted(tables[name], key=lambda row: [row[part] for part in table.key])
        for name, table in API_TABLES.items()
    }


def unlike(one: Tables, other: Tables) -> set[str]:
    """Return the tables in which two versions of a submission differ."""
    return {name for name in API_TABLES if one[name] != other[name]}


# What becomes of a run


class PowerCut(BaseException):
    """Ends a run where it stands; nothing in the package catches it."""


class CutAfter(NoProgress):
    """Progress that ends the run after some chunks."""

    def __init__(self, chunks: int) -> None:
        """Count down from `chunks`."""
        self.left = chunks

    def chunk_loaded(self, report: RunSummary, rows: int) -> None:
        """End the run when enough is loaded."""
        self.left -= 1
        if self.left == 0:
            raise PowerCut


@dataclass(frozen=True)
class Break:
    """How a run is broken off.

    Attributes:
        how: What fails: the API for good (`api`), the process between two chunks (`process`), the
            transaction of a chunk (`merge`), the note that the package is complete (`note`), or
            dlt's own housekeeping after it (`tidying`).
        after: At which time, counted from 1.
    """

    how: str
    after: int

    @contextmanager
    def __call__(self, context: Context, api: Emulator) -> Iterator[Context]:
        """Give the context of a run that breaks off, if it comes so far."""
        if self.how == "api":
            yield replace(context, progress=StopAfter(api, self.after))
        elif self.how == "process":
            yield replace(context, progress=CutAfter(self.after))
        else:
            owner, name = PLACES[self.how]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(owner, name, failing(getattr(owner, name), self.after))
                yield context


PLACES: dict[str, tuple[type, str]] = {
    "merge": (SqlLoadJob, "run"),
    "note": (SqlJobClientBase, "complete_load"),
    "tidying": (LoadStorage, "complete_load_package"),
}
BREAKS = (ServerError, LoadError, PowerCut)


def failing(function: Callable[..., Any], after: int) -> Callable[..., Any]:
    """Return the function, failing at one of its calls."""
    calls = iter(range(1, sys.maxsize))

    def called(*arguments: Any, **named: Any) -> Any:
        if next(calls) == after:
            raise DatabaseTerminalException(OSError("no space left on device"))
        return function(*arguments, **named)

    return called


# Strategies

NUMBER = st.integers(0, 139)
WHO = st.lists(st.integers(0, 60), min_size=1, max_size=3, unique=True)
CREATED = st.tuples(
    st.sampled_from([0, 0, 0, 1, 2, 3, 6, 7, 8, 9, 20, 40]),
    # Seconds of a day, among them where days begin and end in UTC and in Korea.
    st.sampled_from([0.0, 0.001, 5_000.0, 53_999.999, 54_000.0, 54_000.001, 86_399.999]),
)
RANGE = st.tuples(st.sampled_from([45, 20, 8, 3, 1, 0]), st.sampled_from([0, 0, 1, 2, 10]))
NIGHTS = st.sampled_from([0, 1, 1, 1, 2, 6])
BREAK = st.none() | st.builds(
    Break, st.sampled_from(["api", "process", *PLACES]), st.sampled_from([1, 1, 2])
)
BEHAVIOUR = st.builds(
    Behaviour,
    order=st.sampled_from(["ascending", "descending", "shuffled"]),
    end_date=st.sampled_from(["inclusive", "exclusive"]),
    day_zone=st.sampled_from(["UTC", "Asia/Seoul"]),
    short_pages=st.booleans(),
    empty_pages=st.booleans(),
    duplicate_rows=st.booleans(),
    nextpage_key_at_end=st.sampled_from(["missing", "null", "empty"]),
    image_urls=st.sampled_from(["stable", "signed"]),
    max_count=st.sampled_from([2_000, 2_000, 60]),
    oversize=st.sampled_from(["413", "invalid_parameter"]),
)
FAULTY = Faults(rate_500=0.1, rate_429=0.05, rate_drop=0.05, rate_truncate=0.1, rate_html=0.05)


class Machine(RuleBasedStateMachine):
    """A source, a warehouse, and what is known to have been in either."""

    @initialize(
        behaviour=BEHAVIOUR,
        faults=st.sampled_from([Faults(), FAULTY]),
        page_size=st.sampled_from([5, 12, 100]),
        sweep_days=st.sampled_from([0, 1, 3]),
        lookback_days=st.sampled_from([0, 2, 7]),
        workers=st.sampled_from([1, 3]),
        begun=st.sampled_from([True, True, False]),
        most_runs=st.sampled_from(MOST_RUNS),
        nights_after=st.sampled_from([0, 0, 0, 1]),
    )
    def begin(
        self,
        *,
        behaviour: Behaviour,
        faults: Faults,
        begun: bool,
        most_runs: int,
        nights_after: int,
        **configured: int,
    ) -> None:
        """Put up a source, and a warehouse that is empty or has all of it."""
        self.folder = Path(tempfile.mkdtemp(prefix="argos-model-"))
        self.warehouse = duckdb_warehouse(self.folder)
        shutil.copy(template(begun=begun), str(self.warehouse.target.file))
        self.live: dict[str, Submission] = {}
        self.removed: dict[str, Submission] = {}
        self.versions: dict[str, list[Tables]] = {}
        self.faults = faults
        self.api = Emulator(behaviour=behaviour, faults=faults)
        self.api.__enter__()
        for submission in first_submissions():
            self._put(submission)
        self.configured = {
            "max_concurrency": configured.pop("workers"),
            **configured,
        }
        self.now = NOW
        self.runs, self.most_runs, self.nights_after = 0, most_runs, nights_after
        self.marked_by_syncs = begun  # a first sync has nothing to mark
        self.mixed = False
        self.seen = Seen(self.file)
        self.settled: Seen | None = None

    def teardown(self) -> None:
        """Settle what a sequence that went well has left, and clear up."""
        if not hasattr(self, "api"):
            return
        try:
            if sys.exc_info()[0] is None:
                self.settle()
        finally:
            self.api.__exit__()
            shutil.rmtree(self.folder)

    # The source

    @rule(number=NUMBER, created=CREATED, more=st.integers(0, 2))
    def add(self, number: int, created: tuple[int, float], more: int) -> None:
        """New submissions, some of them late."""
        days, seconds = created
        moment = datetime.combine(self.now.date(), time(), UTC) - timedelta(days=days)
        for place in range(more + 1):
            key = f"new-{len(self.versions):03}"
            self._put(body(number + place, key, moment + timedelta(seconds=seconds)))

    @rule(who=WHO, number=NUMBER, section=st.sampled_from(["kyc", "aml", "data", "others"]))
    def change(self, who: list[int], number: int, section: str) -> None:
        """A section becomes another submission's."""
        other = deepcopy(bodies()[number % len(bodies())])
        sections = ("kyc", "aml", "data")
        fixed = ("submission_id", "created_at")
        for key in self._pick(who, self.live):
            now = self.live[key]
            if section == "others":
                own = {name: now[name] for name in (*fixed, *sections) if name in now}
                self._put({k: v for k, v in other.items() if k not in sections} | own)
            else:
                rest = {name: value for name, value in now.items() if name != section}
                self._put(rest | ({section: other[section]} if section in other else {}))

    @rule(
        who=WHO,
        result=st.sampled_from(["approved", "approved", "rejected", "pending", "Incomplete"]),
        status=st.sampled_from([None, "Not Screened", "Red Flag", "Clear"]),
        reviewer=st.sampled_from(["system", "agent", None]),
    )
    def decide(self, who: list[int], result: str, status: str | None, reviewer: str | None) -> None:
        """The state moves on, or back."""
        for key in self._pick(who, self.live):
            changes = {
                "kyc": {"result": result},
                "aml": {"currentstatus": status, "risk_level_summary": status and "High"},
                "reviewer": reviewer,
            }
            self.api.store.update(key, changes)
            self._put(self.api.store.get(key))

    @rule(who=WHO, what=st.sampled_from(sorted(CHILDREN)), kept=st.integers(0, 1))
    def shrink(self, who: list[int], what: str, kept: int) -> None:
        """A submission loses children."""
        for key in self._pick(who, self.live):
            self._put(with_fewer(self.live[key], CHILDREN[what], kept))

    @rule(who=WHO)
    def delete(self, who: list[int]) -> None:
        """The source does not have a submission any more."""
        for key in self._pick(who, self.live):
            self.removed[key] = self.live.pop(key)
            self.api.store.delete(key)
            self.settled = None

    @precondition(lambda self: self.removed)
    @rule(who=WHO)
    def restore(self, who: list[int]) -> None:
        """The source has it again, as it was."""
        for key in self._pick(who, self.removed):
            self.live[key] = self.removed.pop(key)
            self.api.store.restore(key)
            self.settled = None

    # The runs

    @precondition(lambda self: self.runs < self.most_runs)
    @rule(nights=NIGHTS, breaks=BREAK)
    def sync(self, nights: int, breaks: Break | None) -> None:
        """A night."""
        before, started = self.seen, self._pass(nights)
        report = self._run(sync, breaks)
        if report is None:
            return
        young = started.date() - timedelta(days=self.configured["lookback_days"])
        asked = {key for key, one in self._all() if created_at(one).date() >= young}
        asked |= before.open()
        if self.configured["sweep_days"] == 1:
            asked |= {key for key, _ in self._all()}
        self._assert_fetched(asked)
        if self.marked_by_syncs and not (report.note and "too many" in report.note):
            self._assert_marked(asked)
        self.marked_by_syncs = self.marked_by_syncs or bool(self.live)

    @precondition(lambda self: self.runs < self.most_runs)
    @rule(
        days=RANGE,
        nights=NIGHTS,
        breaks=BREAK,
        force=st.booleans(),
        page_size=st.sampled_from([4, 30]),
        style=st.sampled_from(["query", "json"]),
        sections=st.sampled_from([*[()] * 8, ("others", "kyc"), ("others", "kyc", "aml", "data")]),
    )
    def backfill(
        self,
        *,
        days: tuple[int, int],
        nights: int,
        breaks: Break | None,
        force: bool,
        page_size: int,
        style: str,
        sections: tuple[str, ...],
    ) -> None:
        """Some days again, asked for in some way."""
        self._pass(nights)
        self.mixed |= bool(sections)
        given = {"page_size": page_size, "request_style": style, "request_types": sections or None}
        first, last = self._days(days)
        run = partial(backfill, first=first, last=last, force=force)
        report = self._run(run, breaks, **given)
        # Without force what is done is not read again, so what has changed since may be missing.
        if report is not None and force:
            self._assert_fetched(self._created(first, last), sections)

    @precondition(lambda self: self.runs < self.most_runs)
    @rule(
        days=RANGE,
        nights=NIGHTS,
        breaks=BREAK,
        deep=st.booleans(),
        share=st.sampled_from([0.05, 1.0]),
    )
    def reconcile(
        self, *, days: tuple[int, int], nights: int, breaks: Break | None, deep: bool, share: float
    ) -> None:
        """Some days compared and repaired."""
        self._pass(nights)
        first, last = self._days(days)
        try:
            run = partial(reconcile, first=first, last=last, deep=deep, max_deleted=share)
            done = self._run(run, breaks)
        except TooManyDeletions:
            assert share < 1
            return
        if done is not None:
            asked = self._created(first, last)
            self._assert_fetched(asked if deep else asked - self.seen.marks.keys())
            self._assert_marked(asked)

    @precondition(lambda self: self.runs < self.most_runs and self.live)
    @rule(who=WHO, nights=NIGHTS, by=st.sampled_from(["submission_ids", "userid", "email"]))
    def refresh(self, who: list[int], nights: int, by: str) -> None:
        """Some submissions again, whether the source still has them or not."""
        self._pass(nights)
        keys = self._pick(who, dict(self._all()))
        if by == "submission_ids":
            self._run(partial(refresh, submission_ids=keys), None)
        else:
            person = self.live[self._pick(who, self.live)[0]].get(by)
            if not isinstance(person, str) or not person.isprintable() or person in ("", "N/A"):
                return
            keys = [key for key, one in self.live.items() if one.get(by) == person]
            self._run(partial(refresh, **{by: person}), None)
        self._assert_fetched(keys)

    def settle(self) -> None:
        """Bring everything to where the source is; a run after that finds no news."""
        self._pass(1)
        days = [created_at(one).date() for _, one in self._all()]
        run = partial(reconcile, first=min(days), last=max(days), deep=True, max_deleted=1.0)
        self._run(run, None, page_size=100)
        everything = {key for key, _ in self._all()}
        self._assert_fetched(everything)
        self._assert_marked(everything)
        self.settled = self.seen
        for _ in range(self.nights_after):
            self._pass(1)
            self._run(sync, None)

    # What holds after every run

    def _run(self, command: Callable[..., Any], breaks: Break | None, **given: Any) -> Any:
        """Run a command, and check what holds whether it ended well or not."""
        self.runs += 1
        context = context_for(self.api.base_url, self.warehouse.target, **self.configured | given)
        context = replace(context, clock=self._tick, chunk_size=12 if breaks else 1_000)
        try:
            if breaks is None:
                return command(context)
            with breaks(context, self.api) as breaking:
                return command(breaking)
        except BREAKS:
            assert breaks
        finally:
            self.api.faults = self.faults
            before, self.seen = self.seen, Seen(self.file)
            if not isinstance(sys.exc_info()[1], AssertionError):
                self._check(before)

    def _check(self, before: Seen) -> None:
        for name, table in CONTRACT.tables.items():
            keys = Counter(tuple(row[part] for part in table.key) for row in self.seen.tables[name])
            assert not [key for key, number in keys.items() if number > 1], f"{name}: keys twice"
        assert self.seen.parts.keys() == self.seen.marks.keys(), "orphans"
        assert self.seen.periods.keys() == self.seen.marks.keys(), "history of others"
        for key, tables in self.seen.parts.items():
            self._check_rows(key, tables)
            self._check_history(key, before.periods.get(key, []))
            if self.seen.marks[key] and not before.marks.get(key):
                assert key not in self.live, f"{key} is marked as deleted, and it is there"
        assert before.marks.keys() <= self.seen.marks.keys(), "a submission has vanished"
        if self.settled:
            for name, rows in self.settled.lasting.items():
                assert self.seen.lasting[name] == rows, f"{name}: other rows without news"

    def _check_rows(self, key: str, tables: Tables) -> None:
        versions = self.versions[key]
        if not self.mixed:
            assert tables in versions, f"{key} never was so: {unlike(tables, versions[-1])}"
            return
        # Runs over some sections leave the tables of others as they were.
        for name, rows in tables.items():
            if rows or not any(one["submissions"] for one in versions):
                assert rows in [one[name] for one in versions], f"{key}: {name} never was so"

    def _check_history(self, key: str, before: Rows) -> None:
        periods = self.seen.periods[key]
        for one, following in pairwise(periods):
            assert one["valid_from"] < one["valid_to"] == following["valid_from"], key
            assert any(one[name] != following[name] for name in STATE), f"{key}: no change"
        assert periods[-1]["valid_to"] is None, key
        assert {name: periods[-1][name] for name in STATE} == self.seen.state(key), key
        *closed, last = before or [{}]
        assert periods[: len(closed)] == closed, f"{key}: the past has changed"
        if last:
            now = periods[len(closed)]
            assert {**now, "valid_to": None} == last, f"{key}: the past has changed"

    def _assert_fetched(self, keys: Iterable[str], sections: Collection[str] = ()) -> None:
        """Check that the warehouse has submissions as they are."""
        names = [n for n, table in API_TABLES.items() if not sections or table.section in sections]
        for key in keys:
            if key in self.live:
                assert key in self.seen.marks, f"{key} is missing"
                assert self.seen.marks[key] is None, f"{key} is marked as deleted"
                now, found = self.versions[key][-1], self.seen.parts[key]
                different = unlike(found, now)
                assert not different & set(names), f"{key} is out of date: {different}"

    def _assert_marked(self, keys: Iterable[str]) -> None:
        """Check that those of these submissions are marked that the source does not have."""
        for key in keys:
            if key in self.seen.marks and key not in self.live:
                assert self.seen.marks[key], f"{key} is not marked as deleted"

    # The rest

    @property
    def file(self) -> Path:
        """The warehouse."""
        return Path(str(self.warehouse.target.file))

    def _tick(self) -> datetime:
        """Return the moment, later each time."""
        self.now += timedelta(seconds=1)
        return self.now

    def _pass(self, nights: int) -> datetime:
        """Let time pass, and return when it is."""
        if nights:
            day = self.now.date() + timedelta(days=nights)
            self.now = datetime.combine(day, NOW.time(), UTC)
        else:
            self.now += timedelta(minutes=10)
        return self.now

    def _put(self, submission: Submission) -> None:
        """Add a submission to the source, or replace it."""
        key = submission["submission_id"]
        if key in self.live:
            self.api.store.replace(submission)
        else:
            self.api.store.add(submission)
        self.live[key] = submission
        tables = in_order(flatten([submission]))
        # A version that comes back is the latest again.
        self.versions.setdefault(key, []).append(tables)
        self.settled = None

    def _pick(self, who: Iterable[int], among: Mapping[str, Any]) -> list[str]:
        keys = sorted(among)
        return sorted({keys[number % len(keys)] for number in who}) if keys else []

    def _all(self) -> list[tuple[str, Submission]]:
        return [*self.live.items(), *self.removed.items()]

    def _days(self, days: tuple[int, int]) -> tuple[date, date]:
        before, last = (self.now.date() - timedelta(days=number) for number in days)
        return min(before, last), max(before, last)

    def _created(self, first: date, last: date) -> set[str]:
        return {key for key, one in self._all() if first <= created_at(one).date() <= last}


@cache
def template(*, begun: bool) -> Path:
    """Return a warehouse to copy: with all the first submissions, or with empty tables alone."""
    folder = Path(tempfile.mkdtemp(prefix="argos-model-"))
    warehouse = duckdb_warehouse(folder)
    make_tables(warehouse)
    if begun:
        with Emulator(first_submissions()) as api:
            sync(context_for(api.base_url, warehouse.target))
    return Path(str(warehouse.target.file))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_any_history(part: int) -> None:
    """Whatever happens to source and runs, the warehouse is true, whole and in the end equal."""
    machine = seed(SEED * PARTS + part)(type("Part", (Machine,), {}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            # To shrink a sequence takes minutes, and ten steps can be read as they are.
            phases=[Phase.generate, Phase.shrink] if THOROUGH else [Phase.generate],
            print_blob=False,
        ),
    )
