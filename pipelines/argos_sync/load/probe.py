"""Finding out what the API page does not say: whether `end_date` is included."""

from __future__ import annotations

from datetime import timedelta

from argos_sync.api import ArgosClient, Query
from argos_sync.load.windows import EndDate
from argos_sync.shape.identity import Identity, identify

_MOST_EMPTY_PAGES = 20
"""Pages without rows that are followed in search of one: the API may page by bytes scanned."""


async def probe_end_date(client: ArgosClient) -> EndDate | None:
    """Ask for one day, from itself to itself: rows come only if the end is included.

    Costs two requests with most servers. The day is that of some existing submission; the
    server's days may be UTC or Korean, so the day after is tried as well.

    Returns:
        How the server reads `end_date`; None when there is no submission to find it out with.
    """
    sample = await _first(client, Query())
    if sample is None:
        return None
    day = sample.created_at.date()
    for candidate in (day, day + timedelta(days=1)):
        if await _first(client, Query(start_date=candidate, end_date=candidate)) is not None:
            return "inclusive"
    return "exclusive"


async def _first(client: ArgosClient, query: Query) -> Identity | None:
    pages = 0
    async for page in client.walk(query):
        for item in page.items:
            if isinstance(identity := identify(item), Identity):
                return identity
        pages += 1
        if pages == _MOST_EMPTY_PAGES:
            break
    return None
