"""The clock of a run.

It is part of a fetch job, so this module imports nothing that the fetch process does not need.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the current time, UTC."""


def utc_now() -> datetime:
    """Return the current time, UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class RunClock:
    """The clock of one run, which never goes back, however the clock of the machine is set.

    `latest` is the last time it returned, UTC; at first the one before which nothing happens.
    """

    clock: Clock
    latest: datetime

    def __call__(self) -> datetime:
        """Return the current time, UTC, or the latest time while the clock is behind it."""
        self.advance(self.clock())
        return self.latest

    def advance(self, moment: datetime) -> None:
        """Move on to a time that another process has read."""
        self.latest = max(self.latest, moment.astimezone(UTC))
