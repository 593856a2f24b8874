"""The fetch process: the same chunks as the fetch thread, and no chunk lost however it ends."""

import asyncio
import io
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from argos_sync.api.errors import ArgosError, InvalidApiKey
from argos_sync.api.retry import RetryPolicy
from argos_sync.api.stats import RequestStats
from argos_sync.commands.backfill import backfill
from argos_sync.config import load_settings
from argos_sync.emulator import Store
from argos_sync.fetch.chunks import Chunk, ChunkSink, ChunkSource
from argos_sync.fetch.clock import RunClock, utc_now
from argos_sync.fetch.completeness import Reading
from argos_sync.fetch.job import ClientOptions, FetchJob, client_options
from argos_sync.fetch.ledger import Plan
from argos_sync.fetch.process.parent import FetchProcessDied, fetch_in_process
from argos_sync.fetch.process.protocol import (
    FetchFailed,
    MessageKind,
    attach_tables,
    read_table,
    read_value,
    receive,
    send_chunk,
)
from argos_sync.fetch.process.spawn import FetchProcess
from argos_sync.fetch.process.worker import serve
from argos_sync.fetch.thread import fetch_in_thread
from argos_sync.fetch.windows import DateRange
from argos_sync.fetch.work_queue import WorkQueue
from argos_sync.run.summary import NoProgress
from support import Warehouse, assert_equal, context_for
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.tables_made

NOW = datetime(2025, 2, 1, 3, 0, tzinfo=UTC)
CLOCK = partial(datetime.fromisoformat, NOW.isoformat())
"""A picklable clock that stands still."""

KEY = "key-that-no-other-process-may-see-0123456789"
FIRST, LAST = date(2025, 1, 1), date(2025, 1, 31)
SECONDS = 60


@pytest.fixture
def api(january: list[dict[str, Any]]) -> Iterator[Emulator]:
    """An API with four hundred submissions."""
    with Emulator(Store(january), behaviour=Behaviour(api_key=KEY)) as running:
        yield running


@pytest.fixture
def process() -> Iterator[FetchProcess]:
    """A fetch process."""
    with FetchProcess() as started:
        yield started


@pytest.fixture
def thread_as_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[FetchProcess]:
    """The worker of a fetch process, in a thread of this process with the same two pipes."""
    monkeypatch.setattr(os, "_exit", lambda _: None)
    (requests, stdin), (stdout, answers) = os.pipe(), os.pipe()
    with (
        os.fdopen(stdout, "rb") as output,
        os.fdopen(requests, "rb", buffering=0) as worker_input,
        os.fdopen(answers, "wb") as worker_output,
    ):
        thread = threading.Thread(target=serve, args=(worker_input, worker_output), daemon=True)
        thread.start()
        with os.fdopen(stdin, "wb") as input_:
            popen = SimpleNamespace(stdin=input_, stdout=output)
            yield FetchProcess(cast("subprocess.Popen[bytes]", popen))
        thread.join(SECONDS)


def january_job(base_url: str, **settings: Any) -> FetchJob:
    """Return a job that reads all of January, one window after the other."""
    values = {"api_key": KEY, "base_url": base_url, "page_size": 40, **settings}
    configured = load_settings(values | {"max_requests_per_second": 10_000.0})
    plan = Plan.new("backfill", "run", started_at=NOW, days=DateRange(FIRST, LAST), sections=())
    return FetchJob(
        "run",
        WorkQueue(plan, end_date="inclusive", page_size=40),
        Reading(),
        client_options(configured),
        CLOCK,
        chunk_size=150,
    )


def run_job(
    source: ChunkSource, job: FetchJob
) -> tuple[list[Chunk], list[tuple[str, int]], list[RequestStats]]:
    """Return all chunks, reported pages and reported statistics."""
    pages: list[tuple[str, int]] = []
    stats: list[RequestStats] = []
    with source(job, lambda label, rows: pages.append((label, rows)), stats.append) as chunks:
        return list(chunks), pages, stats


def ignore(*_: object) -> None:
    """Do nothing."""


def pid_of(process: FetchProcess) -> int:
    """Return the id of the process."""
    return process.start().pid


def wait_for_exit(pid: int) -> None:
    """Wait until a process has exited, which need not be a child of this one."""
    with closing(os.fdopen(os.pidfd_open(pid))) as handle:
        assert select.select([handle], [], [], SECONDS)[0], "the process is still running"


def test_chunks_are_the_same_as_those_of_a_thread(
    api: Emulator, thread_as_process: FetchProcess
) -> None:
    """So are the reported pages and statistics."""
    source = partial(fetch_in_process, thread_as_process)
    chunks, pages, stats = run_job(source, january_job(api.base_url))
    expected, expected_pages, expected_stats = run_job(fetch_in_thread, january_job(api.base_url))
    assert sum(one.submissions for one in chunks) == 400
    assert chunks == expected
    assert all(rows.schema == expected[0].tables[n].schema for n, rows in chunks[0].tables.items())
    assert (pages, stats) == (expected_pages, expected_stats)
    assert [one.last for one in chunks] == [False, False, True]


_PRINT_IMPORTED_PACKAGES = """
import pickle, sys
import argos_sync.fetch.process.worker
pickle.load(sys.stdin.buffer)
print(*{name.partition(".")[0] for name in sys.modules})
"""


@pytest.mark.process
def test_a_job_needs_no_dlt() -> None:
    """Importing dlt would delay the process by half a second; a run's own clock needs none."""
    job = replace(january_job("http://127.0.0.1:1"), clock=RunClock(utc_now, utc_now()))
    completed = subprocess.run(
        [sys.executable, "-c", _PRINT_IMPORTED_PACKAGES],
        input=pickle.dumps(job),
        capture_output=True,
        check=True,
    )
    imported = completed.stdout.decode().split()
    assert "pyarrow" in imported
    assert not {"dlt", "duckdb", "typer"} & set(imported)


@pytest.mark.process
def test_one_process_runs_all_jobs(api: Emulator) -> None:
    """A command with two jobs waits for imports once, also if the first job has failed."""
    with FetchProcess() as process:
        popen = process.start()
        source = partial(fetch_in_process, process)
        with pytest.raises(InvalidApiKey):
            run_job(source, january_job(api.base_url, api_key="another"))
        for _ in range(2):
            chunks, _, _ = run_job(source, january_job(api.base_url))
            assert sum(one.submissions for one in chunks) == 400
        assert process.start() is popen
    assert popen.returncode == 0


def test_an_api_error_is_raised_unchanged(api: Emulator, thread_as_process: FetchProcess) -> None:
    """Its class decides the exit code, and its text is what the user reads."""
    job = january_job(f"{api.base_url}/wrong")
    with pytest.raises(ArgosError) as expected:
        run_job(fetch_in_thread, job)
    with pytest.raises(type(expected.value)) as raised:
        run_job(partial(fetch_in_process, thread_as_process), job)
    assert str(raised.value) == str(expected.value)
    assert raised.value.exit_code == 4


def test_an_unexpected_error_is_reported_without_its_text(
    api: Emulator, thread_as_process: FetchProcess
) -> None:
    """Texts of other libraries' errors quote values."""
    job = replace(january_job(api.base_url), client=ClientOptions({"Kim": 1}))
    with pytest.raises(FetchFailed, match=r"failed with TypeError at job.py:\d+") as raised:
        run_job(partial(fetch_in_process, thread_as_process), job)
    assert "Kim" not in str(raised.value)
    assert "Kim" not in repr(raised.value.__cause__ or raised.value.__context__)


@pytest.mark.process
def test_leaving_early_kills_the_process(api: Emulator, process: FetchProcess) -> None:
    """A failed load does not wait for pages that nobody will load."""
    pid = pid_of(process)
    with (
        suppress(LookupError),
        fetch_in_process(process, january_job(api.base_url), ignore, ignore) as chunks,
    ):
        next(chunks)
        raise LookupError
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_chunk_is_sent_on_request() -> None:
    """Until then it stays in the fetch process, so the main process holds one chunk only."""
    pipe = io.BytesIO()
    sink = ChunkSink(partial(send_chunk, pipe))

    async def put() -> None:
        putting = asyncio.create_task(sink.put(Chunk({}, 7)))
        await asyncio.sleep(0)
        assert not sink.is_awaited()
        assert pipe.getvalue() == b""
        await asyncio.to_thread(sink.request)
        await putting

    asyncio.run(put())
    pipe.seek(0)
    (table, fetched), (kind, body) = receive(pipe), receive(pipe)
    assert (table, kind) == (MessageKind.TABLE, MessageKind.CHUNK)
    assert attach_tables(read_value(body), [read_table(fetched)]) == Chunk({}, 7)
    assert not sink.is_awaited()


@pytest.mark.process
def test_a_crash_of_the_process_is_reported(api: Emulator, process: FetchProcess) -> None:
    """The main process does not wait for it forever."""
    with fetch_in_process(process, january_job(api.base_url), ignore, ignore) as chunks:
        requests = process.start().stdin
        assert requests is not None
        requests.write(b"not a message")
        with pytest.raises(FetchProcessDied, match="exited with code 1; run the command again"):
            list(chunks)


class KillAfterOne(NoProgress):
    """Progress that kills the fetch process once a chunk is loaded."""

    def __init__(self, process: FetchProcess) -> None:
        """Keep the process."""
        self.process = process

    def chunk_loaded(self, summary: Any) -> None:
        """Kill the process."""
        os.kill(pid_of(self.process), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.process
def test_a_killed_process_is_reported_and_loses_nothing(
    api: Emulator, process: FetchProcess, warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """The run fails with advice, and the next one resumes after the last committed chunk."""
    context = replace(
        context_for(api.base_url, warehouse.target, api_key=KEY, page_size=40),
        clock=CLOCK,
        chunk_size=150,
        retry=RetryPolicy(),
        chunks=partial(fetch_in_process, process),
    )
    with pytest.raises(
        FetchProcessDied, match="was killed by signal 9; run the command again"
    ) as raised:
        backfill(replace(context, progress=KillAfterOne(process)), FIRST, LAST)
    assert raised.value.exit_code == 1
    assert 75 <= warehouse.count("submissions") < 400
    report = backfill(context, FIRST, LAST)
    assert report.submissions_fetched < 400
    assert_equal(warehouse, january)


@pytest.mark.process
def test_the_process_ignores_ctrl_c(api: Emulator, process: FetchProcess) -> None:
    """A terminal sends it to both processes; the main process decides how to end."""
    with fetch_in_process(process, january_job(api.base_url), ignore, ignore) as chunks:
        first = next(chunks).submissions
        os.kill(pid_of(process), signal.SIGINT)
        assert first + sum(one.submissions for one in chunks) == 400


PARENT = """
import sys
from fetch.test_process import FetchProcess, fetch_in_process, ignore, january_job, pid_of
with FetchProcess() as process:
    if sys.argv[2] == "idle":
        print(pid_of(process), flush=True)
        input()
    with fetch_in_process(process, january_job(sys.argv[1]), ignore, ignore) as chunks:
        next(chunks)
        print(pid_of(process), flush=True)
        input()
"""


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux can wait for any process")
@pytest.mark.parametrize("state", ["idle", "busy"])
def test_the_process_never_outlives_the_main_process(api: Emulator, state: str) -> None:
    """Not even a main process that is killed."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, api.base_url, state],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path.rstrip(os.pathsep)},
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        wait_for_exit(pid)


@pytest.mark.process
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux has /proc")
def test_the_process_shows_no_secret(api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every user can read a process's arguments, and crash dumps contain its environment."""
    for name in (
        *("SOURCES__ARGOS__API_KEY", "DESTINATION__POSTGRES__CREDENTIALS", "api_key"),
        *("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", "OTEL_EXPORTER_OTLP_HEADERS"),
    ):
        monkeypatch.setenv(name, KEY)
    with (
        FetchProcess() as process,
        fetch_in_process(process, january_job(api.base_url), ignore, ignore) as chunks,
    ):
        next(chunks)
        folder = Path("/proc") / str(pid_of(process))
        environment = (folder / "environ").read_bytes()
        assert KEY.encode() not in environment + (folder / "cmdline").read_bytes()
        assert b"PATH=" in environment
