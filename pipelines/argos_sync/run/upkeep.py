"""What a nightly sync reads beyond the look-back window: open cases, and its share of the sweep."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from argos_sync.fetch.reader import Task
from argos_sync.fetch.refetch import cheapest_requests, id_tasks
from argos_sync.fetch.windows import DailyVolume, DateRange, add_days
from argos_sync.load.sql import Client
from argos_sync.warehouse.open_submissions import count_open_by_day, open_submission_ids
from argos_sync.warehouse.submissions import DayStats

_SLACK = timedelta(days=1.5)
"""A night has its length and does not begin on the minute: what would only just be young enough
the next time is fetched now."""

_PACE_DAYS = 31


@dataclass(frozen=True, slots=True)
class UpkeepPlan:
    """What is fetched again although it is older than the look-back window.

    Attributes:
        tasks: To read.
        ranges: Days (UTC) that the tasks read whole.
        submission_ids: Submissions that the tasks ask for one by one.
    """

    tasks: tuple[Task, ...] = ()
    ranges: tuple[DateRange, ...] = ()
    submission_ids: tuple[str, ...] = ()


def plan_upkeep(
    client: Client,
    days: Sequence[DayStats],
    before: date,
    territory: DateRange | None,
    *,
    sections: Sequence[str],
    now: datetime,
    sweep_days: int,
    page_size: int,
    day_tasks: Callable[[Sequence[DateRange]], list[Task]],
) -> UpkeepPlan:
    """Plan what of the older submissions is fetched again tonight.

    Args:
        client: Connected to the warehouse.
        days: What the warehouse holds, in order.
        before: First day (UTC) of the look-back window.
        territory: Days that syncs look after, so that whatever appears there is loaded. Of other
            days, which backfills have brought, only those with submissions are read.
        sections: `request_type`s that are fetched.
        now: The moment, UTC.
        sweep_days: Days after which every submission has been fetched again; 0 for never.
        page_size: Submissions a request brings.
        day_tasks: Makes the tasks that read ranges whole.
    """
    old = [day for day in days if day.day < before]
    counts = {day.day: day.rows for day in days}
    swept = plan_sweep(old, before, territory, now, sweep_days)
    waiting = {
        day: number
        for day, number in count_open_by_day(client, before, sections).items()
        if not any(one.has_day(day) for one in swept)
    }
    split = cheapest_requests(waiting, counts, page_size)
    ranges = (*swept, *split.by_day)
    ids = open_submission_ids(client, split.by_id, sections)
    tasks = day_tasks(ranges)
    return UpkeepPlan((*tasks, *id_tasks("open case", ids)), ranges, tuple(ids))


def plan_sweep(
    days: Sequence[DayStats],
    before: date,
    territory: DateRange | None,
    now: datetime,
    sweep_days: int,
) -> list[DateRange]:
    """Return tonight's share of the days, those fetched longest ago first.

    A share is the number of submissions divided by the nights there are, and whatever would be
    older than `sweep_days` before the next night. See `plan_upkeep` for the arguments.
    """
    if not sweep_days or not days:
        return []
    share = math.ceil(sum(day.rows for day in days) / sweep_days)
    due = now - timedelta(days=sweep_days) + _SLACK
    chosen: set[date] = set()
    taken = 0
    for day in sorted(days, key=lambda day: (day.oldest_fetch, day.day)):
        if taken >= share and day.oldest_fetch >= due:
            break
        chosen.add(day.day)
        taken += day.rows
    return _joined(days, chosen, before, territory)


def daily_volume(days: Sequence[DayStats], since: date | None) -> DailyVolume:
    """Return what days are expected to bring, from what the warehouse holds.

    Args:
        days: What it holds, in order.
        since: Days before it are not asked for.
    """
    counts = {day.day: day.rows for day in days if since is None or day.day >= since}
    last = days[-_PACE_DAYS:]
    if not last:
        return DailyVolume(counts)
    span = (last[-1].day - last[0].day).days + 1
    return DailyVolume(counts, ((span, sum(day.rows for day in last)),))


def _joined(
    days: Sequence[DayStats], chosen: set[date], before: date, territory: DateRange | None
) -> list[DateRange]:
    """Return chosen days as ranges; the empty days after a day, in the territory, go with it."""
    ranges: list[DateRange] = []
    if territory is not None and days[0].day in chosen:
        _append(ranges, territory.first, add_days(days[0].day, -1))
    following = [*(day.day for day in days[1:]), before]
    for day, next_day in zip((day.day for day in days), following, strict=True):
        if day in chosen:
            _append(ranges, day, day)
            if territory is not None:
                first = add_days(day, 1)
                first = max(first, territory.first) if territory.first else first
                _append(ranges, first, add_days(next_day, -1))
    return ranges


def _append(ranges: list[DateRange], first: date | None, last: date) -> None:
    """Add a range, unless it is empty, to the one before it or as another one."""
    if first is not None and first > last:
        return
    before = ranges[-1] if ranges else DateRange()
    # What has no beginning stays apart, for it cannot be cut into windows.
    if first and before.first and before.last == add_days(first, -1):
        ranges[-1] = DateRange(before.first, last)
    else:
        ranges.append(DateRange(first, last))
