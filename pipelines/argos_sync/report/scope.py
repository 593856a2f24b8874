"""Define what the report is about: a period in the reporting time zone, and the one before it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

import pendulum

from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.windows import FIRST_PLAUSIBLE_DAY, add_days
from argos_sync.load.dialects import quote_literal
from argos_sync.warehouse.views import UTC

DEFAULT_DAYS = 90
REVIEW_TARGET = timedelta(hours=24)

_MAX_DAYS, _MAX_WEEKS = 62, 62
"""Longest period drawn in days, and in weeks; longer periods are drawn in months."""

_MAX_DAYS_AHEAD = 366
"""Later dates are wrong. Dates until then may be right, for the clock may be wrong instead."""

_SOON = 30
"""Days within which a document is about to expire."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A day, week or month of a period: its first day, and the day after its last.

    Partial units lie partly outside of the period, or are not over yet.
    """

    first: date
    end: date
    is_partial: bool


@dataclass(frozen=True, slots=True)
class Period:
    """A range of days in the reporting time zone, both included."""

    first: date
    last: date

    def __str__(self) -> str:
        """Return the days in words."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"

    def __contains__(self, day: date) -> bool:
        """Return whether a day is in the period."""
        return self.first <= day <= self.last

    @property
    def days(self) -> int:
        """Return the number of days."""
        return (self.last - self.first).days + 1

    @property
    def before(self) -> "Period":
        """Return the period of the same length that ends the day before."""
        return Period(add_days(self.first, -self.days), add_days(self.first, -1))


@dataclass(frozen=True)
class Scope:
    """What a report is about.

    Attributes:
        now: Time shown on the page, UTC.
        period: Days it describes.
        zone: Reporting time zone, an IANA name: that of the views' days and weeks.
        bound: Maximum age of a row in days (`sweep_days`); None when the sweep is off.
        review_target: Time within which people should decide a pending submission.
    """

    now: datetime
    period: Period
    zone: str = UTC
    bound: int | None = None
    review_target: timedelta = REVIEW_TARGET

    @cached_property
    def today(self) -> date:
        """Return the current day in the reporting time zone."""
        return pendulum.instance(self.now).in_timezone(self.zone).date()

    @property
    def unit(self) -> str:
        """Return the unit of time in which charts count: `day`, `week` or `month`."""
        if self.period.days <= _MAX_DAYS:
            return "day"
        return "week" if self.period.days <= 7 * _MAX_WEEKS else "month"

    def unit_of(self, day: date) -> Unit:
        """Return the unit of a day of the period, cut off at the ends of the period."""
        first = pendulum.date(day.year, day.month, day.day).start_of(self.unit)
        end = first.add(**{f"{self.unit}s": 1})
        period_end = add_days(self.period.last, 1)
        is_cut = first < self.period.first or end > period_end
        start, stop = max(first, self.period.first), min(end, period_end)
        return Unit(start, stop, is_cut or end > self.today)

    @property
    def units(self) -> Iterator[Unit]:
        """Yield the units of the period in order."""
        day = self.period.first
        while day in self.period:
            unit = self.unit_of(day)
            yield unit
            day = unit.end

    def fill_in(self, query: str) -> str:
        """Return a query with the values of its placeholders: days, zone and target in seconds."""
        starts = {
            "day": "day",
            "week": "decided_week",
            "month": "CAST(DATE_TRUNC('month', day) AS DATE)",
        }
        return query.format(
            zone=quote_literal(self.zone),
            first=_literal(self.period.first),
            last=_literal(self.period.last),
            before=_literal(self.period.before.first),
            today=_literal(self.today),
            soon=_literal(add_days(self.today, _SOON)),
            earliest=_literal(FIRST_PLAUSIBLE_DAY),
            latest=_literal(add_days(self.today, _MAX_DAYS_AHEAD)),
            unit_start=starts[self.unit],
            target=round(self.review_target.total_seconds()),
        )

    def has_before(self, earliest: date | None) -> bool:
        """Return whether data begin early enough to compare with the period before.

        `earliest` is the day of the first submission. A tenth of the days may lack submissions.
        """
        before = self.period.before
        return earliest is not None and earliest <= add_days(before.first, before.days // 10)


def scope_of(
    now: datetime, *, zone: str = UTC, first: date | None = None, last: date | None = None
) -> Scope:
    """Return a scope with a period that ends today and has 90 days, unless days are given.

    Args:
        now: The current time.
        zone: Reporting time zone, an IANA name.
        first: First day of the period.
        last: Last day of the period.

    Raises:
        ConfigurationError: The period ends before it begins, or lies outside of all plausible days.
    """
    today = pendulum.instance(now).in_timezone(zone).date()
    end = last or today
    start = first or add_days(end, 1 - DEFAULT_DAYS)
    earliest, latest = FIRST_PLAUSIBLE_DAY, add_days(today, _MAX_DAYS_AHEAD)
    if end < start:
        raise ConfigurationError(
            f"the period ends on {end}, before it begins on {start}", "change --from or --to"
        )
    if start < earliest or end > latest:
        raise ConfigurationError(
            f"the period is {Period(start, end)}, but no submission is from before {earliest} or"
            f" after {latest}",
            "change --from or --to",
        )
    return Scope(now, Period(start, end), zone)


def _literal(day: date) -> str:
    return f"DATE '{day}'"
