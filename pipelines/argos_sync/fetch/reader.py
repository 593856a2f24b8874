"""The reader: reads tasks from the API concurrently, page by page, with a cursor for each page.

`api.client` fetches a page; it repeats a failed request and lowers a page size the API refuses.
`walks` decides which pages make up a task.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from argos_sync.api.client import ArgosClient
from argos_sync.api.errors import IncompleteWalk, MalformedResponse, RequestsUsedUp
from argos_sync.fetch.completeness import Reading
from argos_sync.fetch.concurrency import run_all
from argos_sync.fetch.list_probe import ListVerifier
from argos_sync.fetch.task import Task, TaskPage
from argos_sync.fetch.walks import Walks


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
        IncompleteWalk: The API cannot return a submission, or a walk does not end. Everything else
            has been read; the task that this belongs to is not done, and resumes before it.
        RequestsUsedUp: No request is left for the day. Pages that were requested before have been
            delivered.
        MalformedResponse: A submission is nested hundreds of levels deep, which is more than Python
            can recurse through. The API documents five levels.
        ArgosError: A task failed; all others are cancelled.
    """
    remaining = iter(tasks)
    walks = Walks(client, reading, concurrency, asyncio.Semaphore(concurrency))
    verifier = ListVerifier(reading)
    gaps: list[IncompleteWalk] = []
    used_up: list[RequestsUsedUp] = []

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
            except IncompleteWalk as error:
                gaps.append(error)
            except RequestsUsedUp as error:
                # The other workers' requests have been spent, so their pages are worth waiting for.
                used_up.append(error)
                return

    await run_all(work() for _ in range(concurrency))
    if failures := [*used_up, *gaps]:
        raise failures[0]
