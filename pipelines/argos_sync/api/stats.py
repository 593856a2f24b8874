"""Count what a client has sent and received."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Self


@dataclass(slots=True)
class RequestStats:
    """Count the requests of a client, including retries, and the pages and items received.

    The days of requests are UTC.
    """

    requests: int = 0
    retries: int = 0
    pages: int = 0
    items: int = 0
    requests_by_day: Counter[date] = field(default_factory=Counter, compare=False)

    def since(self, earlier: Self) -> Self:
        """Return what the same client has counted since `earlier`."""
        return type(self)(
            self.requests - earlier.requests,
            self.retries - earlier.retries,
            self.pages - earlier.pages,
            self.items - earlier.items,
            self.requests_by_day - earlier.requests_by_day,
        )
