"""One request rate for all concurrent walks of a client."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, TypeAlias

from argos_sync.api.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Clock: TypeAlias = Callable[[], float]
    Sleep: TypeAlias = Callable[[float], Awaitable[None]]

_MIN_RATE = 0.5  # Requests per second: slower than this a night is too short.
_RECOVERY_SHARE = 0.02  # Share of the configured rate regained per success: 25 undo one halving.


class RateLimiter:
    """A token bucket that slows down when the API says 429 and recovers with successes.

    Its state is the time at which the bucket will be full again (the generic cell rate algorithm),
    so that nothing has to be refilled and no timer runs.

    Args:
        max_per_second: The configured rate, which is never exceeded; up to one second's worth of
            requests (at least one) may go out at once after a quiet time.
        clock: Monotonic seconds.
        sleep: Waits that many seconds.

    Raises:
        ConfigurationError: The rate is not a positive number.
    """

    def __init__(self, max_per_second: float, *, clock: Clock, sleep: Sleep) -> None:
        """Start with a full bucket at the configured rate."""
        if not 0 < max_per_second < math.inf:
            raise ConfigurationError(
                f"max_requests_per_second is {max_per_second}", "set it to a number above 0"
            )
        self.rate = max_per_second
        self._ceiling = max_per_second
        self._clock = clock
        self._sleep = sleep
        self._full_at = -math.inf
        self._paused_until = -math.inf
        self._turn = asyncio.Lock()  # First come, first served, and one sleeper at a time.

    async def acquire(self) -> None:
        """Wait for this request's turn."""
        async with self._turn:
            now = self._clock()
            # Asked again after each sleep: a penalty may have arrived meanwhile.
            while (ready := self._ready_at()) > now:
                await self._sleep(ready - now)
                now = max(ready, self._clock())
            self._full_at = max(self._full_at, now) + 1 / self.rate

    def penalize(self, seconds: float) -> None:
        """Pause everyone for `seconds` after a 429, and go on at half the rate.

        Requests that were under way together fail together: those that come back during the pause
        prolong it if they must, and do not halve the rate again.
        """
        now = self._clock()
        if now >= self._paused_until:
            self.rate = max(self.rate / 2, min(_MIN_RATE, self._ceiling))
        self._paused_until = max(self._paused_until, now + seconds)
        # The bucket is empty when the pause ends: no burst into an API that has just refused one.
        self._full_at = max(self._full_at, self._paused_until + self._burst_seconds())

    def record_success(self) -> None:
        """Regain a little of the configured rate."""
        self.rate = min(self._ceiling, self.rate + self._ceiling * _RECOVERY_SHARE)

    def _ready_at(self) -> float:
        """Return the earliest time the next request may go out."""
        return max(self._full_at - self._burst_seconds(), self._paused_until)

    def _burst_seconds(self) -> float:
        """Return how far ahead of an even spacing requests may run: a bucket less one token."""
        return (max(1.0, self.rate) - 1) / self.rate
