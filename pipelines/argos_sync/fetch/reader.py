"""The reader: reads tasks from the API concurrently, page by page, with a cursor for each page.

`api.client` fetches a page; it repeats a failed request and lowers a page size the API refuses.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from argos_sync.api import ArgosClient, PageKey, Query
from argos_sync.api.errors import InvalidFormat, InvalidParameter, MalformedResponse
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

    The task resumes after this page at the cursor; None if it cannot be resumed here.
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
    """Read tasks concurrently, and deliver their pages; those of one task arrive in order.

    The tasks are started in order, each when a worker is free. No further page of a task is read
    until `deliver` returns. The sections (`request_type`s) are read side by side and joined; if
    there are none, one walk reads all of them.

    Raises:
        MalformedResponse: A submission is nested hundreds of levels deep, which is more than Python
            can recurse through. The API documents five levels.
        ArgosError: A task failed; all others are cancelled.
    """
    remaining = iter(tasks)

    async def work() -> None:
        for task in remaining:
            async for page in _read_task(client, task, sections):
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


async def _read_task(
    client: ArgosClient, task: Task, sections: Sequence[str]
) -> AsyncGenerator[TaskPage, None]:
    """Yield the pages of a task, starting at its cursor.

    If the API no longer accepts the cursor, the task restarts from its beginning.
    """
    has_page = False
    try:
        pages = _walk_sections(client, task, sections) if sections else _walk(client, task)
        async for page in pages:
            has_page = True
            yield page
    except (InvalidParameter, InvalidFormat):
        if has_page or task.cursor is None:
            raise
        async for page in _read_task(client, replace(task, cursor=None), sections):
            yield page


async def _walk(client: ArgosClient, task: Task) -> AsyncGenerator[TaskPage, None]:
    start = PageKey.from_json(task.cursor[ALL]) if task.cursor else None
    async for page in client.iter_pages(task.query, start):
        cursor = {ALL: page.next_key.to_json()} if page.next_key else {}
        yield TaskPage(task, page.items, cursor, done=page.next_key is None)


async def _walk_sections(
    client: ArgosClient, task: Task, sections: Sequence[str]
) -> AsyncGenerator[TaskPage, None]:
    """Walk the sections side by side, and join them by `submission_id`.

    If all walks have the same order, every page completes its submissions. With any other order
    incomplete submissions are kept until their other sections arrive, at most until the task ends.
    """
    cursor = dict(task.cursor) if task.cursor else dict.fromkeys(sections)
    walks = {
        section: client.iter_pages(
            replace(task.query, request_type=section), PageKey.from_json(key) if key else None
        )
        for section, key in cursor.items()
    }
    incomplete: dict[Any, dict[str, Any]] = {}
    joined_ids: set[Any] = set()
    while walks:
        pages = await asyncio.gather(*map(anext, walks.values()))
        items: list[Any] = []
        for section, page in zip(list(walks), pages, strict=True):
            items += _collect_parts(section, page.items, incomplete, joined_ids)
            if page.next_key is None:
                del cursor[section], walks[section]
            else:
                cursor[section] = page.next_key.to_json()
        complete = [key for key, parts in incomplete.items() if len(parts) == len(sections)]
        items += [_join(incomplete.pop(submission_id)) for submission_id in complete]
        joined_ids.update(complete)
        if not walks and incomplete and task.cursor:
            # A submission that was joined before the interruption may come again in some sections
            # only, and would lose the others. Reading from the beginning returns all sections.
            yield TaskPage(task, items, None, done=False)
            async for later in _walk_sections(client, replace(task, cursor=None), sections):
                yield later
            return
        if not walks:
            items += [_join(parts) for parts in incomplete.values() if "others" in parts]
            incomplete.clear()
        yield TaskPage(task, items, None if incomplete else dict(cursor), done=not walks)


def _collect_parts(
    section: str, items: list[Any], incomplete: dict[Any, dict[str, Any]], joined_ids: set[Any]
) -> list[Any]:
    """Add a section's items to their submissions; return the items without an id."""
    without_id = []
    for item in items:
        submission_id = item.get("submission_id") if isinstance(item, dict) else None
        if not isinstance(submission_id, str | int | float):
            without_id.append(item)
        # A row may come on two pages. Joined again, it would lack its other sections.
        elif submission_id not in joined_ids:
            incomplete.setdefault(submission_id, {})[section] = item
    return without_id


def _join(parts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for part in parts.values() for key, value in part.items()}
