"""Reconcile: compare the warehouse with the source, and repair what differs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from argos_sync.api import Query
from argos_sync.api.errors import ApiFailure
from argos_sync.commands.comparison import Comparison, DayDifference
from argos_sync.commands.sync import (
    check_range,
    known_end_date,
    range_tasks,
    run_tasks,
)
from argos_sync.fetch.reader import TaskPage, read_tasks
from argos_sync.fetch.refetch import cheapest_requests, id_tasks
from argos_sync.fetch.windows import DailyVolume, DateRange, EndDate, Window
from argos_sync.load.errors import destination_errors
from argos_sync.run.context import Context, open_run
from argos_sync.run.deletions import MAX_DELETED, confirm_deletions
from argos_sync.run.run import Run
from argos_sync.run.summary import RunSummary
from argos_sync.run.upkeep import daily_volume, within
from argos_sync.warehouse.submissions import stored_days, submission_versions

DIFFERENCE = 6
"""Exit code of a dry run that found one."""


class TooManyDeletions(ApiFailure):
    """More of the source is gone than may be believed; nothing was marked."""

    advice = "ask ARGOS whether that many were deleted; if so, give --max-deleted a larger share"


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """What was found, and done about it.

    Attributes:
        report: The run; of a dry run it counts what would be done.
        days: Days that differ, in order.
        held: Submissions the warehouse had in the range.
    """

    report: RunSummary
    days: tuple[DayDifference, ...]
    held: int


def reconcile(
    context: Context,
    first: date,
    last: date,
    *,
    deep: bool = False,
    dry_run: bool = False,
    max_deleted: float = MAX_DELETED,
) -> ReconcileResult:
    """Compare ids with the source day by day, fetch what is missing, mark what is gone.

    Ids are compared through `request_type=others`, the smallest answer that carries `created_at`.

    Args:
        context: Settings and target.
        first: First day, UTC.
        last: Last day, UTC, included.
        deep: Compare contents too, and fetch what differs.
        dry_run: Only tell; the run's exit status is 6 when something differs.
        max_deleted: Share of the range's submissions that may be marked as deleted.

    Raises:
        ConfigurationError: The range ends before it begins.
        TooManyGone: More than `max_deleted` are gone; what was missing has been fetched.
        ArgosError: See `api.errors`, `load.failures`.
    """
    check_range(first, last)
    wanted = DateRange(first, last)
    with open_run(context, "reconcile") as run, destination_errors():
        run.checks_all = True
        compared = _compare(context, run, wanted, deep=deep)
        result = ReconcileResult(run.report, tuple(compared.differences), compared.held)
        if not result.days:
            run.report.note = f"no difference among {result.held:,} submissions"
        if dry_run:
            _tell(run, result)
        else:
            _repair(context, run, wanted, result, max_deleted)
            run.repaired = [wanted]
    return result


def _compare(context: Context, run: Run, wanted: DateRange, *, deep: bool) -> Comparison:
    client, sections = run.warehouse.client, context.settings.sections
    pace = daily_volume(stored_days(client), wanted.first)
    tasks = range_tasks(context, run, "compare", pace, [wanted], end_date=None)
    end_date = known_end_date(context, run, probe=len(tasks) > 1)
    query = _query if deep else _lightest
    comparison = Comparison(
        wanted,
        [replace(t, query=partial(query, t.window, end_date)) for t in tasks if t.window],
        partial(submission_versions, client),
        partial(run.protection.content_hash, sections=sections) if deep else None,
        run.protection.suppression,
    )
    asyncio.run(_read(context, run, comparison, sections if deep else ()))
    return comparison


async def _read(
    context: Context, run: Run, comparison: Comparison, sections: Sequence[str]
) -> None:
    async def deliver(page: TaskPage) -> None:
        context.progress.fetched(page.task.label, len(page.items))
        comparison.add(page)

    async with context.client(context.settings)() as client:
        try:
            await read_tasks(
                client,
                comparison.tasks,
                sections=sections,
                concurrency=context.settings.max_concurrency,
                deliver=deliver,
            )
        finally:
            run.count_requests(client.stats)


def _repair(
    context: Context, run: Run, wanted: DateRange, result: ReconcileResult, max_deleted: float
) -> None:
    lost = [key for day in result.days for key in day.gone]
    too_many = len(lost) > max_deleted * result.held
    if lost and not too_many:
        client, since, at = run.warehouse.client, run.report.started_at, context.clock()
        look_again = partial(run_tasks, context, run)
        run.note_deleted(confirm_deletions(client, lost, since=since, at=at, look_again=look_again))
    _fetch_again(context, run, result.days, final=not too_many)
    if too_many:
        raise TooManyDeletions(
            f"{len(lost)} of {result.held} submissions from {wanted.first} to {wanted.last} are"
            f" gone from the source, more than {max_deleted:.4g} of them"
        )


def _fetch_again(context: Context, run: Run, days: Sequence[DayDifference], *, final: bool) -> None:
    """Fetch what is missing or differs, by day or one by one."""
    wanted = {day.day: (*day.missing, *day.changed) for day in days if day.missing or day.changed}
    held = stored_days(run.warehouse.client)
    counts = {day.day: day.rows for day in held} | {day.day: day.source for day in days}
    numbers = {day: len(ids) for day, ids in wanted.items()}
    split = cheapest_requests(numbers, counts, context.settings.page_size)
    end_date = known_end_date(context, run, probe=False)
    pace = DailyVolume(counts)
    tasks = range_tasks(context, run, "repair", pace, split.by_day, end_date=end_date)
    alone = [day for day in wanted if any(within(day, one) for one in split.by_id)]
    ids = [key for day in alone for key in wanted[day]]
    run_tasks(context, run, [*tasks, *id_tasks("repair", ids)], final=final)


def _tell(run: Run, result: ReconcileResult) -> None:
    """Count what would be done."""
    run.report.submissions_new = sum(len(day.missing) for day in result.days)
    run.report.submissions_changed = sum(len(day.changed) for day in result.days)
    run.report.submissions_deleted = sum(len(day.gone) for day in result.days)
    run.exit_status = DIFFERENCE if result.days else 0


def _query(window: Window, end_date: EndDate | None, section: str | None) -> Query:
    return window.query(end_date, section)


def _lightest(window: Window, end_date: EndDate | None, _: str | None) -> Query:
    return window.query(end_date, "others")
