"""Read a day that a person gives: a date, a month, a quarter, or days ago.

Days are UTC, as those of `created_at`. A period stands for its first day where a range begins, and
for its last day where a range ends. A fixed day is the same whenever it is read; configuration
takes only those, because what begins there must not begin elsewhere tomorrow.
"""

import re
from calendar import monthrange
from datetime import date, timedelta

FIXED = "2026-01-05, 2026-01 or 2026-Q1"
"""The forms of a fixed day, for messages."""

ACCEPTED = "2026-01-05, today, yesterday, 90d (90 days ago), 2026-01 or 2026-Q1"
"""All forms of a day, for messages and documents."""

_NO_DAY = "not a day"
_RELATIVE = {"today": 0, "yesterday": 1}
_DAYS_AGO = re.compile(r"(\d{1,6})d", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_QUARTER = re.compile(r"(\d{4})-q([1-4])", re.ASCII)


def parse_days(text: str, today: date) -> tuple[date, date]:
    """Return the first and the last day of a text.

    Args:
        text: One of the forms in `ACCEPTED`, in capital or small letters.
        today: The current day, from which days ago are counted.

    Raises:
        ValueError: The text is not a day.
    """
    form = text.strip().lower()
    days = _RELATIVE.get(form)
    if ago := _DAYS_AGO.fullmatch(form):
        days = int(ago[1])
    if days is None:
        return _parse_fixed(form)
    try:
        day = today - timedelta(days=days)
    except OverflowError:
        raise ValueError(_NO_DAY) from None
    return day, day


def parse_fixed_day(text: str) -> date:
    """Return the first day of a text that means the same whenever it is read.

    Raises:
        ValueError: The text is not a day, or is relative to today.
    """
    return _parse_fixed(text.strip().lower())[0]


def _parse_fixed(text: str) -> tuple[date, date]:
    """Return the first and the last day of a text in small letters; ValueError for others."""
    if month := _MONTH.fullmatch(text):
        return _span(int(month[1]), int(month[2]))
    if quarter := _QUARTER.fullmatch(text):
        return _span(int(quarter[1]), int(quarter[2]) * 3 - 2, 3)
    if _DAY.fullmatch(text):
        day = date.fromisoformat(text)
        return day, day
    raise ValueError(_NO_DAY)


def _span(year: int, month: int, months: int = 1) -> tuple[date, date]:
    """Return the first and the last day of some months, of which the first is given."""
    first, last_month = date(year, month, 1), month + months - 1
    return first, date(year, last_month, monthrange(year, last_month)[1])
