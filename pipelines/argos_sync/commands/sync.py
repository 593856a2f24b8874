"""The commands that load: sync, backfill, refresh."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date
from functools import partial

from argos_sync.api import Query
from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.checkpoint import (
    SYNC,
    complete_before,
    end_date,
    first_synced_day,
    high_water_mark,
    unfinished_plan,
)
from argos_sync.fetch.end_date import probe_end_date
from argos_sync.fetch.job import FetchJob
from argos_sync.fetch.plan import Plan
from argos_sync.fetch.reader import Task
from argos_sync.fetch.refetch import day_tasks, query_tasks
from argos_sync.fetch.windows import DailyVolume, DateRange, EndDate, add_days, nightly_range
from argos_sync.fetch.work import WorkQueue
from argos_sync.load.errors import destination_errors
from argos_sync.run.context import Context, open_run
from argos_sync.run.deletions import confirm_deletions, find_deletions
from argos_sync.run.run import Run
from argos_sync.run.summary import RunSummary
from argos_sync.run.upkeep import UpkeepPlan, daily_volume, plan_upkeep
from argos_sync.warehouse.submissions import (
    DayStats,
    content_hashes,
    mark_deleted_fetched,
    stored_days,
)


def sync(context: Context) -> RunSummary:
    """Bring the warehouse up to date, in four tiers.

    New submissions since the high-water mark, the look-back window again, older submissions that
    are still open, and tonight's share of the sweep over all others. What the source no longer
    has of them is marked as deleted. A sync that was interrupted is finished first.

    Raises:
        ArgosError: See `api.errors`, `load.failures`.
    """
    settings = context.settings
    with open_run(context, SYNC) as run:
        unfinished = unfinished_plan(run.warehouse.state, SYNC, settings.sections)
        # An unfinished first sync that is to begin elsewhere now begins anew.
        first = high_water_mark(run.warehouse.state) is None
        if unfinished and not (first and unfinished.wanted.first != settings.first_day):
            run_plan(context, run, unfinished, final=False)
        _tonight(context, run)
    return run.report


def backfill(
    context: Context, first: date, last: date, workers: int | None = None, *, force: bool = False
) -> RunSummary:
    """Load exactly the submissions created from one day (UTC) to another, both included.

    A backfill of the same range that was interrupted is gone on with, and one that was finished
    fetches only the days that were not over then. The nightly high-water mark stays as it is.

    Args:
        context: Settings and target.
        first: First day, UTC.
        last: Last day, UTC.
        workers: Windows read at once; None is `max_concurrency`.
        force: Read everything again, whatever was read before.

    Raises:
        ConfigurationError: The range ends before it begins.
        ArgosError: See `api.errors`, `load.failures`.
    """
    check_range(first, last)
    name, sections = f"backfill {first} {last}", context.settings.sections
    with open_run(context, "backfill", days=DateRange(first, last)) as run:
        state = {} if force else run.warehouse.state
        settled = complete_before(state, name, sections)
        if settled is not None and settled > last:
            run.report.note = f"{first} to {last} was finished before; --force reads it again"
            return run.report
        unfinished = unfinished_plan(state, name, sections)
        wanted = DateRange(max(first, settled) if settled else first, last)
        plan = unfinished.reopened() if unfinished else _new_plan(context, run, name, wanted)
        pace = daily_volume(_held_days(run), plan.wanted.first)
        run_plan(context, run, plan, workers, pace=pace)
        if unfinished is None:
            run.whole = [wanted]
    return run.report


def refresh(
    context: Context,
    *,
    submission_ids: Sequence[str] = (),
    userid: str | None = None,
    email: str | None = None,
) -> RunSummary:
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
    with open_run(context, "refresh") as run:
        run_tasks(context, run, query_tasks("refresh", queries), final=True)
        if not run.report.submissions_fetched:
            run.report.note = "the API has none of them, or they were forgotten here"
    return run.report


def check_range(first: date, last: date) -> None:
    """Refuse a range that ends before it begins.

    Raises:
        ConfigurationError: It does.
    """
    if last < first:
        raise ConfigurationError(
            f"the range ends on {last}, before it begins on {first}", "swap --from and --to"
        )


def run_plan(
    context: Context,
    run: Run,
    plan: Plan,
    workers: int | None = None,
    *,
    pace: DailyVolume | None = None,
    final: bool = True,
) -> None:
    """Read and load what a plan has left."""
    work = _work(context, plan, pace, workers)
    work.end_date = known_end_date(context, run, probe=not work.is_one_window)
    held = _held_hashes(run, [plan.wanted])
    run.read(_reading(context, run, work, held), final=final)


def run_tasks(context: Context, run: Run, tasks: Sequence[Task], *, final: bool = False) -> None:
    """Read and load tasks that need no place to go on from."""
    if tasks:
        work = WorkQueue(further=tasks, workers=context.settings.max_concurrency)
        run.read(_reading(context, run, work), final=final)


def range_tasks(
    context: Context,
    run: Run,
    name: str,
    pace: DailyVolume,
    ranges: Sequence[DateRange],
    *,
    end_date: EndDate | None,
) -> list[Task]:
    """Return tasks that read ranges of days whole, named after the run."""
    return day_tasks(
        f"{run.report.run_id}/{name}",
        ranges,
        pace,
        run.report.started_at.astimezone(UTC).date(),
        end_date=end_date,
        workers=context.settings.max_concurrency,
        page_size=context.settings.page_size,
    )


def known_end_date(context: Context, run: Run, *, probe: bool) -> EndDate | None:
    """Return how the server reads `end_date`, found out once and remembered.

    Args:
        context: Settings and target.
        run: Remembers it.
        probe: Whether it is worth two requests to find out.
    """
    known = end_date(run.warehouse.state | run.learned)
    if known is not None or not probe:
        return known

    async def ask() -> EndDate | None:
        async with context.client(context.settings, page_size=1)() as client:
            section = "others" if context.settings.sections else None
            found = await probe_end_date(client, section)
            run.report.requests += client.stats.requests
            return found

    found = asyncio.run(ask())
    if found is not None:
        run.learned["end_date"] = found
    return found


def _tonight(context: Context, run: Run) -> None:
    """Read the four tiers, and mark what is gone."""
    settings, state = context.settings, run.warehouse.state
    mark, now = high_water_mark(state), run.report.started_at
    wanted = nightly_range(
        now.astimezone(UTC).date(), mark, settings.lookback_days, settings.first_day
    )
    days = _held_days(run)
    plan = _new_plan(context, run, SYNC, wanted)
    work = _work(context, plan, daily_volume(days, wanted.first))
    work.end_date = known_end_date(context, run, probe=not work.is_one_window)
    older = UpkeepPlan()
    if wanted.first is not None:
        with destination_errors():
            older = plan_upkeep(
                run.warehouse.client,
                days,
                wanted.first,
                DateRange(first_synced_day(state), add_days(wanted.first, -1)) if mark else None,
                sections=settings.sections,
                now=now,
                sweep_days=settings.sweep_days,
                page_size=settings.page_size,
                day_tasks=partial(
                    range_tasks,
                    context,
                    run,
                    "again",
                    daily_volume(days, None),
                    end_date=work.end_date,
                ),
            )
    work.further = older.tasks
    run.whole = [wanted, *older.ranges]
    held = _held_hashes(run, run.whole, older.submission_ids)
    run.read(_reading(context, run, work, held))
    if mark is not None:
        _mark_gone(context, run, run.whole, older.submission_ids)


def _mark_gone(
    context: Context, run: Run, ranges: Sequence[DateRange], submission_ids: Sequence[str]
) -> None:
    client, since = run.warehouse.client, run.report.started_at
    with destination_errors():
        gone = find_deletions(client, ranges, submission_ids, since)
        if gone.too_many:
            run.note_too_many_gone(gone)
        elif gone.count:
            look_again = partial(run_tasks, context, run)
            at = context.clock()
            ids = gone.submission_ids
            run.note_deleted(
                confirm_deletions(client, ids, since=since, at=at, look_again=look_again)
            )
        mark_deleted_fetched(client, ranges, since, context.clock())


def _held_days(run: Run) -> list[DayStats]:
    with destination_errors():
        return stored_days(run.warehouse.client)


def _held_hashes(
    run: Run, ranges: Sequence[DateRange], submission_ids: Sequence[str] = ()
) -> dict[str, str]:
    with destination_errors():
        return content_hashes(run.warehouse.client, ranges, submission_ids)


def _new_plan(context: Context, run: Run, name: str, wanted: DateRange) -> Plan:
    begun, sections = run.report.started_at, context.settings.sections
    return Plan.new(name, run.report.run_id, begun=begun, wanted=wanted, sections=sections)


def _work(
    context: Context, plan: Plan, pace: DailyVolume | None = None, workers: int | None = None
) -> WorkQueue:
    settings = context.settings
    return WorkQueue(
        plan,
        workers=workers or settings.max_concurrency,
        page_size=settings.page_size,
        pace=pace or DailyVolume(),
    )


def _reading(
    context: Context, run: Run, work: WorkQueue, held: Mapping[str, str] | None = None
) -> FetchJob:
    return FetchJob(
        run.report.run_id,
        work,
        context.settings.sections,
        context.client(context.settings),
        context.clock,
        run.protection,
        context.chunk_size,
        held=held or {},
    )
