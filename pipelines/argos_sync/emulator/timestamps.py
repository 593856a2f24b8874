"""Timestamps of the API: written in the vendor's format, read in every format that occurs."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_THURSDAY = 3  # 1970-01-01
_MILLISECOND = timedelta(milliseconds=1)
_MINUTES = tuple(f"{hour:02}-{minute:02}" for hour in range(24) for minute in range(60))
_VENDOR = re.compile(r"(\d{4}-\d\d-\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d{3})")


def day_start(day: date) -> int:
    """Return 00:00 UTC of `day` in milliseconds since 1970."""
    return (day.toordinal() - _EPOCH_DAY) * DAY


@lru_cache(maxsize=65_536)
def day_text(number: int) -> str:
    """Return the `YYYY-MM-DD` of the day `number` days after 1970-01-01."""
    return date.fromordinal(_EPOCH_DAY + number).isoformat()


def weekday(moment: int) -> int:
    """Return the day of the week in UTC, 0 for Monday."""
    return (moment // DAY + _THURSDAY) % 7


def vendor_time(moment: int) -> str:
    """Format milliseconds since 1970 as the API does: `2026-01-05-09-00-00-123`."""
    day, rest = divmod(moment, DAY)
    minute, rest = divmod(rest, MINUTE)
    second, milli = divmod(rest, SECOND)
    return f"{day_text(day)}-{_MINUTES[minute]}-{second:02}-{milli:03}"


FORMS: dict[str, Callable[[int], Any]] = {
    "vendor": vendor_time,
    "iso": lambda moment: _as_datetime(moment).isoformat(),
    "epoch_seconds": lambda moment: moment // SECOND,
    "epoch_milliseconds": lambda moment: moment,
    "unknown": lambda moment: f"{_as_datetime(moment):%d/%m/%Y %I:%M %p}",
    "empty": lambda _moment: "",
}
"""How each form of `created_at` is written, from milliseconds since 1970."""


def _as_datetime(moment: int) -> datetime:
    return _EPOCH + moment * _MILLISECOND


def read_time(value: object) -> int | None:
    """Return milliseconds since 1970 of the vendor's format or ISO 8601 (UTC unless it has a zone).

    Anything else gives None.
    """
    if not isinstance(value, str):
        return None
    if vendor := _VENDOR.fullmatch(value):
        day, hour, minute, second, milli = vendor.groups()
        value = f"{day}T{hour}:{minute}:{second}.{milli}"
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MILLISECOND
