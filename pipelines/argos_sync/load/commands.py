"""The commands that load: sync, backfill, refresh."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial

from argos_sync.api import ArgosClient, Query
from argos_sync.api.errors import ArgosError, ConfigurationError
from argos_sync.config import Settings
from argos_sync.load.chunks import CHUNK_SUBMISSIONS
from argos_sync.load.clients import make_client
from argos_sync.load.fetching import Task
from argos_sync.load.pipeline import Target, open_warehouse
from argos_sync.load.probe import probe_end_date
from argos_sync.load.reading import Clock, Reading
from argos_sync.load.report import Progress, RunReport, Silent
from argos_sync.load.runs import Run
from argos_sync.load.state import SYNC, Plan, end_date, high_water_mark, stored_plan
from argos_sync.load.windows import EndDate, Range, nightly_range, plan_windows


def now() -> datetime:
    """Return the moment, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Context:
    """What every command needs.

    Attributes:
        settings: Checked configuration.
        target: Where to load to.
        progress: Told what happens.
        clock: The time.
        client: Makes a client of settings and, optionally, a page size.
        chunk_size: Submissions that are committed together.
    """

    settings: Settings
    target: Target
    progress: Progress = field(default_factory=Silent)
    clock: Clock = now
    client: Callable[..., ArgosClient] = make_client
    chunk_size: int = CHUNK_SUBMISSIONS


def sync(context: Context) -> RunReport:
    """Load what is new since the high-water mark, and the look-back window again.

    A sync that was interrupted is finished first.

    Raises:
        ArgosError: See `api.errors`, `load.failures`.
    """
    settings = context.settings
    with _run(context, SYNC) as run:
        state = run.warehouse.state
        unfinished = stored_plan(state, SYNC, settings.sections)
        # An unfinished first sync that is to begin elsewhere now begins anew.
        first = high_water_mark(state) is None
        if unfinished and not (first and unfinished.wanted.first != settings.first_day):
            _work_through(context, run, unfinished, final=False)
            state = run.warehouse.state
        today = context.clock().astimezone(UTC).date()
        wanted = nightly_range(
            today, high_water_mark(state), settings.lookback_days, settings.first_day
        )
        _work_through(context, run, _new_plan(context, run, SYNC, wanted))
    return run.report


def backfill(context: Context, first: date, last: date, workers: int | None = None) -> RunReport:
    """Load exactly the submissions created from one day (UTC) to another, both included.

    A backfill of the same range that was interrupted is gone on with. The nightly high-water mark
    stays as it is.

    Args:
        context: Settings and target.
        first: First day, UTC.
        last: Last day, UTC.
        workers: Windows read at once; None is `max_concurrency`.

    Raises:
        ConfigurationError: The range ends before it begins.
        ArgosError: See `api.errors`, `load.failures`.
    """
    if last < first:
        raise ConfigurationError(
            f"the range ends on {last}, before it begins on {first}", "swap --from and --to"
        )
    name = f"backfill {first} {last}"
    with _run(context, "backfill") as run:
        unfinished = stored_plan(run.warehouse.state, name, context.settings.sections)
        new = _new_plan(context, run, name, Range(first, last))
        plan = unfinished.reopened() if unfinished else new
        _work_through(context, run, plan, workers)
    return run.report


def refresh(
    context: Context,
    *,
    submission_ids: Sequence[str] = (),
    userid: str | None = None,
    email: str | None = None,
) -> RunReport:
    """Fetch these submissions again, now.

    Raises:
        ConfigurationError: No submission is named, or a value cannot be sent.
        ArgosError: See `api.errors`, `load.failures`.
    """
    queries = [Query(submission_id=value) for value in submission_ids]
    queries += [Query(userid=userid)] if userid is not None else []
    queries += [Query(email=email)] if email is not None else []
    if not queries:
        raise ConfigurationError("nothing to refresh", "give --submission-id, --userid or --email")
    tasks = [
        Task(str(position), f"{position} of {len(queries)}", partial(_of_section, query))
        for position, query in enumerate(queries, start=1)
    ]
    with _run(context, "refresh") as run:
        run.read(_reading(context, tasks, lambda _: True))
    return run.report


@contextmanager
def _run(context: Context, command: str) -> Iterator[Run]:
    """Open the warehouse for a run, and record how the run ends."""
    started_at = context.clock()
    context.client(context.settings)  # what cannot work is said before anything is opened
    with open_warehouse(context.target, context.settings.sections) as warehouse:
        run_id = f"{started_at:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        report = RunReport(run_id, command, started_at)
        run = Run(warehouse, report, context.progress, context.clock)
        try:
            yield run
        except ArgosError as error:
            run.finish(error)
            raise
        run.finish()


def _new_plan(context: Context, run: Run, name: str, wanted: Range) -> Plan:
    windows = plan_windows(wanted, context.clock().astimezone(UTC).date())
    return Plan.new(
        name,
        run.report.run_id,
        begun=run.report.started_at,
        wanted=wanted,
        sections=context.settings.sections,
        windows=windows,
    )


def _work_through(
    context: Context, run: Run, plan: Plan, workers: int | None = None, *, final: bool = True
) -> None:
    known = _end_date(context, run, plan)
    tasks = [
        Task(name, window.label, partial(window.query, known), progress.cursor)
        for name, (window, progress) in plan.left.items()
    ]
    run.read(_reading(context, tasks, plan.wanted.__contains__, workers), plan, final=final)


def _reading(
    context: Context,
    tasks: Sequence[Task],
    wanted: Callable[[datetime], bool],
    workers: int | None = None,
) -> Reading:
    settings = context.settings
    return Reading(
        tasks,
        settings.sections,
        wanted,
        workers or settings.max_concurrency,
        partial(context.client, settings),
        context.clock,
        context.chunk_size,
    )


def _end_date(context: Context, run: Run, plan: Plan) -> EndDate | None:
    """Return how the server reads `end_date`, found out once and remembered."""
    known = end_date(run.warehouse.state | run.learned)
    # A single window asks for a day more at its end, which costs less than a probe.
    if known is not None or len(plan.left) <= 1:
        return known

    async def probe() -> EndDate | None:
        async with context.client(context.settings, page_size=1) as client:
            section = "others" if context.settings.sections else None
            found = await probe_end_date(client, section)
            run.report.requests += client.stats.requests
            return found

    found = asyncio.run(probe())
    if found is not None:
        run.learned["end_date"] = found
    return found


def _of_section(query: Query, section: str | None) -> Query:
    return replace(query, request_type=section)
