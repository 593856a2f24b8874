"""A clock that only sleeping moves, a client on a scripted transport, and a raw local server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import httpx
import orjson
import pytest

from argos_sync.api import ArgosClient

Answer: TypeAlias = httpx.Response | Exception
Reply: TypeAlias = Callable[[bytes], bytes | None]


@pytest.fixture
def sleeps() -> list[float]:
    """Every wait that was asked for, in order and in seconds."""
    return []


@pytest.fixture
def requests() -> list[httpx.Request]:
    """Every request a scripted client has sent."""
    return []


@pytest.fixture
def connect(sleeps: list[float], requests: list[httpx.Request]) -> Callable[..., ArgosClient]:
    """Make a client that is given these answers in order, the last one again and again."""

    async def sleep(seconds: float) -> None:
        sleeps.append(seconds)

    def connect(*answers: Answer, **options: Any) -> ArgosClient:
        script = itertools.chain(answers[:-1], itertools.repeat(answers[-1])) if answers else None

        def answer(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            assert script is not None
            following = next(script)
            if isinstance(following, Exception):
                raise following
            # A response can be read once only.
            return httpx.Response(
                following.status_code,
                headers=following.headers,
                stream=httpx.ByteStream(following.content),
            )

        settings: dict[str, Any] = {
            "api_key": "K" * 40,
            "base_url": "https://api.test/v3",
            "max_requests_per_second": 1000.0,
            "sleep": sleep,
            "clock": lambda: sum(sleeps),
            "random": lambda: 1.0,
        }
        if answers:
            settings["transport"] = httpx.MockTransport(answer)
        return ArgosClient(**(settings | options))

    return connect


@pytest.fixture
def page() -> Callable[..., httpx.Response]:
    """Make a 200 with these ids as items, and a key made of one id if there is a next page."""

    def page(*ids: str, key: str | None = None) -> httpx.Response:
        document: dict[str, Any] = {"Items": [{"submission_id": each} for each in ids]}
        if key is not None:
            document["nextpageKey"] = {"id": key, "created_at": f"at {key}"}
        return httpx.Response(200, content=orjson.dumps(document))

    return page


@pytest.fixture
def serve() -> Callable[[Reply], AbstractAsyncContextManager[str]]:
    """Run a loopback server that sends raw bytes, or with None stalls; gives its base URL."""

    @asynccontextmanager
    async def serve(reply: Reply) -> AsyncIterator[str]:
        conversations = set[asyncio.Task[Any] | None]()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            conversations.add(asyncio.current_task())
            answer = reply(await reader.readuntil(b"\r\n\r\n"))
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            try:
                yield f"http://{host}:{port}/v3"
            finally:
                # Clients hang up in the middle; each talk must be over before the loop is.
                await asyncio.gather(*filter(None, conversations), return_exceptions=True)

    return serve
