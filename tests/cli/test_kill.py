"""Kills at any moment lose and duplicate nothing, and leave no process behind."""

import os
import random
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import duckdb
import pytest

from argos_sync.emulator import Faults, generate
from argos_sync.shape.contract import load_contract
from cli.command import Command
from cli.events import NO_COVERAGE, SignallingEmulator, ends_within, small_chunks_command
from support import (
    assert_equal,
    duckdb_warehouse,
)
from whole_lists import Emulator

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux can wait for any process"),
]

SEED = os.environ.get("KILL_SEED", "20250131")
"""Determines when the runs are killed; a failing test prints it."""
KILLS = int(os.environ.get("KILLS", "5"))
BACKFILL = ("backfill", "--from", "2025-01-01", "--to", "2025-12-31")
WORKERS = 4
FAULTS = Faults(rate_500=0.01, rate_429=0.01, rate_503=0.01, rate_drop=0.01, rate_truncate=0.01)

START_SECONDS = 2.0
"""About the time that a run needs before its first request."""
IMPORT_SECONDS = 0.5
"""Less time than any run needs before it can load anything."""
SPARE_CHUNKS = 6
"""More chunks than a run loads in START_SECONDS."""
LOAD_SECONDS = 0.8
"""About the time from the last page of a chunk to its commit."""
END_SECONDS = 30
"""The longest that the fetch process may take to notice the end of the loading process."""


@dataclass(frozen=True)
class Load:
    """Sizes of a backfill, and how often it is killed.

    Attributes:
        submissions: Number of submissions of the API.
        page: Submissions per request.
        chunk: Submissions that are committed together; a chunk may exceed it by a page.
        kills: Number of kills.
    """

    submissions: int
    page: int
    chunk: int
    kills: int

    @property
    def max_refetched(self) -> int:
        """Return the most submissions that a kill can cost, which are then fetched again.

        These are a chunk in extraction, and one in the fetch process; one whose rows an earlier
        run has merged without its ledger; a page per worker, and as many requests of the previous
        run that the API counts late; and the two rows of the probe of `end_date`.
        """
        return 3 * (self.chunk + self.page) + 2 * WORKERS * self.page + 2


@dataclass(frozen=True)
class Moment:
    """When a run is killed: seconds after a number of answers of the API."""

    answers: int
    seconds: float

    @classmethod
    def random(cls, rng: random.Random, load: Load, loaded: int, kills: int) -> Self:
        """Return a random moment that leaves work for the remaining kills.

        Before the first answer a kill hits a run that starts; soon after an answer it hits one
        that fetches, extracts, normalizes or loads. The fetch process is soon two chunks ahead and
        waits, so from then on answers follow commits. Near the end only starting runs are killed,
        because on a fast machine any other could finish before.

        Args:
            rng: Source of randomness.
            load: Sizes of the backfill.
            loaded: Submissions in the warehouse.
            kills: Number of remaining kills, including this one.
        """
        remaining = load.submissions - loaded
        spare = remaining - SPARE_CHUNKS * load.chunk
        if spare < load.page:
            return cls(0, rng.random() * IMPORT_SECONDS)
        answers = int(rng.random() * min(2 * remaining / (kills + 1), spare) / load.page)
        return cls(answers, rng.random() * (LOAD_SECONDS if answers else START_SECONDS))

    def wait(self, pid: int, api: SignallingEmulator) -> None:
        """Wait until this moment in the run of a process that has just started."""
        api.wait(pid, self.answers)
        assert not ends_within(pid, self.seconds), "the run was too short"


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a run as a power failure does, and wait until its child processes have ended."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    # While these descriptors are open, no other process can get the same id.
    with ExitStack() as stack:
        descriptors = [
            stack.enter_context(closing(os.fdopen(os.pidfd_open(int(child))))) for child in children
        ]
        process.kill()
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], END_SECONDS)[0], "a process was left behind"


RUN_TIMES = {"_synced_at", "_changed_at", "valid_from"}
"""Columns with times of a run."""
COMPARED = {
    name: ", ".join(column.name for column in table.columns if column.name not in RUN_TIMES)
    for name, table in load_contract().tables.items()
    if name == "submissions" or table.belongs_to_submission
}


class Reference:
    """Hashes of all rows of an undisturbed run, to compare other warehouses with."""

    def __init__(self, whole: Path) -> None:
        """Read the DuckDB file of the undisturbed run."""
        self._connection = duckdb.connect()
        self._connection.execute(f"ATTACH '{whole}' AS whole (READ_ONLY)")
        for name, columns in COMPARED.items():
            hashed = f"SELECT submission_id, hash({columns}) AS row_hash FROM whole.argos.{name}"
            self._connection.execute(f"CREATE TABLE {name} AS {hashed}")

    def check(self, file: Path) -> tuple[int, int]:
        """Check that a warehouse, if it exists, has only complete submissions, each once.

        Returns:
            The number of submissions, and the number that its ledger of windows records.
        """
        with self._open(file) as query:
            if not query(
                "SELECT 1 FROM duckdb_tables() WHERE table_name = 'sync_windows'"
                " AND database_name = 'killed'"
            ):
                return 0, 0
            for name, columns in COMPARED.items():
                expected = f"FROM {name} SEMI JOIN killed.argos.submissions USING (submission_id)"
                assert query(
                    f"SELECT COUNT(*), SUM(hash({columns})) FROM killed.argos.{name}"
                ) == query(f"SELECT COUNT(*), SUM(row_hash) {expected}"), name
            ((submissions,),) = query("SELECT COUNT(*) FROM killed.argos.submissions")
            ((recorded,),) = query("SELECT SUM(rows_loaded)::BIGINT FROM killed.argos.sync_windows")
            return submissions, recorded or 0

    def assert_equal(self, file: Path) -> None:
        """Compare all values of a warehouse."""
        with self._open(file) as query:
            for name, columns in COMPARED.items():
                rows, expected = (
                    f"SELECT {columns} FROM {w}.argos.{name}" for w in ("killed", "whole")
                )
                assert query(f"{rows} EXCEPT ALL {expected}") == [], name
                assert query(f"{expected} EXCEPT ALL {rows}") == [], name

    @contextmanager
    def _open(self, file: Path) -> Iterator[Callable[[str], list[Any]]]:
        if not file.exists():
            yield lambda _: []
            return
        self._connection.execute(f"ATTACH '{file}' AS killed (READ_ONLY)")
        yield lambda sql: self._connection.execute(sql).fetchall()
        self._connection.execute("DETACH killed")


def shorten(submission: dict[str, Any]) -> dict[str, Any]:
    """Return a submission with few values, but with rows in many tables."""
    short = {name: submission[name] for name in ("submission_id", "created_at", "userid", "aml")}
    names = ("attemptCnt", "verificationResult", "faceSimilarityScore", "step1Time1st")
    attempts = [
        {name: attempt[name] for name in names if name in attempt}
        for attempt in submission["kyc"]["attempts"]
    ]
    # Who leaves early has given no name yet.
    given = submission.get("data") or {}
    person = {name: given[name] for name in ("name", "date_of_birth") if name in given}
    return short | {"kyc": submission["kyc"] | {"attempts": attempts}, "data": person}


def command(folder: Path, api: Emulator, load: Load) -> Command:
    """Return the command in its own folder, with the address of an API."""
    folder.mkdir()
    settings = {
        "SOURCES__ARGOS__API_KEY": "k" * 40,
        "SOURCES__ARGOS__BASE_URL": api.base_url,
        "SOURCES__ARGOS__PAGE_SIZE": str(load.page),
        "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "10000",
        "SOURCES__ARGOS__MAX_CONCURRENCY": str(WORKERS),
    }
    return Command(folder, settings)


def survive(
    load: Load,
    run: Command,
    api: SignallingEmulator,
    check: Callable[[], tuple[int, int]],
    *options: str,
) -> None:
    """Kill a backfill again and again, each time on another machine, then let it finish.

    What a run needs to go on is in the warehouse, or lost with the working directory of the last.

    Args:
        load: Sizes of the backfill, and number of kills.
        run: The command.
        api: Its API.
        check: Checks the warehouse between two runs; returns the number of its submissions, and
            the number that its ledger of windows records.
        options: More options of the command.
    """
    rng = random.Random(SEED)  # noqa: S311 not for secrets
    executable = small_chunks_command(run.folder.parent, load.chunk)
    # A killed process writes no coverage.
    small = replace(run, executable=executable, settings=run.settings | NO_COVERAGE)
    loaded = 0
    for kills in range(load.kills, 0, -1):
        served = api.served
        moment = Moment.random(rng, load, loaded, kills)
        try:
            process = small.start(*BACKFILL, *options, "--pipelines-dir", f"machine {kills}")
            moment.wait(process.pid, api)
            kill(process)
            assert small.finish(process).returncode == -signal.SIGKILL
            before, (loaded, recorded) = loaded, check()
            # Rows and their ledger are two transactions, so the ledger may lack a chunk, or what
            # later runs, killed too, have not fetched again of it.
            assert abs(loaded - recorded) < load.chunk + load.page
            assert api.served - served <= loaded - before + load.max_refetched
        except AssertionError as error:
            error.add_note(f"KILL_SEED={SEED}, {kills} kills remaining: {moment}")
            raise
    served = api.served
    done = run.json(*BACKFILL, *options)  # as installed, with its own chunk size
    assert done["exit_status"] == 0
    assert api.served - served <= load.submissions - loaded + load.max_refetched
    assert check() == (load.submissions, load.submissions)


@pytest.mark.slow
def test_many_kills_lose_nothing(tmp_path: Path) -> None:
    """After each kill the warehouse has complete chunks; after the last run it has everything."""
    load = Load(8_000, page=50, chunk=400, kills=KILLS)
    submissions = [shorten(submission) for submission in generate(load.submissions, seed=1)]
    with Emulator(submissions) as api:
        undisturbed = command(tmp_path / "whole", api, replace(load, page=1_000))
        undisturbed(*BACKFILL)
    reference = Reference(undisturbed.folder / "kyc.duckdb")
    with SignallingEmulator(submissions, faults=FAULTS) as api:
        run = command(tmp_path / "killed", api, load)
        file = run.folder / "kyc.duckdb"
        survive(load, run, api, lambda: reference.check(file))
    reference.assert_equal(file)
    assert_equal(duckdb_warehouse(run.folder), submissions)
