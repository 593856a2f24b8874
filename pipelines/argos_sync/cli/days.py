"""Read the days that options give, for every command: a day, a month, a quarter, or days ago.

Days are UTC, as those of `created_at`. A period stands for its first day where a range begins, and
for its last day where a range ends.
"""

import re
from datetime import UTC, date, datetime, timedelta

import typer

ACCEPTED = "2026-01-05, today, yesterday, 90d (90 days ago), 2026-01 or 2026-Q1"
"""The forms of a day, for messages and documents."""

_RELATIVE = {"today": 0, "yesterday": 1}
_DAYS_AGO = re.compile(r"(\d{1,6})d", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_QUARTER = re.compile(r"(\d{4})-q([1-4])", re.ASCII)
_LONGEST = 40
"""Characters of an unreadable text to repeat."""


def first_day(option: str, text: str, today: date | None = None, zone: str = "UTC") -> date:
    """Return the first day of what an option gives.

    Args:
        option: Name of the option, for messages.
        text: What it gives.
        today: The current day; by default that of the clock, in UTC.
        zone: Time zone of `today`, for messages.

    Raises:
        typer.BadParameter: The text is not a day, or the day is in the future.
    """
    today = today or datetime.now(UTC).date()
    first, _ = _period(option, text, today)
    if first > today:
        raise typer.BadParameter(f"{option} {text} is in the future: today is {today} in {zone}")
    return first


def last_day(option: str, text: str, today: date | None = None) -> date:
    """Return the last day of what an option gives; `today` is that of the clock in UTC.

    Raises:
        typer.BadParameter: The text is not a day.
    """
    return _period(option, text, today or datetime.now(UTC).date())[1]


def last_day_so_far(option: str, text: str, today: date) -> date:
    """Return the last day of what an option gives, or today if the period is not over.

    Raises:
        typer.BadParameter: The text is not a day.
    """
    first, last = _period(option, text, today)
    return min(last, today) if first <= today else last


def day_range(first: str, last: str) -> tuple[date, date]:
    """Return the first and the last day that `--from` and `--to` give.

    Raises:
        typer.BadParameter: One of them is not a day, or the whole range is in the future.
    """
    return first_day("--from", first), last_day("--to", last)


def _period(option: str, text: str, today: date) -> tuple[date, date]:
    """Return the first and the last day of a text."""
    try:
        return _parse(text.strip().lower(), today)
    except (ValueError, OverflowError):
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        raise typer.BadParameter(f"{option} {shown!r} is not a day; give {ACCEPTED}") from None


def _parse(text: str, today: date) -> tuple[date, date]:
    """Return the first and the last day of a text in small letters; ValueError for others."""
    if text in _RELATIVE:
        day = today - timedelta(days=_RELATIVE[text])
        return day, day
    if ago := _DAYS_AGO.fullmatch(text):
        day = today - timedelta(days=int(ago[1]))
        return day, day
    if month := _MONTH.fullmatch(text):
        return _span(int(month[1]), int(month[2]), "month")
    if quarter := _QUARTER.fullmatch(text):
        return _span(int(quarter[1]), int(quarter[2]) * 3, "quarter")
    if _DAY.fullmatch(text):
        day = date.fromisoformat(text)
        return day, day
    raise ValueError


def _span(year: int, month: int, unit: str) -> tuple[date, date]:
    """Return the first and the last day of the month or quarter that has a month."""
    import pendulum

    day = pendulum.Date(year, month, 1)
    first, last = day.first_of(unit), day.last_of(unit)
    return date(first.year, first.month, first.day), date(last.year, last.month, last.day)
