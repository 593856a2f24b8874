"""Read the sections of submissions (`request_type`s) side by side, and join them."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

from argos_sync.api.client import ArgosClient
from argos_sync.api.page_key import PageKey
from argos_sync.api.query import Page
from argos_sync.fetch.concurrency import run_all
from argos_sync.fetch.task import Task, TaskPage
from argos_sync.shape.identity import content_hash


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
    versions: dict[Any, list[dict[str, Any]]] = {}
    joined_hashes: dict[Any, str] = {}
    while walks:
        pages = await run_all(map(_next_page, walks.values()))
        items: list[Any] = []
        for section, page in zip(list(walks), pages, strict=True):
            items += _collect_parts(section, page.items, versions)
            if page.next_key is None:
                del cursor[section], walks[section]
            else:
                cursor[section] = page.next_key.to_json()
        for submission_id, parts in _take_complete(versions, len(sections)):
            item = _join(parts)
            joined_hash = content_hash(item)
            if joined_hashes.get(submission_id) != joined_hash:
                items.append(item)
            joined_hashes[submission_id] = joined_hash
        # A row may come on two pages. Joined again, it would lack its other sections.
        incomplete = {key: parts for key, parts in versions.items() if key not in joined_hashes}
        if not walks and incomplete and is_resumable:
            # A submission that was joined before the interruption may come again in some sections
            # only, and would lose the others. Reading from the beginning returns all sections.
            yield TaskPage(task, items, None, done=False)
            async for later in walk_sections(client, replace(task, cursor=None), sections):
                yield later
            return
        if not walks:
            remaining = (parts for several in incomplete.values() for parts in several)
            items += [_join(parts) for parts in remaining if "others" in parts]
            incomplete = {}
        yield TaskPage(task, items, None if incomplete else dict(cursor), done=not walks)


async def _next_page(pages: AsyncGenerator[Page, None]) -> Page:
    return await anext(pages)


def _collect_parts(
    section: str, items: list[Any], versions: dict[Any, list[dict[str, Any]]]
) -> list[Any]:
    """Add a section's items to their submissions; return the items without an id.

    A submission may come again, unchanged or as another version: each item goes to the first
    version that lacks its section, because all sections list the versions in the same order.
    """
    without_id = []
    for item in items:
        submission_id = item.get("submission_id") if isinstance(item, dict) else None
        if not isinstance(submission_id, str | int | float):
            without_id.append(item)
            continue
        parts_of_versions = versions.setdefault(submission_id, [])
        for parts in parts_of_versions:
            if section not in parts:
                parts[section] = item
                break
        else:
            parts_of_versions.append({section: item})
    return without_id


def _take_complete(
    versions: dict[Any, list[dict[str, Any]]], count: int
) -> list[tuple[Any, dict[str, Any]]]:
    """Take the versions that have all of `count` sections, with their ids."""
    complete = [(key, one) for key, parts in versions.items() for one in parts if len(one) == count]
    for key in {key for key, _ in complete}:
        versions[key] = [one for one in versions[key] if len(one) < count]
        if not versions[key]:
            del versions[key]
    return complete


def _join(parts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for part in parts.values() for key, value in part.items()}
