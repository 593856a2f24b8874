"""The shared request rate, on a clock that only sleeping moves."""

from __future__ import annotations

import asyncio

import pytest

from argos_sync.api.limiter import RateLimiter


class Time:
    """Seconds that pass in sleep only."""

    def __init__(self) -> None:
        """Start at some moment that is not zero."""
        self.now = 100.0

    def clock(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass, and others run."""
        self.now += seconds
        await asyncio.sleep(0)


def _sent(limiter: RateLimiter, time: Time, requests: int) -> list[float]:
    """Acquire one after the other and return the moments, rounded, from the start."""

    async def send() -> list[float]:
        moments = []
        for _ in range(requests):
            await limiter.acquire()
            moments.append(round(time.now - 100.0, 6))
        return moments

    return asyncio.run(send())


def test_burst_then_even_spacing() -> None:
    """One second's worth goes out at once, the rest at the configured rate."""
    time = Time()
    limiter = RateLimiter(4.0, clock=time.clock, sleep=time.sleep)
    assert _sent(limiter, time, 7) == [0, 0, 0, 0, 0.25, 0.5, 0.75]


def test_slow_rate_has_no_burst() -> None:
    """Below one a second every request waits for the one before."""
    time = Time()
    limiter = RateLimiter(0.25, clock=time.clock, sleep=time.sleep)
    assert _sent(limiter, time, 3) == [0, 4, 8]


def test_quiet_time_refills_no_more_than_the_bucket() -> None:
    """However long nothing was sent, no more than the burst goes out at once."""
    time = Time()
    limiter = RateLimiter(2.0, clock=time.clock, sleep=time.sleep)
    _sent(limiter, time, 2)
    time.now = 1100.0
    assert _sent(limiter, time, 4) == [1000, 1000, 1000.5, 1001]


def test_concurrent_walks_share_the_rate() -> None:
    """Requests of all tasks together keep the rate, first come, first served."""
    time = Time()
    limiter = RateLimiter(1.0, clock=time.clock, sleep=time.sleep)
    order: list[tuple[str, float]] = []

    async def request(name: str) -> None:
        await limiter.acquire()
        order.append((name, time.now - 100.0))

    async def together() -> None:
        await asyncio.gather(*(request(name) for name in "abc"))

    asyncio.run(together())
    assert order == [("a", 0), ("b", 1), ("c", 2)]


def test_penalty_pauses_and_halves() -> None:
    """After a 429 nothing goes out during the pause, then half the rate, without a burst."""
    time = Time()
    limiter = RateLimiter(4.0, clock=time.clock, sleep=time.sleep)
    limiter.penalize(10.0)
    assert limiter.rate == 2.0
    assert _sent(limiter, time, 3) == [10, 10.5, 11]


def test_penalty_reaches_those_already_waiting() -> None:
    """A request that waits for its turn when the 429 arrives waits for the end of the pause."""
    time = Time()
    limiter = RateLimiter(1.0, clock=time.clock, sleep=time.sleep)

    async def run() -> float:
        await limiter.acquire()
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        limiter.penalize(30.0)
        await waiting
        return time.now - 100.0

    # The penalty arrived after that first second had passed in the waiter's sleep.
    assert asyncio.run(run()) == 31.0


def test_requests_that_fail_together_halve_once() -> None:
    """Several 429s of one moment halve the rate once, and the longest pause counts."""
    time = Time()
    limiter = RateLimiter(8.0, clock=time.clock, sleep=time.sleep)
    for seconds in (5.0, 20.0, 1.0):
        limiter.penalize(seconds)
    assert limiter.rate == 4.0
    assert _sent(limiter, time, 1) == [20]


@pytest.mark.parametrize(("configured", "floor"), [(10.0, 0.5), (0.2, 0.2)])
def test_rate_has_a_floor(configured: float, floor: float) -> None:
    """However many 429s come, the rate stays at 0.5, or at the configured rate if lower."""
    time = Time()
    limiter = RateLimiter(configured, clock=time.clock, sleep=time.sleep)
    for _ in range(10):
        limiter.penalize(1.0)
        time.now += 2.0
    assert limiter.rate == floor


def test_successes_bring_the_rate_back() -> None:
    """A halving is undone by 25 successes, and the configured rate is never exceeded."""
    time = Time()
    limiter = RateLimiter(10.0, clock=time.clock, sleep=time.sleep)
    limiter.penalize(1.0)
    rates = []
    for _ in range(30):
        limiter.record_success()
        rates.append(round(limiter.rate, 6))
    assert rates[:2] == [5.2, 5.4]
    assert rates[23:] == [9.8, 10, 10, 10, 10, 10, 10]


def test_clock_that_stands_still_does_not_spin() -> None:
    """A sleep is taken at its word, even when the clock does not agree."""
    naps: list[float] = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)

    limiter = RateLimiter(1.0, clock=lambda: 0.0, sleep=sleep)

    async def run() -> None:
        for _ in range(3):
            await limiter.acquire()

    asyncio.run(run())
    assert naps == [1.0, 2.0]


def test_cancelled_wait_takes_no_turn() -> None:
    """A walk cancelled while it waits leaves the limiter free for the others."""
    time = Time()
    limiter = RateLimiter(1.0, clock=time.clock, sleep=time.sleep)

    async def run() -> float:
        await limiter.acquire()
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await limiter.acquire()
        return time.now - 100.0

    assert asyncio.run(run()) == 1.0
