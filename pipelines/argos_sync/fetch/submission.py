"""Fetch one submission by its id, whole or section by section."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from argos_sync.api.errors import PageTooHeavy
from argos_sync.api.query import REQUEST_TYPES, Query
from argos_sync.fetch.concurrency import run_all
from argos_sync.shape.identity import Identity, identify, latest_version

if TYPE_CHECKING:
    from argos_sync.api.client import ArgosClient


async def fetch_submission(
    client: "ArgosClient", submission_id: str, sections: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Fetch one submission; None if the API does not return it.

    Configured `sections` (`request_type`s) are fetched one by one and joined. So are all four of a
    submission that is too heavy for a single response.

    Raises:
        PageTooHeavy: Not even a single section gets through.
    """
    if not sections:
        try:
            versions = await _fetch_versions(client, Query(submission_id=submission_id))
            return latest_version(versions) if versions else None
        except PageTooHeavy:
            sections = REQUEST_TYPES
    queries = [Query(submission_id=submission_id, request_type=section) for section in sections]
    parts = await run_all(_fetch_versions(client, query) for query in queries)
    count = len(dict(zip(sections, parts, strict=True)).get("others", ()))
    if not count:
        return None
    # If there are several versions, those of each section come in the same order.
    joined = [
        {key: value for part in parts if part for key, value in part[: n + 1][-1].items()}
        for n in range(count)
    ]
    return latest_version(joined)


def submission_id_of(item: Any) -> str | None:
    """Return the id of a row of a list; None if it is unusable."""
    if not isinstance(item, dict):
        return None
    # A row of one section has no `created_at`.
    identity = identify({"submission_id": item.get("submission_id"), "created_at": "1970-01-01"})
    return identity.submission_id if isinstance(identity, Identity) else None


def rows_by_id(items: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Return the rows of a list by id, without those that have none."""
    rows = ((submission_id_of(item), item) for item in items)
    return {submission_id: row for submission_id, row in rows if submission_id is not None}


async def _fetch_versions(client: "ArgosClient", query: Query) -> list[dict[str, Any]]:
    """Return the versions of a submission on the first page that has any; usually one."""
    async for page in client.first_pages(query):
        versions = [item for item in page.items if submission_id_of(item) == query.submission_id]
        if versions:
            return versions
    return []
