"""Timestamps of the API: written in the vendor's format, read in every format that occurs."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

SECOND = 1_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_MILLISECOND = timedelta(milliseconds=1)
_VENDOR = re.compile(r"(\d{4}-\d\d-\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d{3})")


def day_start(day: date) -> int:
    """Return 00:00 UTC of `day` in milliseconds since 1970."""
    return (day.toordinal() - _EPOCH_DAY) * DAY


@lru_cache(maxsize=4096)
def day_text(number: int) -> str:
    """Return the `YYYY-MM-DD` of the day `number` days after 1970-01-01."""
    return date.fromordinal(_EPOCH_DAY + number).isoformat()


def vendor_time(moment: int) -> str:
    """Format milliseconds since 1970 as the API does: `2026-01-05-09-00-00-123`."""
    day, rest = divmod(moment, DAY)
    seconds, milli = divmod(rest, 1_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{day_text(day)}-{hour:02}-{minute:02}-{second:02}-{milli:03}"


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
