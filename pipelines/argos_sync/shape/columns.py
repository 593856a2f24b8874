"""A whole column at a time: a list of API values as one Arrow array.

Most columns of most pages hold only what the API page promises, and Arrow converts those in C.
A column that holds anything else is read value by value with `values.CONVERTERS`; both ways give
the same answer (a property test holds them against each other).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from argos_sync.shape.contract import Column, Table
from argos_sync.shape.values import ABSENT_TEXTS, CONVERTERS, MisfitError, is_absent

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

Misfits = list[tuple[int, str]]
"""Rows whose value did not fit, with the problem."""

# Arrow takes the year 0, which Python's calendar does not have: early years are not plain.
_VENDOR_TIME = r"^([1-9]\d{3}-\d\d-\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d{3})$"
_DATE = r"^[1-9]\d{3}-\d\d-\d\d$"
_ABSENT = pa.array(ABSENT_TEXTS, pa.string())


class _NotPlainError(Exception):
    """The column holds something that has to be read value by value."""


def arrow_schema(table: Table) -> pa.Schema:
    """Return the explicit Arrow schema of a contract table."""
    return pa.schema([arrow_field(column) for column in table.columns])


def arrow_field(column: Column) -> pa.Field:
    """Return the Arrow field of a contract column."""
    return pa.field(column.name, ARROW_TYPES[column.type], nullable=column.nullable)


def to_array(values: Sequence[Any], column_type: str) -> tuple[pa.Array, Misfits]:
    """Convert API values to an Arrow array of the contract's type.

    Args:
        values: One decoded JSON value a row; absent ones become null.
        column_type: A column type of the contract.

    Returns:
        The array, and the rows whose value did not fit: null in the array.
    """
    plain = _PLAIN.get(column_type)
    if plain is not None:
        try:
            return plain(values), []
        except (_NotPlainError, pa.ArrowException, OverflowError, UnicodeEncodeError):
            pass
    return _one_by_one(values, column_type)


def _one_by_one(values: Sequence[Any], column_type: str) -> tuple[pa.Array, Misfits]:
    convert = CONVERTERS[column_type]
    converted: list[Any] = []
    misfits: Misfits = []
    for row, value in enumerate(values):
        try:
            converted.append(None if is_absent(value) else convert(value))
        except MisfitError as misfit:
            converted.append(None)
            misfits.append((row, str(misfit)))
    return pa.array(converted, ARROW_TYPES[column_type]), misfits


def _only(values: Sequence[Any], *types: type) -> None:
    # Arrow takes True for 1.0 and cuts 1.5 to 1 without a word: look at the types first.
    if not set(map(type, values)) <= {*types, NoneType}:
        raise _NotPlainError


def _texts(values: Sequence[Any]) -> pa.Array:
    _only(values, str)
    array = pa.array(values, pa.string())
    if pc.any(pc.match_substring(array, "\0")).as_py():
        raise _NotPlainError
    absent = pc.is_in(array, value_set=_ABSENT)
    return pc.if_else(absent, pa.scalar(None, pa.string()), array) if absent.true_count else array


def _matching(values: Sequence[Any], pattern: str) -> pa.Array:
    array = _texts(values)
    if pc.all(pc.match_substring_regex(array, pattern)).as_py() is False:
        raise _NotPlainError
    return array


def _timestamps(values: Sequence[Any]) -> pa.Array:
    vendor = _matching(values, _VENDOR_TIME)
    iso = pc.replace_substring_regex(vendor, _VENDOR_TIME, r"\1 \2:\3:\4.\5")
    return iso.cast(pa.timestamp("us")).cast(ARROW_TYPES["timestamp"])


def _dates(values: Sequence[Any]) -> pa.Array:
    return _matching(values, _DATE).cast(pa.date32())


def _doubles(values: Sequence[Any]) -> pa.Array:
    _only(values, float, int)
    array = pa.array(values, pa.float64())
    if pc.all(pc.is_finite(array)).as_py() is False:
        raise _NotPlainError
    return array


def _bigints(values: Sequence[Any]) -> pa.Array:
    _only(values, int)
    return pa.array(values, pa.int64())


_PLAIN: dict[str, Callable[[Sequence[Any]], pa.Array]] = {
    "text": _texts,
    "timestamp": _timestamps,
    "date": _dates,
    "double": _doubles,
    "bigint": _bigints,
}
