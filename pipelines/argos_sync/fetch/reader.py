"""Reading tasks from the API concurrently, page by page, with the place to go on from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from argos_sync.api import ArgosClient, Page, PageKey, Query
from argos_sync.api.errors import InvalidFormat, InvalidParameter, MalformedResponse
from argos_sync.fetch.windows import ALL_DAYS, DateRange, Window

ALL = ""

Cursor = dict[str, Any]
"""Per section (or "" for all of them in one walk) the `nextpageKey` to go on from, as JSON. A
section that is not in it has been read to its end."""


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to read to its end.

    Attributes:
        name: What state and ledger call it.
        label: What progress calls it; never a person's value.
        query: Returns the API query for a section; for None the query for all sections.
        cursor: Where to go on; None starts at the beginning.
        days: Submissions created in it are kept.
        window: The days the query asks for, when it asks for days.
    """

    name: str
    label: str
    query: Callable[[str | None], Query]
    cursor: Cursor | None = None
    days: DateRange = ALL_DAYS
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of a task.

    Attributes:
        task: The task it belongs to.
        items: Decoded entries, with all asked-for sections joined.
        cursor: Where the task goes on after this page; None when that is no place to stop at.
        done: Whether the task has been read to its end.
    """

    task: Task
    items: list[Any]
    cursor: Cursor | None
    done: bool


async def read_tasks(
    client: ArgosClient,
    tasks: Iterable[Task],
    *,
    sections: Sequence[str],
    concurrency: int,
    deliver: Callable[[TaskPage], Awaitable[None]],
) -> None:
    """Read every task, some at once; the pages of one task arrive in order.

    Args:
        client: Shared by all tasks, and with it the rate limit.
        tasks: Begun in this order, each taken when there is a hand free for it.
        sections: `request_type`s to walk and join; empty reads all sections in one walk.
        concurrency: Tasks read at once.
        deliver: Takes each page; a slow taker slows the reading down.

    Raises:
        MalformedResponse: A submission is nested deeper than Python can walk through: hundreds of
            levels, where the API documents five.
        ArgosError: The first task that fails ends all others.
    """
    waiting = iter(tasks)

    async def work() -> None:
        for task in waiting:
            async for page in read_task(client, task, sections):
                try:
                    await deliver(page)
                except RecursionError:
                    raise MalformedResponse("a submission is nested too deeply") from None

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def read_task(
    client: ArgosClient, task: Task, sections: Sequence[str]
) -> AsyncGenerator[TaskPage, None]:
    """Yield the pages of a task, from its cursor on.

    A stored key that the API no longer accepts starts the task again from its beginning.
    """
    begun = False
    try:
        async for page in _pages(client, task, sections):
            begun = True
            yield page
    except (InvalidParameter, InvalidFormat):
        if begun or task.cursor is None:
            raise
        async for page in _pages(client, replace(task, cursor=None), sections):
            yield TaskPage(task, page.items, page.cursor, page.done)


def _pages(
    client: ArgosClient, task: Task, sections: Sequence[str]
) -> AsyncGenerator[TaskPage, None]:
    return _joined(client, task, sections) if sections else _whole(client, task)


async def _whole(client: ArgosClient, task: Task) -> AsyncGenerator[TaskPage, None]:
    start = PageKey.from_json(task.cursor[ALL]) if task.cursor else None
    async for page in client.iter_pages(task.query(None), start):
        cursor = {ALL: page.next_key.to_json()} if page.next_key else {}
        yield TaskPage(task, page.items, cursor, done=page.next_key is None)


async def _joined(
    client: ArgosClient, task: Task, sections: Sequence[str]
) -> AsyncGenerator[TaskPage, None]:
    """Walk the sections side by side and join them by `submission_id`.

    With the same order in all walks nothing waits from one page to the next; with any other order
    what is incomplete waits for its other sections, at most to the end of the task.
    """
    cursor = dict(task.cursor) if task.cursor else dict.fromkeys(sections)
    walks = {
        section: client.iter_pages(task.query(section), PageKey.from_json(key) if key else None)
        for section, key in cursor.items()
    }
    waiting: dict[Any, dict[str, Any]] = {}
    joined: set[Any] = set()
    while walks:
        pages = await _next_pages(walks)
        items: list[Any] = []
        for section, page in pages.items():
            items += _take_in(section, page.items, waiting, joined)
            if page.next_key is None:
                del cursor[section], walks[section]
            else:
                cursor[section] = page.next_key.to_json()
        for submission_id in [key for key, parts in waiting.items() if len(parts) == len(sections)]:
            items.append(_join(waiting.pop(submission_id)))
            joined.add(submission_id)
        if not walks and waiting and task.cursor:
            # A row joined before the interruption may come again in some sections only, and would
            # lose its others here. From the beginning on, all sections of all rows are seen.
            yield TaskPage(task, items, None, done=False)
            async for again in _joined(client, replace(task, cursor=None), sections):
                yield TaskPage(task, again.items, again.cursor, again.done)
            return
        if not walks:
            items += [_join(parts) for parts in waiting.values() if "others" in parts]
            waiting.clear()
        yield TaskPage(task, items, None if waiting else dict(cursor), done=not walks)


async def _next_pages(walks: Mapping[str, AsyncGenerator[Page, None]]) -> dict[str, Page]:
    pages = await asyncio.gather(*map(anext, walks.values()))
    return dict(zip(walks, pages, strict=True))


def _take_in(
    section: str, items: list[Any], waiting: dict[Any, dict[str, Any]], joined: set[Any]
) -> list[Any]:
    """Put a section's entries to the others of their submission; return what has no id."""
    strays = []
    for item in items:
        submission_id = item.get("submission_id") if isinstance(item, dict) else None
        if not isinstance(submission_id, str | int | float):
            strays.append(item)
        # A row may come on two pages. Joined again it would lack its other sections.
        elif submission_id not in joined:
            waiting.setdefault(submission_id, {})[section] = item
    return strays


def _join(parts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for part in parts.values() for key, value in part.items()}
