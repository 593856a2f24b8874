"""Paging: which pages end a query and which do not."""

import asyncio
import base64
import itertools
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from argos_sync.api import errors
from argos_sync.api.client import ArgosClient
from argos_sync.api.page_key import PageKey
from argos_sync.api.page_walk import MAX_EMPTY_PAGES
from argos_sync.api.query import Page, Query

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


@pytest.mark.slow
def test_empty_pages_without_end(connect: Connect, requests: list[httpx.Request]) -> None:
    """A walk is given up after many empty pages in a row; one with rows starts the count anew."""
    numbers = itertools.count()

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        number = next(numbers)
        key = {"id": f"k{number}", "created_at": f"at {number}"}
        items = [{"submission_id": "a"}] if number == MAX_EMPTY_PAGES - 1 else []
        return httpx.Response(200, json={"Items": items, "nextpageKey": key})

    client = connect(transport=httpx.MockTransport(respond))
    with pytest.raises(errors.TooManyEmptyPages, match="500 empty pages in a row"):
        _pages(client)
    assert len(requests) == 2 * MAX_EMPTY_PAGES


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
    [b"", b'{"Items":[', b'{"nextpageKey":null}'],
)
def test_broken_page_never_ends_a_query(connect: Connect, page: MakePage, broken: bytes) -> None:
    """A broken page is requested again, and raised if it stays broken."""
    bad = httpx.Response(200, content=broken)
    assert _ids(_pages(connect(page("a", key="a"), bad, page("b")))) == [["a"], ["b"]]
    with pytest.raises(errors.MalformedResponse):
        _pages(connect(page("a", key="a"), bad))


def _encoded(key: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


PARTS = {"id": "s-1", "created_at": "2026-01-05-09-00-00-123"}
TYPED = {"id": {"S": "s-1"}, "created_at": {"S": "2026-01-05-09-00-00-123"}}
KEYS: dict[str, tuple[Any, list[Any]]] = {
    "object": (PARTS, [["s-1", PARTS["created_at"]]]),
    "json": (json.dumps(PARTS), [["s-1", PARTS["created_at"]], [json.dumps(PARTS), None]]),
    "base64": (_encoded(PARTS), [["s-1", PARTS["created_at"]], [_encoded(PARTS), None]]),
    "json in json": (
        json.dumps(json.dumps(PARTS)),
        [["s-1", PARTS["created_at"]], [json.dumps(json.dumps(PARTS)), None]],
    ),
    "typed": (
        TYPED,
        [["s-1", PARTS["created_at"]], ['{"S":"s-1"}', '{"S":"2026-01-05-09-00-00-123"}']],
    ),
    "typed json in base64": (
        _encoded(TYPED),
        [["s-1", PARTS["created_at"]], [_encoded(TYPED), None]],
    ),
    "typed map": (
        {"M": TYPED},
        [["s-1", PARTS["created_at"]], [json.dumps({"M": TYPED}, separators=(",", ":")), None]],
    ),
    "id only": ({"id": "s-1"}, [["s-1", None]]),
    "id without time": ({"id": "s-1", "created_at": None}, [["s-1", None]]),
    "typed id only": ({"id": {"S": "s-1"}}, [["s-1", None], ['{"S":"s-1"}', None]]),
    "text": ("s-1", [["s-1", None]]),
    "digits": ("17", [["17", None]]),
    "base64 of a text": ("cy0x", [["cy0x", None]]),
    "another object": ({"offset": 100}, [['{"offset":100}', None]]),
}
"""A `nextpageKey`, and the parameters to send it with, of which one is taken."""


@pytest.mark.parametrize("taken", ["parts", "opaque"])
@pytest.mark.parametrize("name", KEYS)
def test_every_form_of_a_key_is_given_back(connect: Connect, name: str, taken: str) -> None:
    """The API takes the parts of a key, or the key as it gave it; the client finds out once."""
    value, sent = KEYS[name]
    accepted = sent[0 if taken == "parts" else -1]
    sent_ids: list[str | None] = []

    def respond(request: httpx.Request) -> httpx.Response:
        params = request.url.params
        sent_ids.append(params.get("nextpage_id"))
        if "nextpage_id" not in params:
            first = {"Items": [{"submission_id": "a"}], "nextpageKey": value}
            return httpx.Response(200, json=first)
        if [params["nextpage_id"], params.get("nextpage_date")] != accepted:
            return httpx.Response(400, json={"errorCode": "invalid_format"})
        return httpx.Response(200, json={"Items": [{"submission_id": "b"}]})

    client = connect(transport=httpx.MockTransport(respond))

    async def walk_twice() -> list[list[str]]:
        async with client:
            return [
                [item["submission_id"] for page in walk for item in page.items]
                for walk in [[page async for page in client.iter_pages(Query())] for _ in "12"]
            ]

    assert asyncio.run(walk_twice()) == [["a", "b"]] * 2
    assert len(sent_ids) <= 5, "the second walk knows the form"
    key = PageKey.from_json(value)
    assert PageKey.from_json(json.loads(json.dumps(key.to_json()))) == key


def test_key_form_is_not_found_by_a_repeated_page(connect: Connect, page: MakePage) -> None:
    """An API that ignores what it does not understand returns the first page again."""
    token = _encoded(PARTS)

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.params.get("nextpage_id") == token:
            return page("b")
        return httpx.Response(200, json={"Items": [{"submission_id": "a"}], "nextpageKey": token})

    client = connect(transport=httpx.MockTransport(respond))
    assert _ids(_pages(client)) == [["a"], ["b"]]


@pytest.mark.parametrize("key", [17, True, ["a"], "x" * 5_000, {"id": None}, {"id": "\ud800"}])
def test_unusable_key_is_told_at_once(
    connect: Connect, page: MakePage, requests: list[httpx.Request], key: Any
) -> None:
    """No retry makes it usable, so none is sent."""
    broken = httpx.Response(200, content=json.dumps({"Items": [], "nextpageKey": key}).encode())
    with pytest.raises(errors.UnusablePageKey, match="unusable nextpageKey; no retry helps"):
        _pages(connect(broken))
    assert len(requests) == 1


@pytest.mark.parametrize("key", ["null", "{}", "bnVsbA==", '""'])
def test_a_text_of_nothing_is_the_end(connect: Connect, key: str) -> None:
    """A server that writes keys as text writes the missing key as text, too."""
    end = httpx.Response(200, json={"Items": [{"submission_id": "a"}], "nextpageKey": key})
    assert _ids(_pages(connect(end))) == [["a"]]


def test_page_size_may_shrink_in_the_middle(
    connect: Connect, page: MakePage, requests: list[httpx.Request]
) -> None:
    """A page that is too large is requested in a smaller size, as are all later ones."""
    client = connect(page("a", key="a"), httpx.Response(413), page("b", key="b"), page("c"))
    assert _ids(_pages(client)) == [["a"], ["b"], ["c"]]
    assert [r.url.params["count"] for r in requests] == ["1000", "1000", "500", "500"]
