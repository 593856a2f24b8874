"""Build the fetch jobs of a run and run them."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from argos_sync.fetch.checkpoint import end_date
from argos_sync.fetch.completeness import Reading
from argos_sync.fetch.job import FetchJob
from argos_sync.fetch.ledger import Plan
from argos_sync.fetch.list_probe import ListsAreIncomplete, Suspect, find_reading
from argos_sync.fetch.task import Task
from argos_sync.fetch.windows import (
    DailyVolume,
    DateRange,
    EndDate,
    Window,
    day_of,
    next_window,
    padded_window,
    probe_end_date,
)
from argos_sync.fetch.work_queue import WorkQueue
from argos_sync.run.run import Run
from argos_sync.warehouse.submissions import content_hashes

log = logging.getLogger("argos_sync")

MAX_SUSPECTS = 3
"""Submissions that a job may suspect to be incomplete in a list; each takes a few requests."""


def today(run: Run) -> date:
    """Return the UTC day on which the run started."""
    return day_of(run.summary.started_at)


def new_plan(run: Run, name: str, days: DateRange) -> Plan:
    """Return a new plan for some UTC days, named `sync` or `backfill FIRST LAST`."""
    summary = run.summary
    return Plan.new(name, summary.run_id, summary.started_at, days, run.context.settings.sections)


def new_queue(
    run: Run, plan: Plan, volume: DailyVolume | None = None, workers: int | None = None
) -> WorkQueue:
    """Return the work queue of a plan, which reads `max_concurrency` or `workers` windows at once.

    `end_date` is probed unless there is only one window.
    """
    settings = run.context.settings
    queue = WorkQueue(
        plan,
        workers=workers or settings.max_concurrency,
        page_size=settings.page_size,
        volume=volume or DailyVolume(),
    )
    queue.end_date = resolve_end_date(run, probe=not queue.is_one_window)
    return queue


def run_plan(
    run: Run,
    plan: Plan,
    workers: int | None = None,
    *,
    volume: DailyVolume | None = None,
    final: bool = True,
) -> None:
    """Fetch and load the remaining windows of a plan; see `new_queue` and `Run.fetch`."""
    queue = new_queue(run, plan, volume, workers)
    # Submissions with a stored hash come without rows.
    stored = () if run.rewrites_unchanged else [plan.days]
    run_queue(run, queue, content_hashes(run.warehouse.client, stored), final=final)


def run_tasks(run: Run, tasks: Sequence[Task], *, final: bool = False) -> None:
    """Fetch and load tasks that are not resumable; see `Run.fetch`."""
    if tasks:
        queue = WorkQueue(extra_tasks=tasks, workers=run.context.settings.max_concurrency)
        run_queue(run, queue, {}, final=final)


def run_queue(run: Run, queue: WorkQueue, hashes: Mapping[str, str], *, final: bool = True) -> None:
    """Fetch and load a work queue; see `Run.fetch`.

    The fetch process drops submissions that come back with their stored content hash. If lists turn
    out to have become summaries, the rest is read in another way.
    """
    context = run.context
    reading = Reading("list", context.settings.sections)
    if queue.has_lists:
        reading = resolve_reading(run)
        if not run.has_sample:
            reading, run.has_sample = replace(reading, sampled_on=today(run)), True
    job = FetchJob(
        run.summary.run_id,
        queue,
        reading,
        run.client_options(),
        context.clock,
        run.protection,
        context.chunk_size,
        stored_hashes=hashes,
    )
    suspects: list[Suspect] = []
    while True:
        try:
            run.fetch(job, final=final)
        except ListsAreIncomplete as error:
            add_suspect(suspects, error)
            queue = replace(queue, plan=run.committer.latest(queue.plan))
            job = replace(job, queue=queue, reading=resolve_reading(run, suspects=suspects))
        else:
            return


def add_suspect(suspects: list[Suspect], error: ListsAreIncomplete) -> None:
    """Log that a list lacks something, and add the submission to those that a probe compares.

    Raises:
        ListsAreIncomplete: Earlier suspects did not help to find out how to read.
    """
    if error.suspect is None or len(suspects) == MAX_SUSPECTS:
        raise error
    log.warning("%s; the run finds out how to read whole submissions", error.message)
    suspects.append(error.suspect)


def resolve_reading(run: Run, *, again: bool = False, suspects: Sequence[Suspect] = ()) -> Reading:
    """Return how whole submissions are read: as configured, or as a probe has found out.

    See `find_reading`. The next commit saves the answer.
    """
    context = run.context
    answer = asyncio.run(
        find_reading(
            context.settings.completeness,
            context.settings.sections,
            run.committer.state,
            lambda page_size: run.client_options(page_size).connect(),
            today(run),
            again=again,
            suspects=suspects,
        )
    )
    run.committer.remember(answer.state)
    run.summary.count_requests(answer.stats)
    run.summary.completeness = answer.reading.mode
    if answer.change:
        log.warning("%s", answer.change)
        run.summary.add_note(answer.change)
    return answer.reading


def window_tasks(
    run: Run,
    name: str,
    volume: DailyVolume,
    windows: Iterable[tuple[Window, DateRange]],
    *,
    end_date: EndDate | None,
) -> list[Task]:
    """Return tasks that read windows, each with the UTC days to keep of it.

    Their names begin with the run's id and `name`.
    """
    settings, prefix = run.context.settings, f"{run.summary.run_id}/{name}"
    tasks: list[Task] = []
    for days, kept in windows:
        rest: Window | None = days
        while rest is not None:
            # Long windows: the last page of each is not full, and other windows are read beside.
            window, rest = next_window(rest, volume, today(run), 1, settings.page_size)
            query = window.query(end_date)
            name = f"{prefix}/{len(tasks)}"
            tasks.append(Task(name, window.label, query, None, kept, window))
    return tasks


def range_tasks(
    run: Run,
    name: str,
    volume: DailyVolume,
    ranges: Sequence[DateRange],
    *,
    end_date: EndDate | None,
) -> list[Task]:
    """Return tasks that read ranges of UTC days, and keep exactly the submissions of these days.

    See `window_tasks`.
    """
    windows = [(padded_window(days), days) for days in ranges]
    return window_tasks(run, name, volume, windows, end_date=end_date)


def resolve_end_date(run: Run, *, probe: bool) -> EndDate | None:
    """Return how the server reads `end_date`: inclusive or exclusive.

    If that is unknown, `probe` spends two requests to find it out. The next commit saves the
    answer, so later runs do not probe again.
    """
    answer = end_date(run.committer.state)
    if answer is None and probe:
        answer = asyncio.run(_probe(run))
        if answer is not None:
            run.committer.remember({"end_date": answer})
    return answer


async def _probe(run: Run) -> EndDate | None:
    async with run.client_options(page_size=1).connect() as client:
        section = "others" if run.context.settings.sections else None
        answer = await probe_end_date(client, section)
        run.summary.count_requests(client.stats)
        return answer
