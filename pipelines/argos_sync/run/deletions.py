"""Recognise submissions that the source has deleted, and mark them (soft delete).

The API does not announce deletions. A submission is a candidate if a run requested its day or its
id and the API did not return it. Candidates are requested once more by id before they are marked.
"""

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
"""Largest share of the requested submissions that may be marked as deleted. If more are missing,
the source's lists are incomplete or belong to another project, and nothing is marked."""


@dataclass(frozen=True, slots=True)
class DeletionCandidates:
    """Submissions that were requested and that the source did not return.

    Attributes:
        count: Number of candidates.
        requested: Number of stored submissions that were requested.
        submission_ids: Ids of the candidates; empty if there are too many.
    """

    count: int
    requested: int
    submission_ids: tuple[str, ...] = ()

    @property
    def too_many(self) -> bool:
        """Whether more is missing than is plausible, so that nothing may be marked.

        The ids are left out then (`find_deletion_candidates`).
        """
        return self.count > len(self.submission_ids)


def find_deletion_candidates(
    client: Client,
    ranges: Sequence[DateRange],
    submission_ids: Sequence[str],
    since: datetime,
) -> DeletionCandidates:
    """Return the stored submissions that a run requested and the source did not return.

    Args:
        client: Connected to the warehouse.
        ranges: UTC days that were read completely.
        submission_ids: Submissions that were requested by id.
        since: Start of the run; submissions fetched since then exist.
    """
    not_found_by_id = filter_not_fetched(client, submission_ids, since)
    requested = count_submissions(client, ranges, since) + len(submission_ids)
    count = count_not_fetched(client, ranges, since) + len(not_found_by_id)
    if count > MAX_DELETED * requested:
        return DeletionCandidates(count, requested)
    candidates = sorted({*not_found_by_id, *ids_not_fetched(client, ranges, since)})
    return DeletionCandidates(len(candidates), requested, tuple(candidates))


def confirm_deletions(
    client: Client,
    submission_ids: Sequence[str],
    *,
    since: datetime,
    at: datetime,
    refetch: Callable[[Sequence[Task]], None],
) -> int:
    """Request each candidate by id, mark those the source does not return, and count them.

    The second request is needed because lists of an API can be incomplete.

    Args:
        client: Connected to the warehouse.
        submission_ids: The candidates.
        since: Start of the run; submissions fetched since then exist.
        at: Time to store in `_deleted_at`.
        refetch: Fetches tasks and loads what they return.
    """
    refetch(id_tasks("confirm deletion", submission_ids))
    deleted = filter_not_fetched(client, submission_ids, since)
    mark_deleted(client, deleted, at)
    return len(deleted)
