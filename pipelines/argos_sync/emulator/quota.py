"""The number of requests allowed a day."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime


class DailyQuota:
    """Count the requests of each UTC day."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Start with no request; `clock` returns the current time with its zone."""
        self._clock = clock
        self._day = date.min
        self._requests = 0
        self._lock = threading.Lock()

    def count(self) -> int:
        """Count one request, and return how many there were today."""
        today = self._clock().astimezone(UTC).date()
        with self._lock:
            if today != self._day:
                self._day, self._requests = today, 0
            self._requests += 1
            return self._requests
