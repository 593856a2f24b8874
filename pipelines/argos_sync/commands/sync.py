"""`sync`: the nightly run, in four tiers."""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from difflib import get_close_matches

from argos_sync.api.errors import ConfigurationError, IncompleteWalk
from argos_sync.fetch.checkpoint import (
    SYNC,
    first_synced_day,
    high_water_mark,
    read_days,
    unfinished_plan,
)
from argos_sync.fetch.ledger import Plan
from argos_sync.fetch.windows import DailyVolume, DateRange, EndDate, add_days, nightly_range
from argos_sync.run.context import Context
from argos_sync.run.deletions import erase_deleted, mark_deletions
from argos_sync.run.jobs import (
    new_plan,
    new_queue,
    resolve_end_date,
    run_plan,
    run_queue,
    run_tasks,
    today,
    window_tasks,
)
from argos_sync.run.opening import open_run
from argos_sync.run.quarantine import retry_quarantined
from argos_sync.run.run import Run
from argos_sync.run.summary import RunSummary
from argos_sync.run.upkeep import UpkeepPlan, daily_volume, days_beside, plan_upkeep
from argos_sync.shape.section_content import GUARDED_SECTIONS
from argos_sync.warehouse.drift import Drift
from argos_sync.warehouse.overview import last_run_start
from argos_sync.warehouse.submissions import (
    content_hashes,
    count_not_fetched_by_day,
    latest_credible,
    stored_days,
)

log = logging.getLogger("argos_sync")


def sync(
    context: Context, accept_emptied: Collection[str] = (), *, new_key: bool = False
) -> RunSummary:
    """Bring the warehouse up to date, in four tiers.

    The sync reads submissions created since the high-water mark, the look-back window, older
    submissions that are still open, and tonight's share of the sweep. It marks submissions as
    deleted that the source no longer has, and erases those marked `erase_deleted_after_days` ago.
    Quarantined submissions are requested again. An interrupted sync is finished first.
    `accept_emptied` are sections that any number of submissions may have lost (`run.second_look`).
    With `new_key` the API key is taken for one of the warehouse's project, although the API returns
    none of the warehouse's submissions.

    Raises:
        ConfigurationError: There is no such section.
        AnotherProject: The API key is not of the project that the warehouse was loaded from.
        IncompleteWalk: A part cannot be read; everything else has been read.
        TooManyUnreadable: Too many submissions are in quarantine; everything else has been read.
        ArgosError: See `api.errors`, `load.errors`.
    """
    settings = context.settings
    if unknown := set(accept_emptied) - GUARDED_SECTIONS:
        sections = ", ".join(sorted(GUARDED_SECTIONS))
        nearest = get_close_matches(min(unknown), GUARDED_SECTIONS, 1)
        remedy = f"did you mean {nearest[0]}? Use one of" if nearest else "use one of"
        raise ConfigurationError("there is no such section to accept", f"{remedy} {sections}")
    with open_run(context, SYNC, new_key=new_key) as run:
        run.content_guard.accepted = frozenset(accept_emptied)
        unfinished = unfinished_plan(run.warehouse.state, SYNC, settings.sections)
        # If `start_date` has changed, an unfinished first sync starts over.
        is_first = high_water_mark(run.warehouse.state) is None
        if unfinished and is_first and unfinished.days.first != settings.first_day:
            unfinished = None
        if unfinished and not unfinished.lacks_only_gaps:
            try:
                run_plan(run, unfinished, final=False)
            except IncompleteWalk as gap:
                log.warning("%s", gap.message)
            unfinished = run.committer.latest(unfinished)
        _run_tiers(run, unfinished)
    return run.summary


def _run_tiers(run: Run, earlier: Plan | None) -> None:
    """Read the four tiers, two with `nightly_range` and two with `plan_upkeep`; mark deletions.

    The gaps of an earlier plan are tried again.
    """
    settings, state = run.context.settings, run.warehouse.state
    mark = high_water_mark(state)
    if mark is not None:
        run.drift = Drift.from_state(state.get("drift")).next_night()
    trusted = _trusted_mark(run, mark)
    nightly = nightly_range(today(run), trusted, settings.lookback_days, settings.first_day)
    days = stored_days(run.warehouse.client)
    plan = new_plan(run, SYNC, nightly)
    if earlier:
        plan = plan.with_gaps_of(earlier)
    queue = new_queue(run, plan, daily_volume(days, today(run), read_days(state)))
    # Every later night reads many windows; each would ask for one more day.
    queue.end_date = resolve_end_date(run, probe=True)
    older = UpkeepPlan()
    if nightly.first is not None:
        synced = DateRange(first_synced_day(state), add_days(nightly.first, -1)) if mark else None
        older = plan_upkeep(run, days, nightly.first, synced, queue.end_date)
    queue.extra_tasks = older.tasks
    run.coverage.complete = [nightly, *older.ranges]
    hashes = content_hashes(run.warehouse.client, run.coverage.complete, older.submission_ids)
    run_queue(run, queue, hashes)
    _read_days_beside(run, older.ranges, queue.end_date)
    if mark is not None:
        mark_deletions(run, run.coverage.complete, older.submission_ids)
    erase_deleted(run)
    retry_quarantined(run)


def _trusted_mark(run: Run, mark: datetime | None) -> datetime | None:
    """Return the high-water mark; the last sync's start if a wrong clock moved it too far."""
    if mark is None or mark <= latest_credible(run.summary.started_at):
        return mark
    return last_run_start(run.warehouse.client, run.summary.started_at, SYNC) or mark


def _read_days_beside(run: Run, ranges: Sequence[DateRange], end_date: EndDate | None) -> None:
    """Read the days beside ranges of `plan_upkeep` that lack stored submissions.

    Servers whose days are not UTC list them there; others no longer have them.
    """
    missing = count_not_fetched_by_day(run.warehouse.client, ranges, run.period)
    windows = days_beside(ranges, missing)
    run_tasks(run, window_tasks(run, "beside", DailyVolume(), windows, end_date=end_date))
