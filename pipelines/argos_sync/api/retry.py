"""Define how often to retry and how long to wait."""

from collections.abc import Callable
from dataclasses import dataclass

from argos_sync.api.errors import ConfigurationError, RetriableFailure


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retry with exponential back-off and full jitter, and honour Retry-After.

    Full jitter spreads concurrent requests that failed together over the whole interval (Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog).

    Attributes:
        attempts: Maximum number of times to send a request; 1 means no retry.
        base: Upper bound of the first wait, in seconds; it doubles with each failure.
        cap: Upper bound of all waits, in seconds.
        retry_after_cap: Longest Retry-After to honour, in seconds.

    Raises:
        ConfigurationError: There is less than one attempt, or a time is negative.
    """

    attempts: int = 6
    base: float = 0.5
    cap: float = 20.0
    retry_after_cap: float = 60.0

    def __post_init__(self) -> None:
        """Validate the number of attempts and the times."""
        if self.attempts < 1 or min(self.base, self.cap, self.retry_after_cap) < 0:
            raise ConfigurationError(
                f"the retry policy is {self}", "use attempts >= 1 and times of 0 seconds or more"
            )

    def delay(self, attempt: int, error: RetriableFailure, random: Callable[[], float]) -> float:
        """Return the seconds to wait after the request has failed `attempt` times.

        The wait is never shorter than the API asked for, up to `retry_after_cap`. `random` returns
        uniform numbers in [0, 1).
        """
        jittered = random() * min(self.cap, self.base * 2.0 ** (attempt - 1))
        return max(jittered, min(error.retry_after or 0.0, self.retry_after_cap))
