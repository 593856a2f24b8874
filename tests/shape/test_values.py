import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from argos_sync.shape.values import (
    CONVERTERS,
    ConversionError,
    is_absent,
    to_bigint,
    to_bool,
    to_date,
    to_double,
    to_json,
    to_text,
    to_timestamp,
)

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", "N/A", {}, []])
def test_absent(value: Any) -> None:
    """The API has five ways to send no value, besides leaving out the key."""
    assert is_absent(value)


@pytest.mark.parametrize("value", [0, 0.0, False, " ", "n/a", "null", [None], {"a": None}])
def test_present(value: Any) -> None:
    """Zero, false and similar texts are values."""
    assert not is_absent(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("김민준", "김민준"),
        (" as it is ", " as it is "),
        (5, "5"),
        (97.0, "97.0"),
        (0.1, "0.1"),
        (1e-07, "1e-07"),
        (True, "true"),
        (False, "false"),
        (2**64, "18446744073709551616"),
    ],
)
def test_text(value: Any, text: str) -> None:
    """Texts are unchanged; numbers and booleans are written as in JSON."""
    assert to_text(value) == text


@pytest.mark.parametrize(
    "value",
    [{"ko": "김"}, ["a"], "nul \0 here", "half \ud800 pair", "\udfff", 2.0**63, -(2.0**63), 1e30],
)
def test_invalid_text(value: Any) -> None:
    """Structures, unstorable characters and inexact numbers are refused."""
    with pytest.raises(ConversionError):
        to_text(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3),
        (3.0, 3),
        ("3", 3),
        ("-3", -3),
        ("+3", 3),
        (" 3 ", 3),
        ("3.0", 3),
        ("007", 7),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_bigint(value: Any, number: int) -> None:
    """Whole numbers within 64 bits are read from integers, floats and text."""
    result = to_bigint(value)
    assert result == number
    assert type(result) is int


@pytest.mark.parametrize(
    "value",
    [
        *(1.5, "1.5", "abc", "1e3", "1_0", "٣", "0x1", "", True, None, [3], {"n": 3}),
        *(2**63, -(2**63) - 1, 2.0**63, 1e30, "9223372036854775808", "9" * 5_000),
    ],
)
def test_invalid_bigint(value: Any) -> None:
    """Fractions, booleans and numbers beyond 64 bits are refused."""
    with pytest.raises(ConversionError):
        to_bigint(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [(97.5, 97.5), (97, 97.0), ("97.5", 97.5), (" 97.5 ", 97.5), ("-.5", -0.5), ("1e3", 1000.0)],
)
def test_double(value: Any, number: float) -> None:
    """Finite numbers are read from numbers and text."""
    result = to_double(value)
    assert result == number
    assert type(result) is float


@pytest.mark.parametrize(
    "value", ["abc", "nan", "inf", "1_0", "1e999", "٣", "", True, None, [1], float("inf"), 10**400]
)
def test_invalid_double(value: Any) -> None:
    """Other texts, booleans and infinite numbers are refused."""
    with pytest.raises(ConversionError):
        to_double(value)


@pytest.mark.parametrize(
    "value",
    [
        "2020-02-29",
        "2020-02-29T00:00",
        "2020-02-29T00:00:00",
        "2020-02-29T00:00:00Z",
        "2020-02-29T00:00:00.000Z",
        "2020-02-29 00:00:00+00:00",
    ],
)
def test_date(value: str) -> None:
    """A date may be followed by midnight."""
    assert to_date(value) == date(2020, 2, 29)


@pytest.mark.parametrize(
    "value",
    [
        *("31/12/2020", "2023-02-30", "2023-2-3", "20230203", "2023-W05-5", "0000-01-01"),
        *("2020-02-29T00:00:01", "2020-02-29T00:00:00+09:00", "2020-02-29\n", "٢٠٢٠-٠٢-٢٩"),
        *(20200229, None, True),
    ],
)
def test_invalid_date(value: Any) -> None:
    """Other orders, impossible days and other times of day are refused."""
    with pytest.raises(ConversionError):
        to_date(value)


@pytest.mark.parametrize(
    ("value", "microsecond"),
    [
        ("2026-01-05-09-00-00-123", 123_000),
        ("2026-01-05-09-00-00-7", 7_000),
        ("2026-01-05-09-00-00-07", 7_000),
        ("2026-01-05-09-00-00", 0),
        ("2026-01-05T09:00:00.123Z", 123_000),
        ("2026-01-05T09:00:00.1Z", 100_000),
        ("2026-01-05T09:00:00.123456", 123_456),
        ("2026-01-05 09:00:00.123456999Z", 123_456),
        ("2026-01-05T09:00:00,5Z", 500_000),
        ("2026-01-05T09:00:00", 0),
        ("2026-01-05T09:00", 0),
        ("2026-01-05 09:00Z", 0),
        ("2026-01-05T18:00:00+09:00", 0),
        ("2026-01-05T18:00:00+0900", 0),
        ("2026-01-05T18:00:00+09", 0),
        ("2026-01-05T03:30:00-05:30", 0),
        ("2026-01-05t09:00:00z", 0),
        ("2026-01-05 18:00:00 +0900", 0),
        ("2026-01-05T09:00:00 Z", 0),
        ("2026-01-05T09:00:00.123456789012Z", 123_456),
        ("20260105T090000Z", 0),
        ("20260105T090000.5Z", 500_000),
        ("20260105T0900", 0),
        ("20260105t180000+0900", 0),
        (1767603600, 0),
        (1767603600.5, 500_000),
        (1767603600123, 123_000),
        ("1767603600", 0),
        ("1767603600.25", 250_000),
        ("1767603600123", 123_000),
    ],
)
def test_timestamp(value: Any, microsecond: int) -> None:
    """The vendor's form, ISO 8601, and seconds or milliseconds since 1970 give the time in UTC."""
    result = to_timestamp(value)
    assert result == NINE.replace(microsecond=microsecond)
    assert result.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        *("2026-01-05T24:00:00Z", "2026-01-05T24:00", "2026-01-05 24:00:00.000"),
        *("2026-01-05-24-00-00-000", "2026-01-05-24-00-00", "20260105T240000Z"),
        "2026-01-06T09:00:00+09:00",
    ],
)
def test_end_of_day(value: str) -> None:
    """24:00 is midnight of the next day."""
    assert to_timestamp(value) == datetime(2026, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "year"),
    [(946_684_800, 2000), (946_684_800_000, 2000), (4_102_444_799, 2099), (4102444799999, 2099)],
)
def test_first_and_last_epoch_times(value: int, year: int) -> None:
    """Numbers are read as times of the years 2000 to 2099."""
    assert to_timestamp(value).year == year


def test_date_is_midnight() -> None:
    """A date without a time is midnight UTC."""
    assert to_timestamp("2026-01-05") == datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "yesterday",
            "2026-01-05-09-00-00-1234",
            "2026-02-30-09-00-00-123",
            "2026-01-05-24-00-01",
        ),
        *("2026-01-05T24:01", "2026-01-05T09:00:60", "2026-01-05T09", "2026-01-05T09:00:00+24:00"),
        *("2026-01-05T09:00:00+09:75", "2026-01-05T24:00:00.1", "2026-01-05T25:00", "5/1/2026"),
        *(946_684_799, 4_102_444_800, 946_684_799_999, 4_102_444_800_000, 17, 0, -1767603600),
        *(1767603600123456, "20260105090000", "946684799", 10**400, float("inf"), float("nan")),
        *("9999-12-31T24:00", "2026-01-05T09:00:00  Z", "20260105T09", "1767603600 "),
        *("0000-01-01", "0001-01-01T00:00:00+09:00", "9999-12-31T23:59:59-09:00", "20260105"),
        *("2026-W02-1", "2026-01-05\n", "2026-01-05Z", None, True, ["2026-01-05"]),
    ],
)
def test_invalid_timestamp(value: Any) -> None:
    """Impossible times and other forms are refused."""
    with pytest.raises(ConversionError):
        to_timestamp(value)


@pytest.mark.parametrize(
    ("value", "truth"), [(True, True), (False, False), ("true", True), ("False", False)]
)
def test_bool(value: Any, truth: bool) -> None:
    """Booleans are read from booleans and text."""
    assert to_bool(value) is truth


@pytest.mark.parametrize("value", [1, 0, "yes", "", None, [True]])
def test_invalid_bool(value: Any) -> None:
    """Numbers and other texts are refused."""
    with pytest.raises(ConversionError):
        to_bool(value)


@pytest.mark.parametrize(
    "value",
    [{"김": [1, 2.5, None, True, {"deep": "x"}]}, "text", 5, 0.1, [[]], {"n": 10**30}, 2**64],
)
def test_json(value: Any) -> None:
    """JSON text decodes to the original value, integers of any size included."""
    assert json.loads(to_json(value)) == value


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\0b", "a\\u0000b"),
        ({"k\0": ["\0"]}, {"k\\u0000": ["\\u0000"]}),
        ("half \ud800 pair", "half \\ud800 pair"),
        (["\udfff", {"\udc00": 10**30}], ["\\udfff", {"\\udc00": 10**30}]),
        ("already \\u0000", "already \\u0000"),
    ],
)
def test_json_escapes_unstorable_characters(value: Any, stored: Any) -> None:
    """NUL and lone surrogates become readable escapes, in keys too."""
    text = to_json(value)
    assert json.loads(text) == stored
    assert "김" in to_json([value, "김"])
    text.encode()


@pytest.mark.parametrize("column_type", sorted(set(CONVERTERS) - {"json"}))
@pytest.mark.parametrize(
    "value", [{"secret-7391": "secret-7391"}, ["secret-7391"], "secret-7391\0"]
)
def test_errors_never_show_the_value(column_type: str, value: Any) -> None:
    """A conversion error names the expected and the received type, not the value."""
    with pytest.raises(ConversionError) as error:
        CONVERTERS[column_type](value)
    assert "7391" not in str(error.value)
    assert str(error.value)


def test_errors_name_the_received_type() -> None:
    """A conversion error names the type of the value."""
    kinds = {"a text": "x", "a truth value": True, "an object": {"a": 1}, "a list": [1]}
    for kind, value in (kinds | {"a number": 1.5}).items():
        with pytest.raises(ConversionError, match=f"^not a whole number but {kind}$"):
            to_bigint(value)
