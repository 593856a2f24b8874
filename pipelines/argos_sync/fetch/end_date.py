"""Finding out what the API page does not say: whether `end_date` is included."""

from __future__ import annotations

from argos_sync.api import ArgosClient, Query
from argos_sync.api.errors import InvalidFormat, InvalidParameter
from argos_sync.fetch.windows import EndDate, add_days
from argos_sync.shape.identity import Identity, identify

_MOST_EMPTY_PAGES = 20
"""Pages without rows that are followed in search of one: the API may page by bytes scanned."""


async def probe_end_date(client: ArgosClient, section: str | None = None) -> EndDate | None:
    """Ask for one day, from itself to itself: rows come only if the end is included.

    Costs two requests with most servers. The day is that of some existing submission; the
    server's days may be UTC or Korean, so the day after is tried as well.

    Args:
        client: Best one that asks for a single row a page.
        section: `request_type` that carries `created_at`, when not everything may be fetched.

    Returns:
        How the server reads `end_date`; None when there is no submission to find it out with.
    """
    sample = await _first(client, Query(request_type=section))
    if sample is None:
        return None
    day = sample.created_at.date()
    try:
        for candidate in (day, add_days(day, 1)):
            one_day = Query(start_date=candidate, end_date=candidate, request_type=section)
            if await _first(client, one_day) is not None:
                return "inclusive"
    except (InvalidParameter, InvalidFormat):
        pass  # a server that excludes the end may refuse an empty range
    return "exclusive"


async def _first(client: ArgosClient, query: Query) -> Identity | None:
    pages = 0
    async for page in client.iter_pages(query):
        for item in page.items:
            if isinstance(identity := identify(item), Identity):
                return identity
        pages += 1
        if pages == _MOST_EMPTY_PAGES:
            break
    return None
