"""Convert single API values to the types of the contract.

The rules come from the API page: numbers may be text; an absent value is a missing key, `null`,
`{}`, `""` or `"N/A"`; timestamps are `YYYY-MM-DD-HH-MM-SS-ZZZ` or ISO 8601, always in UTC. An empty
list counts as absent too, and seconds or milliseconds since 1970 are timestamps. Every converter
raises ConversionError for a value that does not fit.
"""

import json
import math
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import orjson

ABSENT_TEXTS = ("", "N/A")

_CAN_BE_EMPTY = (str, dict, list)  # `str | dict | list` would be built anew on every call
_INT64 = 2**63
_INTEGER = re.compile(r"\s*([+-]?\d{1,19})(?:\.0*)?\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-]00:?00)?)?", re.ASCII)
_DOCUMENTED_TIME = re.compile(r"\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-\d{3}", re.ASCII)
_VENDOR_TIME = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"-(?P<hour>\d\d)-(?P<minute>\d\d)-(?P<second>\d\d)(?:-(?P<milli>\d{1,3}))?",
    re.ASCII,
)
_ZONE = r" ?(?:[Zz]|(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>[0-5]\d))?)"
_ISO_TIME = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[Tt ](?P<hour>\d\d):(?P<minute>\d\d)"
    rf"(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?(?:{_ZONE})?)?",
    re.ASCII,
)
_BASIC_ISO_TIME = re.compile(
    r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)"
    r"[Tt ](?P<hour>\d\d)(?P<minute>\d\d)"
    rf"(?:(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?(?:{_ZONE})?",
    re.ASCII,
)
_EPOCH_TIME = re.compile(r"\d{9,13}(?:\.\d+)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_BOUNDS = (946_684_800, 4_102_444_800)
"""The years 2000 to 2099 in seconds since 1970. As milliseconds these numbers are out of the range,
so a number never means two moments."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class ConversionError(ValueError):
    """A value does not fit its column; the text gives the reason but never the value."""


def is_absent(value: Any) -> bool:
    """Return whether the API means "no value" (API page, "Timestamps and values")."""
    if isinstance(value, _CAN_BE_EMPTY):
        return not value or value == "N/A"
    return value is None


def to_text(value: Any) -> str:
    """Convert a scalar to text.

    Texts with characters that warehouses refuse (NUL, lone surrogates) do not fit, nor do numbers
    that the JSON decoder could not keep exactly.
    """
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise ConversionError("text with characters that cannot be stored")
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        # Other decoders read integers beyond 64 bits as floats and lose the last digits.
        if not math.isfinite(value) or abs(value) >= _INT64:
            raise ConversionError("number too large to be exact")
        return repr(value)
    raise ConversionError(f"not a text but {_describe_type(value)}")


def to_bigint(value: Any) -> int:
    """Convert a whole number within 64 bits, also from text."""
    number: int | None = None
    if isinstance(value, str) and (match := _INTEGER.fullmatch(value)):
        number = int(match[1])
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    if number is None:
        raise ConversionError(f"not a whole number but {_describe_type(value)}")
    if not -_INT64 <= number < _INT64:
        raise ConversionError("whole number beyond 64 bits")
    return number


def to_double(value: Any) -> float:
    """Convert a finite number, also from text."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        with suppress(OverflowError):
            number = float(value)
            if math.isfinite(number):
                return number
        raise ConversionError("number too large")
    raise ConversionError(f"not a number but {_describe_type(value)}")


def to_date(value: Any) -> date:
    """Convert a day of the calendar from `YYYY-MM-DD`, also with midnight after it."""
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ConversionError(f"not a date (YYYY-MM-DD) but {_describe_type(value)}")
    with suppress(ValueError):
        return date.fromisoformat(match[1])
    raise ConversionError("not a day of the calendar")


def to_timestamp(value: Any) -> datetime:
    """Convert the vendor's form or ISO 8601 to a time in UTC; without a zone it is UTC.

    24:00 is midnight of the next day. Seconds and milliseconds since 1970, also as text, are read
    if they are in the years 2000 to 2099.
    """
    is_text = isinstance(value, str)
    if is_text:
        if _DOCUMENTED_TIME.fullmatch(value):  # faster than the other forms
            day, hour, minute, rest = value[:10], value[11:13], value[14:16], value[17:]
            with suppress(ValueError):
                return datetime.fromisoformat(
                    f"{day}T{hour}:{minute}:{rest.replace('-', '.')}+00:00"
                )
        for form in (_VENDOR_TIME, _ISO_TIME, _BASIC_ISO_TIME):
            if match := form.fullmatch(value):
                return _read_time(match.groupdict())
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number or (is_text and _EPOCH_TIME.fullmatch(value)):
        number = value if is_number else float(value)
        for unit in (1, 1_000):
            if _EPOCH_BOUNDS[0] * unit <= number < _EPOCH_BOUNDS[1] * unit:
                return _EPOCH + timedelta(microseconds=round(number * 1_000_000 / unit))
    if is_text:
        raise ConversionError("not a timestamp (YYYY-MM-DD-HH-MM-SS-ZZZ or ISO 8601) but a text")
    raise ConversionError(f"not a timestamp but {_describe_type(value)}")


def to_bool(value: Any) -> bool:
    """Convert a boolean, also from the texts `true` and `false` in any case."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ConversionError(f"not true or false but {_describe_type(value)}")


def to_json(value: Any) -> str:
    r"""Convert any JSON value to JSON text that every warehouse accepts.

    NUL and lone surrogates are legal in JSON, but PostgreSQL's jsonb refuses them: they become
    readable escapes, such as the six characters `\u0000`.
    """
    try:
        text = orjson.dumps(value).decode()
    except (TypeError, ValueError):  # a lone surrogate, or an integer beyond 64 bits
        return json.dumps(_escape_unstorable(value), ensure_ascii=False, separators=(",", ":"))
    return orjson.dumps(_escape_unstorable(value)).decode() if "\\u0000" in text else text


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "text": to_text,
    "bigint": to_bigint,
    "double": to_double,
    "date": to_date,
    "timestamp": to_timestamp,
    "bool": to_bool,
    "json": to_json,
}
"""Converter of each column type."""


def _read_time(parts: dict[str, str | None]) -> datetime:
    """Return the time in UTC that the named parts of a timestamp's text describe."""

    def number(name: str) -> int:
        return int(parts.get(name) or 0)

    fraction = f"{parts.get('milli') or 0:0>3}" if "milli" in parts else parts.get("fraction") or ""
    microsecond = int(f"{fraction:0<6}"[:6])
    hour = number("hour")
    is_end_of_day = hour == 24 and not (number("minute") or number("second") or microsecond)  # noqa: PLR2004
    offset = timedelta(hours=number("hours"), minutes=number("minutes"))
    try:
        moment = datetime(
            number("year"),
            number("month"),
            number("day"),
            0 if is_end_of_day else hour,
            number("minute"),
            number("second"),
            microsecond,
            timezone(-offset if parts.get("sign") == "-" else offset),
        )
        return (moment + timedelta(days=is_end_of_day)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConversionError("not a moment of the calendar") from None


def _escape_unstorable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", value)
    if isinstance(value, list):
        return [_escape_unstorable(item) for item in value]
    if isinstance(value, dict):
        return {_escape_unstorable(key): _escape_unstorable(item) for key, item in value.items()}
    return value


def _describe_type(value: Any) -> str:
    kinds = {str: "a text", bool: "a truth value", dict: "an object", list: "a list"}
    return kinds.get(type(value), "a number")


def parse_share(text: str) -> float:
    """Return a share from 0 to 1 that a user gives as `5%` or `0.05`; raise a ValueError."""
    number, percent, rest = text.strip().partition("%")
    share = float(number) / (100 if percent else 1)
    if rest or not 0 <= share <= 1:
        raise ValueError("not a share")
    return share
