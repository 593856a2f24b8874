"""Which way to fetch known submissions again costs fewer requests: by day, or one by one."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
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
    """Days with submissions to fetch again.

    Attributes:
        by_day: Ranges to read whole.
        by_id: Ranges whose submissions are better asked for one by one.
    """

    by_day: tuple[DateRange, ...] = ()
    by_id: tuple[DateRange, ...] = ()


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring days that are fetched in one way.

    Attributes:
        first: First day.
        last: Last day.
        wanted: Submissions to fetch again.
        pages: Requests for all of these days.
    """

    first: date
    last: date
    wanted: int
    pages: int

    @property
    def requests(self) -> int:
        return min(self.wanted, self.pages)


def cheapest_requests(
    wanted: Mapping[date, int], counts: Mapping[date, int], page_size: int
) -> RefetchSplit:
    """Divide days into those to read whole and those whose submissions to ask for one by one.

    Args:
        wanted: Submissions to fetch again, by day (UTC).
        counts: All submissions, by day, as far as known.
        page_size: Submissions a request brings.
    """
    before = _running_total(counts)

    def run(first: date, last: date, number: int) -> _Run:
        # A day more on either side is asked for, because the server's days may not be UTC.
        rows = before(add_days(last, 2)) - before(add_days(first, -1))
        return _Run(first, last, number, max(1, math.ceil(rows / page_size)))

    runs: list[_Run] = []
    for day in sorted(wanted):
        alone = run(day, day, wanted[day])
        if runs:
            joined = run(runs[-1].first, day, runs[-1].wanted + wanted[day])
            if joined.requests <= runs[-1].requests + alone.requests:
                runs[-1] = joined
                continue
        runs.append(alone)
    by_day = tuple(DateRange(run.first, run.last) for run in runs if run.wanted > run.pages)
    by_id = tuple(DateRange(run.first, run.last) for run in runs if run.wanted <= run.pages)
    return RefetchSplit(by_day, by_id)


def day_tasks(
    name: str,
    ranges: Iterable[DateRange],
    pace: DailyVolume,
    today: date,
    *,
    end_date: EndDate | None,
    workers: int,
    page_size: int,
) -> list[Task]:
    """Return tasks that read ranges whole, and keep exactly what was created in them.

    Args:
        name: What the names of the tasks begin with.
        ranges: UTC days.
        pace: What days bring.
        today: The day, UTC.
        end_date: How the server reads `end_date`.
        workers: Tasks read at once.
        page_size: Submissions a request brings.
    """
    tasks: list[Task] = []
    for wanted in ranges:
        for window in all_windows(wanted, pace, today, workers, page_size):
            query = partial(window.query, end_date)
            place = f"{name}/{len(tasks)}"
            tasks.append(Task(place, window.label, query, None, wanted, window))
    return tasks


def all_windows(
    wanted: DateRange, pace: DailyVolume, today: date, workers: int, page_size: int
) -> list[Window]:
    """Return all windows of a range at once."""
    windows: list[Window] = []
    rest: Window | None = padded_window(wanted)
    while rest is not None:
        window, rest = next_window(rest, pace, today, workers, page_size)
        windows.append(window)
    return windows


def query_tasks(name: str, queries: Sequence[Query]) -> list[Task]:
    """Return a task for each query; their labels never tell whom they ask for."""
    return [
        Task(f"{name}/{place}", f"{name} {place} of {len(queries)}", partial(_of_section, query))
        for place, query in enumerate(queries, start=1)
    ]


def id_tasks(name: str, submission_ids: Iterable[str]) -> list[Task]:
    """Return tasks that ask for submissions one by one."""
    return query_tasks(name, [Query(submission_id=value) for value in submission_ids])


def _of_section(query: Query, section: str | None) -> Query:
    return replace(query, request_type=section)


def _running_total(counts: Mapping[date, int]) -> Callable[[date], int]:
    """Return a function that tells how many submissions were created before a day."""
    days = sorted(counts)
    totals = [0, *accumulate(counts[day] for day in days)]
    return lambda day: totals[bisect_left(days, day)]
