"""The client: one page at a time, or a whole walk, with every failure a typed error."""

from __future__ import annotations

import asyncio
import random as random_numbers
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, get_args

import httpx

from argos_sync.api.errors import (
    ConfigurationError,
    InvalidParameter,
    PageLoop,
    RateLimited,
    RequestTooLarge,
    RetriableFailure,
)
from argos_sync.api.limiter import RateLimiter
from argos_sync.api.query import request_parameters
from argos_sync.api.responses import ENDPOINT, error_from_response, parse_page
from argos_sync.api.retry import RetryPolicy
from argos_sync.api.settings import validate_api_key, validate_base_url
from argos_sync.api.transport import Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

    from argos_sync.api.crypto import Envelope
    from argos_sync.api.limiter import Clock, Sleep
    from argos_sync.api.query import Page, PageKey, Query, Scalar

RequestStyle: TypeAlias = Literal["query", "json"]

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_RETRY = RetryPolicy()


@dataclass(slots=True)
class RequestStats:
    """What a client has done so far.

    Attributes:
        requests: Requests sent, repeated ones included.
        retries: Requests repeated after a retriable failure.
        pages: Pages received.
        items: Submissions on them.
    """

    requests: int = 0
    retries: int = 0
    pages: int = 0
    items: int = 0


class ArgosClient:
    """Reads submissions; an async context manager, shared by concurrent walks of one event loop.

    Args:
        api_key: Sent as `x-api-key`, never shown.
        base_url: Up to and including the version, such as `https://rest-api.argosidentity.com/v3`.
        request_style: Parameters in the URL (`query`, the vendor's newer page) or as a JSON body
            of the GET (`json`, its older one).
        envelope: Encrypts requests and decrypts answers; requests are JSON then in either style.
        page_size: Rows asked for per page; lowered for good when the API refuses it.
        max_requests_per_second: The rate all walks share.
        retry: When to ask again, and when to give up.
        timeout: httpx's: seconds to connect, and between two reads or writes.
        deadline: Seconds for one whole answer, so that a trickle of bytes cannot hold a walk.
        max_response_bytes: Bound of one answer after decompression.
        allow_insecure_http: Accept plain http to other hosts than this machine.
        transport: Replaces the network, for tests.
        sleep: Waits that many seconds.
        clock: Monotonic seconds.
        random: Uniform numbers in [0, 1), for jitter.

    Raises:
        ConfigurationError: One of these values cannot work.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str,
        request_style: RequestStyle = "query",
        envelope: Envelope | None = None,
        page_size: int = 500,
        max_requests_per_second: float = 10.0,
        retry: RetryPolicy = _RETRY,
        timeout: httpx.Timeout | float = _TIMEOUT,
        deadline: float = 300.0,
        max_response_bytes: int = 256 * 1024 * 1024,
        allow_insecure_http: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Clock = time.monotonic,
        random: Callable[[], float] = random_numbers.random,
    ) -> None:
        """Check the settings and prepare, without connecting yet."""
        if request_style not in get_args(RequestStyle):
            raise ConfigurationError(
                f"request_style is {request_style!r}",
                f"set request_style to {' or '.join(get_args(RequestStyle))}",
            )
        if page_size < 1:
            raise ConfigurationError(f"page_size is {page_size}", "set page_size to 1 or more")
        self.page_size = page_size
        self.stats = RequestStats()
        self._limiter = RateLimiter(max_requests_per_second, clock=clock, sleep=sleep)
        self._endpoint = Endpoint(
            validate_base_url(base_url, allow_insecure_http=allow_insecure_http),
            validate_api_key(api_key),
            timeout=timeout,
            deadline=deadline,
            max_bytes=max_response_bytes,
            transport=transport,
        )
        self._as_json = request_style == "json"
        self._envelope = envelope
        self._retry = retry
        self._sleep = sleep
        self._random = random

    async def __aenter__(self) -> Self:
        """Enter; connections open with the first request."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections."""
        await self._endpoint.aclose()

    def __repr__(self) -> str:
        """Show where requests go, and no key."""
        return f"ArgosClient(url={self._endpoint.url!r}, page_size={self.page_size})"

    async def fetch(self, query: Query, key: PageKey | None = None) -> Page:
        """Return one page, retried and rate-limited, with as many rows as the API accepts.

        The largest `count` is not documented: a 413, or an `invalid_parameter` that may mean
        it, halves the count until the API accepts, and what it accepted is kept in `page_size`.

        Args:
            query: The filters of the walk.
            key: Where the page starts; None for the first.

        Raises:
            ArgosError: As the tree in `errors` says; a retriable one after the last attempt.
        """
        failures = 0
        count = self.page_size
        while True:
            params = request_parameters(query, count=count, key=key)
            try:
                page = await self._ask(params)
            except (RequestTooLarge, InvalidParameter) as error:
                if not _can_reduce_count(error, params):
                    raise
                # Another walk may have found a smaller count in the meantime. A refusal is an
                # answer: the smaller request has all its attempts before it.
                failures, count = 0, min(count // 2, self.page_size)
            except RetriableFailure as error:
                failures += 1
                error.attempts = failures
                if failures >= self._retry.attempts:
                    raise
                await self._back_off(failures, error)
            else:
                self._limiter.record_success()
                self.page_size = min(self.page_size, count)
                self.stats.pages += 1
                self.stats.items += len(page.items)
                return page

    async def iter_pages(
        self, query: Query, start: PageKey | None = None
    ) -> AsyncGenerator[Page, None]:
        """Yield every page of `query`, from `start` on.

        The store behind the API pages by bytes scanned: short and even empty pages say nothing,
        and only a missing key ends a walk. A page that points back is not yielded, so that its key
        is never stored as a place to resume from.

        Raises:
            PageLoop: A key came twice, the starting one included.
            ArgosError: As `fetch` does.
        """
        seen = {start}
        key = start
        while True:
            page = await self.fetch(query, key)
            key = page.next_key
            if key is not None and key in seen:
                raise PageLoop(f"{ENDPOINT} gave the same nextpageKey twice in one walk")
            seen.add(key)
            yield page
            if key is None:
                return

    async def _ask(self, params: dict[str, Scalar]) -> Page:
        """Send one request when it is its turn, and judge the answer."""
        await self._limiter.acquire()
        self.stats.requests += 1
        if self._envelope is None:
            answer = await self._endpoint.get(params, as_json=self._as_json)
        else:
            sealed = self._envelope.wrap_request(params)
            answer = await self._endpoint.get(sealed, as_json=True)
        error = error_from_response(*answer, now=datetime.now(UTC), envelope=self._envelope)
        if error is not None:
            raise error
        return parse_page(answer.body, self._envelope)

    async def _back_off(self, failures: int, error: RetriableFailure) -> None:
        """Wait before the next attempt; after a 429 everyone waits, in the limiter."""
        self.stats.retries += 1
        delay = self._retry.delay(failures, error, self._random)
        if isinstance(error, RateLimited):
            self._limiter.penalize(delay)
        else:
            await self._sleep(delay)


def _can_reduce_count(error: RequestTooLarge | InvalidParameter, params: dict[str, Scalar]) -> bool:
    """Whether asking for fewer rows may help."""
    blames_another = isinstance(error, InvalidParameter) and error.parameter not in (None, "count")
    return not blames_another and params.get("count", 1) != 1
