"""Paging: which pages end a query and which do not."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from argos_sync.api import ArgosClient, Page, PageKey, Query, errors

Connect = Callable[..., ArgosClient]
MakePage = Callable[..., httpx.Response]


def _pages(
    client: ArgosClient, query: Query | None = None, start: PageKey | None = None
) -> list[Page]:
    async def fetch_all() -> list[Page]:
        async with client:
            return [page async for page in client.iter_pages(query or Query(), start)]

    return asyncio.run(fetch_all())


def _ids(pages: list[Page]) -> list[list[str]]:
    return [[item["submission_id"] for item in page.items] for page in pages]


def test_short_and_empty_pages_do_not_end_a_query(
    connect: Connect, page: MakePage, requests: list[httpx.Request]
) -> None:
    """Only a page without a key is the last, however few rows the others have."""
    client = connect(page("a", key="a"), page(key="b"), page(key="c"), page("d"))
    pages = _pages(client, Query(userid="u"))
    assert _ids(pages) == [["a"], [], [], ["d"]]
    assert [request.url.params.get("nextpage_id") for request in requests] == [None, "a", "b", "c"]
    assert requests[3].url.params["nextpage_date"] == "at c"
    # The filters go along with every page.
    assert {request.url.params["userid"] for request in requests} == {"u"}
    assert (client.stats.pages, client.stats.items) == (4, 2)


def test_query_resumes(connect: Connect, page: MakePage, requests: list[httpx.Request]) -> None:
    """A query continues from a stored key."""
    start = PageKey.from_json({"id": "a", "created_at": "at a"})
    assert _ids(_pages(connect(page("b")), start=start)) == [["b"]]
    assert requests[0].url.params["nextpage_id"] == "a"


def test_pages_are_not_prefetched(
    connect: Connect, page: MakePage, requests: list[httpx.Request]
) -> None:
    """The client fetches no page before its caller asks for it."""
    client = connect(page("a", key="a"), page("b", key="b"))

    async def first() -> Page:
        async with client:
            pages = client.iter_pages(Query())
            page = await anext(pages)
            await pages.aclose()
            return page

    assert asyncio.run(first()).next_key == PageKey("a", "at a")
    assert len(requests) == 1


@pytest.mark.parametrize("keys", [["a", "a"], ["a", "b", "a"], ["a", "b", "c", "b"]])
def test_loop_is_an_error(connect: Connect, page: MakePage, keys: list[str]) -> None:
    """A repeated key raises PageLoop before its page is yielded."""
    client = connect(*(page(str(n), key=key) for n, key in enumerate(keys)))
    yielded = 0

    async def fetch_all() -> None:
        nonlocal yielded
        async with client:
            async for _ in client.iter_pages(Query()):
                yielded += 1

    with pytest.raises(errors.PageLoop):
        asyncio.run(fetch_all())
    assert yielded == len(keys) - 1


def test_start_key_counts_as_seen(connect: Connect, page: MakePage) -> None:
    """A page that points back to the start of the query is a loop too."""
    with pytest.raises(errors.PageLoop):
        _pages(connect(page("b", key="a")), start=PageKey("a", "at a"))


def test_same_id_at_another_time_is_another_key(connect: Connect, page: MakePage) -> None:
    """Keys are compared by id and time."""
    pages = _pages(connect(page("b", key="a"), page("c")), start=PageKey("a", "earlier"))
    assert _ids(pages) == [["b"], ["c"]]


@pytest.mark.parametrize(
    "broken",
    [b"", b'{"Items":[', b'{"Items":[],"nextpageKey":{"id":"x"}}', b'{"nextpageKey":null}'],
)
def test_broken_page_never_ends_a_query(connect: Connect, page: MakePage, broken: bytes) -> None:
    """A broken page is requested again, and raised if it stays broken."""
    bad = httpx.Response(200, content=broken)
    assert _ids(_pages(connect(page("a", key="a"), bad, page("b")))) == [["a"], ["b"]]
    with pytest.raises(errors.MalformedResponse):
        _pages(connect(page("a", key="a"), bad))


def test_page_size_may_shrink_in_the_middle(
    connect: Connect, page: MakePage, requests: list[httpx.Request]
) -> None:
    """A page that is too large is requested in a smaller size, as are all later ones."""
    client = connect(page("a", key="a"), httpx.Response(413), page("b", key="b"), page("c"))
    assert _ids(_pages(client)) == [["a"], ["b"], ["c"]]
    assert [r.url.params["count"] for r in requests] == ["1000", "1000", "500", "500"]
