"""Fetch known submissions again with the fewest requests: by whole days, or one by one."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

from argos_sync.api import Query
from argos_sync.fetch.reader import Task
from argos_sync.fetch.windows import (
    DailyVolume,
    DateRange,
    EndDate,
    Window,
    add_days,
    next_window,
    padded_window,
)


@dataclass(frozen=True, slots=True)
class RefetchSplit:
    """Days to read as a whole, and days whose submissions are fetched one by one."""

    by_day: tuple[DateRange, ...] = ()
    by_id: tuple[DateRange, ...] = ()


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Consecutive days that are fetched in the same way.

    `submissions` is also the number of requests that fetch them one by one, and `pages` that of
    requests that read all of these days.
    """

    first: date
    last: date
    submissions: int
    pages: int

    @property
    def requests(self) -> int:
        return min(self.submissions, self.pages)

    @property
    def days(self) -> DateRange:
        return DateRange(self.first, self.last)


def cheapest_requests(
    to_fetch: Mapping[date, int], counts: Mapping[date, int], page_size: int
) -> RefetchSplit:
    """Divide days into those to read as a whole and those to fetch one by one.

    Both arguments by day (UTC) are numbers of submissions: those to fetch again, and all that are
    known.
    """
    days = sorted(counts)
    totals = [0, *accumulate(counts[day] for day in days)]

    def created_before(day: date) -> int:
        return totals[bisect_left(days, day)]

    def stretch(first: date, last: date, submissions: int) -> _Stretch:
        # The server's days may not be UTC, so one more day on either side is asked for.
        rows = created_before(add_days(last, 2)) - created_before(add_days(first, -1))
        return _Stretch(first, last, submissions, max(1, math.ceil(rows / page_size)))

    stretches: list[_Stretch] = []
    for day in sorted(to_fetch):
        single = stretch(day, day, to_fetch[day])
        if stretches:
            last = stretches[-1]
            joined = stretch(last.first, day, last.submissions + to_fetch[day])
            if joined.requests <= last.requests + single.requests:
                stretches[-1] = joined
                continue
        stretches.append(single)
    return RefetchSplit(
        by_day=tuple(one.days for one in stretches if one.submissions > one.pages),
        by_id=tuple(one.days for one in stretches if one.submissions <= one.pages),
    )


def day_tasks(
    name: str,
    ranges: Iterable[DateRange],
    volume: DailyVolume,
    today: date,
    *,
    end_date: EndDate | None,
    workers: int,
    page_size: int,
) -> list[Task]:
    """Return tasks that read ranges of UTC days, and keep exactly the submissions of these days.

    Their names begin with `name`; `workers` and `page_size` decide the windows, see `next_window`.
    """
    tasks: list[Task] = []
    for days in ranges:
        rest: Window | None = padded_window(days)
        while rest is not None:
            window, rest = next_window(rest, volume, today, workers, page_size)
            query = window.query(end_date)
            tasks.append(Task(f"{name}/{len(tasks)}", window.label, query, None, days, window))
    return tasks


def query_tasks(name: str, queries: Sequence[Query]) -> list[Task]:
    """Return a task for each query; the labels count the queries, for ids must not be logged."""
    return [
        Task(f"{name}/{number}", f"{name} {number} of {len(queries)}", query)
        for number, query in enumerate(queries, start=1)
    ]


def id_tasks(name: str, submission_ids: Iterable[str]) -> list[Task]:
    """Return tasks that fetch submissions one by one."""
    return query_tasks(name, [Query(submission_id=value) for value in submission_ids])
