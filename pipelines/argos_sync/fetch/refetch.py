"""Fetch known submissions again with the fewest requests: by whole days, or one by one."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

from argos_sync.api.query import Query
from argos_sync.fetch.task import Task
from argos_sync.fetch.windows import DateRange, add_days


@dataclass(frozen=True, slots=True)
class RefetchSplit:
    """Days to read as a whole, and days whose submissions are fetched one by one."""

    by_day: tuple[DateRange, ...] = ()
    by_id: tuple[DateRange, ...] = ()


def cheapest_requests(
    to_fetch: Mapping[date, int], counts: Mapping[date, int], page_size: int
) -> RefetchSplit:
    """Divide days into those to read as a whole and those to fetch one by one.

    Both arguments by day (UTC) are numbers of submissions: those to fetch again, and all that are
    known.
    """
    days = sorted(counts)
    totals = [0, *accumulate(counts[day] for day in days)]

    def pages(first: date, last: date) -> int:
        # The server's days may not be UTC, so one more day on either side is asked for.
        start, end = bisect_left(days, add_days(first, -1)), bisect_left(days, add_days(last, 2))
        return max(1, math.ceil((totals[end] - totals[start]) / page_size))

    # First and last day, and the submissions between: as many requests, unless pages are fewer.
    ranges: list[tuple[date, date, int]] = []
    for day in sorted(to_fetch):
        added = to_fetch[day]
        if ranges:
            first, last, number = ranges[-1]
            apart = min(number, pages(first, last)) + min(added, pages(day, day))
            if min(number + added, pages(first, day)) <= apart:
                ranges[-1] = (first, day, number + added)
                continue
        ranges.append((day, day, added))
    by_day: list[DateRange] = []
    by_id: list[DateRange] = []
    for first, last, number in ranges:
        cheaper = by_day if number > pages(first, last) else by_id
        cheaper.append(DateRange(first, last))
    return RefetchSplit(tuple(by_day), tuple(by_id))


def query_tasks(name: str, queries: Sequence[Query]) -> list[Task]:
    """Return a task for each query; the labels count the queries, for ids must not be logged."""
    return [
        Task(f"{name}/{number}", f"{name} {number} of {len(queries)}", query)
        for number, query in enumerate(queries, start=1)
    ]


def id_tasks(name: str, submission_ids: Iterable[str]) -> list[Task]:
    """Return tasks that fetch submissions one by one."""
    return query_tasks(name, [Query(submission_id=value) for value in submission_ids])
