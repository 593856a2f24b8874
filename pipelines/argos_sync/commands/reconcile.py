"""`reconcile`: compare the warehouse with the source, and repair the differences."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from argos_sync.api.errors import ApiFailure, IncompleteWalk
from argos_sync.commands.backfill import check_range
from argos_sync.commands.comparison import Comparison, DayDifference
from argos_sync.fetch.checkpoint import read_days
from argos_sync.fetch.completeness import Reading
from argos_sync.fetch.ledger import TaskProgress
from argos_sync.fetch.list_probe import ListsAreIncomplete, Suspect
from argos_sync.fetch.reader import read_tasks
from argos_sync.fetch.refetch import cheapest_requests, id_tasks
from argos_sync.fetch.task import Task, TaskPage
from argos_sync.fetch.windows import ALL_DAYS, DailyVolume, DateRange
from argos_sync.run.context import Context
from argos_sync.run.deletions import MAX_DELETED, confirm_deletions
from argos_sync.run.history import history_rows, status_columns
from argos_sync.run.jobs import (
    add_suspect,
    new_plan,
    new_queue,
    range_tasks,
    resolve_end_date,
    resolve_reading,
    run_tasks,
    today,
)
from argos_sync.run.opening import open_run
from argos_sync.run.run import Run
from argos_sync.run.second_look import load_withheld
from argos_sync.run.summary import RunSummary
from argos_sync.run.upkeep import daily_volume
from argos_sync.shape.identity import Identity, identify
from argos_sync.warehouse.fingerprints import Fingerprinter
from argos_sync.warehouse.rows import (
    delete_children,
    delete_orphaned_rows,
    orphaned_ids,
    stored_submissions,
)
from argos_sync.warehouse.submissions import stored_days, submission_versions

_MAX_ORPHANS = 1_000
"""Each costs a request."""

DIFFERENCE = 6
"""Exit code of a dry run that found a difference."""


class TooManyDeletions(ApiFailure):
    """More submissions are missing from the source than is plausible; none was marked."""

    advice = "ask ARGOS whether that many were deleted; if so, give --max-deleted a larger share"


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """The days that differ, in order, and the run that repaired them, or would repair them.

    The warehouse had `stored` submissions in the range, and the source `unreadable` ones. `orphans`
    are the ids of submissions that have rows in other tables, but none in `submissions`, and are
    not missing in any of these days.
    """

    summary: RunSummary
    days: tuple[DayDifference, ...]
    stored: int
    unreadable: int = 0
    orphans: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether there is anything to repair."""
        return bool(self.days or self.orphans)


def reconcile(
    context: Context,
    first: date,
    last: date,
    *,
    deep: bool = False,
    dry_run: bool = False,
    max_deleted: float = MAX_DELETED,
) -> ReconcileResult:
    """Compare the warehouse with the source by day, fetch missing submissions, mark deleted ones.

    The days are UTC, both included. Ids are read with `request_type=others`, the smallest response
    that has `created_at`; `deep` compares contents too, those of every table included, fetches
    submissions that differ, and removes rows whose submission neither side has. With
    `dry_run` the command only counts what a repair would do, and the exit code is 6 if anything
    differs. `max_deleted` is the largest share of submissions that may be marked as deleted because
    they are missing from the source. Deletion stubs are marked however many there are; without
    `deep`, those whose section `others` says that they are deleted.

    Raises:
        ConfigurationError: The range ends before it begins.
        TooManyDeletions: More than `max_deleted` are missing from the source. Differences have been
            fetched, but nothing was marked as deleted.
        ArgosError: See `api.errors`, `load.errors`.
    """
    check_range(first, last)
    days = DateRange(first, last)
    with open_run(context, "reconcile") as run:
        run.coverage.all_rows = True
        result = _compare(run, first, last, deep=deep)
        if not result.differs:
            run.summary.add_note(f"no difference among {result.stored:,} submissions")
        if result.unreadable:
            run.summary.add_note(f"{result.unreadable:,} submissions of the source cannot be read")
        if dry_run:
            run.summary.submissions_new = sum(len(day.missing) for day in result.days)
            run.summary.submissions_changed = sum(len(day.changed) for day in result.days)
            run.summary.submissions_deleted = sum(len(day.deleted) for day in result.days)
            run.exit_status = DIFFERENCE if result.differs else 0
            if result.orphans:
                count = len(result.orphans)
                run.summary.add_note(f"rows of {count:,} submissions have no parent row")
        else:
            _repair(run, days, result, max_deleted)
            _repair_orphans(run, result.orphans)
            run.coverage.repaired = [days]
    return result


def _compare(
    run: Run, first: date, last: date, *, deep: bool, suspects: Sequence[Suspect] = ()
) -> ReconcileResult:
    client = run.warehouse.client
    sections = run.context.settings.sections
    volume = daily_volume(stored_days(client), today(run), read_days(run.warehouse.state))
    # Long windows, as for one worker: the last page of each is not full.
    queue = new_queue(run, new_plan(run, "compare", DateRange(first, last)), volume, workers=1)
    comparison = Comparison(
        first,
        last,
        queue.unread,
        partial(submission_versions, client),
        partial(run.protection.read_content, sections=sections),
        deep,
        run.protection.suppression,
        _fingerprinter(run) if deep else None,
    )
    # A list of ids may be a summary. What a list hides, its content never shows.
    reading = (
        resolve_reading(run, again=True, suspects=suspects)
        if deep
        else Reading("list", ("others",))
    )

    def add(page: TaskPage) -> None:
        queue.record(page, TaskProgress(page.cursor, page.done, len(page.items)))
        comparison.add(page)

    try:
        asyncio.run(_read(run, queue.tasks(), reading, add))
    except ListsAreIncomplete as error:
        suspects = [*suspects]
        add_suspect(suspects, error)
        return _compare(run, first, last, deep=deep, suspects=suspects)
    differences = comparison.differences
    if not deep:
        stubs = _find_stubs(run, differences)
        differences = [day.without_stubs(stubs) for day in differences]
    days = tuple(day for day in differences if day.differs)
    orphans = set(orphaned_ids(client, sections) if deep else ())
    orphans.difference_update(key for day in days for key in (*day.missing, *day.changed))
    return ReconcileResult(
        run.summary,
        days,
        comparison.stored_count,
        len(comparison.unreadable),
        tuple(sorted(orphans)),
    )


def _fingerprinter(run: Run) -> Fingerprinter:
    sections = run.context.settings.sections
    return Fingerprinter(
        run.warehouse.client,
        run.protection,
        sections,
        run.warehouse.existing,
        partial(history_rows, stored={}, sections=sections),
        status_columns(sections),
    )


def _find_stubs(run: Run, differences: Sequence[DayDifference]) -> set[str]:
    """Return the missing submissions that are deletion stubs, which `others` may not show.

    A stub that the warehouse lacks counts as missing, because it will be loaded; not if deleted
    submissions are erased, because then it may have been erased before.
    """
    settings, stubs = run.context.settings, set()
    erases = settings.erase_deleted_after_days is not None
    suspected = {day.day: day.missing if erases else day.marked for day in differences}
    if not any(suspected.values()):
        return set()

    def add(page: TaskPage) -> None:
        for item in page.items:
            identity = identify(item)
            is_stub = run.protection.read_content(item, settings.sections)[1]
            if isinstance(identity, Identity) and is_stub:
                stubs.add(identity.submission_id)

    reading = resolve_reading(run)
    tasks = _cheapest_tasks(run, "look for deletion stubs", suspected, differences, reading)
    # What a list does not show, or cannot be read, stays missing, and the repair fetches it.
    with suppress(IncompleteWalk):
        asyncio.run(_read(run, tasks, replace(reading, is_verified=False), add))
    return stubs


async def _read(
    run: Run, tasks: Iterable[Task], reading: Reading, add: Callable[[TaskPage], None]
) -> None:
    """Read tasks of the source, and pass on their pages."""

    async def deliver(page: TaskPage) -> None:
        run.context.progress.page_fetched(page.task.label, len(page.items))
        add(page)

    concurrency = run.context.settings.max_concurrency
    async with run.client_options().connect() as client:
        try:
            await read_tasks(
                client, tasks, reading=reading, concurrency=concurrency, deliver=deliver
            )
        finally:
            run.summary.count_requests(client.stats)


def _repair(run: Run, days: DateRange, result: ReconcileResult, max_deleted: float) -> None:
    vanished = [key for day in result.days for key in day.deleted if key not in day.stubs]
    too_many = len(vanished) > max_deleted * result.stored
    # Those that the warehouse has on another day than the source have a damaged `created_at`.
    run.damaged = {key for day in result.days for key in (*day.damaged, *day.missing)}
    if vanished and not too_many:
        confirm_deletions(run, vanished)
    _fetch_differences(run, result.days, final=not (too_many or result.orphans))
    if too_many:
        load_withheld(run)
        raise TooManyDeletions(
            f"{len(vanished)} of {result.stored} submissions from {days.first} to {days.last} are"
            f" gone from the source, more than {max_deleted:.4g} of them"
        )


def _repair_orphans(run: Run, orphans: Sequence[str]) -> None:
    """Fetch the submissions that orphaned rows belong to; delete those that remain.

    Their parent rows cannot come back if the source no longer has the submission.
    They may be of any day, so a reconcile of other days finds many of them with fewer requests.
    """
    if len(orphans) > _MAX_ORPHANS:
        run.summary.add_note(
            f"rows of {len(orphans):,} submissions have no parent row; reconcile the other days too"
        )
        return
    run_tasks(run, id_tasks("orphaned rows", orphans))
    client = run.warehouse.client
    found = stored_submissions(client, orphans)
    sections = run.warehouse.sections
    delete_children(client, sections, [key for key in orphans if key not in found])
    delete_orphaned_rows(client, sections, list(found))


def _fetch_differences(run: Run, differences: Sequence[DayDifference], *, final: bool) -> None:
    """Fetch missing and changed submissions and deletion stubs."""
    to_fetch = {day.day: (*day.missing, *day.changed, *day.stubs) for day in differences}
    tasks: Sequence[Task] = ()
    if any(to_fetch.values()):
        tasks = _cheapest_tasks(run, "repair", to_fetch, differences, resolve_reading(run))
    run_tasks(run, tasks, final=final)


def _cheapest_tasks(
    run: Run,
    name: str,
    to_fetch: Mapping[date, Sequence[str]],
    differences: Sequence[DayDifference],
    reading: Reading,
) -> list[Task]:
    """Return tasks that fetch submissions by day or by id, whichever needs fewer requests."""
    to_fetch = {day: ids for day, ids in to_fetch.items() if ids}
    counts = {day.day: day.rows for day in stored_days(run.warehouse.client)}
    counts |= {day.day: day.source for day in differences}
    sizes = {day: len(ids) for day, ids in to_fetch.items()}
    per_request = reading.submissions_per_request(run.context.settings.page_size)
    split = cheapest_requests(sizes, counts, per_request)
    end_date = resolve_end_date(run, probe=False)
    volume = DailyVolume(counts, read=ALL_DAYS)
    by_day = range_tasks(run, name, volume, split.by_day, end_date=end_date)
    days_by_id = [day for day in to_fetch if any(days.has_day(day) for days in split.by_id)]
    return [*by_day, *id_tasks(name, (key for day in days_by_id for key in to_fetch[day]))]
