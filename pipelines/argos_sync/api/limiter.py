"""Limit the request rate of all tasks that share a client."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from argos_sync.api.errors import ConfigurationError

Clock: TypeAlias = Callable[[], float]
Sleep: TypeAlias = Callable[[float], Awaitable[None]]

_MIN_RATE = 0.5  # Requests per second: at a lower rate a nightly run would take too long.
_RECOVERY_SHARE = 0.02  # Share of the configured rate regained per success: 25 undo one halving.


class RateLimiter:
    """Limit requests with a token bucket; halve the rate after a 429, then recover.

    The state is the time at which the bucket will be full again (generic cell rate algorithm), so
    no timer has to refill it. `max_per_second` is never exceeded, but after an idle period one
    second's worth of requests (at least one) may go out at once. `clock` returns monotonic seconds.

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
        """Wait until the next request may be sent."""
        async with self._turn:
            now = self._clock()
            # Check again after each sleep: a 429 may have extended the pause.
            while (ready := max(self._full_at - self._burst_seconds(), self._paused_until)) > now:
                await self._sleep(ready - now)
                now = max(ready, self._clock())
            self._full_at = max(self._full_at, now) + 1 / self.rate

    def penalize(self, seconds: float) -> None:
        """Pause all requests after a 429, then continue at half the rate.

        Concurrent requests tend to fail together: a 429 that arrives during the pause may extend
        it, but does not halve the rate again.
        """
        now = self._clock()
        if now >= self._paused_until:
            self.rate = max(self.rate / 2, min(_MIN_RATE, self._ceiling))
        self._paused_until = max(self._paused_until, now + seconds)
        # The bucket is empty when the pause ends: no burst after a refusal.
        self._full_at = max(self._full_at, self._paused_until + self._burst_seconds())

    def record_success(self) -> None:
        """Raise the rate by a small share of the configured rate."""
        self.rate = min(self._ceiling, self.rate + self._ceiling * _RECOVERY_SHARE)

    def _burst_seconds(self) -> float:
        """Return the seconds that a burst may run ahead of even spacing."""
        return (max(1.0, self.rate) - 1) / self.rate
