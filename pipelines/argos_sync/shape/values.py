"""Convert single API values to the types of the contract.

The rules come from the API page: numbers may be text; an absent value is a missing key, `null`,
`{}`, `""` or `"N/A"`; timestamps are `YYYY-MM-DD-HH-MM-SS-ZZZ` or ISO 8601, always in UTC. An empty
list counts as absent too. Every converter raises ConversionError for a value that does not fit.
"""

import json
import math
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import orjson

ABSENT_TEXTS = ("", "N/A")

_CAN_BE_EMPTY = (str, dict, list)  # `str | dict | list` would be built anew on every call
_INT64 = 2**63
_INTEGER = re.compile(r"\s*([+-]?\d{1,19})(?:\.0*)?\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-]00:?00)?)?", re.ASCII)
_VENDOR_TIME = re.compile(r"(\d{4}-\d\d-\d\d)-(\d\d)-(\d\d)-(\d\d)(?:-(\d{1,3}))?", re.ASCII)
_ISO_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d(?::?[0-5]\d)?)?)?",
    re.ASCII,
)
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
    """Convert the vendor's form or ISO 8601 to a time in UTC; without a zone it is UTC."""
    if not isinstance(value, str):
        raise ConversionError(f"not a timestamp but {_describe_type(value)}")
    try:
        if match := _VENDOR_TIME.fullmatch(value):
            day, hour, minute, second, millisecond = match.groups()
            fraction = f"{millisecond or 0:0>3}"
            return datetime.fromisoformat(f"{day}T{hour}:{minute}:{second}.{fraction}+00:00")
        if _ISO_TIME.fullmatch(value):
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConversionError("not a moment of the calendar") from None
    raise ConversionError("not a timestamp (YYYY-MM-DD-HH-MM-SS-ZZZ or ISO 8601) but a text")


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
