"""Submissions the source no longer has: looked for twice, then marked, never removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from argos_sync.fetch.reader import Task
from argos_sync.fetch.refetch import id_tasks
from argos_sync.fetch.windows import DateRange
from argos_sync.load.sql import Client
from argos_sync.warehouse.submissions import (
    count_not_fetched,
    count_submissions,
    filter_not_fetched,
    ids_not_fetched,
    mark_deleted,
)

MAX_DELETED = 0.05
"""Share of what was asked for that may be gone. Beyond it the source answers with holes, or is
another project's, and must not empty a warehouse."""


@dataclass(frozen=True, slots=True)
class DeletionCandidates:
    """What the source did not give although it was asked for.

    Attributes:
        count: How many submissions.
        of: How many it was asked for.
        submission_ids: Which ones; empty when there are too many to be believed.
    """

    count: int
    of: int
    submission_ids: tuple[str, ...] = ()

    @property
    def too_many(self) -> bool:
        """Whether nothing may be marked."""
        return self.count > len(self.submission_ids)


def find_deletions(
    client: Client,
    ranges: Sequence[DateRange],
    submission_ids: Sequence[str],
    since: datetime,
) -> DeletionCandidates:
    """Return what a run has asked for and not been given.

    Args:
        client: Connected to the warehouse.
        ranges: Days (UTC) that were read to their end.
        submission_ids: Submissions that were asked for one by one.
        since: When the run began; what was fetched since then is there.
    """
    lost = filter_not_fetched(client, submission_ids, since)
    asked_for = count_submissions(client, ranges, since) + len(submission_ids)
    count = count_not_fetched(client, ranges, since) + len(lost)
    if count > MAX_DELETED * asked_for:
        return DeletionCandidates(count, asked_for)
    found = sorted({*lost, *ids_not_fetched(client, ranges, since)})
    return DeletionCandidates(len(found), asked_for, tuple(found))


def confirm_deletions(
    client: Client,
    submission_ids: Sequence[str],
    *,
    since: datetime,
    at: datetime,
    look_again: Callable[[Sequence[Task]], None],
) -> int:
    """Mark submissions as deleted, and return how many.

    Lists of an API can have holes, so each submission is asked for once more by its id.

    Args:
        client: Connected to the warehouse.
        submission_ids: What the source did not list.
        since: When the run began; what was fetched since then is there.
        at: Becomes `_deleted_at`.
        look_again: Reads tasks into the warehouse.
    """
    look_again(id_tasks("second look", submission_ids))
    confirmed = filter_not_fetched(client, submission_ids, since)
    mark_deleted(client, confirmed, at)
    return len(confirmed)
