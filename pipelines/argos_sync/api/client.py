"""Fetch one page of submissions, or all pages of a query.

Requests are limited in rate and repeated after a failure, with a page size that the API accepts.
"""

import asyncio
import random as random_numbers
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Literal, Self, TypeAlias, get_args

import httpx

from argos_sync.api import errors
from argos_sync.api.budget import DailyBudget
from argos_sync.api.crypto import Envelope
from argos_sync.api.limiter import Clock, RateLimiter, Sleep
from argos_sync.api.page_key import PageKey, Scalar
from argos_sync.api.page_size import MAX_PAGE_BYTES, PageSize
from argos_sync.api.page_walk import REFUSED_PARAMETER, PageWalker, first_of
from argos_sync.api.query import Page, Query, request_parameters
from argos_sync.api.responses import error_from_response, parse_page, too_heavy
from argos_sync.api.retry import RetryPolicy
from argos_sync.api.stats import RequestStats
from argos_sync.api.transport import Endpoint

RequestStyle: TypeAlias = Literal["query", "json"]

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_RETRY = RetryPolicy()
_FEW_ATTEMPTS = 2
"""Attempts for a page that is probably too heavy; a smaller one is tried after them."""
_EMPTY_DAY = Query(start_date=date(1970, 1, 1), end_date=date(1970, 1, 1))
"""A query that every API can answer, because it has no submissions."""

_SAMPLES = 3
"""Submissions to ask for by id, to find out whether the API returns any."""
_NO_SUBMISSION = (*REFUSED_PARAMETER, errors.UnexpectedStatus)
"""What an API may answer to the id of a submission that it does not have."""


class ArgosClient:
    """Fetch submissions from the ARGOS API.

    Use it as an async context manager. Concurrent tasks of one event loop can share a client.

    Args:
        api_key: Sent in the header `x-api-key`, never shown.
        base_url: Up to and including the version, such as `https://rest-api.argosidentity.com/v3`.
        request_style: `query` puts the parameters in the URL, as the vendor's newer page says;
            `json` sends them as a JSON body of the GET, as its older page says.
        envelope: Encrypts requests and decrypts responses. Encrypted requests are always JSON.
        page_size: Rows to request per page. Lowered permanently when the API refuses it, and for
            some time when pages are too heavy or have too many bytes.
        max_requests_per_second: Request rate that all tasks share.
        budget: Limits the requests of a day.
        retry: How often and after which delay to retry.
        timeout: httpx timeout: seconds to connect, and between two reads or writes.
        deadline: Seconds for one whole response, so that a slow trickle of bytes cannot block.
        max_response_bytes: Largest response accepted, in bytes after decompression. Pages of
            several submissions are kept far smaller, see `PageSize`.
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
        page_size: int = 1000,
        max_requests_per_second: float = 10.0,
        budget: DailyBudget | None = None,
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
        self.page_size = PageSize(page_size)
        self._budget = budget or DailyBudget()
        self.stats = RequestStats(requests_by_day=self._budget.counts)
        self.max_requests_per_day = self._budget.limit
        self._limiter = RateLimiter(max_requests_per_second, clock=clock, sleep=sleep)
        self._endpoint = Endpoint(
            base_url,
            api_key,
            allow_insecure_http=allow_insecure_http,
            timeout=timeout,
            deadline=deadline,
            transport=transport,
        )
        self._max_bytes = max_response_bytes
        self._as_json = request_style == "json" or envelope is not None
        self._envelope = envelope
        self._retry = retry
        self._sleep = sleep
        self._random = random
        self._walker = PageWalker()
        self._sampling = asyncio.Lock()
        self._has_returned_id = False

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._endpoint.aclose()

    def __repr__(self) -> str:
        """Show the URL and page size, but not the key."""
        return f"ArgosClient(url={self._endpoint.url!r}, page_size={self.page_size.largest})"

    async def fetch(
        self, query: Query, key: PageKey | None = None, most: int | None = None
    ) -> Page:
        """Fetch one page, with retries, rate limiting and a page size the API can carry.

        Without a key it is the first page. It has at most `most` submissions, None sets no limit.
        A request for a single submission that the API refuses, although it returns others, has no
        submission: the vendor does not document how a deleted one is answered.

        Raises:
            PageTooHeavy: The API can be reached, but not even one submission gets through.
            ArgosError: One of the classes in `errors`; a retriable one after the last attempt.
        """
        try:
            return await self._fetch_page(query, key, most)
        except _NO_SUBMISSION:
            if query.submission_id is None or not await self._returns_others(query):
                raise
            return Page([], None)

    async def _returns_others(self, query: Query) -> bool:
        """Whether the API returns other submissions by id, so that a refusal concerns one id.

        It is asked once: for some submissions of a list, unless one was fetched by id before.
        """
        async with self._sampling:
            if self._has_returned_id:
                return True
            ids: list[str] = []
            # An error here is the API's or the configuration's: it concerns all requests.
            async for page in self.first_pages(Query(request_type=query.request_type), _SAMPLES):
                ids += (str(i["submission_id"]) for i in page.items if _has_id(i))
                if ids:
                    break
            others = [other for other in ids if other != query.submission_id]
            for other in others[:_SAMPLES]:
                by_id = replace(query, submission_id=other)
                with suppress(*_NO_SUBMISSION, errors.IncompleteWalk):
                    # Not with `fetch`, which would wait for this answer.
                    async for page in first_of(self._walker.walk(self._fetch_page, by_id)):
                        if page.items:
                            return True
            return not others

    async def _fetch_page(self, query: Query, key: PageKey | None, most: int | None) -> Page:
        """Fetch one page with a page size that the API can carry.

        The vendor does not document the largest `count`: if an `invalid_parameter` may refer to it,
        it is halved until the API accepts it, for good. A page may also be too heavy for the
        gateway, again and again: if it fails through all retries although the API can be reached, a
        smaller one takes its place; so it does at once if it has too many bytes. See `PageSize`.
        """
        sizes = self.page_size
        count = min(sizes.fitting, most or sizes.current)
        is_refused = is_heavy = False
        while True:
            can_halve = query.submission_id is None and count > 1
            is_suspected = can_halve and (is_heavy or sizes.is_lowered)
            attempts = _FEW_ATTEMPTS if is_suspected else self._retry.attempts
            try:
                page = await self._fetch_with_retries(
                    query, key, count, attempts, self._largest_page(can_halve=can_halve)
                )
            except errors.InvalidParameter as error:
                if not can_halve or error.parameter not in (None, "count"):
                    raise
                # A concurrent task may have lowered the size in the meantime.
                is_refused, count = True, min(count // 2, sizes.current)
            except (errors.RequestTooLarge, errors.RetriableFailure) as error:
                if can_halve and isinstance(error, errors.OversizedResponse):
                    count = sizes.refuse(count, error.size)
                    continue
                if not (is_suspected or await self._is_reachable(error)):
                    raise
                if not can_halve:
                    raise too_heavy(key, error) from None
                is_heavy, count = True, min(sizes.smaller(count), sizes.current)
            else:
                if is_refused:
                    sizes.accept(count)
                self._record(page, None if query.submission_id else count, is_heavy=is_heavy)
                return page

    def _record(self, page: Page, count: int | None, *, is_heavy: bool) -> None:
        """Count a page of a list, which has a count, or of a single submission."""
        if count is None:
            self._has_returned_id |= bool(page.items)
        else:
            self.page_size.record_page(count, is_heavy=is_heavy)
        self.page_size.record_bytes(len(page.items), page.size)
        self.stats.pages += 1
        self.stats.items += len(page.items)

    def _largest_page(self, *, can_halve: bool) -> int:
        """Return the bytes after which a page is not read any further."""
        return min(self._max_bytes, MAX_PAGE_BYTES) if can_halve else self._max_bytes

    async def _fetch_with_retries(
        self, query: Query, key: PageKey | None, count: int, attempts: int, max_bytes: int
    ) -> Page:
        """Request a page up to `attempts` times, but only once if it has too many bytes."""
        params = request_parameters(query, count=count, key=key)
        failures = 0
        while True:
            try:
                # A text that is damaged in every attempt is damaged at the source, not in transit.
                is_last = failures + 1 >= attempts
                page = await self._request(params, max_bytes, is_last=is_last)
            except errors.RetriableFailure as error:
                if isinstance(error, errors.EmptyResponse) and query.submission_id is not None:
                    raise errors.NotFound(error.message) from None
                failures += 1
                error.attempts = failures
                is_list = query.submission_id is None
                if isinstance(error, errors.OversizedResponse) and is_list and count > 1:
                    raise  # a smaller page takes its place
                # A 429 says nothing about the page.
                limit = self._retry.attempts if isinstance(error, errors.RateLimited) else attempts
                if failures >= limit:
                    raise
                self.stats.retries += 1
                delay = self._retry.delay(failures, error, self._random)
                if isinstance(error, errors.RateLimited):
                    self._limiter.penalize(delay)  # all tasks wait
                else:
                    await self._sleep(delay)
            else:
                self._limiter.record_success()
                return page

    async def _is_reachable(self, error: errors.ApiFailure) -> bool:
        """Whether the API answers another request, so that a failure is the page's own."""
        if isinstance(error, errors.RequestTooLarge | errors.RateLimited):
            return isinstance(error, errors.RequestTooLarge)
        attempts = min(_FEW_ATTEMPTS, self._retry.attempts)
        try:
            await self._fetch_with_retries(_EMPTY_DAY, None, 1, attempts, self._max_bytes)
        except errors.ApiFailure as answer:
            return not isinstance(answer, errors.RetriableFailure)
        except errors.ArgosError:
            return False
        return True

    async def iter_pages(
        self, query: Query, start: PageKey | None = None, most: int | None = None
    ) -> AsyncGenerator[Page, None]:
        """Yield all pages of a query, from the key `start`, with at most `most` submissions each.

        The store behind the API pages by bytes scanned, so pages can be short or even empty; only a
        missing key marks the last page. A page that repeats a key is not yielded, so that no caller
        stores that key as a cursor.

        Raises:
            PageLoop: The API returned a key twice, or returned `start`.
            TooManyEmptyPages: `MAX_EMPTY_PAGES` in a row were empty.
            ArgosError: See `fetch`.
        """
        async for page in self._walker.walk(self.fetch, query, start, most):
            yield page

    async def first_pages(
        self, query: Query, most: int | None = None
    ) -> AsyncGenerator[Page, None]:
        """Yield at most the first 20 pages of a query, to a caller that looks for a certain row.

        Even pages before that row can be empty, see `iter_pages`.
        """
        async for page in first_of(self.iter_pages(query, most=most)):
            yield page

    async def _request(self, params: dict[str, Scalar], max_bytes: int, *, is_last: bool) -> Page:
        """Wait for the rate limiter, send one request, and parse the response.

        The last attempt accepts damaged texts.
        """
        await self._limiter.acquire()
        self._budget.spend()
        self.stats.requests += 1
        sent = self._envelope.wrap_request(params) if self._envelope else params
        response = await self._endpoint.get(sent, as_json=self._as_json, max_bytes=max_bytes)
        error = error_from_response(*response, now=datetime.now(UTC), envelope=self._envelope)
        if error is not None:
            raise error
        return parse_page(response.body, self._envelope, accepts_damaged_text=is_last)


def _has_id(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("submission_id"), str | int)
