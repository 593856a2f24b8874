"""A model of source and warehouse, tested with random sequences of changes, runs and failures.

Each sequence changes the source and runs commands against it; some of the runs are interrupted.
After every run the warehouse is compared with the current and the former versions of the source's
submissions. `oracle` says which rows a version has; this file says what a run must have fetched.

A run takes about half a second, most of it in dlt, so a sequence has only a few runs. There are
sixteen sequences, twice as many with `COMBINATIONS=all`, and each Python version in CI draws
others. To draw others, or thousands of longer ones:

    MODEL_SEED=7 pytest -n auto tests/properties/test_model.py
    HYPOTHESIS_PROFILE=thorough pytest -n auto tests/properties/test_model.py
"""

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from argos_sync.commands.backfill import backfill
from argos_sync.commands.reconcile import TooManyDeletions, reconcile
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.emulator import Faults, generate
from argos_sync.fetch.windows import EndDate
from argos_sync.run.quarantine import TooManyUnreadable
from combinations import ALL, THOROUGH
from interruptions import EXPECTED_ERRORS, PATCHED_METHODS, Interruption
from made_once import made_once
from oracle import flatten, quarantined
from snapshot import (
    API_TABLES,
    CONTRACT,
    STATUS_COLUMNS,
    Snapshot,
    Tables,
    differing_tables,
    in_order,
)
from support import (
    NOW,
    Rows,
    context_for,
    created_at,
    duckdb_warehouse,
    make_tables,
)
from whole_lists import Behaviour, Emulator

SEED = int(os.environ.get("MODEL_SEED", "0"))
PARTS = 4
SEQUENCES = 400 if THOROUGH else 8 if ALL else 4
HOUR = timedelta(hours=1)
LEAST_EMPTIED = 20
"""Up to so many submissions may lose a section, by `max_emptied`."""
ENDS_INCOMPLETE = 4
STEPS, MOST_RUNS = (20, [6]) if THOROUGH else (10, [1, 1, 2])

Submission = dict[str, Any]


# Submissions of the source


@cache
def bodies() -> Sequence[Submission]:
    """Return the contents of submissions, about half of them irregular."""
    generated = generate(60, seed=11) + generate(80, seed=12, messy=True, unencodable=True)
    return [item for item in generated if not quarantined([item])]


def body(number: int, submission_id: str, created: datetime) -> Submission:
    """Return a new submission."""
    content = deepcopy(bodies()[number % len(bodies())])
    created_text = f"{created:%Y-%m-%d-%H-%M-%S}-{created.microsecond // 1000:03}"
    return content | {"submission_id": submission_id, "created_at": created_text}


def first_submissions() -> list[Submission]:
    """Return the submissions before the first run, most of them old."""
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
    "name": ("data", "name"),
    "document": ("data", "documentNumber"),
    "details": ("duplicated_information",),
    "image": ("image", "selfieImage"),
}
"""Paths of lists that can become shorter, and of sections and fields that can be removed."""


def shorten(submission: Submission, path: Sequence[str], length: int) -> Submission:
    """Return the submission with a shorter list, or without a section or field."""
    changed = deepcopy(submission)
    *parents, name = path
    parent: Any = changed
    for step in parents:
        parent = parent.get(step) if isinstance(parent, dict) else None
    if isinstance(parent, dict) and name in parent:
        value = parent[name]
        parent[name] = value[:length] if isinstance(value, list) else None
    return changed


WORDS = "Deleted Submission"
PARENTS = {"attempt_retries": "attempts", "match_risk_icons": "matches"}


def reduced(tables: Tables) -> Tables:
    """Return the rows of a deletion stub: what is left of its rows without personal values."""
    left: Tables = {}
    for name in sorted(API_TABLES, key=lambda name: name not in PARENTS):
        table = API_TABLES[name]
        personal = {
            c.name for c in table.columns if c.privacy != "none" and c.name not in table.key
        }
        children = [
            row for child, parent in PARENTS.items() if parent == name for row in left[child]
        ]
        left[name] = []
        for row in tables[name]:
            values = {
                column: None if column in personal or value == WORDS else value
                for column, value in row.items()
            }
            has_values = any(v is not None for k, v in values.items() if k not in table.key)
            is_parent = any(all(row[k] == child[k] for k in table.key) for child in children)
            if has_values or is_parent or name == "submissions":
                left[name].append(values)
    return left


# Strategies

NUMBER = st.integers(0, 139)
PICKS = st.lists(st.integers(0, 60), min_size=1, max_size=3, unique=True)
CREATED = st.tuples(
    st.sampled_from([0, 0, 0, 1, 2, 3, 6, 7, 8, 9, 20, 40]),
    # Seconds of a day, among them where days begin and end in UTC and in Korea.
    st.sampled_from([0.0, 0.001, 5_000.0, 53_999.999, 54_000.0, 54_000.001, 86_399.999]),
)
RANGE = st.tuples(st.sampled_from([45, 20, 8, 3, 1, 0]), st.sampled_from([0, 0, 1, 2, 10]))
NIGHTS = st.sampled_from([0, 1, 1, 1, 2, 6])
INTERRUPTION = st.none() | st.builds(
    Interruption, st.sampled_from(["api", "process", *PATCHED_METHODS]), st.sampled_from([1, 1, 2])
)
BEHAVIOUR = st.builds(
    Behaviour,
    list_rows=st.sampled_from(["whole", "sections", "summary"]),
    max_page_bytes=st.sampled_from([None, None, 100_000]),
    order=st.sampled_from(["ascending", "descending", "shuffled"]),
    end_date=st.sampled_from(["inclusive", "exclusive"]),
    day_zone=st.sampled_from(["UTC", "Asia/Seoul"]),
    short_pages=st.booleans(),
    empty_pages=st.booleans(),
    duplicate_rows=st.booleans(),
    nextpage_key_at_end=st.sampled_from(["missing", "null", "empty"]),
    nextpage_key=st.sampled_from(["object", "object", "json", "base64", "typed", "id"]),
    nextpage_key_taken=st.sampled_from(["parts", "opaque"]),
    unknown_id=st.sampled_from(["empty", "204", "400", "404", "object", "null"]),
    image_urls=st.sampled_from(["stable", "signed"]),
    max_count=st.sampled_from([2_000, 2_000, 60]),
    oversize=st.sampled_from(["413", "invalid_parameter"]),
)
FAULTY = Faults(rate_500=0.1, rate_429=0.05, rate_drop=0.05, rate_truncate=0.1, rate_html=0.05)


class Machine(RuleBasedStateMachine):
    """A source, a warehouse, and the versions of submissions that the source has had."""

    @initialize(
        behaviour=BEHAVIOUR,
        faults=st.sampled_from([Faults(), FAULTY]),
        page_size=st.sampled_from([5, 12, 100]),
        sweep_days=st.sampled_from([0, 1, 3]),
        lookback_days=st.sampled_from([0, 2, 7]),
        open_days=st.sampled_from([30, 30, 1]),
        workers=st.sampled_from([1, 3]),
        is_loaded=st.sampled_from([True, True, False]),
        most_runs=st.sampled_from(MOST_RUNS),
        nights_after=st.sampled_from([0, 0, 0, 1]),
        set_back_at=st.sampled_from([0, 0, 2, 5, 9]),
    )
    def start(
        self,
        *,
        behaviour: Behaviour,
        faults: Faults,
        is_loaded: bool,
        most_runs: int,
        nights_after: int,
        set_back_at: int,
        **configured: Any,
    ) -> None:
        """Start a source, and a warehouse that is empty or has all of its submissions."""
        self.folder = Path(tempfile.mkdtemp(prefix="argos-model-"))
        self.warehouse = duckdb_warehouse(self.folder)
        loaded_from = behaviour.end_date if is_loaded else None
        shutil.copy(template(loaded_from), str(self.warehouse.target.file))
        self.live: dict[str, Submission] = {}
        self.removed: dict[str, Submission] = {}
        self.stubs: dict[str, Submission] = {}
        self.versions: dict[str, list[Tables]] = {}
        self.faults, self.behaviour = faults, behaviour
        self.api = Emulator(behaviour=behaviour, faults=faults)
        self.api.__enter__()
        for submission in first_submissions():
            self._put(submission)
        self.configured = {
            "max_concurrency": configured.pop("workers"),
            "completeness": "auto",
            **configured,
        }
        self.now = NOW
        self.ticks, self.set_back_at, self.is_set_back = 0, set_back_at, False
        self.runs, self.most_runs, self.nights_after = 0, most_runs, nights_after
        self.marked_by_syncs = is_loaded  # a first sync has nothing to mark
        self.mixed = False
        self.snapshot = Snapshot(self.file)
        self.reconciled: Snapshot | None = None

    def teardown(self) -> None:
        """Reconcile everything if the sequence was successful, and clean up."""
        if not hasattr(self, "api"):
            return
        try:
            if sys.exc_info()[0] is None:
                self.reconcile_all()
        finally:
            self.api.__exit__()
            shutil.rmtree(self.folder)

    # Changes of the source

    @rule(number=NUMBER, created=CREATED, more=st.integers(0, 2))
    def add(self, number: int, created: tuple[int, float], more: int) -> None:
        """Add new submissions, some of them late."""
        days, seconds = created
        first_created = datetime.combine(self.now.date(), time(), UTC) - timedelta(days=days)
        for offset in range(more + 1):
            key = f"new-{len(self.versions):03}"
            self._put(body(number + offset, key, first_created + timedelta(seconds=seconds)))

    @rule(picks=PICKS, number=NUMBER, section=st.sampled_from(["kyc", "aml", "data", "others"]))
    def change(self, picks: list[int], number: int, section: str) -> None:
        """Replace a section by that of another submission."""
        other = deepcopy(bodies()[number % len(bodies())])
        sections = ("kyc", "aml", "data")
        fixed = ("submission_id", "created_at")
        for key in self._pick(picks, self.live):
            now = self.live[key]
            if section == "others":
                own = {name: now[name] for name in (*fixed, *sections) if name in now}
                self._put({k: v for k, v in other.items() if k not in sections} | own)
            else:
                rest = {name: value for name, value in now.items() if name != section}
                self._put(rest | ({section: other[section]} if section in other else {}))

    @rule(
        picks=PICKS,
        result=st.sampled_from(["approved", "approved", "rejected", "pending", "Incomplete"]),
        status=st.sampled_from([None, "Not Screened", "Red Flag", "Clear"]),
        reviewer=st.sampled_from(["system", "agent", None]),
    )
    def decide(
        self, picks: list[int], result: str, status: str | None, reviewer: str | None
    ) -> None:
        """Change the status of submissions."""
        for key in self._pick(picks, self.live):
            changes = {
                "kyc": {"result": result},
                "aml": {"currentstatus": status, "risk_level_summary": status and "High"},
                "reviewer": reviewer,
            }
            self.api.store.update(key, changes)
            self._put(self.api.store.get(key))

    @rule(picks=PICKS, children=st.sampled_from(sorted(CHILDREN)), length=st.integers(0, 1))
    def shrink(self, picks: list[int], children: str, length: int) -> None:
        """Remove children of submissions."""
        for key in self._pick(picks, self.live):
            self._put(shorten(self.live[key], CHILDREN[children], length))

    @rule(picks=PICKS)
    def delete(self, picks: list[int]) -> None:
        """Delete submissions from the source."""
        for key in self._pick(picks, self.live):
            self.removed[key] = self.live.pop(key)
            self.api.store.delete(key)
            self.reconciled = None

    @rule(picks=PICKS, field=st.sampled_from(["status", "reviewer"]))
    def delete_to_stub(self, picks: list[int], field: str) -> None:
        """Delete submissions from the source, which still serves them as deletion stubs."""
        for key in self._pick(picks, self.live):
            stub = self.live[key] | {field: WORDS}
            self.stubs[key] = self.live.pop(key)
            self.api.store.replace(stub)
            self.versions[key].append(in_order(reduced(flatten([stub]))))
            self.reconciled = None

    @precondition(lambda self: self.removed or self.stubs)
    @rule(picks=PICKS)
    def restore(self, picks: list[int]) -> None:
        """Restore deleted submissions unchanged."""
        for key in self._pick(picks, self.removed | self.stubs):
            if key in self.stubs:
                self.live[key] = self.stubs.pop(key)
                self._put(self.live[key])
            else:
                self.live[key] = self.removed.pop(key)
                self.api.store.restore(key)
            self.reconciled = None

    # The runs

    @precondition(lambda self: self.runs < self.most_runs)
    @rule(nights=NIGHTS, interruption=INTERRUPTION)
    def sync(self, nights: int, interruption: Interruption | None) -> None:
        """Run a nightly sync."""
        before, started = self.snapshot, self._advance(nights)
        summary = self._run(sync, interruption)
        if summary is None:
            return
        first_day = started.date() - timedelta(days=self.configured["lookback_days"])
        requested = {key for key, item in self._all() if created_at(item).date() >= first_day}
        requested |= before.open(started - timedelta(days=self.configured["open_days"]))
        if self.configured["sweep_days"] == 1:
            requested |= {key for key, _ in self._all()}
        self._assert_fetched(requested)
        if self.marked_by_syncs and not (summary.note and "too many" in summary.note):
            self._assert_marked(requested)
        self.marked_by_syncs = self.marked_by_syncs or bool(self.live)

    @precondition(lambda self: self.runs < self.most_runs)
    @rule(
        days=RANGE,
        nights=NIGHTS,
        interruption=INTERRUPTION,
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
        interruption: Interruption | None,
        force: bool,
        page_size: int,
        style: str,
        sections: tuple[str, ...],
    ) -> None:
        """Run a backfill of a range, with different settings."""
        self._advance(nights)
        self.mixed |= bool(sections)
        settings = {
            "page_size": page_size,
            "request_style": style,
            "request_types": sections or None,
        }
        first, last = self._days(days)
        run = partial(backfill, first=first, last=last, force=force)
        summary = self._run(run, interruption, **settings)
        # Without force, finished days are not read again, so later changes may be missing.
        if summary is not None and force:
            self._assert_fetched(self._created(first, last), sections)

    @precondition(lambda self: self.runs < self.most_runs)
    @rule(
        days=RANGE,
        nights=NIGHTS,
        interruption=INTERRUPTION,
        deep=st.booleans(),
        share=st.sampled_from([0.05, 1.0]),
    )
    def reconcile(
        self,
        *,
        days: tuple[int, int],
        nights: int,
        interruption: Interruption | None,
        deep: bool,
        share: float,
    ) -> None:
        """Reconcile a range."""
        self._advance(nights)
        first, last = self._days(days)
        try:
            run = partial(reconcile, first=first, last=last, deep=deep, max_deleted=share)
            result = self._run(run, interruption)
        except TooManyDeletions:
            assert share < 1
            return
        if result is not None:
            compared = self._created(first, last)
            stored = compared & self.snapshot.marks.keys()
            # An unknown deletion stub is no difference.
            self._assert_fetched(stored if deep else ())
            self._assert_fetched(compared - stored - self.stubs.keys())
            self._assert_marked(compared)

    @precondition(lambda self: self.runs < self.most_runs and self.live)
    @rule(picks=PICKS, nights=NIGHTS, by=st.sampled_from(["submission_ids", "userid", "email"]))
    def refresh(self, picks: list[int], nights: int, by: str) -> None:
        """Refresh submissions, which the source may have deleted."""
        self._advance(nights)
        keys = self._pick(picks, dict(self._all()))
        if by == "submission_ids":
            self._run(partial(refresh, submission_ids=keys), None)
        else:
            person = self.live[self._pick(picks, self.live)[0]].get(by)
            if not isinstance(person, str) or not person.isprintable() or person in ("", "N/A"):
                return
            keys = [key for key, item in self.live.items() if item.get(by) == person]
            selector: dict[str, Any] = {by: person}
            self._run(partial(refresh, **selector), None)
        self._assert_fetched(keys)

    @precondition(lambda self: self.runs < self.most_runs and self._with_kyc() > LEAST_EMPTIED)
    @rule(nights=NIGHTS, empty_as=st.sampled_from(["missing", "null", "object", "list"]))
    def sync_with_holes(self, nights: int, empty_as: Any) -> None:
        """Run a sync of everything while the source leaves out a section."""
        self._advance(nights)
        before, self.reconciled = self.snapshot, None
        for key, submission in self.live.items():
            if key not in before.marks or not before.parts[key]["kyc"]:
                # Nobody can know that something is missing.
                self.versions[key].insert(0, in_order(flatten([submission | {"kyc": None}])))
        for key in self.stubs:
            rows = reduced(flatten([self.api.store.get(key) | {"kyc": None}]))
            self.versions[key].insert(0, in_order(rows))
        self.api.behaviour = replace(self.behaviour, empty=["kyc"], empty_as=empty_as)
        summary = self._run(sync, None, lookback_days=60)
        self.api.behaviour = self.behaviour
        assert summary.exit_status == ENDS_INCOMPLETE
        for key, tables in before.parts.items():
            if tables["kyc"] and (self.live.get(key) or {}).get("kyc"):
                assert self.snapshot.parts[key] == tables, f"{key} has lost kyc"
        self.marked_by_syncs = True

    @precondition(lambda self: self.runs < self.most_runs and len(self.live) > LEAST_EMPTIED)
    @rule(nights=NIGHTS)
    def sync_of_an_unknown_format(self, nights: int) -> None:
        """Run a sync of everything while the source writes times in another way."""
        self._advance(nights)
        before = self.snapshot
        self.api.behaviour = replace(self.behaviour, created_at="unknown")
        with pytest.raises(TooManyUnreadable):
            self._run(sync, None, lookback_days=60)
        self.api.behaviour = self.behaviour
        assert self.snapshot.parts == before.parts
        marked = {key for key, at in self.snapshot.marks.items() if at != before.marks[key]}
        assert marked <= self.removed.keys(), "what cannot be read is not gone"

    @precondition(lambda self: self.runs < self.most_runs and self.snapshot.marks)
    @rule(picks=PICKS, table=st.sampled_from(sorted(API_TABLES)))
    def lose_rows(self, picks: list[int], table: str) -> None:
        """Lose rows of the warehouse, and repair them."""
        stored = {key: item for key, item in self.live.items() if key in self.snapshot.marks}
        with duckdb.connect(str(self.file)) as connection:
            connection.execute(
                f"DELETE FROM argos.{table} WHERE list_contains(?, submission_id)",
                [self._pick(picks, stored)],
            )
        self.reconciled = None
        self._reconcile_everything()

    def reconcile_all(self) -> None:
        """Make the warehouse equal to the source; check that later syncs change nothing."""
        self._reconcile_everything()
        for _ in range(self.nights_after):
            self._advance(1)
            self._run(sync, None)
            quarantined = {row["submission_id"] for row in self.snapshot.tables["quarantine"]}
            assert not quarantined & self.live.keys()

    def _reconcile_everything(self) -> None:
        self._advance(1)
        days = [created_at(item).date() for _, item in self._all()]
        run = partial(reconcile, first=min(days), last=max(days), deep=True, max_deleted=1.0)
        self._run(run, None, page_size=100)
        all_keys = {key for key, _ in self._all()}
        self._assert_fetched(all_keys - (self.stubs.keys() - self.snapshot.marks.keys()))
        self._assert_marked(all_keys)
        # A sync loads the stubs that a reconcile does not miss.
        self.reconciled = self.snapshot if self.stubs.keys() <= self.snapshot.marks.keys() else None

    # Checks after every run

    def _run(
        self, command: Callable[..., Any], interruption: Interruption | None, **settings: Any
    ) -> Any:
        """Run a command, and check the warehouse whether the command succeeded or not."""
        self.runs += 1
        self.ticks = 0
        context = context_for(
            self.api.base_url, self.warehouse.target, **self.configured | settings
        )
        context = replace(context, clock=self._tick, chunk_size=12 if interruption else 1_000)
        try:
            if interruption is None:
                return command(context)
            with interruption(context, self.api) as interrupted_context:
                return command(interrupted_context)
        except EXPECTED_ERRORS:
            assert interruption
        finally:
            self.api.faults = self.faults
            before, self.snapshot = self.snapshot, Snapshot(self.file)
            if not isinstance(sys.exc_info()[1], AssertionError):
                self._check(before)

    def _check(self, before: Snapshot) -> None:
        for name, table in CONTRACT.tables.items():
            keys = Counter(
                tuple(row[part] for part in table.key) for row in self.snapshot.tables[name]
            )
            assert not [key for key, number in keys.items() if number > 1], (
                f"{name}: duplicate keys"
            )
        assert self.snapshot.parts.keys() == self.snapshot.marks.keys(), "orphans"
        assert self.snapshot.periods.keys() <= self.snapshot.marks.keys(), (
            "history without submissions"
        )
        for key, tables in self.snapshot.parts.items():
            self._check_rows(key, tables)
            self._check_history(key, before.periods.get(key, []))
            if self.snapshot.marks[key] and not before.marks.get(key):
                assert key not in self.live, f"{key} is marked as deleted, but the source has it"
        assert before.marks.keys() <= self.snapshot.marks.keys(), "a submission has vanished"
        if self.reconciled:
            for name, rows in self.reconciled.lasting.items():
                assert self.snapshot.lasting[name] == rows, f"{name}: rows changed without reason"

    def _check_rows(self, key: str, tables: Tables) -> None:
        versions = self.versions[key]
        if not self.mixed:
            assert tables in versions, (
                f"{key} never had this content: {differing_tables(tables, versions[-1])}"
            )
            return
        # Runs with some sections do not change the tables of the others.
        for name, rows in tables.items():
            if rows or not any(version["submissions"] for version in versions):
                assert rows in [version[name] for version in versions], (
                    f"{key}: {name} never had this content"
                )

    def _check_history(self, key: str, before: Rows) -> None:
        periods, mark = self.snapshot.periods.get(key, []), self.snapshot.marks[key]
        if mark and not periods:
            return  # it was a deletion stub when it was first fetched
        for period, following in pairwise(periods):
            assert period["valid_from"] < period["valid_to"] <= following["valid_from"], key
            was_deleted = period["valid_to"] < following["valid_from"]
            assert was_deleted or any(period[name] != following[name] for name in STATUS_COLUMNS), (
                f"{key}: two periods with the same status"
            )
        assert bool(periods[-1]["valid_to"]) == bool(mark), key
        # The history does not say what a deletion stub says.
        assert mark or {name: periods[-1][name] for name in STATUS_COLUMNS} == self.snapshot.status(
            key
        ), key
        *closed, last = before or [{}]
        assert periods[: len(closed)] == closed, f"{key}: an old period has changed"
        if last:
            now = periods[len(closed)]
            end = now["valid_to"] if last["valid_to"] else None
            assert {**now, "valid_to": end} == last, f"{key}: an old period has changed"

    def _assert_fetched(self, keys: Iterable[str], sections: Collection[str] = ()) -> None:
        """Assert that the warehouse has the current version of submissions."""
        names = [n for n, table in API_TABLES.items() if not sections or table.section in sections]
        for key in keys:
            if key in self.live or key in self.stubs:
                assert key in self.snapshot.marks, f"{key} is missing"
                is_marked = self.snapshot.marks[key] is not None
                assert is_marked == (key in self.stubs), f"{key} is marked wrongly"
                differences = differing_tables(self.snapshot.parts[key], self.versions[key][-1])
                assert not differences & set(names), f"{key} is out of date: {differences}"

    def _assert_marked(self, keys: Iterable[str]) -> None:
        """Assert that the deleted ones of these submissions are marked."""
        for key in keys:
            if key in self.snapshot.marks and key not in self.live:
                assert self.snapshot.marks[key], f"{key} is not marked as deleted"

    # Helpers

    @property
    def file(self) -> Path:
        """The DuckDB file of the warehouse."""
        return Path(str(self.warehouse.target.file))

    def _tick(self) -> datetime:
        """Return the time, one second later each time, but once in a run an hour earlier."""
        self.ticks += 1
        self.now += timedelta(seconds=1)
        if self.ticks == self.set_back_at:
            self.now -= HOUR
            self.is_set_back = True
        return self.now

    def _advance(self, nights: int) -> datetime:
        """Move the clock by nights, or by ten minutes, and return the time."""
        if self.is_set_back:
            self.now, self.is_set_back = self.now + HOUR, False
        if nights:
            day = self.now.date() + timedelta(days=nights)
            self.now = datetime.combine(day, NOW.time(), UTC)
        else:
            self.now += timedelta(minutes=10)
        return self.now

    def _with_kyc(self) -> int:
        """Return how many submissions of the source have the section, also in the warehouse."""
        parts = self.snapshot.parts
        return sum(
            bool(submission.get("kyc") and key in parts and parts[key]["kyc"])
            for key, submission in self.live.items()
        )

    def _put(self, submission: Submission) -> None:
        """Add a submission to the source, or replace it."""
        key = submission["submission_id"]
        if key in self.live:
            self.api.store.replace(submission)
        else:
            self.api.store.add(submission)
        self.live[key] = submission
        tables = in_order(flatten([submission]))
        # A version that returns is the latest one again.
        self.versions.setdefault(key, []).append(tables)
        self.reconciled = None

    def _pick(self, picks: Iterable[int], among: Mapping[str, Any]) -> list[str]:
        keys = sorted(among)
        return sorted({keys[number % len(keys)] for number in picks}) if keys else []

    def _all(self) -> list[tuple[str, Submission]]:
        return [*self.live.items(), *self.stubs.items(), *self.removed.items()]

    def _days(self, days: tuple[int, int]) -> tuple[date, date]:
        before, last = (self.now.date() - timedelta(days=number) for number in days)
        return min(before, last), max(before, last)

    def _created(self, first: date, last: date) -> set[str]:
        return {key for key, item in self._all() if first <= created_at(item).date() <= last}


def template(end_date: EndDate | None) -> Path:
    """Return a warehouse to copy: with the first submissions of such a source; empty for None."""

    def make(folder: Path) -> None:
        warehouse = duckdb_warehouse(folder)
        make_tables(warehouse)
        if end_date:
            with Emulator(first_submissions(), behaviour=Behaviour(end_date=end_date)) as api:
                sync(context_for(api.base_url, warehouse.target))

    return made_once(f"model_{end_date or 'empty'}", make) / "kyc.duckdb"


# A simulated power cut cancels requests at any point, even while httpcore opens a connection.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_random_sequences(part: int) -> None:
    """The warehouse is consistent after every run, and equal to the source after a reconcile."""
    machine = seed(SEED * PARTS + part)(type("Part", (Machine,), {}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            # Shrinking takes minutes, and a sequence of ten steps is readable.
            phases=[Phase.generate, Phase.shrink] if THOROUGH else [Phase.generate],
            print_blob=False,
        ),
    )
