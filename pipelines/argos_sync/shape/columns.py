"""A whole column at a time: a list of API values as one Arrow array.

Most columns of most pages hold only what the API page promises, and Arrow converts those in C.
A column that holds anything else is read value by value with `values.CONVERTERS`; both ways give
the same answer (a property test holds them against each other).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from argos_sync.shape.contract import Column, Table
from argos_sync.shape.values import ABSENT_TEXTS, CONVERTERS, ConversionError, is_absent

ARROW_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "json": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "double": pa.float64(),
    "bigint": pa.int64(),
    "bool": pa.bool_(),
}
"""The Arrow type of each column type; dlt maps them to the destination's own."""

ConversionErrors = list[tuple[int, str]]
"""Rows whose value did not fit, with the problem."""

# Arrow takes the year 0, which Python's calendar does not have: early years are not plain.
_VENDOR_TIME = r"^([1-9]\d{3}-\d\d-\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d{3})$"
_DATE = r"^[1-9]\d{3}-\d\d-\d\d$"
_ABSENT_TEXTS = pa.array(ABSENT_TEXTS, pa.string())


class _SlowPathError(Exception):
    """The column holds something that has to be read value by value."""


def arrow_schema(table: Table) -> pa.Schema:
    """Return the explicit Arrow schema of a contract table."""
    return pa.schema([arrow_field(column) for column in table.columns])


def arrow_field(column: Column) -> pa.Field:
    """Return the Arrow field of a contract column."""
    return pa.field(column.name, ARROW_TYPES[column.type], nullable=column.nullable)


def read_columns(
    objects: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, Column]]
) -> Iterator[tuple[Column, pa.Array, ConversionErrors]]:
    """Read columns from the API objects of some rows.

    Args:
        objects: One decoded JSON object a row.
        columns: Key in the object and column, for each column.

    Yields:
        Each column with its array, and the rows whose value did not fit: null in the array.
    """
    texts = [(key, column) for key, column in columns if column.type in _FROM_TEXTS]
    # One pass in C over the rows for all columns that are texts in JSON.
    struct = pa.struct([(key, pa.string()) for key, _ in texts])
    try:
        found = pa.array(objects, struct)
    except (pa.ArrowException, UnicodeEncodeError):
        plain = {}
    else:
        plain = {column.name: found.field(place) for place, (_, column) in enumerate(texts)}
    for key, column in columns:
        try:
            array = _FROM_TEXTS[column.type](_absent_to_null(plain[column.name]))
            misfits: ConversionErrors = []
        except (KeyError, _SlowPathError, pa.ArrowException):
            array, misfits = to_array([item.get(key) for item in objects], column.type)
        yield column, array, misfits


def to_array(values: Sequence[Any], column_type: str) -> tuple[pa.Array, ConversionErrors]:
    """Convert the API values of one column to an Arrow array of the contract's type.

    Args:
        values: One decoded JSON value a row; absent ones become null.
        column_type: A column type of the contract.

    Returns:
        The array, and the rows whose value did not fit: null in the array.
    """
    try:
        if column_type in _FROM_TEXTS:
            _require_types(values, str)
            return _FROM_TEXTS[column_type](_absent_to_null(pa.array(values, pa.string()))), []
        if column_type in _FROM_VALUES:
            return _FROM_VALUES[column_type](values), []
    except (_SlowPathError, pa.ArrowException, OverflowError, UnicodeEncodeError):
        pass
    return _convert_one_by_one(values, column_type)


def _convert_one_by_one(
    values: Sequence[Any], column_type: str
) -> tuple[pa.Array, ConversionErrors]:
    convert = CONVERTERS[column_type]
    converted: list[Any] = []
    misfits: ConversionErrors = []
    for row, value in enumerate(values):
        try:
            converted.append(None if is_absent(value) else convert(value))
        except ConversionError as misfit:
            converted.append(None)
            misfits.append((row, str(misfit)))
    return pa.array(converted, ARROW_TYPES[column_type]), misfits


def _require_types(values: Sequence[Any], *types: type) -> None:
    # Arrow takes True for 1.0 and cuts 1.5 to 1 without a word: look at the types first.
    if not set(map(type, values)) <= {*types, NoneType}:
        raise _SlowPathError


def _absent_to_null(texts: pa.Array) -> pa.Array:
    """Return the texts with null for what the API means as absent."""
    data = texts.buffers()[2]
    if data is not None and b"\0" in data.to_pybytes():
        raise _SlowPathError
    absent = pc.is_in(texts, value_set=_ABSENT_TEXTS)
    return pc.if_else(absent, pa.scalar(None, pa.string()), texts) if absent.true_count else texts


def _require_pattern(texts: pa.Array, pattern: str) -> pa.Array:
    if pc.all(pc.match_substring_regex(texts, pattern)).as_py() is False:
        raise _SlowPathError
    return texts


def _cast_timestamps(texts: pa.Array) -> pa.Array:
    iso = _require_pattern(texts, _VENDOR_TIME)
    for place, mark in ((10, " "), (13, ":"), (16, ":"), (19, ".")):
        iso = pc.binary_replace_slice(iso, start=place, stop=place + 1, replacement=mark)
    return iso.cast(pa.timestamp("us")).cast(ARROW_TYPES["timestamp"])


def _cast_dates(texts: pa.Array) -> pa.Array:
    return _require_pattern(texts, _DATE).cast(pa.date32())


def _cast_doubles(values: Sequence[Any]) -> pa.Array:
    _require_types(values, float, int)
    array = pa.array(values, pa.float64())
    if pc.all(pc.is_finite(array)).as_py() is False:
        raise _SlowPathError
    return array


def _cast_bigints(values: Sequence[Any]) -> pa.Array:
    _require_types(values, int)
    return pa.array(values, pa.int64())


def _cast_json(values: Sequence[Any]) -> pa.Array:
    _require_types(values, dict)
    try:
        texts = [orjson.dumps(value) if value else None for value in values]
    except (TypeError, ValueError):  # a lone surrogate, or an integer beyond 64 bits
        raise _SlowPathError from None
    if any(b"\\u0000" in text for text in texts if text):
        raise _SlowPathError
    return pa.array(texts, pa.string())


_FROM_TEXTS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "text": lambda texts: texts,
    "timestamp": _cast_timestamps,
    "date": _cast_dates,
}
_FROM_VALUES: dict[str, Callable[[Sequence[Any]], pa.Array]] = {
    "double": _cast_doubles,
    "bigint": _cast_bigints,
    "json": _cast_json,
}
