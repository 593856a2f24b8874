"""How long to wait before asking again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from argos_sync.api.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from argos_sync.api.errors import RetriableFailure


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter, and respect for Retry-After.

    Full jitter spreads concurrent walks that failed together over the whole interval (Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog).

    Attributes:
        attempts: How many times a request is sent at most; 1 means no retry.
        base: Upper bound of the first wait, in seconds; it doubles from there.
        cap: Upper bound of every wait, in seconds.
        retry_after_cap: The longest Retry-After that is honoured, in seconds.

    Raises:
        ConfigurationError: Fewer than one attempt, or a negative time.
    """

    attempts: int = 6
    base: float = 0.5
    cap: float = 20.0
    retry_after_cap: float = 60.0

    def __post_init__(self) -> None:
        """Refuse a policy that would never send, or wait backwards."""
        if self.attempts < 1 or min(self.base, self.cap, self.retry_after_cap) < 0:
            raise ConfigurationError(
                f"the retry policy is {self}", "use attempts >= 1 and times of 0 seconds or more"
            )

    def delay(self, attempt: int, error: RetriableFailure, random: Callable[[], float]) -> float:
        """Return the seconds to wait after failure number `attempt`, counted from 1.

        Never less than the API asked for, up to `retry_after_cap`.

        Args:
            attempt: How many times the request has failed so far.
            error: The latest failure.
            random: Uniform numbers in [0, 1).
        """
        jittered = random() * min(self.cap, self.base * 2.0 ** (attempt - 1))
        return max(jittered, min(error.retry_after or 0.0, self.retry_after_cap))
