"""Killed at any moment, again and again: nothing is lost or there twice, and nobody lives on."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from argos_sync.emulator import Emulator, Faults, generate
from argos_sync.shape.contract import load_contract
from cli.command import Command
from cli.moments import UNMEASURED, Ringing, ends_within, with_small_chunks
from support import (
    assert_equal,
    duckdb_warehouse,
    postgres_address,
    postgres_administrator,
    postgres_database,
    postgres_warehouse,
)

pytestmark = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="only Linux can wait for any process"
)

SEED = os.environ.get("KILL_SEED", "20250131")
"""Settles all moments; a failing test prints it."""
KILLS = int(os.environ.get("KILLS", "30"))
BACKFILL = ("backfill", "--from", "2025-01-01", "--to", "2025-12-31")
WORKERS = 4
FAULTS = Faults(rate_500=0.01, rate_429=0.01, rate_503=0.01, rate_drop=0.01, rate_truncate=0.01)

START_SECONDS = 2.0
"""About what a run needs before its first request: it starts, and loads what was left behind."""
IMPORT_SECONDS = 0.5
"""Less than any run needs before it can load anything."""
CHUNKS_TO_SPARE = 6
"""More than a run loads in START_SECONDS."""
LOAD_SECONDS = 0.8
"""About what a chunk needs from its last page to its commit."""
END_SECONDS = 30
"""The longest the process that fetches may take to notice that the one that loads has gone."""


@dataclass(frozen=True)
class Load:
    """What is loaded, and how often that is interrupted.

    Attributes:
        submissions: How many the API has.
        page: Submissions a request brings.
        chunk: Submissions that are committed together, and up to a page more.
        kills: How often the command is killed.
    """

    submissions: int
    page: int
    chunk: int
    kills: int

    @property
    def lost(self) -> int:
        """The most submissions that a kill can cost, which are then fetched again.

        A chunk that was being extracted, and one in the process that fetches; one whose rows an
        earlier run had merged, and not yet what follows them; a page in each
        worker's hands, and as many on their way to the run before, which are counted when they
        are ready; and the two rows that tell how `end_date` is read. That is less than a chunk
        for each window that was open.
        """
        return 3 * (self.chunk + self.page) + 2 * WORKERS * self.page + 2


@dataclass(frozen=True)
class Moment:
    """When a run is killed: after so many answers of the API, and so many seconds more."""

    answers: int
    seconds: float

    @classmethod
    def drawn(cls, rng: random.Random, load: Load, loaded: int, kills: int) -> Moment:
        """Draw a moment that leaves something to do for the kills to come.

        Without an answer it hits a run that starts, or loads what was left behind; soon after one
        fetching, extracting, normalizing or loading. The process that fetches is soon two chunks
        ahead and waits, so from then on answers follow commits. Near the end only starting runs
        are killed, for on a fast machine any other could be through before its time.

        Args:
            rng: Where chance comes from.
            load: What is loaded in all.
            loaded: Submissions that are loaded.
            kills: How many there are to come, this one included.
        """
        left = load.submissions - loaded
        spare = left - CHUNKS_TO_SPARE * load.chunk
        if spare < load.page:
            return cls(0, rng.random() * IMPORT_SECONDS)
        answers = int(rng.random() * min(2 * left / (kills + 1), spare) / load.page)
        return cls(answers, rng.random() * (LOAD_SECONDS if answers else START_SECONDS))

    def wait(self, pid: int, api: Ringing) -> None:
        """Wait until it has come for a process that began just now."""
        api.wait(pid, self.answers)
        assert not ends_within(pid, self.seconds), "the run was too short"


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a run as power loss does, and wait until what it had started has ended as well."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    # Held open, their numbers cannot come to mean others meanwhile.
    with ExitStack() as held:
        started = [held.enter_context(closing(os.fdopen(os.pidfd_open(int(c))))) for c in children]
        process.kill()
        for one in started:
            assert select.select([one], [], [], END_SECONDS)[0], "a process was left behind"


MOMENTS = {"_synced_at", "_changed_at", "valid_from"}
"""Columns that tell when a run has seen something."""
COMPARED = {
    name: ", ".join(column.name for column in table.columns if column.name not in MOMENTS)
    for name, table in load_contract().tables.items()
    if name == "submissions" or table.belongs_to_submission
}


class Truth:
    """The warehouse of an undisturbed run, as a hash of each row, to hold others against."""

    def __init__(self, whole: Path) -> None:
        """Read it."""
        self._connection = duckdb.connect()
        self._connection.execute(f"ATTACH '{whole}' AS whole (READ_ONLY)")
        for name, columns in COMPARED.items():
            hashed = f"SELECT submission_id, hash({columns}) AS row_hash FROM whole.argos.{name}"
            self._connection.execute(f"CREATE TABLE {name} AS {hashed}")

    def held(self, file: Path) -> tuple[int, int]:
        """Check that a warehouse, if there is one yet, holds whole submissions, each once.

        Returns:
            How many it holds, and how many its ledger of windows speaks of.
        """
        with self._opened(file) as found:
            if not found(
                "SELECT 1 FROM duckdb_tables() WHERE table_name = 'sync_windows'"
                " AND database_name = 'killed'"
            ):
                return 0, 0
            for name, columns in COMPARED.items():
                true = f"FROM {name} SEMI JOIN killed.argos.submissions USING (submission_id)"
                assert found(
                    f"SELECT COUNT(*), SUM(hash({columns})) FROM killed.argos.{name}"
                ) == found(f"SELECT COUNT(*), SUM(row_hash) {true}"), name
            ((submissions,),) = found("SELECT COUNT(*) FROM killed.argos.submissions")
            ((recorded,),) = found("SELECT SUM(rows_loaded)::BIGINT FROM killed.argos.sync_windows")
            return submissions, recorded or 0

    def assert_equal(self, file: Path) -> None:
        """Compare value by value."""
        with self._opened(file) as found:
            for name, columns in COMPARED.items():
                one, other = (
                    f"SELECT {columns} FROM {w}.argos.{name}" for w in ("killed", "whole")
                )
                assert found(f"{one} EXCEPT ALL {other}") == [], name
                assert found(f"{other} EXCEPT ALL {one}") == [], name

    @contextmanager
    def _opened(self, file: Path) -> Iterator[Callable[[str], list[Any]]]:
        if not file.exists():
            yield lambda _: []
            return
        self._connection.execute(f"ATTACH '{file}' AS killed (READ_ONLY)")
        yield lambda query: self._connection.execute(query).fetchall()
        self._connection.execute("DETACH killed")


def lean(submission: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a submission what makes it long, and keep what has rows of its own."""
    kept = {name: submission[name] for name in ("submission_id", "created_at", "userid", "aml")}
    short = ("attemptCnt", "verificationResult", "faceSimilarityScore", "step1Time1st")
    attempts = [
        {name: attempt[name] for name in short if name in attempt}
        for attempt in submission["kyc"]["attempts"]
    ]
    person = {name: submission["data"][name] for name in ("name", "date_of_birth")}
    return kept | {"kyc": submission["kyc"] | {"attempts": attempts}, "data": person}


def command(folder: Path, api: Emulator, load: Load) -> Command:
    """Return the command in a folder of its own, with the address of an API."""
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
    api: Ringing,
    held: Callable[[], tuple[int, int]],
    *options: str,
) -> None:
    """Kill a backfill again and again, then let it live.

    Args:
        load: How much and how often.
        run: The command.
        api: What it reads.
        held: Checks what the warehouse holds between two runs; returns how many submissions that
            are, and how many its ledger of windows speaks of.
        options: More options of the command.
    """
    rng = random.Random(SEED)  # noqa: S311 moments, not secrets
    executable = with_small_chunks(run.folder.parent, load.chunk)
    # Nothing is measured of a process that is killed.
    small = replace(run, executable=executable, settings=run.settings | UNMEASURED)
    # The first chunk of a reading is full at half the size.
    chunk = {size + more for size in (load.chunk, load.chunk // 2) for more in range(load.page)}
    loaded = 0
    for kills in range(load.kills, 0, -1):
        served = api.served
        moment = Moment.drawn(rng, load, loaded, kills)
        try:
            process = small.start(*BACKFILL, *options)
            moment.wait(process.pid, api)
            kill(process)
            assert small.finish(process).returncode == -signal.SIGKILL
            before, (loaded, recorded) = loaded, held()
            # Rows and their ledger are two transactions, so a chunk may lie between them.
            assert abs(loaded - recorded) in {0, *chunk}
            assert api.served - served <= loaded - before + load.lost
        except AssertionError as error:
            error.add_note(f"KILL_SEED={SEED}, {kills} kills before the end: {moment}")
            raise
    served = api.served
    done = run.json(*BACKFILL, *options)  # as installed, in as few commits as it likes
    assert done["exit_status"] == 0
    assert api.served - served <= load.submissions - loaded + load.lost
    assert held() == (load.submissions, load.submissions)


@pytest.mark.slow
def test_many_kills_lose_nothing(tmp_path: Path) -> None:
    """After each the warehouse has whole chunks of true rows; in the end it has all of them."""
    load = Load(20_000, page=50, chunk=400, kills=KILLS)
    submissions = [lean(one) for one in generate(load.submissions, seed=1)]
    with Emulator(submissions) as api:
        undisturbed = command(tmp_path / "whole", api, replace(load, page=1_000))
        undisturbed(*BACKFILL)
    truth = Truth(undisturbed.folder / "kyc.duckdb")
    with Ringing(submissions, faults=FAULTS) as api:
        run = command(tmp_path / "killed", api, load)
        file = run.folder / "kyc.duckdb"
        survive(load, run, api, lambda: truth.held(file))
    truth.assert_equal(file)
    assert_equal(duckdb_warehouse(run.folder), submissions)


@pytest.fixture
def database() -> Iterator[str]:
    """An empty database, so that its sessions are those of the command."""
    with postgres_database() as name:
        yield name


def test_postgresql_survives_kills(tmp_path: Path, database: str) -> None:
    """The same with a server that lives on when its client is killed."""
    load = Load(2_000, page=25, chunk=150, kills=5)
    submissions = [lean(one) for one in generate(load.submissions, seed=1)]
    address = postgres_address(database)
    warehouse = postgres_warehouse(tmp_path, "argos", address)

    def held() -> tuple[int, int]:
        with postgres_administrator() as execute:
            # The server notices by itself, but not at once.
            execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
                f" WHERE datname = '{database}'"
            )
        if not warehouse.query("SELECT to_regclass('sync_windows') AS name")[0]["name"]:
            return 0, 0
        ids = {row["submission_id"] for row in warehouse.table("submissions")}
        assert_equal(warehouse, [one for one in submissions if one["submission_id"] in ids])
        ((recorded,),) = (
            row.values()
            for row in warehouse.query("SELECT CAST(SUM(rows_loaded) AS INTEGER) FROM sync_windows")
        )
        return len(ids), recorded or 0

    with Ringing(submissions, faults=FAULTS) as api:
        run = command(tmp_path / "killed", api, load)
        run.settings["DESTINATION__POSTGRES__CREDENTIALS"] = address
        survive(load, run, api, held, "--destination", "postgres")
