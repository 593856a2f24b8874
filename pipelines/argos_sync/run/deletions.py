"""Recognise submissions that vanish from the source, mark them, and erase them some days later.

A submission that comes back as a deletion stub is marked when it is loaded. Others just vanish: a
submission is a candidate if a run requested its day or its id and the API did not return it.
Candidates are requested once more by id before they are marked (soft delete).
"""

from collections.abc import Sequence
from datetime import timedelta

from argos_sync.fetch.refetch import id_tasks
from argos_sync.fetch.windows import DateRange
from argos_sync.run.jobs import run_tasks
from argos_sync.run.run import Run
from argos_sync.warehouse.overview import last_run_start
from argos_sync.warehouse.submissions import (
    count_not_fetched_by_day,
    count_submissions,
    filter_not_fetched,
    ids_deleted_before,
    ids_not_fetched,
    mark_deleted,
    mark_tombstones_fetched,
)

MAX_DELETED = 0.05
"""Largest share of the requested submissions that may be marked as deleted. If more are missing,
the source's lists are incomplete or belong to another project, and nothing is marked."""

_MAX_PAUSE = timedelta(days=7)
"""Time that may pass between two runs. After a longer pause the next run erases what is due."""


def mark_deletions(run: Run, ranges: Sequence[DateRange], submission_ids: Sequence[str]) -> None:
    """Mark submissions as deleted that the source no longer returns, unless there are too many.

    Then the next sync reads their days again, whatever their age.
    The run has read the ranges of UTC days completely, and requested the submissions by id.
    """
    client, period = run.warehouse.client, run.period
    not_found_by_id = filter_not_fetched(client, submission_ids, period)
    not_found_by_day = count_not_fetched_by_day(client, ranges, period)
    count = sum(not_found_by_day.values()) + len(not_found_by_id)
    requested = count_submissions(client, ranges, period.since) + len(submission_ids)
    if count > MAX_DELETED * requested:
        run.report_too_many_deletions(count, requested, not_found_by_day)
    elif count:
        candidates = {*not_found_by_id, *ids_not_fetched(client, ranges, period)}
        confirm_deletions(run, sorted(candidates))
    mark_tombstones_fetched(client, ranges, run.period)


def confirm_deletions(run: Run, candidates: Sequence[str]) -> None:
    """Request each candidate by id, and mark those the source does not return.

    The second request is needed because lists of an API can be incomplete.
    """
    client, at = run.warehouse.client, run.context.clock()
    run_tasks(run, id_tasks("confirm deletion", candidates))
    deleted = filter_not_fetched(client, candidates, run.period)
    mark_deleted(client, deleted, at)
    run.count_deleted(len(deleted))


def erase_deleted(run: Run) -> None:
    """Erase the submissions that were marked as deleted `erase_deleted_after_days` ago.

    They are erased as by `forget`, but may come back: the suppression list does not change.
    """
    days = run.context.settings.erase_deleted_after_days
    if days is None:
        return
    client, now = run.warehouse.client, run.clock()
    # A clock that is years ahead must not erase at once what has years to go.
    previous = last_run_start(client, run.summary.started_at)
    if previous is not None:
        now = min(now, previous + _MAX_PAUSE)
    if submission_ids := ids_deleted_before(client, now - timedelta(days=days)):
        run.eraser.erase(submission_ids, {})
