"""Days of options: every form, read against one today; texts that are no day; days to come."""

from datetime import date

import pytest
import typer

from argos_sync.cli.days import first_day, last_day, last_day_so_far
from argos_sync.shape.days import ACCEPTED

TODAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-01-05", "2026-01-05", "2026-01-05"),
        (" 2024-02-29 ", "2024-02-29", "2024-02-29"),
        ("today", "2026-03-01", "2026-03-01"),
        ("Yesterday", "2026-02-28", "2026-02-28"),
        ("0d", "2026-03-01", "2026-03-01"),
        ("90d", "2025-12-01", "2025-12-01"),
        ("2026-01", "2026-01-01", "2026-01-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2026-03", "2026-03-01", "2026-03-31"),
        ("2025-12", "2025-12-01", "2025-12-31"),
        ("2026-Q1", "2026-01-01", "2026-03-31"),
        ("2025-q4", "2025-10-01", "2025-12-31"),
    ],
)
def test_a_day(text: str, first: str, last: str) -> None:
    """A period begins a range with its first day and ends one with its last day."""
    assert str(first_day("--from", text, TODAY)) == first
    assert str(last_day("--to", text, TODAY)) == last


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "tomorrow", "2026-02-30", "2025-02-29", "2026-13", "2026-00", "2026-Q5"),
        *("0000-01", "20260105", "2026-W01-1", "05.01.2026", "2026/01/05", "-1d", "999999d"),
        *("\u0662\u0660\u0662\u0666-01-05", "2026-01-05T00:00", "2026-1-5", "90 d", "3m"),
    ],
)
def test_no_day(text: str) -> None:
    """The message repeats the option and the text, and shows what is accepted."""
    with pytest.raises(typer.BadParameter) as raised:
        last_day("--to", text, TODAY)
    assert raised.value.message == f"--to {text!r} is not a day; give {ACCEPTED}"


def test_a_long_text_is_cut() -> None:
    """A file pasted by mistake does not fill the terminal, and controls are escaped."""
    with pytest.raises(typer.BadParameter) as raised:
        first_day("--from", "\x1b" + "a" * 1_000, TODAY)
    assert raised.value.message.startswith(f"--from '\\x1b{'a' * 39}…' is not a day")


def test_a_range_in_the_future() -> None:
    """A range that begins in the future is said; one that only ends there has days to read."""
    with pytest.raises(typer.BadParameter) as raised:
        first_day("--from", "2026-03-02", TODAY)
    expected = "--from 2026-03-02 is in the future: today is 2026-03-01 in UTC"
    assert raised.value.message == expected
    with pytest.raises(typer.BadParameter, match="today is 2026-03-01 in Asia/Seoul"):
        first_day("--from", "2026-Q2", TODAY, "Asia/Seoul")


def test_a_period_that_is_not_over() -> None:
    """It ends today; one that has not begun stays in the future, for the message about it."""
    assert last_day_so_far("--to", "2026-Q1", TODAY) == TODAY
    assert last_day_so_far("--to", "2026-02", TODAY) == date(2026, 2, 28)
    assert last_day_so_far("--to", "2026-04", TODAY) == date(2026, 4, 30)
