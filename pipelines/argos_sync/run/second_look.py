"""Decide at the end of a run what becomes of submissions that came back with less than before.

If they are few, each is requested once more by id and then loaded as it comes, because a list of an
API can be incomplete where a single submission is not. If they are more than `max_emptied` of those
that had the section, the source is at fault, or something has happened to it that a person should
confirm: they stay as they were, the run reports it, and the next sync reads their days again.

Those with shorter lists are always loaded as they come. If some of the withheld submissions turn
out to be as before, a list of the API lacked something: the run finds out anew how to read it, and
the days of shorter lists that were loaded unchecked are read again by the next sync.
"""

import logging

from argos_sync.api.errors import ApiFailure, IncompleteWalk
from argos_sync.fetch.list_probe import Suspect
from argos_sync.fetch.refetch import id_tasks
from argos_sync.run.content_guard import SectionLoss
from argos_sync.run.jobs import MAX_SUSPECTS, resolve_reading, run_tasks
from argos_sync.run.journal import section_loss_issues
from argos_sync.run.post_run import notify
from argos_sync.run.run import Run
from argos_sync.warehouse.section_content import delete_windows, emptied_windows

log = logging.getLogger("argos_sync")


def load_withheld(run: Run) -> None:
    """Request withheld submissions once more and load them, unless there are too many.

    Raises:
        ArgosError: See `Run.fetch`. What was not loaded stays as it was, for the next sync.
    """
    guard = run.content_guard
    if not guard.days:
        return
    gap: IncompleteWalk | None = None
    losses = guard.excessive_losses(run.context.settings.max_emptied_share, run.period)
    if losses:
        _report(run, losses)
    if submission_ids := guard.ids_without(losses):
        guard.is_second_look = True
        run.summary.submissions_fetched -= len(submission_ids)  # they are counted once
        try:
            run_tasks(run, id_tasks("second look", submission_ids))
        except IncompleteWalk as error:  # what cannot be read stays withheld
            gap = error
    _check_lists(run)
    unresolved = guard.overflow.union(guard.withheld.values())
    if guard.restored:
        unresolved |= guard.unchecked
    settled = sorted(guard.days - unresolved)
    delete_windows(run.warehouse.client, [guard.window_id(day) for day in settled])
    guard.days &= unresolved
    if gap:
        raise gap


def _check_lists(run: Run) -> None:
    """Find out anew how to read whole submissions if withheld ones are as they were before."""
    restored = run.content_guard.restored
    if not restored:
        return
    log.warning(
        "a list of the API lacked something of %d submissions that requests by id return; nothing"
        " of them was replaced",
        len(restored),
    )
    if run.summary.completeness not in (None, "each"):
        suspects = [Suspect(key, day) for key, day in sorted(restored.items())[:MAX_SUSPECTS]]
        resolve_reading(run, suspects=suspects)


def settle_days(run: Run) -> None:
    """Remove the days of earlier runs from the ledger that this run has read completely.

    Days with submissions that still lack a section are in the ledger under this run's own name. If
    the run has found its lists to be wrong, all days stay.
    """
    guard, client = run.content_guard, run.warehouse.client
    if not run.coverage.complete or guard.restored:
        return
    own = {guard.window_id(day) for day in guard.days}
    settled = [
        window_id
        for window_id, day in emptied_windows(client).items()
        if window_id not in own and any(days.has_day(day) for days in run.coverage.complete)
    ]
    delete_windows(client, settled)


def _report(run: Run, losses: list[SectionLoss]) -> None:
    """Record that too many submissions have lost a section, and notify the webhook."""
    sections = sorted({loss.section for loss in losses})
    options = " ".join(f"--accept-emptied {section}" for section in sections)
    text = (
        f"of the submissions fetched again, {'; '.join(map(str, losses))}: too many to replace"
        " them, and the next sync asks for them again; ask ARGOS, and if it is true, run"
        f" argos-sync sync {options}"
    )
    run.report_section_losses(text, ApiFailure.exit_code)
    run.committer.commit(section_loss_issues(run.summary, [loss.table for loss in losses]))
    log.warning("%s", text)
    notify(run.summary.command, run.warehouse.dataset, f"exit {run.exit_status}: {text}")
