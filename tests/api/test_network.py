"""Real sockets: stalls, drops, truncated bodies, redirects, gzip bombs, persistent connections."""

import asyncio
import gzip
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import httpx
import pytest

from argos_sync.api import errors
from argos_sync.api.client import ArgosClient
from argos_sync.api.query import Page, Query
from argos_sync.api.retry import RetryPolicy

Connect = Callable[..., ArgosClient]
Serve = Callable[[Callable[[bytes], bytes | None]], AbstractAsyncContextManager[str]]
ONCE = RetryPolicy(attempts=1)


def _http(
    body: bytes, *, status: str = "200 OK", length: int | None = None, more: str = ""
) -> bytes:
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n{more}\r\n"
    return head.encode() + body


def _fetch(serve: Serve, connect: Connect, *replies: bytes | None, **options: Any) -> Page:
    """Fetch one page from a server that gives these replies in order and repeats the last."""
    remaining = list(replies)

    async def fetch() -> Page:
        async with (
            serve(lambda _: remaining.pop(0) if len(remaining) > 1 else remaining[0]) as base_url,
            connect(base_url=base_url, **options) as client,
        ):
            return await client.fetch(Query())

    return asyncio.run(fetch())


def test_page_over_a_socket(serve: Serve, connect: Connect) -> None:
    """A page arrives whole over real HTTP."""
    assert _fetch(serve, connect, _http(b'{"Items":[1]}')) == Page([1], None)


def test_compressed_page(serve: Serve, connect: Connect) -> None:
    """A gzip-compressed page is unpacked."""
    reply = _http(gzip.compress(b'{"Items":[1]}'), more="Content-Encoding: gzip\r\n")
    assert _fetch(serve, connect, reply).items == [1]


def test_stalled_response(serve: Serve, connect: Connect) -> None:
    """A server that accepts but never responds is a timeout."""
    with pytest.raises(errors.RequestTimeout, match="no complete response in time"):
        _fetch(serve, connect, None, timeout=0.05, retry=ONCE)


def test_slow_response_meets_the_deadline(serve: Serve, connect: Connect) -> None:
    """The whole response has a deadline, however long single reads may take."""
    with pytest.raises(errors.RequestTimeout):
        _fetch(serve, connect, None, timeout=httpx.Timeout(None), deadline=0.05, retry=ONCE)


def test_trickle_meets_the_deadline(connect: Connect) -> None:
    """An endless body that is never idle for long is stopped too."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        options = {"timeout": 60.0, "deadline": 0.2, "retry": ONCE}
        async with server, connect(base_url=base_url, **options) as client:
            await client.fetch(Query())

    with pytest.raises(errors.RequestTimeout):
        asyncio.run(run())


def test_refused_connection(connect: Connect) -> None:
    """A port without a server is a failed connection."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client = connect(base_url=f"http://127.0.0.1:{unused.getsockname()[1]}", retry=ONCE)

        async def fetch() -> None:
            async with client:
                await client.fetch(Query())

        with pytest.raises(errors.ConnectionFailed, match="failed with ConnectError"):
            asyncio.run(fetch())


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"garbage\r\n\r\n",
        _http(b'{"Items":[]', length=5000),
        _http(b'{"Items":[]}', length=5000),
        _http(b"<html>", status="502 Bad Gateway", length=5000),
    ],
)
def test_dropped_connection(serve: Serve, connect: Connect, reply: bytes) -> None:
    """A connection that ends early is a failure, even if the body looks complete."""
    with pytest.raises(errors.ConnectionFailed, match="failed with RemoteProtocolError"):
        _fetch(serve, connect, reply, retry=ONCE)


def test_recovery_after_drops(serve: Serve, connect: Connect, sleeps: list[float]) -> None:
    """Dropped and truncated responses are requested again until the page arrives."""
    replies = [b"", _http(b'{"Items":[', length=5000), _http(b'{"Items":[1]}')]
    assert _fetch(serve, connect, *replies).items == [1]
    assert sleeps == [0.5, 1.0]


def test_redirects_are_not_followed(serve: Serve, connect: Connect) -> None:
    """A redirect is an error, and its target never receives the key."""
    visits: list[bytes] = []

    async def fetch() -> None:
        async with serve(visits.append) as elsewhere:
            reply = _http(b"", status="307 Temporary Redirect", more=f"Location: {elsewhere}\r\n")
            async with serve(lambda _: reply) as base_url, connect(base_url=base_url) as client:
                await client.fetch(Query())

    with pytest.raises(errors.Redirected, match="HTTP 307"):
        asyncio.run(fetch())
    assert visits == []


@pytest.mark.parametrize("status", ["200 OK", "500 Oops"])
def test_gzip_bomb(serve: Serve, connect: Connect, status: str) -> None:
    """A small response that unpacks to a huge one is stopped at the limit."""
    bomb = gzip.compress(b" " * 5_000_000)
    reply = _http(bomb, status=status, more="Content-Encoding: gzip\r\n")
    assert len(reply) < 10_000
    with pytest.raises(errors.MalformedResponse, match="more than 1000000 bytes"):
        _fetch(serve, connect, reply, max_response_bytes=1_000_000, retry=ONCE)


def test_response_of_exactly_the_limit(serve: Serve, connect: Connect) -> None:
    """A response of exactly the limit is accepted."""
    body = b'{"Items":[]}'
    page = _fetch(serve, connect, _http(body), max_response_bytes=len(body))
    assert page.items == []
    with pytest.raises(errors.MalformedResponse):
        _fetch(serve, connect, _http(body), max_response_bytes=len(body) - 1, retry=ONCE)


def test_broken_compression(serve: Serve, connect: Connect) -> None:
    """A body that is not compressed as its header says is malformed."""
    reply = _http(b"not gzip", more="Content-Encoding: gzip\r\n")
    with pytest.raises(errors.MalformedResponse, match="broken compression"):
        _fetch(serve, connect, reply, retry=ONCE)


def test_connection_is_kept_alive(connect: Connect) -> None:
    """All pages of a query use one connection."""
    connections = 0
    body = b'{"Items":[]}'

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(3):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()
        await writer.wait_closed()

    async def run() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, connect(base_url=f"http://127.0.0.1:{port}") as client:
            for _ in range(3):
                await client.fetch(Query())

    asyncio.run(run())
    assert connections == 1


def test_clear_text_ignores_proxies(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy from the environment never sees a plain request and its key."""
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert _fetch(serve, connect, _http(b'{"Items":[1]}')).items == [1]
