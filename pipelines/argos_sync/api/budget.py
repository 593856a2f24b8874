"""Limit the requests of a UTC day."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pendulum

from argos_sync.api.errors import RequestsUsedUp


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class DailyBudget:
    """Counts requests by UTC day, and refuses those beyond a limit.

    The vendor, too, counts requests by project and resets the count at 00:00 UTC (an older page).

    Attributes:
        limit: Most requests of a day; None sets no limit.
        used: Requests that were sent before, by day.
        now: Returns the current time, UTC.
        counts: Requests that were sent through this budget, by day.
    """

    limit: int | None = None
    used: Mapping[date, int] = field(default_factory=dict)
    now: Callable[[], datetime] = _utc_now
    counts: Counter[date] = field(default_factory=Counter)

    def spend(self) -> None:
        """Count a request that is about to be sent.

        Raises:
            RequestsUsedUp: The limit is reached.
        """
        now = self.now()
        today = now.date()
        if self.limit is not None and self.used.get(today, 0) + self.counts[today] >= self.limit:
            midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), UTC)
            wait = pendulum.instance(midnight).diff_for_humans(
                pendulum.instance(now), absolute=True, locale="en"
            )
            raise RequestsUsedUp(
                f"the {self.limit:,} requests of {today} (UTC) are used up",
                f"run again after {midnight:%Y-%m-%d %H:%M} UTC, in {wait}: the run goes on where"
                " it stopped; or raise max_requests_per_day",
            )
        self.counts[today] += 1
