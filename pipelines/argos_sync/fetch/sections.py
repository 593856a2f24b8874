"""Read the sections of submissions (`request_type`s) side by side, and join them."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

from argos_sync.api import ArgosClient, Page, PageKey
from argos_sync.fetch.concurrency import run_all
from argos_sync.fetch.task import Task, TaskPage


async def walk_sections(
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
        pages = await run_all(map(_next_page, walks.values()))
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
            async for later in walk_sections(client, replace(task, cursor=None), sections):
                yield later
            return
        if not walks:
            items += [_join(parts) for parts in incomplete.values() if "others" in parts]
            incomplete.clear()
        yield TaskPage(task, items, None if incomplete else dict(cursor), done=not walks)


async def _next_page(pages: AsyncGenerator[Page, None]) -> Page:
    return await anext(pages)


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
