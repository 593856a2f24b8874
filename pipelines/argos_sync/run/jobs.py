"""Build the fetch jobs of a run and run them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date

from argos_sync.fetch.checkpoint import end_date
from argos_sync.fetch.job import FetchJob
from argos_sync.fetch.ledger import Plan
from argos_sync.fetch.reader import Task
from argos_sync.fetch.refetch import day_tasks
from argos_sync.fetch.windows import DailyVolume, DateRange, EndDate, day_of, probe_end_date
from argos_sync.fetch.work_queue import WorkQueue
from argos_sync.load.errors import destination_errors
from argos_sync.run.run import Run
from argos_sync.warehouse.submissions import DayStats, content_hashes, stored_days


def today(run: Run) -> date:
    """Return the UTC day on which the run started."""
    return day_of(run.summary.started_at)


def new_plan(run: Run, name: str, days: DateRange) -> Plan:
    """Return a new plan.

    Args:
        run: The run that starts it.
        name: `sync` or `backfill FIRST LAST`.
        days: UTC days whose submissions are loaded.
    """
    return Plan.new(
        name,
        run.summary.run_id,
        started_at=run.summary.started_at,
        days=days,
        sections=run.context.settings.sections,
    )


def new_queue(
    run: Run, plan: Plan, volume: DailyVolume | None = None, workers: int | None = None
) -> WorkQueue:
    """Return the work queue of a plan.

    Args:
        run: Its configuration sets the page size.
        plan: Windows to read.
        volume: Expected submissions per day.
        workers: Windows read at once; None is `max_concurrency`.
    """
    settings = run.context.settings
    return WorkQueue(
        plan,
        workers=workers or settings.max_concurrency,
        page_size=settings.page_size,
        volume=volume or DailyVolume(),
    )


def run_plan(
    run: Run,
    plan: Plan,
    workers: int | None = None,
    *,
    volume: DailyVolume | None = None,
    final: bool = True,
) -> None:
    """Fetch and load the remaining windows of a plan; see `Run.fetch`."""
    queue = new_queue(run, plan, volume, workers)
    queue.end_date = resolve_end_date(run, probe=not queue.is_one_window)
    run_queue(run, queue, stored_hashes(run, [plan.days]), final=final)


def run_tasks(run: Run, tasks: Sequence[Task], *, final: bool = False) -> None:
    """Fetch and load tasks that are not resumable; see `Run.fetch`."""
    if tasks:
        run_queue(
            run,
            WorkQueue(extra_tasks=tasks, workers=run.context.settings.max_concurrency),
            {},
            final=final,
        )


def run_queue(run: Run, queue: WorkQueue, hashes: Mapping[str, str], *, final: bool = True) -> None:
    """Fetch and load a work queue; see `Run.fetch`.

    Args:
        run: The run.
        queue: Windows and tasks to read.
        hashes: Stored content hashes by submission id, see `stored_hashes`.
        final: Whether the run ends with this job.
    """
    context = run.context
    job = FetchJob(
        run.summary.run_id,
        queue,
        context.settings.sections,
        context.client_options(),
        context.clock,
        run.protection,
        context.chunk_size,
        stored_hashes=hashes,
    )
    run.fetch(job, final=final)


def range_tasks(
    run: Run,
    name: str,
    volume: DailyVolume,
    ranges: Sequence[DateRange],
    *,
    end_date: EndDate | None,
) -> list[Task]:
    """Return tasks that read whole ranges of days.

    Args:
        run: The run; its id begins the names of the tasks.
        name: Second part of the names.
        volume: Expected submissions per day.
        ranges: UTC days.
        end_date: How the server reads `end_date`.
    """
    settings = run.context.settings
    return day_tasks(
        f"{run.summary.run_id}/{name}",
        ranges,
        volume,
        today(run),
        end_date=end_date,
        workers=settings.max_concurrency,
        page_size=settings.page_size,
    )


def resolve_end_date(run: Run, *, probe: bool) -> EndDate | None:
    """Return how the server reads `end_date`: inclusive or exclusive.

    Args:
        run: Its next commit saves the answer, so later runs do not probe again.
        probe: Whether to spend two requests on the probe if the answer is unknown.
    """
    answer = end_date(run.committer.state)
    if answer is not None or not probe:
        return answer

    async def ask() -> EndDate | None:
        async with run.context.client_options(page_size=1).connect() as client:
            section = "others" if run.context.settings.sections else None
            answer = await probe_end_date(client, section)
            run.summary.requests += client.stats.requests
            return answer

    answer = asyncio.run(ask())
    if answer is not None:
        run.committer.remember({"end_date": answer})
    return answer


def load_stored_days(run: Run) -> list[DayStats]:
    """Return the days the warehouse has submissions of, in order."""
    with destination_errors():
        return stored_days(run.warehouse.client)


def stored_hashes(
    run: Run, ranges: Sequence[DateRange], submission_ids: Sequence[str] = ()
) -> dict[str, str]:
    """Return the content hashes of stored submissions that are about to be read again.

    The fetch process drops submissions that come back with the same hash.

    Args:
        run: The run.
        ranges: UTC days that will be read.
        submission_ids: Submissions that will be requested by id.

    Returns:
        Content hashes by submission id.
    """
    with destination_errors():
        return content_hashes(run.warehouse.client, ranges, submission_ids)
