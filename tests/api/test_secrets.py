"""Errors, tracebacks and their objects contain no key, body, filter or server text."""

import asyncio
import gzip
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from argos_sync.api.client import ArgosClient
from argos_sync.api.crypto import Envelope
from argos_sync.api.errors import ArgosError
from argos_sync.api.page_key import PageKey
from argos_sync.api.query import Query
from argos_sync.api.retry import RetryPolicy

Connect = Callable[..., ArgosClient]
Serve = Callable[[Callable[[bytes], bytes | None]], AbstractAsyncContextManager[str]]

KEY = "apikey-3141592653589793238462643383279"
EMAIL = "ann.secret@mail.test"
PERSON = "Ann-Secret-Person"
CURSOR = "cursor-of-ann"
SECRETS = (KEY, EMAIL, "ann.secret%40", PERSON, CURSOR)
BODY = f'{{"errorCode":"x","message":"{PERSON} {KEY}","Items":"{PERSON}"}}'


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield every exception that a traceback or an error reporter could show."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _check(error: ArgosError) -> None:
    shown = "".join(traceback.format_exception(error))
    for each in _chain(error):
        shown += f"{each} {each!r} {each.args} {vars(each)}"
    assert [secret for secret in SECRETS if secret in shown] == []


def _failure(client: ArgosClient) -> ArgosError:
    async def fetch() -> None:
        async with client:
            async for _ in client.iter_pages(
                Query(email=EMAIL, userid=PERSON), PageKey(CURSOR, CURSOR)
            ):
                pass

    with pytest.raises(ArgosError) as caught:
        asyncio.run(fetch())
    return caught.value


@pytest.mark.parametrize("style", ["query", "json"])
@pytest.mark.parametrize(
    "status", [200, 204, 307, 400, 401, 403, 404, 413, 418, 429, 500, 502, 503, 504]
)
def test_responses(connect: Connect, style: str, status: int) -> None:
    """No status makes an error repeat the request or the response."""
    headers = {"location": f"https://{PERSON}.test", "retry-after": PERSON}
    response = httpx.Response(status, headers=headers, text=BODY)
    _check(_failure(connect(response, api_key=KEY, request_style=style)))


@pytest.mark.parametrize(
    "code",
    ["invalid_payload", "invalid_parameter", "invalid_format", "processing_error", PERSON],
)
def test_messages(connect: Connect, code: str) -> None:
    """Errors do not repeat the server's message."""
    response = httpx.Response(400, json={"errorCode": code, "message": f"{PERSON}: {EMAIL}"})
    _check(_failure(connect(response, api_key=KEY)))


@pytest.mark.parametrize(
    "body",
    [
        f'{{"Items":["{PERSON}"',
        f'["{PERSON}"]',
        f'{{"Items":[],"nextpageKey":"{PERSON}"}}',
        f'{{"Items":[],"nextpageKey":{{"id":"{CURSOR}","created_at":"{CURSOR}"}}}}',
        f'{{"isEncrypted":true,"data":"{PERSON}"}}',
    ],
)
@pytest.mark.parametrize("envelope", [None, Envelope("ecb", KEY), Envelope("gcm", KEY)])
def test_bodies(connect: Connect, body: str, envelope: Envelope | None) -> None:
    """Errors do not show an unreadable body, encrypted or not."""
    _check(_failure(connect(httpx.Response(200, text=body), api_key=KEY, envelope=envelope)))


@pytest.mark.parametrize(
    "kind",
    [httpx.ReadTimeout, httpx.ConnectError, httpx.LocalProtocolError, httpx.DecodingError],
)
def test_transport_failures(connect: Connect, kind: type[httpx.RequestError]) -> None:
    """Errors do not contain the HTTP library's exceptions, which hold the request."""
    _check(_failure(connect(kind(f"{KEY} {EMAIL}"), api_key=KEY)))


@pytest.mark.parametrize(
    ("reply", "options"),
    [
        (None, {"timeout": 0.05}),
        (None, {"deadline": 0.05}),
        (b"", {}),
        (PERSON.encode() + b"\r\n\r\n", {}),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + BODY.encode(), {}),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b" " * 9999),
            {"max_response_bytes": 10},
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + BODY.encode(), {}),
    ],
    ids=["stall", "deadline", "drop", "garbage", "cut", "bomb", "not gzip"],
)
def test_real_connections(
    serve: Serve, connect: Connect, reply: bytes | None, options: dict[str, Any]
) -> None:
    """Errors over real sockets do not contain secrets either."""

    async def fetch() -> None:
        async with serve(lambda _: reply) as base_url:
            policy = RetryPolicy(attempts=2)
            client = connect(base_url=base_url, api_key=KEY, retry=policy, **options)
            async with client:
                await client.fetch(Query(email=EMAIL))

    with pytest.raises(ArgosError) as caught:
        asyncio.run(fetch())
    _check(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ArgosClient(api_key=KEY + "\n", base_url="https://api.test"),
        lambda: ArgosClient(api_key="k", base_url=KEY),
        lambda: ArgosClient(api_key="k", base_url=f"https://{KEY}@api.test"),
        lambda: ArgosClient(api_key="k", base_url=f"https://api.test?key={KEY}"),
        lambda: Envelope("ecb", KEY[:31]),
        lambda: Query(email=EMAIL + "\ud800"),
        lambda: Query(userid=PERSON * 100),
    ],
)
def test_settings(make: Callable[[], object]) -> None:
    """Errors do not repeat an invalid setting or filter."""
    with pytest.raises(ArgosError) as caught:
        make()
    _check(caught.value)
