"""Read the days that options give, for every command, in the forms of `shape.days`."""

from datetime import UTC, date, datetime

import typer

from argos_sync.shape.days import ACCEPTED, parse_days

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
        return parse_days(text, today)
    except ValueError:
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        raise typer.BadParameter(f"{option} {shown!r} is not a day; give {ACCEPTED}") from None
