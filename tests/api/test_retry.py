"""The waits of the retry policy."""

import pytest

from argos_sync.api.errors import BadGateway, ConfigurationError, RateLimited
from argos_sync.api.retry import RetryPolicy


def _max_random() -> float:
    return 1.0


def test_waits_double_up_to_the_cap() -> None:
    """The upper bound of the wait doubles from the base up to the cap."""
    error = BadGateway("HTTP 502")
    waits = [RetryPolicy().delay(attempt, error, _max_random) for attempt in range(1, 9)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]


def test_jitter_is_full() -> None:
    """A wait may have any length from zero to its upper bound."""
    policy, error = RetryPolicy(), BadGateway("HTTP 502")
    assert policy.delay(3, error, lambda: 0.0) == 0.0
    assert policy.delay(3, error, lambda: 0.25) == 0.5


@pytest.mark.parametrize(
    ("retry_after", "wait"), [(5.0, 5.0), (3600.0, 60.0), (0.0, 0.5), (None, 0.5)]
)
def test_retry_after_is_honoured_and_capped(retry_after: float | None, wait: float) -> None:
    """The wait is never shorter than Retry-After, up to the cap."""
    error = RateLimited("HTTP 429", retry_after=retry_after)
    assert RetryPolicy().delay(1, error, _max_random) == wait


@pytest.mark.parametrize("values", [{"attempts": 0}, {"base": -1.0}, {"retry_after_cap": -0.1}])
def test_invalid_policy_is_refused(values: dict[str, int]) -> None:
    """A policy without attempts or with negative times is a configuration error."""
    with pytest.raises(ConfigurationError, match="use attempts >= 1"):
        RetryPolicy(**values)
