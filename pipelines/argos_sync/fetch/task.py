"""Tasks: queries to read to their end, and the pages that they are read in."""

from dataclasses import dataclass
from typing import Any

from argos_sync.api.errors import IncompleteWalk
from argos_sync.api.query import Query
from argos_sync.fetch.windows import ALL_DAYS, DateRange, Window

ALL = ""

Cursor = dict[str, Any]
"""The `nextpageKey` of each section, as JSON; a missing section has been read to its end.

If one walk reads all sections, the only key is "".
"""


@dataclass(frozen=True, slots=True)
class Task:
    """A query to read to its end, such as a window or a single submission.

    Attributes:
        name: Name in the state and the ledger.
        label: Name in the progress display; never contains a personal value.
        query: The API query; where sections are read, each of them becomes its `request_type`.
        cursor: Where to resume; None is the beginning.
        days: Days of `created_at` to keep.
        window: The days that the query asks for, if it asks for days.
    """

    name: str
    label: str
    query: Query
    cursor: Cursor | None = None
    days: DateRange = ALL_DAYS
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of a task, or the last one (`done`), with the sections of submissions joined.

    Attributes:
        task: The task that the page belongs to.
        items: Submissions of the page.
        cursor: Where the task resumes after this page; None if it cannot be resumed here.
        done: Whether the task has been read to its end.
        gap: Why a part of the task, on this page or after it, cannot be read.
        not_found: Ids that a list named, but that the API does not return one by one.
    """

    task: Task
    items: list[Any]
    cursor: Cursor | None
    done: bool
    gap: IncompleteWalk | None = None
    not_found: tuple[str, ...] = ()
