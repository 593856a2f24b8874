"""Plan what a nightly sync reads beyond the look-back window: open submissions and the sweep.

The sweep fetches every older submission again within `sweep_days`: each night reads the days whose
last fetch is longest ago.
"""

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from argos_sync.fetch.refetch import cheapest_requests, id_tasks
from argos_sync.fetch.task import Task
from argos_sync.fetch.windows import DailyVolume, DateRange, EndDate, add_days, day_of
from argos_sync.run.jobs import range_tasks, resolve_reading, today
from argos_sync.run.run import Run
from argos_sync.warehouse.open_submissions import count_open_by_day, open_submission_ids
from argos_sync.warehouse.submissions import DayStats, midnight

_SLACK = timedelta(days=1.5)
"""Syncs take time and do not start on the minute, so days that would become due shortly before the
next sync are fetched now."""

_RECENT_DAYS = 31
"""Days that the expected volume of the next days is estimated from."""


@dataclass(frozen=True, slots=True)
class UpkeepPlan:
    """Tasks that fetch submissions before the look-back window again.

    They read ranges of UTC days completely, and request open submissions by id.
    """

    tasks: tuple[Task, ...] = ()
    ranges: tuple[DateRange, ...] = ()
    submission_ids: tuple[str, ...] = ()


def plan_upkeep(
    run: Run,
    days: Sequence[DayStats],
    before: date,
    synced: DateRange | None,
    end_date: EndDate | None,
) -> UpkeepPlan:
    """Plan which older submissions are fetched tonight: open ones, and a share of the sweep.

    `days` are the days the warehouse has submissions of, in order, and `before` is the first day of
    the look-back window. The sweep also reads empty days that syncs have read completely, so it
    finds submissions that appear late. Outside of these synced days, where only backfills have
    loaded, it reads the days that have submissions.
    """
    client, settings = run.warehouse.client, run.context.settings
    open_since = midnight(add_days(today(run), -settings.open_days))
    old = [day for day in days if day.day < before]
    counts = {day.day: day.rows for day in days}
    reading = resolve_reading(run)
    # Fetched one by one, the submissions of days beside a range would cost a request each.
    keeps_beside = reading.mode != "each"
    swept = plan_sweep(
        old,
        before,
        synced,
        run.summary.started_at,
        settings.sweep_days,
        keeps_beside=keeps_beside,
    )
    open_counts = {
        day: count
        for day, count in count_open_by_day(client, before, settings.sections, open_since).items()
        if not any(range_.has_day(day) for range_ in swept)
    }
    page_size = reading.submissions_per_request(settings.page_size)
    split = cheapest_requests(open_counts, counts, page_size)
    ranges = (*swept, *split.by_day)
    ids = open_submission_ids(client, split.by_id, settings.sections, open_since)
    beside = counts.keys() if keeps_beside else ()
    kept = [_with_days_beside(range_, beside) for range_ in ranges]
    volume = daily_volume(days, None)
    tasks = range_tasks(run, "again", volume, ranges, end_date=end_date, kept=kept)
    return UpkeepPlan((*tasks, *id_tasks("open submission", ids)), ranges, tuple(ids))


def plan_sweep(
    days: Sequence[DayStats],
    before: date,
    synced: DateRange | None,
    now: datetime,
    sweep_days: int,
    *,
    keeps_beside: bool = False,
) -> list[DateRange]:
    """Return tonight's share of the sweep: the days whose last fetch is longest ago.

    The share is the number of submissions divided by `sweep_days`, plus all days that would become
    older than `sweep_days` before the next night. With `keeps_beside` it includes the day after
    each chosen one, which is fetched, too (`padded_window`). See `plan_upkeep` for the others.
    """
    if not sweep_days or not days:
        return []
    share = math.ceil(sum(day.rows for day in days) / sweep_days)
    due = now - timedelta(days=sweep_days) + _SLACK
    rows = {day.day: day.rows for day in days}
    chosen: set[date] = set()
    fetched: set[date] = set()
    count = 0
    # Days that were fetched on the same day are swept in order, so that they join to few ranges.
    for day in sorted(days, key=lambda day: (day_of(day.oldest_fetch), day.day)):
        if count < share or day.oldest_fetch < due:
            chosen.add(day.day)
            following = {add_days(day.day, 1)} if keeps_beside else set()
            count += sum(rows.get(one, 0) for one in {day.day, *following} - fetched)
            fetched |= {day.day, *following}
    return _join_days(days, chosen, before, synced)


def daily_volume(
    days: Sequence[DayStats], since: date | None, read_before: date | None = None
) -> DailyVolume:
    """Return the expected submissions per day, estimated from the days of the warehouse, in order.

    `since` is the first day that will be read; None means all days. Days before `read_before` were
    read completely, so those without submissions are expected to stay empty.
    """
    counts = {day.day: day.rows for day in days if since is None or day.day >= since}
    if since and read_before:
        empty = (add_days(since, number) for number in range((read_before - since).days))
        counts = dict.fromkeys(empty, 0) | counts
    recent = days[-_RECENT_DAYS:]
    if not recent:
        return DailyVolume(counts)
    span = (recent[-1].day - recent[0].day).days + 1
    return DailyVolume(counts, ((span, sum(day.rows for day in recent)),))


def _join_days(
    days: Sequence[DayStats], chosen: set[date], before: date, synced: DateRange | None
) -> list[DateRange]:
    """Return chosen days as ranges, each with the empty synced days that follow it."""
    ranges: list[DateRange] = []
    if synced is not None and days[0].day in chosen:
        _append(ranges, synced.first, add_days(days[0].day, -1))
    following = [*(day.day for day in days[1:]), before]
    for day, next_day in zip((day.day for day in days), following, strict=True):
        if day in chosen:
            _append(ranges, day, day)
            if synced is not None:
                first = add_days(day, 1)
                first = max(first, synced.first) if synced.first else first
                _append(ranges, first, add_days(next_day, -1))
    return ranges


def _with_days_beside(days: DateRange, stored: Container[date]) -> DateRange:
    """Return a range with the day before it and after it, if the warehouse has these days.

    They are fetched in any case, so their submissions need not be fetched again soon.
    """
    before = add_days(days.first, -1) if days.first else None
    after = add_days(days.last, 1) if days.last else None
    return DateRange(
        before if before in stored else days.first, after if after in stored else days.last
    )


def _append(ranges: list[DateRange], first: date | None, last: date) -> None:
    """Append a range, or extend the last one if they touch; ignore an empty range."""
    if first is not None and first > last:
        return
    previous = ranges[-1] if ranges else DateRange()
    # A range without a first day stays separate, because it cannot be cut into windows.
    if first and previous.first and previous.last == add_days(first, -1):
        ranges[-1] = DateRange(previous.first, last)
    else:
        ranges.append(DateRange(first, last))
