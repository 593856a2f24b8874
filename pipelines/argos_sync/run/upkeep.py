"""Plan what a nightly sync reads beyond the look-back window: open submissions and the sweep.

The sweep fetches every older submission again within `sweep_days`: each night reads the days whose
last fetch is longest ago.
"""

from collections.abc import Callable, Collection, Container, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

from argos_sync.fetch.refetch import cheapest_requests, id_tasks
from argos_sync.fetch.task import Task
from argos_sync.fetch.windows import (
    ALL_DAYS,
    DailyVolume,
    DateRange,
    EndDate,
    Window,
    add_days,
    day_of,
    is_plausible,
)
from argos_sync.run.jobs import resolve_reading, today, window_tasks
from argos_sync.run.run import Run
from argos_sync.warehouse.open_submissions import count_open_by_day, open_submission_ids
from argos_sync.warehouse.section_content import emptied_windows
from argos_sync.warehouse.submissions import DayStats, latest_credible, midnight

_SLACK = timedelta(days=1.5)
"""Syncs take time and do not start on the minute, so days that would become due shortly before the
next sync are fetched now."""

_NEVER = datetime.min.replace(tzinfo=UTC)

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

    Days with submissions that came back with less than before (`content_guard`) are read, too.
    `days` are the days the warehouse has submissions of, in order, and `before` is the first day of
    the look-back window. The sweep also reads empty days that syncs have read completely, so it
    finds submissions that appear late. Outside of these synced days, where only backfills have
    loaded, it reads the days that have submissions.
    """
    client, settings = run.warehouse.client, run.context.settings
    open_since = midnight(add_days(today(run), -settings.open_days))
    old = [day for day in days if day.day < before]
    counts = {day.day: day.rows for day in days}
    swept = plan_sweep(old, before, synced, run.summary.started_at, settings.sweep_days)
    emptied = (day for day in emptied_windows(client).values() if day < before)
    whole = [*swept, *join_other_days(set(emptied), swept, counts, synced)]
    open_counts = {
        day: count
        for day, count in count_open_by_day(client, before, settings.sections, open_since).items()
        if not any(range_.has_day(day) for range_ in whole)
    }
    page_size = resolve_reading(run).submissions_per_request(settings.page_size)
    split = cheapest_requests(open_counts, counts, page_size)
    ranges = (*whole, *split.by_day)
    ids = open_submission_ids(client, split.by_id, settings.sections, open_since)

    def is_read_in_turn(day: date) -> bool:
        return day in counts or day >= before or (synced is not None and synced.has_day(day))

    windows = [upkeep_window(range_, is_read_in_turn) for range_ in ranges]
    volume = DailyVolume(counts, read=ALL_DAYS)  # late submissions are few
    tasks = window_tasks(run, "again", volume, windows, end_date=end_date)
    return UpkeepPlan((*tasks, *id_tasks("open submission", ids)), ranges, tuple(ids))


def plan_sweep(
    days: Sequence[DayStats],
    before: date,
    synced: DateRange | None,
    now: datetime,
    sweep_days: int,
) -> list[DateRange]:
    """Return tonight's share of the sweep: the days whose last fetch is longest ago.

    The share is the number of submissions divided by the nights, plus all days that would become
    older than `sweep_days` before the next night. See `plan_upkeep` for the other arguments.
    """
    if not sweep_days or not days:
        return []
    period = timedelta(days=sweep_days) - _SLACK
    nights = max(1.0, period / timedelta(days=1))
    share = sum(day.rows for day in days) / nights
    due = now - period
    chosen: set[date] = set()
    count, is_full = 0, False
    # Days that were fetched on the same day are swept in order, so that they join to few ranges.
    for day in sorted(map(partial(_without_future, now=now), days), key=_sweep_order):
        # A day is left to the next night if most of it would be too much.
        is_full = is_full or (count > 0 and count + day.rows / 2 > share)
        if not is_full or day.oldest_fetch < due:
            chosen.add(day.day)
            count += day.rows
    return _join_days(days, chosen, before, synced)


def _without_future(day: DayStats, now: datetime) -> DayStats:
    """Return a day as never fetched if all fetches are in the future: then a clock was wrong."""
    return replace(day, oldest_fetch=_NEVER) if day.oldest_fetch > latest_credible(now) else day


def _sweep_order(day: DayStats) -> tuple[date, date]:
    return day_of(day.oldest_fetch), day.day


def upkeep_window(
    days: DateRange, is_read_in_turn: Callable[[date], bool]
) -> tuple[Window, DateRange]:
    """Return the window that reads a range of UTC days again, and the days to keep of it.

    The server's days may not be UTC (see `padded_window`), so submissions of the range may be
    listed under the day before it or after it. Days that are read in turn anyway are left out:
    `days_beside` reads them when stored submissions did not come, and until then what is listed
    under the range's days, of the days beside it, is kept, too.
    """
    before = add_days(days.first, -1) if days.first else None
    after = add_days(days.last, 1) if days.last else None
    has_before = before is not None and is_read_in_turn(before)
    has_after = after is not None and is_read_in_turn(after)
    asked = Window(days.first if has_before else before, days.last if has_after else after)
    kept = DateRange(before if has_before else days.first, after if has_after else days.last)
    return asked, kept


def days_beside(
    ranges: Sequence[DateRange], not_fetched: Container[date]
) -> list[tuple[Window, DateRange]]:
    """Return windows beside ranges that were read, and the days to keep of them.

    `not_fetched` are the UTC days of stored submissions that did not come. If they are at an end of
    a range, the server may list them under the day beside it.
    """
    beside = [
        (add_days(edge, step), days)
        for days in ranges
        for edge, step in ((days.first, -1), (days.last, 1))
        if edge is not None and edge in not_fetched
    ]
    return [(Window(day, day), days) for day, days in beside]


def daily_volume(
    days: Sequence[DayStats], today: date, read: DateRange | None = None
) -> DailyVolume:
    """Return the expected submissions per day, estimated from the days of the warehouse, in order.

    Days of `read` were read completely, so those without submissions are expected to stay empty.
    """
    counts = {day.day: day.rows for day in days}
    recent = [day for day in days if is_plausible(day.day, today)][-_RECENT_DAYS:]
    if not recent:
        return DailyVolume(counts, read=read)
    span = (recent[-1].day - recent[0].day).days + 1
    return DailyVolume(counts, ((span, sum(day.rows for day in recent)),), read)


def _join_days(
    days: Sequence[DayStats], chosen: set[date], before: date, synced: DateRange | None
) -> list[DateRange]:
    """Return chosen days as ranges, each with the empty synced days that follow it."""
    ranges: list[DateRange] = []
    if synced is not None and days[0].day in chosen and days[0].day > date.min:
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


def join_other_days(
    days: Collection[date],
    ranges: Sequence[DateRange],
    stored: Collection[date],
    synced: DateRange | None,
) -> list[DateRange]:
    """Return the days that are not in some ranges, as ranges.

    They join over synced days without stored submissions, which only make a range longer.
    """
    joined: list[DateRange] = []
    previous: date | None = None
    for day in sorted({*days, *stored}):
        is_chosen = day in days and not any(range_.has_day(day) for range_ in ranges)
        if is_chosen:
            joins = previous and synced and synced.has_day(previous) and synced.has_day(day)
            _append(joined, add_days(previous, 1) if previous and joins else day, day)
        previous = day if is_chosen else None
    return joined


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
