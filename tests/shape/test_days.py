"""Fixed days: the forms that configuration takes, and those that would change from day to day."""

from datetime import date

import pytest

from argos_sync.shape.days import ACCEPTED, FIXED, parse_days, parse_fixed_day

TODAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("2026-01-05", date(2026, 1, 5)),
        (" 2026-02 ", date(2026, 2, 1)),
        ("2026-Q2", date(2026, 4, 1)),
        ("2025-q4", date(2025, 10, 1)),
    ],
)
def test_a_fixed_day(text: str, first: date) -> None:
    """A period begins with its first day, whatever the day is."""
    assert parse_fixed_day(text) == parse_days(text, TODAY)[0] == first


@pytest.mark.parametrize("text", ["today", "Yesterday", "90d", "0d", "20260105", "", "2026-13"])
def test_no_fixed_day(text: str) -> None:
    """Days relative to today are refused, as are other texts."""
    with pytest.raises(ValueError, match=r"not a day|month must be"):
        parse_fixed_day(text)


def test_messages_name_the_forms_that_are_taken() -> None:
    """Every example in a message can be parsed."""
    for text in FIXED.replace(" or ", ", ").split(", "):
        assert parse_fixed_day(text)
    for text in ACCEPTED.replace(" (90 days ago)", "").replace(" or ", ", ").split(", "):
        assert parse_days(text, TODAY)
