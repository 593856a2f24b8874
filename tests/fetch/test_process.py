"""The process that fetches: the same chunks as a thread's, and no way of ending that loses any."""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from argos_sync.api import RequestStats, RetryPolicy
from argos_sync.api.errors import ArgosError, InvalidApiKey
from argos_sync.commands.backfill import backfill
from argos_sync.config import load_settings
from argos_sync.emulator import Behaviour, Emulator, Store
from argos_sync.fetch.chunks import Chunk
from argos_sync.fetch.client import ClientOptions, client_options
from argos_sync.fetch.job import ChunkSource, FetchJob, fetch_in_thread, utc_now
from argos_sync.fetch.plan import Plan, WorkQueue
from argos_sync.fetch.process.parent import FetchProcessDied, fetch_in_process
from argos_sync.fetch.process.protocol import (
    FetchFailed,
    MessageKind,
    attach_tables,
    read_table,
    read_value,
    receive,
)
from argos_sync.fetch.process.spawn import FetchProcess
from argos_sync.fetch.process.worker import _Outlet
from argos_sync.fetch.windows import DateRange
from support import Warehouse, assert_equal, context_for

pytestmark = pytest.mark.tables_made

NOW = datetime(2025, 2, 1, 3, 0, tzinfo=UTC)
CLOCK = partial(datetime.fromisoformat, NOW.isoformat())
"""A clock that stands still and can be sent to another process."""

KEY = "key-that-no-other-process-may-see-0123456789"
FIRST, LAST = date(2025, 1, 1), date(2025, 1, 31)
SECONDS = 60


@pytest.fixture
def api(january: list[dict[str, Any]]) -> Iterator[Emulator]:
    """An API with four hundred submissions."""
    with Emulator(Store(january), behaviour=Behaviour(api_key=KEY)) as running:
        yield running


@pytest.fixture
def child() -> Iterator[FetchProcess]:
    """A process that fetches."""
    with FetchProcess() as started:
        yield started


def reading(base_url: str, **settings: Any) -> FetchJob:
    """Return the reading of all of January, one window after the other."""
    given = {"api_key": KEY, "base_url": base_url, "page_size": 40, **settings}
    configured = load_settings(given | {"max_requests_per_second": 10_000.0})
    plan = Plan.new("backfill", "run", started_at=NOW, days=DateRange(FIRST, LAST), sections=())
    return FetchJob(
        "run",
        WorkQueue(plan, end_date="inclusive", page_size=40),
        (),
        client_options(configured),
        CLOCK,
        chunk_size=150,
    )


def take_all(
    feed: ChunkSource, order: FetchJob
) -> tuple[list[Chunk], list[tuple[str, int]], list[RequestStats]]:
    """Return all chunks, and what was told of pages and at the end."""
    pages: list[tuple[str, int]] = []
    stats: list[RequestStats] = []
    with feed(order, lambda label, entries: pages.append((label, entries)), stats.append) as chunks:
        return list(chunks), pages, stats


def ignore(*_: object) -> None:
    """Be told something."""


def pid_of(child: FetchProcess) -> int:
    """Return the id of the process."""
    return child.start().pid


def wait_for_end(pid: int) -> None:
    """Wait until a process has ended that need not be a child of this one."""
    with closing(os.fdopen(os.pidfd_open(pid))) as handle:
        assert select.select([handle], [], [], SECONDS)[0], "the process is still there"


def test_chunks_are_those_of_a_thread(api: Emulator, child: FetchProcess) -> None:
    """Rows, cursors, steps, pages and numbers are the same, whoever fetches."""
    chunks, pages, stats = take_all(partial(fetch_in_process, child), reading(api.base_url))
    expected, expected_pages, expected_stats = take_all(fetch_in_thread, reading(api.base_url))
    assert sum(one.submissions for one in chunks) == 400
    assert chunks == expected
    assert all(rows.schema == expected[0].tables[n].schema for n, rows in chunks[0].tables.items())
    assert (pages, stats) == (expected_pages, expected_stats)
    assert [one.last for one in chunks] == [False, False, True]


_WHAT_IT_IMPORTS = """
import pickle, sys
import argos_sync.fetch.process.worker
pickle.load(sys.stdin.buffer)
print(*{name.partition(".")[0] for name in sys.modules})
"""


def test_it_is_ready_before_dlt_is_imported() -> None:
    """What it is told to read, as the commands say it, needs no dlt, which takes half a second."""
    order = replace(reading("http://127.0.0.1:1"), clock=utc_now)
    found = subprocess.run(
        [sys.executable, "-c", _WHAT_IT_IMPORTS],
        input=pickle.dumps(order),
        capture_output=True,
        check=True,
    )
    imported = found.stdout.decode().split()
    assert "pyarrow" in imported
    assert not {"dlt", "duckdb", "typer"} & set(imported)


def test_one_process_serves_one_reading_after_the_other(api: Emulator, child: FetchProcess) -> None:
    """A command that reads twice waits for imports once, also when the first reading failed."""
    pid = pid_of(child)
    feed = partial(fetch_in_process, child)
    with pytest.raises(InvalidApiKey):
        take_all(feed, reading(api.base_url, api_key="another"))
    for _ in range(2):
        chunks, _, _ = take_all(feed, reading(api.base_url))
        assert sum(one.submissions for one in chunks) == 400
    assert pid_of(child) == pid
    assert child.leave() == 0


def test_an_error_of_the_api_arrives_as_it_was(api: Emulator, child: FetchProcess) -> None:
    """Its class decides the exit code, and its text is what the user reads."""
    order = reading(f"{api.base_url}/wrong")
    with pytest.raises(ArgosError) as expected:
        take_all(fetch_in_thread, order)
    with pytest.raises(type(expected.value)) as found:
        take_all(partial(fetch_in_process, child), order)
    assert str(found.value) == str(expected.value)
    assert found.value.exit_code == 4


def test_any_other_error_keeps_its_kind_and_its_text_to_itself(
    api: Emulator, child: FetchProcess
) -> None:
    """Texts of foreign errors quote values."""
    order = replace(reading(api.base_url), client=ClientOptions({"Kim": 1}))
    with pytest.raises(FetchFailed, match=r"failed with TypeError at client.py:\d+") as found:
        take_all(partial(fetch_in_process, child), order)
    assert "Kim" not in str(found.value)
    assert "Kim" not in repr(found.value.__cause__ or found.value.__context__)


def test_leaving_early_ends_the_process(api: Emulator, child: FetchProcess) -> None:
    """A failing load does not wait for pages nobody will take, and leaves nobody behind."""
    pid = pid_of(child)
    with (
        suppress(LookupError),
        fetch_in_process(child, reading(api.base_url), ignore, ignore) as chunks,
    ):
        next(chunks)
        raise LookupError
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_chunk_is_sent_when_it_is_asked_for() -> None:
    """Until then it waits where it is, so that this process holds no more than one."""
    sent = io.BytesIO()
    outlet = _Outlet(sent)

    async def put() -> None:
        putting = asyncio.create_task(outlet.put(Chunk({}, 7, 0)))
        await asyncio.sleep(0)
        assert not outlet.is_awaited()
        assert sent.getvalue() == b""
        await asyncio.to_thread(outlet.ask)
        await putting

    asyncio.run(put())
    sent.seek(0)
    (table, seen), (kind, body) = receive(sent), receive(sent)
    assert (table, kind) == (MessageKind.TABLE, MessageKind.CHUNK)
    assert attach_tables(read_value(body), [read_table(seen)]) == Chunk({}, 7, 0)
    assert not outlet.is_awaited()


def test_a_process_that_fails_by_itself_is_told(api: Emulator, child: FetchProcess) -> None:
    """A bug in the process itself is no reason to wait for ever."""
    with fetch_in_process(child, reading(api.base_url), ignore, ignore) as chunks:
        orders = child.start().stdin
        assert orders is not None
        orders.write(b"no message at all")
        with pytest.raises(
            FetchProcessDied, match="was ended with exit code 1; run the command again"
        ):
            list(chunks)


class KillAfterOne:
    """Progress that ends the fetching process once a chunk is loaded, as a full memory might."""

    def __init__(self, child: FetchProcess) -> None:
        """Remember whom."""
        self.child = child

    def page_fetched(self, task: str, items: int) -> None:
        """Do nothing."""

    def chunk_loaded(self, report: Any, rows: int) -> None:
        """End it."""
        os.kill(pid_of(self.child), signal.SIGKILL)


def test_a_process_that_is_killed_is_told_and_loses_nothing(
    api: Emulator, child: FetchProcess, warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """The run fails with advice, and the next one goes on from the last committed chunk."""
    context = replace(
        context_for(api.base_url, warehouse.target, api_key=KEY, page_size=40),
        clock=CLOCK,
        chunk_size=150,
        retry=RetryPolicy(),
        chunks=partial(fetch_in_process, child),
    )
    with pytest.raises(
        FetchProcessDied, match="was ended by signal 9; run the command again"
    ) as found:
        backfill(replace(context, progress=KillAfterOne(child)), FIRST, LAST)
    assert found.value.exit_code == 1
    assert 75 <= warehouse.count("submissions") < 400
    report = backfill(context, FIRST, LAST)
    assert report.submissions_fetched < 400
    assert_equal(warehouse, january)


def test_ctrl_c_is_left_to_the_process_that_loads(api: Emulator, child: FetchProcess) -> None:
    """A terminal sends it to both; what was fetched can still be loaded to its end."""
    with fetch_in_process(child, reading(api.base_url), ignore, ignore) as chunks:
        taken = next(chunks).submissions
        os.kill(pid_of(child), signal.SIGINT)
        assert taken + sum(one.submissions for one in chunks) == 400


PARENT = """
import sys
from fetch.test_process import FetchProcess, fetch_in_process, ignore, pid_of, reading
with FetchProcess() as child:
    if sys.argv[2] == "idle":
        print(pid_of(child), flush=True)
        input()
    with fetch_in_process(child, reading(sys.argv[1]), ignore, ignore) as chunks:
        next(chunks)
        print(pid_of(child), flush=True)
        input()
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux can wait for any process")
@pytest.mark.parametrize("state", ["idle", "reading"])
def test_the_process_never_outlives_the_one_that_loads(api: Emulator, state: str) -> None:
    """Not even when that is killed and can tell it nothing any more."""
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
        wait_for_end(pid)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux tells")
def test_no_secret_can_be_seen_from_outside(api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments are for everybody on the machine to read, and environments end in dumps."""
    for name in (
        *("SOURCES__ARGOS__API_KEY", "DESTINATION__POSTGRES__CREDENTIALS", "api_key"),
        *("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", "OTEL_EXPORTER_OTLP_HEADERS"),
    ):
        monkeypatch.setenv(name, KEY)
    with (
        FetchProcess() as child,
        fetch_in_process(child, reading(api.base_url), ignore, ignore) as chunks,
    ):
        next(chunks)
        process = Path("/proc") / str(pid_of(child))
        environment = (process / "environ").read_bytes()
        assert KEY.encode() not in environment + (process / "cmdline").read_bytes()
        assert b"PATH=" in environment
