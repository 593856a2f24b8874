"""Try quarantined submissions again, and fail a run that could not read too many of them."""

from argos_sync.api.errors import ApiFailure
from argos_sync.fetch.quarantine import read_quarantined
from argos_sync.fetch.refetch import id_tasks
from argos_sync.run.jobs import run_tasks
from argos_sync.run.run import Run
from argos_sync.shape.contract import QUARANTINE
from argos_sync.shape.identity import identify
from argos_sync.warehouse.quarantine import (
    count_quarantined_submissions,
    ids_to_try,
    mark_received,
    objects_without_id,
    set_submission_id,
)
from argos_sync.warehouse.submissions import count_all_submissions

MAX_UNDATED = 0.05
"""Largest share of what was fetched, or of all submissions, that may be in quarantine although it
has a submission id."""

MAX_QUARANTINED = 0.1
"""Largest share of what was fetched that may be in quarantine at all. It is larger, because an
object without an id may be anything, such as a remark in place of a submission."""

MIN_QUARANTINED = 20
"""With fewer objects in quarantine a run does not fail, however large their share is."""

_FIRST_TRIED = 20
"""Submissions that are tried first: if none can be read, the API still sends what it sent before,
and the others are left to the next runs."""

_MAX_TRIED = 2_000
"""Submissions that one run tries; each is a request."""


class TooManyUnreadable(ApiFailure):
    """Too many objects cannot be read as submissions; everything else is loaded."""

    advice = (
        "the column reason of the table quarantine says why; upgrade argos-sync if the API has"
        " changed its format, or ask ARGOS support; each sync tries them again"
    )


def retry_quarantined(run: Run) -> None:
    """Request quarantined submissions by id; those that can be read leave the quarantine.

    The stored object would be older than what the source has now, and may come from a list of
    summaries. Submissions that this run has received are not requested again.
    """
    if not run.has_quarantine:
        return
    client, run_id = run.warehouse.client, run.summary.run_id
    _find_submission_ids(run)
    received, tried = (run.quarantined, run.undated), 0
    while tried < _MAX_TRIED:
        limit = _MAX_TRIED - tried if tried else _FIRST_TRIED
        pairs = ids_to_try(client, run_id, limit)
        if not pairs:
            break
        fetched = run.summary.submissions_fetched
        # Before the requests: a submission that stops the run must not stop every later run.
        mark_received(client, [quarantine_id for quarantine_id, _ in pairs], run_id)
        ids = (submission_id for _, submission_id in pairs)
        run_tasks(run, id_tasks("quarantined submission", ids), final=True)
        tried += len(pairs)
        if run.summary.submissions_fetched == fetched:
            break
    # What could not be read before is no news of this run.
    run.quarantined, run.undated = received


def find_unreadable(run: Run) -> TooManyUnreadable | None:
    """Return the failure of a run that has received too much it cannot read.

    That is too many objects, or most values of a column. A sync also fails while too many of all
    submissions are in quarantine.
    """
    if run.summary.submissions_fetched:
        run.values_fit = run.misfits.results(run.warehouse.client, run.summary.run_id)
    received = run.quarantined + run.summary.submissions_fetched
    noun = "objects that the API returned"
    failure = _judge(run.undated, received, MAX_UNDATED, noun)
    failure = failure or _judge(run.quarantined, received, MAX_QUARANTINED, noun)
    if failure is None and run.summary.command == "sync" and run.has_quarantine:
        client = run.warehouse.client
        quarantined = count_quarantined_submissions(client)
        total = quarantined + count_all_submissions(client) if quarantined else 0
        failure = _judge(quarantined, total, MAX_UNDATED, "submissions")
    failed = [result.place for result in run.values_fit if not result.passed]
    if run.summary.command != "sync":  # other commands may have fetched nothing to tell by
        failed = [place for place in failed if run.misfits.has(place)]
    if failure is None and failed:
        failure = TooManyUnreadable(
            f"most values of {', '.join(failed)} no longer fit the column; they are in _extra",
            "compare them with the API's answers, upgrade argos-sync if the API has changed its"
            " format, or ask ARGOS support",
        )
    return failure


def _judge(quarantined: int, total: int, share: float, noun: str) -> TooManyUnreadable | None:
    if quarantined < MIN_QUARANTINED or quarantined <= share * total:
        return None
    return TooManyUnreadable(
        f"{quarantined:,} of {total:,} {noun} cannot be read and are in quarantine"
    )


def _find_submission_ids(run: Run) -> None:
    """Store the ids of quarantined objects whose submission id can be read by now."""
    client, policy = run.warehouse.client, run.protection.policy
    if "_extra" not in policy.contract[QUARANTINE].columns_by_name:
        return
    for quarantine_id, extra in objects_without_id(client, run.summary.run_id, _MAX_TRIED):
        if submission_id := identify(read_quarantined(policy, extra)).submission_id:
            key = run.protection.quarantine_id(submission_id)
            set_submission_id(client, quarantine_id, submission_id, key)
