"""The API's timestamps, written the vendor's way and read in every way that occurs."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

SECOND = 1_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR

_EPOCH = date(1970, 1, 1).toordinal()
_START = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_VENDOR = re.compile(r"(\d{4}-\d\d-\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d{3})")


def day_start(day: date) -> int:
    """Milliseconds since 1970 at 00:00 UTC of `day`."""
    return (day.toordinal() - _EPOCH) * DAY


@lru_cache(maxsize=4096)
def day_text(number: int) -> str:
    """The `YYYY-MM-DD` of the day `number` days after 1970-01-01."""
    return date.fromordinal(_EPOCH + number).isoformat()


def vendor_time(moment: int) -> str:
    """Writes milliseconds since 1970 as the API does: `2026-01-05-09-00-00-123`."""
    day, rest = divmod(moment, DAY)
    seconds, milli = divmod(rest, 1_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{day_text(day)}-{hour:02}-{minute:02}-{second:02}-{milli:03}"


def read_time(value: object) -> int | None:
    """Reads a timestamp in the vendor's form or in ISO 8601 (without a zone: UTC).

    Returns:
        Milliseconds since 1970, or None for what is no timestamp.
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
    return (moment - _START) // _MILLISECOND
