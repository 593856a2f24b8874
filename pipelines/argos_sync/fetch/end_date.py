"""The probe for how the server reads `end_date`, which the vendor does not document."""

from __future__ import annotations

from argos_sync.api import ArgosClient, Query
from argos_sync.api.errors import InvalidFormat, InvalidParameter
from argos_sync.fetch.windows import EndDate, add_days
from argos_sync.shape.identity import Identity, identify

_MOST_EMPTY_PAGES = 20
"""Pages without rows to read before giving up; the API may page by bytes scanned."""


async def probe_end_date(client: ArgosClient, section: str | None = None) -> EndDate | None:
    """Find out whether the server includes `end_date`.

    The probe asks for a single day that has a submission, from that day to that day: rows come only
    if the end is included. It costs two requests with most servers. The server's days may be UTC or
    Korean, so the next day is tried too.

    Args:
        client: Should ask for a single row per page.
        section: `request_type` that has `created_at`; None asks for all sections.

    Returns:
        How the server reads `end_date`; None if there is no submission to find out with.
    """
    sample = await _first_submission(client, Query(request_type=section))
    if sample is None:
        return None
    day = sample.created_at.date()
    try:
        for candidate in (day, add_days(day, 1)):
            one_day = Query(start_date=candidate, end_date=candidate, request_type=section)
            if await _first_submission(client, one_day) is not None:
                return "inclusive"
    except (InvalidParameter, InvalidFormat):
        pass  # a server that excludes the end may reject an empty range
    return "exclusive"


async def _first_submission(client: ArgosClient, query: Query) -> Identity | None:
    pages = 0
    async for page in client.iter_pages(query):
        for item in page.items:
            if isinstance(identity := identify(item), Identity):
                return identity
        pages += 1
        if pages == _MOST_EMPTY_PAGES:
            break
    return None
