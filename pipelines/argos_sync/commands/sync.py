"""`sync`: the nightly run, in four tiers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from argos_sync.fetch.checkpoint import SYNC, first_synced_day, high_water_mark, unfinished_plan
from argos_sync.fetch.windows import DateRange, add_days, nightly_range
from argos_sync.load.errors import destination_errors
from argos_sync.run.context import Context
from argos_sync.run.deletions import confirm_deletions, find_deletion_candidates
from argos_sync.run.jobs import (
    load_stored_days,
    new_plan,
    new_queue,
    range_tasks,
    resolve_end_date,
    run_plan,
    run_queue,
    run_tasks,
    stored_hashes,
    today,
)
from argos_sync.run.opening import open_run
from argos_sync.run.run import Run
from argos_sync.run.summary import RunSummary
from argos_sync.run.upkeep import UpkeepPlan, daily_volume, plan_upkeep
from argos_sync.warehouse.submissions import mark_tombstones_fetched


def sync(context: Context) -> RunSummary:
    """Bring the warehouse up to date, in four tiers.

    The sync reads submissions created since the high-water mark, the look-back window, older
    submissions that are still open, and tonight's share of the sweep. It marks submissions as
    deleted that the source no longer has. An interrupted sync is finished first.

    Raises:
        ArgosError: See `api.errors`, `load.errors`.
    """
    settings = context.settings
    with open_run(context, SYNC) as run:
        unfinished = unfinished_plan(run.warehouse.state, SYNC, settings.sections)
        # If `start_date` has changed, an unfinished first sync starts over.
        is_first = high_water_mark(run.warehouse.state) is None
        if unfinished and not (is_first and unfinished.days.first != settings.first_day):
            run_plan(run, unfinished, final=False)
        _run_tiers(run)
    return run.summary


def _run_tiers(run: Run) -> None:
    """Read the four tiers, two with `nightly_range` and two with `plan_upkeep`; mark deletions."""
    settings, state = run.context.settings, run.warehouse.state
    mark = high_water_mark(state)
    nightly = nightly_range(today(run), mark, settings.lookback_days, settings.first_day)
    days = load_stored_days(run)
    plan = new_plan(run, SYNC, nightly)
    queue = new_queue(run, plan, daily_volume(days, nightly.first))
    queue.end_date = resolve_end_date(run, probe=not queue.is_one_window)
    older = UpkeepPlan()
    if nightly.first is not None:
        synced = DateRange(first_synced_day(state), add_days(nightly.first, -1)) if mark else None
        with destination_errors():
            older = plan_upkeep(
                run.warehouse.client,
                days,
                nightly.first,
                synced,
                sections=settings.sections,
                now=run.summary.started_at,
                sweep_days=settings.sweep_days,
                page_size=settings.page_size,
                day_tasks=partial(
                    range_tasks, run, "again", daily_volume(days, None), end_date=queue.end_date
                ),
            )
    queue.extra_tasks = older.tasks
    run.coverage.complete = [nightly, *older.ranges]
    hashes = stored_hashes(run, run.coverage.complete, older.submission_ids)
    run_queue(run, queue, hashes)
    if mark is not None:
        _mark_deletions(run, run.coverage.complete, older.submission_ids)


def _mark_deletions(run: Run, ranges: Sequence[DateRange], submission_ids: Sequence[str]) -> None:
    """Mark submissions as deleted that the source no longer returns, unless there are too many."""
    client, since, clock = run.warehouse.client, run.summary.started_at, run.context.clock
    with destination_errors():
        candidates = find_deletion_candidates(client, ranges, submission_ids, since)
        if candidates.too_many:
            run.report_too_many_deletions(candidates)
        elif candidates.count:
            deleted = confirm_deletions(
                client,
                candidates.submission_ids,
                since=since,
                at=clock(),
                refetch=partial(run_tasks, run),
            )
            run.count_deleted(deleted)
        mark_tombstones_fetched(client, ranges, since, clock())
