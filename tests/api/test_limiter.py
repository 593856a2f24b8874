"""The shared request rate, on a clock that only `sleep` moves."""

import asyncio

import pytest

from argos_sync.api.limiter import RateLimiter


class FakeClock:
    """A clock that only `sleep` moves."""

    def __init__(self) -> None:
        """Start at a time other than zero."""
        self.now = 100.0

    def clock(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Advance the clock and let other tasks run."""
        self.now += seconds
        await asyncio.sleep(0)


def _sent(limiter: RateLimiter, time: FakeClock, requests: int) -> list[float]:
    """Acquire several times and return the rounded seconds since the start."""

    async def send() -> list[float]:
        times = []
        for _ in range(requests):
            await limiter.acquire()
            times.append(round(time.now - 100.0, 6))
        return times

    return asyncio.run(send())


def test_burst_then_even_spacing() -> None:
    """One second's worth of requests goes out at once, the rest at the configured rate."""
    time = FakeClock()
    limiter = RateLimiter(4.0, clock=time.clock, sleep=time.sleep)
    assert _sent(limiter, time, 7) == [0, 0, 0, 0, 0.25, 0.5, 0.75]


def test_slow_rate_has_no_burst() -> None:
    """Below one request a second, each request waits for the one before."""
    time = FakeClock()
    limiter = RateLimiter(0.25, clock=time.clock, sleep=time.sleep)
    assert _sent(limiter, time, 3) == [0, 4, 8]


def test_idle_time_refills_only_the_bucket() -> None:
    """After any idle time, no more than one burst goes out at once."""
    time = FakeClock()
    limiter = RateLimiter(2.0, clock=time.clock, sleep=time.sleep)
    _sent(limiter, time, 2)
    time.now = 1100.0
    assert _sent(limiter, time, 4) == [1000, 1000, 1000.5, 1001]


def test_concurrent_tasks_share_the_rate() -> None:
    """Requests of all tasks share the rate, first come, first served."""
    time = FakeClock()
    limiter = RateLimiter(1.0, clock=time.clock, sleep=time.sleep)
    order: list[tuple[str, float]] = []

    async def request(name: str) -> None:
        await limiter.acquire()
        order.append((name, time.now - 100.0))

    async def run() -> None:
        await asyncio.gather(*(request(name) for name in "abc"))

    asyncio.run(run())
    assert order == [("a", 0), ("b", 1), ("c", 2)]


def test_penalty_pauses_and_halves() -> None:
    """After a 429 nothing goes out during the pause, then half the rate, without a burst."""
    time = FakeClock()
    limiter = RateLimiter(4.0, clock=time.clock, sleep=time.sleep)
    limiter.penalize(10.0)
    assert limiter.rate == 2.0
    assert _sent(limiter, time, 3) == [10, 10.5, 11]


def test_pause_applies_to_waiting_requests() -> None:
    """A request that is waiting when a 429 arrives also waits for the pause."""
    time = FakeClock()
    limiter = RateLimiter(1.0, clock=time.clock, sleep=time.sleep)

    async def run() -> float:
        await limiter.acquire()
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        limiter.penalize(30.0)
        await waiting
        return time.now - 100.0

    # The waiting request had already slept for the first second when the 429 arrived.
    assert asyncio.run(run()) == 31.0


def test_concurrent_429s_halve_the_rate_once() -> None:
    """Several concurrent 429s halve the rate once, and the longest pause counts."""
    time = FakeClock()
    limiter = RateLimiter(8.0, clock=time.clock, sleep=time.sleep)
    for seconds in (5.0, 20.0, 1.0):
        limiter.penalize(seconds)
    assert limiter.rate == 4.0
    assert _sent(limiter, time, 1) == [20]


@pytest.mark.parametrize(("configured", "floor"), [(10.0, 0.5), (0.2, 0.2)])
def test_rate_has_a_minimum(configured: float, floor: float) -> None:
    """The rate never falls below 0.5, or below the configured rate if that is lower."""
    time = FakeClock()
    limiter = RateLimiter(configured, clock=time.clock, sleep=time.sleep)
    for _ in range(10):
        limiter.penalize(1.0)
        time.now += 2.0
    assert limiter.rate == floor


def test_successes_restore_the_rate() -> None:
    """25 successes undo a halving, and the configured rate is never exceeded."""
    time = FakeClock()
    limiter = RateLimiter(10.0, clock=time.clock, sleep=time.sleep)
    limiter.penalize(1.0)
    rates = []
    for _ in range(30):
        limiter.record_success()
        rates.append(round(limiter.rate, 6))
    assert rates[:2] == [5.2, 5.4]
    assert rates[23:] == [9.8, 10, 10, 10, 10, 10, 10]


def test_stopped_clock_does_not_spin() -> None:
    """The limiter trusts its sleep even when the clock does not advance."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    limiter = RateLimiter(1.0, clock=lambda: 0.0, sleep=sleep)

    async def run() -> None:
        for _ in range(3):
            await limiter.acquire()

    asyncio.run(run())
    assert waits == [1.0, 2.0]


def test_cancelled_request_frees_the_limiter() -> None:
    """A task cancelled while it waits does not block the others."""
    time = FakeClock()
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
