"""Fetch one page of submissions, or all pages of a query.

Requests are limited in rate and repeated after a failure, with a page size that the API accepts.
"""

import asyncio
import random as random_numbers
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Self, TypeAlias, get_args

import httpx

from argos_sync.api import errors
from argos_sync.api.crypto import Envelope
from argos_sync.api.limiter import Clock, RateLimiter, Sleep
from argos_sync.api.query import Page, PageKey, Query, Scalar, request_parameters
from argos_sync.api.responses import ENDPOINT, error_from_response, parse_page
from argos_sync.api.retry import RetryPolicy
from argos_sync.api.transport import Endpoint

RequestStyle: TypeAlias = Literal["query", "json"]

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_RETRY = RetryPolicy()


@dataclass(slots=True)
class RequestStats:
    """Count the requests of a client, including retries, and the pages and items received."""

    requests: int = 0
    retries: int = 0
    pages: int = 0
    items: int = 0


class ArgosClient:
    """Fetch submissions from the ARGOS API.

    Use it as an async context manager. Concurrent tasks of one event loop can share a client.

    Args:
        api_key: Sent in the header `x-api-key`, never shown.
        base_url: Up to and including the version, such as `https://rest-api.argosidentity.com/v3`.
        request_style: `query` puts the parameters in the URL, as the vendor's newer page says;
            `json` sends them as a JSON body of the GET, as its older page says.
        envelope: Encrypts requests and decrypts responses. Encrypted requests are always JSON.
        page_size: Rows to request per page. Lowered permanently when the API refuses it.
        max_requests_per_second: Request rate that all tasks share.
        retry: How often and after which delay to retry.
        timeout: httpx timeout: seconds to connect, and between two reads or writes.
        deadline: Seconds for one whole response, so that a slow trickle of bytes cannot block.
        max_response_bytes: Largest response accepted, in bytes after decompression.
        allow_insecure_http: Accept plain http to hosts other than this machine.
        transport: Replaces the network in tests.
        sleep: Async function that waits a number of seconds.
        clock: Returns monotonic seconds.
        random: Returns uniform numbers in [0, 1), for jitter.

    Raises:
        ConfigurationError: A value is not valid.
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
        """Validate the settings; the first request opens a connection."""
        if request_style not in get_args(RequestStyle):
            raise errors.ConfigurationError(
                f"request_style is {request_style!r}",
                f"set request_style to {' or '.join(get_args(RequestStyle))}",
            )
        if page_size < 1:
            raise errors.ConfigurationError(
                f"page_size is {page_size}", "set page_size to 1 or more"
            )
        self.page_size = page_size
        self.stats = RequestStats()
        self._limiter = RateLimiter(max_requests_per_second, clock=clock, sleep=sleep)
        self._endpoint = Endpoint(
            base_url,
            api_key,
            allow_insecure_http=allow_insecure_http,
            timeout=timeout,
            deadline=deadline,
            max_bytes=max_response_bytes,
            transport=transport,
        )
        self._as_json = request_style == "json" or envelope is not None
        self._envelope = envelope
        self._retry = retry
        self._sleep = sleep
        self._random = random

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._endpoint.aclose()

    def __repr__(self) -> str:
        """Show the URL and page size, but not the key."""
        return f"ArgosClient(url={self._endpoint.url!r}, page_size={self.page_size})"

    async def fetch(self, query: Query, key: PageKey | None = None) -> Page:
        """Fetch one page, with retries, rate limiting and a page size the API accepts.

        Without a key it is the first page. The vendor does not document the largest `count`: a 413,
        or an `invalid_parameter` that may refer to `count`, halves it until the API accepts it;
        `page_size` keeps the accepted value.

        Raises:
            ArgosError: One of the classes in `errors`; a retriable one after the last attempt.
        """
        failures = 0
        count = self.page_size
        while True:
            params = request_parameters(query, count=count, key=key)
            try:
                page = await self._request(params)
            except (errors.RequestTooLarge, errors.InvalidParameter) as error:
                if error.parameter not in (None, "count") or params.get("count", 1) == 1:
                    raise
                # A concurrent task may have lowered page_size in the meantime. The API has
                # responded, so the smaller request gets all its attempts.
                failures, count = 0, min(count // 2, self.page_size)
            except errors.RetriableFailure as error:
                failures += 1
                error.attempts = failures
                if failures >= self._retry.attempts:
                    raise
                self.stats.retries += 1
                delay = self._retry.delay(failures, error, self._random)
                if isinstance(error, errors.RateLimited):
                    self._limiter.penalize(delay)  # all tasks wait
                else:
                    await self._sleep(delay)
            else:
                self._limiter.record_success()
                self.page_size = min(self.page_size, count)
                self.stats.pages += 1
                self.stats.items += len(page.items)
                return page

    async def iter_pages(
        self, query: Query, start: PageKey | None = None
    ) -> AsyncGenerator[Page, None]:
        """Yield all pages of a query, from the key `start` if there is one.

        The store behind the API pages by bytes scanned, so pages can be short or even empty; only a
        missing key marks the last page. A page that repeats a key is not yielded, so that no caller
        stores that key as a cursor.

        Raises:
            PageLoop: The API returned a key twice, or returned `start`.
            ArgosError: See `fetch`.
        """
        seen = {start}
        key = start
        while True:
            page = await self.fetch(query, key)
            key = page.next_key
            if key is not None and key in seen:
                raise errors.PageLoop(
                    f"{ENDPOINT} returned the same nextpageKey twice for one query"
                )
            seen.add(key)
            yield page
            if key is None:
                return

    async def _request(self, params: dict[str, Scalar]) -> Page:
        """Wait for the rate limiter, send one request, and parse the response."""
        await self._limiter.acquire()
        self.stats.requests += 1
        sent = self._envelope.wrap_request(params) if self._envelope else params
        response = await self._endpoint.get(sent, as_json=self._as_json)
        error = error_from_response(*response, now=datetime.now(UTC), envelope=self._envelope)
        if error is not None:
            raise error
        return parse_page(response.body, self._envelope)
