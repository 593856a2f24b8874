"""A clock that only `sleep` moves, a client on a scripted transport, and a raw local server."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import httpx
import orjson
import pytest

from argos_sync.api.client import ArgosClient

Outcome: TypeAlias = httpx.Response | Exception
Reply: TypeAlias = Callable[[bytes], bytes | None]


@pytest.fixture
def sleeps() -> list[float]:
    """Collect the waits that the client asked for, in seconds."""
    return []


@pytest.fixture
def requests() -> list[httpx.Request]:
    """Collect the requests that a scripted client sent."""
    return []


@pytest.fixture
def connect(sleeps: list[float], requests: list[httpx.Request]) -> Callable[..., ArgosClient]:
    """Make a client that is given these outcomes in order, the last one again and again."""

    async def sleep(seconds: float) -> None:
        sleeps.append(seconds)

    def connect(*outcomes: Outcome, **options: Any) -> ArgosClient:
        script = (
            itertools.chain(outcomes[:-1], itertools.repeat(outcomes[-1])) if outcomes else None
        )

        def respond(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            assert script is not None
            outcome = next(script)
            if isinstance(outcome, Exception):
                raise outcome
            # A response can be read only once.
            return httpx.Response(
                outcome.status_code,
                headers=outcome.headers,
                stream=httpx.ByteStream(outcome.content),
            )

        settings: dict[str, Any] = {
            "api_key": "K" * 40,
            "base_url": "https://api.test/v3",
            "max_requests_per_second": 1000.0,
            "sleep": sleep,
            "clock": lambda: sum(sleeps),
            "random": lambda: 1.0,
        }
        if outcomes:
            settings["transport"] = httpx.MockTransport(respond)
        return ArgosClient(**(settings | options))

    return connect


@pytest.fixture
def page() -> Callable[..., httpx.Response]:
    """Make a page with these ids, and with a next key if `key` is given."""

    def page(*ids: str, key: str | None = None) -> httpx.Response:
        document: dict[str, Any] = {"Items": [{"submission_id": each} for each in ids]}
        if key is not None:
            document["nextpageKey"] = {"id": key, "created_at": f"at {key}"}
        return httpx.Response(200, content=orjson.dumps(document))

    return page


@pytest.fixture
def serve() -> Callable[[Reply], AbstractAsyncContextManager[str]]:
    """Run a loopback server that sends raw bytes, or stalls after None; yield its base URL."""

    @asynccontextmanager
    async def serve(reply: Reply) -> AsyncIterator[str]:
        connections = set[asyncio.Task[Any] | None]()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.add(asyncio.current_task())
            data = reply(await reader.readuntil(b"\r\n\r\n"))
            if data is None:
                await reader.read()
            else:
                writer.write(data)
                await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            try:
                yield f"http://{host}:{port}/v3"
            finally:
                # Clients may disconnect early; all handlers must end before the loop does.
                await asyncio.gather(*filter(None, connections), return_exceptions=True)

    return serve
