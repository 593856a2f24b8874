"""The reader: reads tasks from the API concurrently, page by page, with a cursor for each page.

`api.client` fetches a page; it repeats a failed request and lowers a page size the API refuses.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from argos_sync.api import ArgosClient, Page, PageKey, Query
from argos_sync.api.errors import (
    InvalidFormat,
    InvalidParameter,
    MalformedResponse,
    PageTooHeavy,
)
from argos_sync.fetch.completeness import ListVerifier, Reading
from argos_sync.fetch.submission import fetch_submission, rows_by_id, submission_id_of
from argos_sync.fetch.windows import ALL_DAYS, DateRange, Window
from argos_sync.shape.identity import Identity, identify

ALL = ""

_EACH_PAGE = 100
"""Submissions per page of a list whose submissions are fetched one by one. An interrupted run
repeats at most so many requests per worker, and one request in a hundred is for the list."""
_STEP = 10
"""Submissions to fetch one by one where a page of whole ones is too heavy."""
_LIGHT_SECTION = "kyc"
"""The `request_type` with the smallest response; its lists have the ids."""

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
        gap: The error of a submission on this page that the API cannot return.
        not_found: Ids that a list named, but that the API does not return one by one.
    """

    task: Task
    items: list[Any]
    cursor: Cursor | None
    done: bool
    gap: PageTooHeavy | None = None
    not_found: tuple[str, ...] = ()


async def read_tasks(
    client: ArgosClient,
    tasks: Iterable[Task],
    *,
    reading: Reading,
    concurrency: int,
    deliver: Callable[[TaskPage], Awaitable[None]],
) -> None:
    """Read tasks concurrently, and deliver their pages; those of one task arrive in order.

    The tasks are started in order, each when a worker is free. No further page of a task is read
    until `deliver` returns. Of the submissions fetched one by one, `concurrency` are requested at
    the same time.

    Raises:
        PageTooHeavy: The API cannot return a submission. Everything else has been read; the task
            that the submission belongs to is not done, and resumes before it.
        MalformedResponse: A submission is nested hundreds of levels deep, which is more than Python
            can recurse through. The API documents five levels.
        ArgosError: A task failed; all others are cancelled.
    """
    remaining = iter(tasks)
    walks = _Walks(client, reading, asyncio.Semaphore(concurrency))
    verifier = ListVerifier(reading)
    gaps: list[PageTooHeavy] = []

    async def work() -> None:
        for task in remaining:
            try:
                async for page in walks.read(task):
                    if task.query.submission_id is None and reading.mode != "each":
                        await verifier.verify(client, page.items)
                    try:
                        await deliver(page)
                    except RecursionError:
                        raise MalformedResponse("a submission is nested too deeply") from None
            except PageTooHeavy as error:
                gaps.append(error)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    if gaps:
        raise gaps[0]


@dataclass(frozen=True, slots=True)
class _Walks:
    """Walks through the pages of tasks, in one of the ways that return whole submissions.

    `slots` limits the requests for single submissions, of all tasks together.
    """

    client: ArgosClient
    reading: Reading
    slots: asyncio.Semaphore

    async def read(self, task: Task) -> AsyncGenerator[TaskPage, None]:
        """Yield the pages of a task, starting at its cursor.

        If the API no longer accepts the cursor, the task restarts from its beginning. After a gap
        the cursor stays before it.

        Raises:
            PageTooHeavy: There was a gap; all other pages have been read.
        """
        has_page = False
        gap: PageTooHeavy | None = None
        try:
            async for page in self._pages(task):
                has_page = True
                gap = gap or page.gap
                yield replace(page, cursor=None, done=False) if gap else page
        except (InvalidParameter, InvalidFormat):
            if has_page or task.cursor is None:
                raise
            async for page in self.read(replace(task, cursor=None)):
                yield page
        if gap:
            raise gap

    def _pages(self, task: Task) -> AsyncGenerator[TaskPage, None]:
        """Return the pages of a task, whose submissions are whole."""
        is_list = task.query.submission_id is None
        if is_list and self.reading.mode == "each":
            return self._walk_each(task)
        sections = self.reading.list_sections if is_list else self.reading.sections
        if sections:
            return self._walk_sections_or_each(task, sections)
        return self._walk_list(task) if is_list else _walk(self.client, task)

    async def _walk_list(self, task: Task) -> AsyncGenerator[TaskPage, None]:
        """Walk a list of whole submissions; step over a page that is too heavy one by one."""
        while True:
            try:
                async for page in _walk(self.client, task):
                    yield page
                    task = replace(task, cursor=page.cursor)
            except PageTooHeavy:
                # The sections of these submissions are lighter, and a section has their ids.
                pages = self._walk_each(task, _LIGHT_SECTION, _STEP)
                page = await anext(pages)
                await pages.aclose()
                yield page
                if not page.cursor:
                    return
                task = replace(task, cursor=page.cursor)
            else:
                return

    async def _walk_sections_or_each(
        self, task: Task, sections: Sequence[str]
    ) -> AsyncGenerator[TaskPage, None]:
        """Walk sections; if a page of one is too heavy, read the rest of the task one by one."""
        try:
            async for page in _walk_sections(self.client, task, sections):
                yield page
        except PageTooHeavy:
            if task.query.submission_id is not None:
                raise
            async for page in self._walk_each(replace(task, cursor=None), _LIGHT_SECTION):
                yield page

    async def _walk_each(
        self, task: Task, section: str | None = None, page_size: int = _EACH_PAGE
    ) -> AsyncGenerator[TaskPage, None]:
        """Walk a list for its ids, and fetch each submission by its id.

        Pages are small, because a task resumes after whole pages. `section` is the `request_type`
        of the list.
        """
        if section is None and self.reading.sections:
            section = "others"
        query = replace(task.query, request_type=section)
        async for page in self.client.iter_pages(query, _page_key(task.cursor), page_size):
            unusable = [item for item in page.items if submission_id_of(item) is None]
            rows = rows_by_id(page.items)
            ids = [key for key, row in rows.items() if _may_belong(row, task.days)]
            results = await asyncio.gather(*map(self._fetch, ids))
            found = [item for item in results if isinstance(item, dict)]
            gaps = [item for item in results if isinstance(item, PageTooHeavy)]
            yield TaskPage(
                task,
                unusable + found,
                _cursor(page),
                done=page.next_key is None,
                gap=next(iter(gaps), None),
                not_found=tuple(k for k, item in zip(ids, results, strict=True) if item is None),
            )

    async def _fetch(self, submission_id: str) -> dict[str, Any] | PageTooHeavy | None:
        async with self.slots:
            try:
                return await fetch_submission(self.client, submission_id, self.reading.sections)
            except PageTooHeavy as error:
                return error


def _may_belong(item: dict[str, Any], days: DateRange) -> bool:
    """Whether a row of a list was created in a range, as far as the row says."""
    identity = identify(item)
    return not isinstance(identity, Identity) or identity.created_at in days


def _cursor(page: Page) -> Cursor:
    return {ALL: page.next_key.to_json()} if page.next_key else {}


def _page_key(cursor: Cursor | None) -> PageKey | None:
    """Return the page key of a walk that reads one list; None for the cursor of another walk."""
    return PageKey.from_json(cursor[ALL]) if cursor and ALL in cursor else None


async def _walk(client: ArgosClient, task: Task) -> AsyncGenerator[TaskPage, None]:
    async for page in client.iter_pages(task.query, _page_key(task.cursor)):
        yield TaskPage(task, page.items, _cursor(page), done=page.next_key is None)


async def _walk_sections(
    client: ArgosClient, task: Task, sections: Sequence[str]
) -> AsyncGenerator[TaskPage, None]:
    """Walk the sections side by side, and join them by `submission_id`.

    If all walks have the same order, every page completes its submissions. With any other order
    incomplete submissions are kept until their other sections arrive, at most until the task ends.
    """
    # Another walk, such as one of whole lists, leaves other cursors.
    is_resumable = task.cursor and task.cursor.keys() <= set(sections)
    cursor = dict(task.cursor) if task.cursor and is_resumable else dict.fromkeys(sections)
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
        if not walks and incomplete and is_resumable:
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
