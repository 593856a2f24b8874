"""Walk through the pages of a task, in one of the ways that return whole submissions.

`completeness` decides which way: a list, the lists of the sections, or one request for each
submission.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from argos_sync.api.client import ArgosClient
from argos_sync.api.errors import (
    IncompleteWalk,
    InvalidFormat,
    InvalidParameter,
    PageLoop,
    PageTooHeavy,
)
from argos_sync.api.page_key import PageKey
from argos_sync.api.query import Page
from argos_sync.fetch.completeness import Reading
from argos_sync.fetch.concurrency import run_all
from argos_sync.fetch.sections import walk_sections
from argos_sync.fetch.submission import fetch_submission, rows_by_id, submission_id_of
from argos_sync.fetch.task import ALL, Cursor, Task, TaskPage
from argos_sync.fetch.windows import DateRange
from argos_sync.shape.identity import Identity, identify

_EACH_PAGE = 100
"""Submissions per page of a list whose submissions are fetched one by one. An interrupted run
repeats at most so many requests per worker, and one request in a hundred is for the list."""
_STEP = 10
"""Submissions to fetch one by one where a page of whole ones is too heavy."""
_ID_SECTIONS = ("kyc", "others", "aml", "data")
"""The `request_type`s whose lists have the ids, in the order in which they are tried.

The smallest response comes first. What cannot be read of a submission is mostly in one section.
"""

_REPEATED_KEY = "GET /submission returned the same nextpageKey twice"


@dataclass(frozen=True, slots=True)
class Walks:
    """Walks through the pages of tasks, in one of the ways that return whole submissions.

    `concurrency` tasks are read at the same time, and `slots` limits the requests for single
    submissions, of all tasks together.
    """

    client: ArgosClient
    reading: Reading
    concurrency: int
    slots: asyncio.Semaphore

    @property
    def each_page(self) -> int:
        """Return the page size of a list whose submissions are fetched one by one.

        It is small enough for several pages of each task in a day: a page that is not complete when
        the day's requests are used up has to be fetched again.
        """
        limit = self.client.max_requests_per_day
        if limit is None:
            return _EACH_PAGE
        by_id = max(1, len(self.reading.sections))
        return min(_EACH_PAGE, max(1, limit // (4 * self.concurrency * by_id)))

    async def read(self, task: Task) -> AsyncGenerator[TaskPage, None]:
        """Yield the pages of a task, starting at its cursor.

        If the API no longer accepts the cursor, the task restarts from its beginning. After a gap
        the cursor stays before it.

        Raises:
            IncompleteWalk: There was a gap; all other pages have been read.
        """
        has_page = False
        gap: IncompleteWalk | None = None
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
        except IncompleteWalk as end:
            gap = gap or end
            yield TaskPage(task, [], None, done=False, gap=gap)
        if gap:
            raise gap

    def _pages(self, task: Task) -> AsyncGenerator[TaskPage, None]:
        """Return the pages of a task, whose submissions are whole."""
        is_list = task.query.submission_id is None
        if is_list and self.reading.mode == "each":
            return self._walk_steadily(task, self._walk_each)
        sections = self.reading.list_sections if is_list else self.reading.sections
        if sections:
            return self._walk_sections_or_each(task, sections)
        walk = partial(_walk, self.client)
        return self._walk_steadily(task, walk) if is_list else walk(task)

    async def _walk_steadily(
        self, task: Task, walk: Callable[[Task], AsyncGenerator[TaskPage, None]]
    ) -> AsyncGenerator[TaskPage, None]:
        """Walk a list, and step one by one over a page that is too heavy or cannot be decoded."""
        steps: list[Cursor] = []
        cursor: Cursor | None = None
        while True:
            try:
                async for page in walk(task):
                    yield page
                    if page.cursor is not None:
                        task = replace(task, cursor=page.cursor)
            except PageTooHeavy:
                # The sections of these submissions are lighter, and a section has their ids.
                async for page in self._read_one_by_one(task, _STEP):
                    if page.cursor in steps:
                        raise PageLoop(_REPEATED_KEY) from None
                    yield page
                    cursor = page.cursor
                if not cursor:
                    return
                steps.append(cursor)
                task = replace(task, cursor=cursor)
            else:
                return

    async def _walk_sections_or_each(
        self, task: Task, sections: Sequence[str]
    ) -> AsyncGenerator[TaskPage, None]:
        """Walk sections; if a page of one is too heavy, read the rest of the task one by one."""
        try:
            async for page in walk_sections(self.client, task, sections):
                yield page
        except PageTooHeavy:
            if task.query.submission_id is not None:
                raise
            task = replace(task, cursor=None)
            steps: list[Cursor] = []
            cursor: Cursor | None = None
            while cursor != {}:
                async for page in self._read_one_by_one(task, self.each_page):
                    if page.cursor in steps:
                        raise PageLoop(_REPEATED_KEY) from None
                    yield page
                    cursor = page.cursor
                if cursor:
                    steps.append(cursor)
                task = replace(task, cursor=cursor)

    async def _read_one_by_one(self, task: Task, page_size: int) -> AsyncGenerator[TaskPage, None]:
        """Fetch the next submissions of a list by their ids, which the list of a section has.

        They come in parts, of which only the last has a cursor.

        Raises:
            PageTooHeavy: No section has a list that can be read here.
        """
        configured = self.reading.sections or _ID_SECTIONS
        sections = [section for section in _ID_SECTIONS if section in configured]
        for section in sections:
            pages = self._walk_each(task, section, page_size)
            try:
                async for page in pages:
                    yield page
                    if page.cursor is not None:
                        return
            except PageTooHeavy:
                if section == sections[-1]:
                    raise
            finally:
                await pages.aclose()

    async def _walk_each(
        self, task: Task, section: str | None = None, page_size: int | None = None
    ) -> AsyncGenerator[TaskPage, None]:
        """Walk a list for its ids, and fetch each submission by its id.

        Pages are small, because a task resumes after whole pages. One whose submissions have too
        many bytes comes in parts, of which only the last has a cursor. `section` is the
        `request_type` of the list.
        """
        if section is None and self.reading.sections:
            section = "others"
        query = replace(task.query, request_type=section)
        page_size = page_size or self.each_page
        async for page in self.client.iter_pages(query, _page_key(task.cursor), page_size):
            unusable = [item for item in page.items if submission_id_of(item) is None]
            rows = rows_by_id(page.items)
            ids = [key for key, row in rows.items() if _may_belong(row, task.days)]
            while True:
                results = await self._fetch_fitting(ids)
                ids = [key for key in ids if key not in results]
                found = [item for item in results.values() if isinstance(item, dict)]
                gaps = [item for item in results.values() if isinstance(item, PageTooHeavy)]
                missing = [key for key, item in results.items() if item is None]
                yield TaskPage(
                    task,
                    unusable + found,
                    None if ids else _cursor(page),
                    done=not ids and page.next_key is None,
                    gap=next(iter(gaps), None),
                    not_found=tuple(missing),
                )
                if not ids:
                    break
                unusable = []

    async def _fetch_fitting(
        self, submission_ids: Sequence[str]
    ) -> dict[str, dict[str, Any] | PageTooHeavy | None]:
        """Fetch submissions by their ids in order, but no more than a page may have bytes."""
        results: dict[str, dict[str, Any] | PageTooHeavy | None] = {}

        async def fetch(submission_id: str) -> None:
            async with self.slots:
                if results and len(results) >= self.client.page_size.fitting:
                    return
                results[submission_id] = None
                try:
                    results[submission_id] = await fetch_submission(
                        self.client, submission_id, self.reading.sections
                    )
                except PageTooHeavy as error:
                    results[submission_id] = error

        await run_all(map(fetch, submission_ids))
        return results


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
