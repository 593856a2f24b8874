"""Walk through the pages of a query, from page key to page key."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection

from argos_sync.api import errors
from argos_sync.api.page_key import PageKey
from argos_sync.api.query import Page, Query
from argos_sync.api.responses import ENDPOINT

_FIRST_PAGES = 20
MAX_EMPTY_PAGES = 500
"""Consecutive empty pages after which a walk is given up.

A store that pages by bytes scanned returns some where a filter matches nothing for a long time.
"""

REFUSED_PARAMETER = (
    errors.InvalidParameter,
    errors.InvalidFormat,
    errors.InvalidPayload,
    errors.MissingData,
    errors.UnknownApiError,
    errors.NotFound,
)
"""What an API may answer to a value that it does not understand, or does not have."""

_REFUSALS = (*REFUSED_PARAMETER, errors.PageTooHeavy)
"""What an API may answer to a page key that it does not understand."""

Fetch = Callable[[Query, PageKey | None, int | None], Awaitable[Page]]
"""Fetches the page after a key, with at most so many submissions."""


class PageWalker:
    """Walks of one client, which finds out once in which form the API takes its page keys."""

    def __init__(self) -> None:
        """Start without knowing the form."""
        self._key_form: int | None = None

    async def walk(
        self,
        fetch: Fetch,
        query: Query,
        start: PageKey | None = None,
        most: int | None = None,
    ) -> AsyncGenerator[Page, None]:
        """Yield all pages of a query that `fetch` returns, from the key `start`.

        A page that repeats a key is not yielded, so that no caller stores that key as a cursor.

        Raises:
            PageLoop: The API returned a key twice, or returned `start`.
            TooManyEmptyPages: `MAX_EMPTY_PAGES` in a row were empty.
        """
        seen = {start}
        key = start
        empty_pages = 0
        while True:
            page = await self._fetch_after(fetch, key, query, most, seen)
            key = page.next_key
            if key is not None and key in seen:
                raise errors.PageLoop(
                    f"{ENDPOINT} returned the same nextpageKey twice for one query"
                )
            seen.add(key)
            yield page
            if key is None:
                return
            empty_pages = 0 if page.items else empty_pages + 1
            if empty_pages >= MAX_EMPTY_PAGES:
                raise errors.TooManyEmptyPages(
                    f"{ENDPOINT} returned {empty_pages} empty pages in a row, each with a new key"
                )

    async def _fetch_after(
        self,
        fetch: Fetch,
        key: PageKey | None,
        query: Query,
        most: int | None,
        seen: Collection[PageKey | None],
    ) -> Page:
        """Fetch the page after a key, and find out once in which of its forms the API takes it.

        A form works if it brings a page with rows or with a new key: an API that does not
        understand a key refuses it, returns the first page again, or nothing.
        """
        forms = key.forms if key else (None,)
        if len(forms) == 1:
            return await fetch(query, forms[0], most)
        if self._key_form is not None:
            return await fetch(query, forms[self._key_form], most)
        refusal: errors.ApiFailure | None = None
        fallback: Page | None = None
        for position, form in enumerate(forms):
            try:
                page = await fetch(query, form, most)
            except _REFUSALS as error:
                refusal = refusal or error
                continue
            if page.next_key not in seen if page.next_key else page.items:
                self._key_form = position
                return page
            fallback = page if fallback is None or page.next_key is None else fallback
        if fallback is None and refusal is not None:
            raise refusal
        return fallback or Page([], None)


async def first_of(pages: AsyncGenerator[Page, None]) -> AsyncGenerator[Page, None]:
    """Yield at most the first 20 of some pages."""
    count = 0
    async for page in pages:
        yield page
        count += 1
        if count == _FIRST_PAGES:
            return
