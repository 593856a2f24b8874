"""Fetching one page: requests, retries, page size and counters."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import date
from importlib.metadata import version
from typing import Any

import httpx
import orjson
import pytest

from argos_sync.api import errors
from argos_sync.api.client import ArgosClient
from argos_sync.api.crypto import Envelope
from argos_sync.api.page_key import PageKey
from argos_sync.api.query import Page, Query
from argos_sync.api.retry import RetryPolicy
from argos_sync.api.stats import RequestStats

Connect = Callable[..., ArgosClient]
MakePage = Callable[..., httpx.Response]
Outcome = httpx.Response | Exception


def _fetch(client: ArgosClient, query: Query | None = None, key: PageKey | None = None) -> Page:
    async def fetch() -> Page:
        async with client:
            return await client.fetch(query or Query(), key)

    return asyncio.run(fetch())


def _error_response(code: str, message: str = "") -> httpx.Response:
    return httpx.Response(400, json={"errorCode": code, "message": message})


def _counts(requests: list[httpx.Request]) -> list[str | None]:
    return [request.url.params.get("count") for request in requests]


def test_query_style(connect: Connect, page: MakePage, requests: list[httpx.Request]) -> None:
    """By default the parameters are in the URL and the key only in its header."""
    query = Query(email="ann+x@mail.test", start_date=date(2026, 1, 5))
    fetched = _fetch(connect(page("s1"), api_key="the-key"), query, PageKey("s0", 17))
    assert fetched == Page([{"submission_id": "s1"}], None)
    (request,) = requests
    assert request.method == "GET"
    assert request.url.copy_with(query=None) == "https://api.test/v3/submission"
    assert dict(request.url.params) == {
        "email": "ann+x@mail.test",
        "start_date": "2026-01-05",
        "count": "1000",
        "nextpage_id": "s0",
        "nextpage_date": "17",
    }
    assert request.content == b""
    assert request.headers["x-api-key"] == "the-key"
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "gzip, deflate"
    assert request.headers["user-agent"] == f"argos-sync/{version('argos-sync')}"


def test_json_style(connect: Connect, page: MakePage, requests: list[httpx.Request]) -> None:
    """The older style sends the same parameters as a JSON body of the GET."""
    _fetch(connect(page(), request_style="json", page_size=7), Query(userid="u"), PageKey(1, 2.5))
    (request,) = requests
    assert request.method == "GET"
    assert request.url == "https://api.test/v3/submission"
    assert request.headers["content-type"] == "application/json"
    sent = orjson.loads(request.content)
    assert sent == {"userid": "u", "count": 7, "nextpage_id": 1, "nextpage_date": 2.5}


@pytest.mark.parametrize("style", ["query", "json"])
@pytest.mark.parametrize("mode", ["ecb", "cbc", "gcm"])
def test_encrypted_exchange(
    connect: Connect, requests: list[httpx.Request], style: str, mode: Any
) -> None:
    """With an envelope both directions are encrypted, and no filter is in plain text."""
    envelope = Envelope(mode, "k" * 32)
    text = envelope.encrypt(b'{"Items":[1]}')
    response = httpx.Response(200, json={"isEncrypted": True, "data": text})
    client = connect(response, request_style=style, envelope=envelope)
    assert _fetch(client, Query(email="ann@mail.test")).items == [1]
    (request,) = requests
    assert request.url == "https://api.test/v3/submission"
    sent = orjson.loads(request.content)
    assert list(sent) == ["body"]
    decrypted = orjson.loads(envelope.decrypt(sent["body"]))
    assert decrypted == {"email": "ann@mail.test", "count": 1000}


def test_base_url_may_end_in_a_slash(
    connect: Connect, page: MakePage, requests: list[httpx.Request]
) -> None:
    """A trailing slash is not doubled."""
    _fetch(connect(page(), base_url="https://api.test/v3/"))
    assert requests[0].url.path == "/v3/submission"


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(429),
        httpx.Response(500),
        httpx.Response(502, text="<html>"),
        httpx.Response(503),
        httpx.Response(504),
        httpx.Response(200, content=b'{"Items":[{"a":'),
        httpx.Response(200, content=b"{}"),
        _error_response("processing_error"),
        httpx.ReadTimeout("secret"),
        httpx.ConnectError("secret"),
        httpx.RemoteProtocolError("secret"),
        httpx.DecodingError("secret"),
    ],
)
def test_retriable_failures_are_retried(
    connect: Connect, page: MakePage, sleeps: list[float], failure: Any
) -> None:
    """Retriable failures are retried with growing waits until the page arrives."""
    client = connect(failure, failure, page("s1", "s2"))
    assert len(_fetch(client).items) == 2
    assert sleeps == [0.5, 1.0]
    assert client.stats == RequestStats(requests=3, retries=2, pages=1, items=2)


def test_attempts_are_limited(connect: Connect, sleeps: list[float]) -> None:
    """After the last attempt the failure is raised with the number of attempts.

    Two more requests find out that it is not the page, but the API that fails.
    """
    client = connect(httpx.Response(502))
    with pytest.raises(errors.BadGateway) as caught:
        _fetch(client)
    assert sleeps == [0.5, 1.0, 2.0, 4.0, 8.0, 0.5]
    assert client.stats == RequestStats(requests=8, retries=6)
    assert str(caught.value).startswith("GET /submission returned HTTP 502 (6 attempts); ")


def test_single_attempt_does_not_retry(connect: Connect, sleeps: list[float]) -> None:
    """A policy of one attempt raises at once."""
    with pytest.raises(errors.GatewayTimeout):
        _fetch(connect(httpx.Response(504), retry=RetryPolicy(attempts=1)))
    assert sleeps == []


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx.Response(403, json={"message": "Forbidden"}), errors.InvalidApiKey),
        (httpx.Response(404), errors.NotFound),
        (httpx.Response(302, headers={"location": "https://evil.test"}), errors.Redirected),
        (_error_response("invalid_payload"), errors.InvalidPayload),
        (_error_response("invalid_format", "Invalid format: start_date"), errors.InvalidFormat),
        (
            httpx.Response(200, json={"isEncrypted": True, "data": "AAAA"}),
            errors.EncryptionMismatch,
        ),
    ],
)
def test_permanent_failures_are_not_retried(
    connect: Connect,
    requests: list[httpx.Request],
    failure: httpx.Response,
    kind: type[errors.ArgosError],
) -> None:
    """A permanent failure is raised after one request."""
    with pytest.raises(kind):
        _fetch(connect(failure))
    assert len(requests) == 1


@pytest.mark.parametrize(("retry_after", "wait"), [("7", 7.0), ("3600", 60.0), ("soon", 0.5)])
def test_rate_limit_waits_for_retry_after(
    connect: Connect, page: MakePage, sleeps: list[float], retry_after: str, wait: float
) -> None:
    """After a 429 the client waits once, as long as the API asks, up to a limit."""
    _fetch(connect(httpx.Response(429, headers={"retry-after": retry_after}), page()))
    assert sleeps == [wait]


def test_rate_limit_pauses_all_requests(
    connect: Connect, page: MakePage, sleeps: list[float]
) -> None:
    """A 429 pauses all tasks, and no burst follows the pause."""
    limited = httpx.Response(429, headers={"retry-after": "30"})
    client = connect(limited, page("a"), page("b"), max_requests_per_second=10.0)

    async def run() -> None:
        async with client:
            await asyncio.gather(client.fetch(Query()), client.fetch(Query()))

    asyncio.run(run())
    # Half the rate, and a little regained by the first page.
    assert sleeps == [30.0, pytest.approx(1 / 5.2)]


def test_requests_are_spaced(connect: Connect, page: MakePage, sleeps: list[float]) -> None:
    """The configured rate holds for the requests of one client."""
    client = connect(page(), max_requests_per_second=0.5)

    async def run() -> None:
        async with client:
            for _ in range(3):
                await client.fetch(Query())

    asyncio.run(run())
    assert sleeps == [2.0, 2.0]


@pytest.mark.parametrize(
    "refusal",
    [
        httpx.Response(413),
        _error_response("invalid_parameter", "Invalid parameter: count"),
        _error_response("invalid_parameter", "the value is out of range"),
    ],
)
def test_page_size_is_halved(
    connect: Connect,
    page: MakePage,
    requests: list[httpx.Request],
    sleeps: list[float],
    refusal: httpx.Response,
) -> None:
    """The count is halved until the API accepts it, and the client keeps the accepted count."""
    client = connect(refusal, refusal, page("s"), page())

    async def run() -> None:
        async with client:
            await client.fetch(Query())
            await client.fetch(Query())

    asyncio.run(run())
    assert _counts(requests) == ["1000", "500", "250", "250"]
    assert client.page_size.current == 250
    assert client.stats == RequestStats(requests=4, retries=0, pages=2, items=1)
    assert sleeps == []


class Gateway:
    """Answers pages of up to `carries` submissions, fails larger ones, and can be down."""

    def __init__(self, failure: Outcome, *, carries: int, down: bool = False) -> None:
        """Take the failure that replaces pages."""
        self.failure = failure
        self.carries = carries
        self.down = down
        self.counts: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, and record its count unless it only asks whether the API answers."""
        count = int(request.url.params.get("count", 1))
        is_probe = request.url.params.get("end_date") == "1970-01-01"
        if not is_probe:
            self.counts.append(count)
        if self.down or (count > self.carries and not is_probe):
            if isinstance(self.failure, Exception):
                raise self.failure
            return httpx.Response(self.failure.status_code, content=self.failure.content)
        return httpx.Response(200, json={"Items": [{"submission_id": "s"}] * count})


_HEAVY = [
    httpx.Response(500),
    httpx.Response(502),
    httpx.Response(503),
    httpx.Response(504),
    httpx.ReadTimeout("secret"),
    httpx.RemoteProtocolError("secret"),
    httpx.Response(200, content=b'{"Items": [{"submission_id"'),
]


@pytest.mark.parametrize("failure", _HEAVY)
def test_heavy_page_is_halved(connect: Connect, failure: Outcome) -> None:
    """A page that fails through all retries is requested in smaller ones; the size is kept."""
    gateway = Gateway(failure, carries=300)
    client = connect(transport=httpx.MockTransport(gateway))

    async def run() -> None:
        async with client:
            assert len((await client.fetch(Query())).items) == 250
            await client.fetch(Query())

    asyncio.run(run())
    assert gateway.counts == [1000] * 6 + [500] * 2 + [250, 250]


@pytest.mark.parametrize("announces_size", [True, False])
def test_page_size_fits_the_bytes_of_submissions(connect: Connect, announces_size: bool) -> None:
    """Pages have at most about 3 MiB: a larger one is not read, and later ones have fewer rows."""
    counts: list[int] = []
    item = b'{"submission_id": "s", "text": "' + b"x" * 100_000 + b'"}'

    def answer(request: httpx.Request) -> httpx.Response:
        counts.append(count := int(request.url.params["count"]))
        body = b'{"Items": [' + b",".join([item] * count) + b"]}"
        return httpx.Response(200, content=body if announces_size else _stream(body))

    async def run() -> None:
        async with connect(transport=httpx.MockTransport(answer), page_size=200) as client:
            for _ in range(3):
                assert {len(item["text"]) for item in (await client.fetch(Query())).items} == {
                    100_000
                }

    asyncio.run(run())
    refused, *read = counts
    assert refused == 200
    assert 27 <= read[-1] <= 31
    assert len(read) <= 4


def test_a_single_submission_that_is_too_large_is_requested_again(
    connect: Connect, page: MakePage
) -> None:
    """No smaller page can take its place, and the next response may be the right one."""
    bomb = httpx.Response(200, content=b" " * 100_000)
    client = connect(bomb, page("s1"), max_response_bytes=10_000)
    assert _fetch(client, Query(submission_id="s1")).items == [{"submission_id": "s1"}]
    assert (client.stats.requests, client.stats.retries) == (2, 1)


async def _stream(body: bytes) -> AsyncIterator[bytes]:
    """Yield a body in parts, whose size is not announced."""
    for start in range(0, len(body), 1_000_000):
        yield body[start : start + 1_000_000]


def test_page_size_recovers_from_a_large_submission(connect: Connect) -> None:
    """The pages after it grow again, up to the configured size."""
    counts: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        counts.append(count := int(request.url.params["count"]))
        items = [{"submission_id": "s", "text": "x" * (9_000_000 if len(counts) == 1 else 10)}]
        return httpx.Response(200, json={"Items": items * (1 if len(counts) == 1 else count)})

    async def run() -> None:
        async with connect(transport=httpx.MockTransport(answer), page_size=1_000) as client:
            while counts.count(1_000) < 2:
                await client.fetch(Query())

    asyncio.run(run())
    assert counts[1] == 1
    assert sorted(counts[1:]) == counts[1:]
    assert len(counts) < 50


def test_heavy_413_is_not_repeated(connect: Connect) -> None:
    """A 413 is not retried with the same number of submissions."""
    gateway = Gateway(httpx.Response(413), carries=300)
    _fetch(connect(transport=httpx.MockTransport(gateway)))
    assert gateway.counts == [1000, 500, 250]


def test_page_size_grows_again(connect: Connect) -> None:
    """After a heavy page the size grows slowly, and ends where pages are too heavy again."""
    gateway = Gateway(httpx.Response(502), carries=100)
    client = connect(transport=httpx.MockTransport(gateway))

    async def run() -> None:
        async with client:
            for _ in range(60):
                await client.fetch(Query())
            assert 75 < client.page_size.current <= 100
            gateway.carries, gateway.counts = 1000, []
            while client.page_size.is_lowered:
                await client.fetch(Query())

    asyncio.run(run())
    assert sorted(gateway.counts) == gateway.counts
    assert client.page_size.current == 1000


@pytest.mark.parametrize("query", [Query(), Query(submission_id="s1")])
@pytest.mark.parametrize("failure", [httpx.Response(413), *_HEAVY])
def test_single_submission_too_heavy(connect: Connect, failure: Outcome, query: Query) -> None:
    """If not even one submission gets through, the error names the position, not the person."""
    client = connect(transport=httpx.MockTransport(Gateway(failure, carries=0)), page_size=5)
    key = PageKey("kim@example.com", "2026-03-02-09-15-30-120")
    with pytest.raises(errors.PageTooHeavy, match=r"after the one created at 2026-03-02-09") as e:
        asyncio.run(client.fetch(query, key))
    assert "kim" not in str(e.value)
    assert client.page_size.current == 5


def test_lowered_page_size_does_not_concern_single_submissions(
    connect: Connect, page: MakePage
) -> None:
    """A request by id gets all its attempts, even while pages are smaller than usual."""
    failures = [httpx.Response(502)] * 5
    client = connect(httpx.Response(413), page(), *failures, page("s1"))

    async def run() -> None:
        async with client:
            await client.fetch(Query())
            assert client.page_size.is_lowered
            assert (await client.fetch(Query(submission_id="s1"))).items

    asyncio.run(run())


def test_outage_is_not_taken_for_a_heavy_page(connect: Connect) -> None:
    """If the API fails for other requests, too, the page is not requested in smaller ones."""
    gateway = Gateway(httpx.Response(502), carries=0, down=True)
    with pytest.raises(errors.BadGateway):
        _fetch(connect(transport=httpx.MockTransport(gateway)))
    assert gateway.counts == [1000] * 6


def test_error_about_another_parameter_does_not_halve(
    connect: Connect, requests: list[httpx.Request]
) -> None:
    """An invalid_parameter that names another parameter is raised at once."""
    refusal = _error_response("invalid_parameter", "Invalid parameter: start_date")
    with pytest.raises(errors.InvalidParameter, match="start_date"):
        _fetch(connect(refusal))
    assert len(requests) == 1


def test_request_without_count_is_not_halved(
    connect: Connect, requests: list[httpx.Request]
) -> None:
    """A request without a count is not retried with a smaller one."""
    with pytest.raises(errors.InvalidParameter):
        _fetch(connect(_error_response("invalid_parameter")), Query("s1"))
    by_id = [dict(request.url.params) for request in requests if "count" not in request.url.params]
    assert by_id == [{"submission_id": "s1"}]


NO_SUBMISSION = {
    "404": httpx.Response(404, json={"message": "Not Found"}),
    "404 without a body": httpx.Response(404),
    "410": httpx.Response(410),
    "422": httpx.Response(422, json={"message": "no such submission"}),
    "204": httpx.Response(204),
    "400": httpx.Response(400, json={"message": "no such submission"}),
    "400 documented": _error_response("invalid_parameter", "submission_id"),
    "400 format": _error_response("invalid_format"),
    "400 missing": _error_response("missing_data"),
    "object": httpx.Response(200, json={}),
    "list": httpx.Response(200, json=[]),
    "null": httpx.Response(200, content=b"null"),
    "null items": httpx.Response(200, json={"Items": None, "nextpageKey": None}),
    "no items": httpx.Response(200, json={"Items": []}),
}
"""Answers to the id of a submission that the API does not have."""


def _source(answer: httpx.Response, listed: list[str], served: list[str]) -> httpx.MockTransport:
    """Return an API that lists some ids, and returns some of them by id."""

    def respond(request: httpx.Request) -> httpx.Response:
        asked = request.url.params.get("submission_id")
        if asked is not None and asked not in served:
            return httpx.Response(answer.status_code, content=answer.content)
        ids = listed if asked is None else [asked]
        return httpx.Response(200, json={"Items": [{"submission_id": one} for one in ids]})

    return httpx.MockTransport(respond)


@pytest.mark.parametrize("answer", NO_SUBMISSION.values(), ids=NO_SUBMISSION)
@pytest.mark.parametrize("envelope", [None, Envelope("gcm", "k", "sha256")])
def test_unknown_id_has_no_submission(
    connect: Connect, answer: httpx.Response, sleeps: list[float], envelope: Envelope | None
) -> None:
    """A refused id is no failure while others are returned; two requests find that out."""

    def respond(request: httpx.Request) -> httpx.Response:
        if envelope:
            sent = orjson.loads(envelope.decrypt(orjson.loads(request.content)["body"]))
            request = httpx.Request("GET", request.url.copy_with(params=sent))
        response = _source(answer, ["gone", "a", "b"], ["a", "b"]).handle_request(request)
        if envelope and b"Items" in response.content:
            text = envelope.encrypt(response.content)
            return httpx.Response(200, json={"isEncrypted": True, "data": text})
        return response

    client = connect(transport=httpx.MockTransport(respond), envelope=envelope)

    async def run() -> None:
        async with client:
            for number in range(3):
                page = await client.fetch(Query(submission_id="gone", request_type="aml"))
                assert (page.items, page.next_key) == ([], None)
                assert client.stats.requests <= 3 + number
            assert (await client.fetch(Query(submission_id="b"))).items

    asyncio.run(run())
    assert sleeps == []


@pytest.mark.parametrize("answer", ["404", "204", "400", "object"])
def test_id_requests_that_never_work_are_a_failure(connect: Connect, answer: str) -> None:
    """If no listed submission is returned by its id, the refusal says nothing about one of them."""
    client = connect(transport=_source(NO_SUBMISSION[answer], ["a", "b"], []))
    with pytest.raises(errors.ApiFailure):
        _fetch(client, Query(submission_id="gone"))
    alone = connect(transport=_source(NO_SUBMISSION[answer], [], []))
    assert _fetch(alone, Query(submission_id="gone")).items == []


@pytest.mark.parametrize("answer", ["404", "object"])
def test_others_are_found_behind_empty_pages(connect: Connect, answer: str) -> None:
    """The API has an id if any page of it has the submission, not only the first."""
    source = _source(NO_SUBMISSION[answer], ["a", "b"], ["a", "b"])

    def respond(request: httpx.Request) -> httpx.Response:
        response = source.handle_request(request)
        if "nextpage_id" in request.url.params or b"Items" not in response.content:
            return response
        key = {"id": "x", "created_at": "2025-01-01-00-00-00-000"}
        return httpx.Response(200, json={"Items": [], "nextpageKey": key})

    client = connect(transport=httpx.MockTransport(respond))
    assert _fetch(client, Query(submission_id="gone")).items == []


def test_wrong_address_is_told_by_the_first_id(connect: Connect) -> None:
    """A server that answers 404 to everything is not one that lacks a submission."""
    client = connect(httpx.Response(404))
    with pytest.raises(errors.NotFound, match="base_url is probably wrong"):
        _fetch(client, Query(submission_id="s1"))
    assert client.stats.requests == 2


def test_concurrent_requests_share_the_page_size(
    connect: Connect, requests: list[httpx.Request], sleeps: list[float]
) -> None:
    """Concurrent requests that are refused together settle on one page size."""

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        accepted = int(request.url.params["count"]) <= 100
        return httpx.Response(200, json={"Items": []}) if accepted else httpx.Response(413)

    client = connect(transport=httpx.MockTransport(respond))

    async def run() -> None:
        async with client:
            await asyncio.gather(*(client.fetch(Query()) for _ in range(4)))

    asyncio.run(run())
    assert client.page_size.current == 62
    assert sleeps == []


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_other_encodings_are_refused(connect: Connect, encoding: str) -> None:
    """An encoding that the client did not request is not unpacked."""

    def respond(_: httpx.Request) -> httpx.Response:
        stream = httpx.ByteStream(b"xx")
        return httpx.Response(200, headers={"content-encoding": encoding}, stream=stream)

    client = connect(transport=httpx.MockTransport(respond), retry=RetryPolicy(attempts=1))
    with pytest.raises(errors.MalformedResponse, match="encoding that was not requested"):
        _fetch(client)


def test_loggers_are_quiet(
    connect: Connect, page: MakePage, caplog: pytest.LogCaptureFixture
) -> None:
    """The HTTP libraries, which log whole URLs, log nothing below a warning."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.NOTSET)
    logging.getLogger("httpcore").setLevel(logging.ERROR)
    _fetch(connect(page()), Query(email="ann@mail.test"))
    assert [r for r in caplog.records if r.name.startswith("http")] == []
    assert logging.getLogger("httpx").level == logging.WARNING
    assert logging.getLogger("httpcore").level == logging.ERROR


def test_unexpected_errors_propagate(connect: Connect) -> None:
    """Only network failures become errors of this package; a bug stays visible."""
    with pytest.raises(ZeroDivisionError):
        _fetch(connect(ZeroDivisionError()))
