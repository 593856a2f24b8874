"""Convert lists of API values to Arrow arrays, whole columns at a time.

Most columns of most pages contain only values as the API page documents them, and Arrow converts
those in C. A column with other values is converted value by value with `values.CONVERTERS`. Both
ways give the same result; a property test compares them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
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
"""Arrow type of each column type; dlt maps it to the destination's type."""

ConversionErrors = list[tuple[int, str]]
"""Row number and problem of each value that does not fit its column."""

# Arrow accepts the year 0, which Python's calendar does not have: early years take the slow path.
_VENDOR_TIME = r"^([1-9]\d{3}-\d\d-\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d{3})$"
_DATE = r"^[1-9]\d{3}-\d\d-\d\d$"
_ABSENT_TEXTS = pa.array(ABSENT_TEXTS, pa.string())


class _SlowPathError(Exception):
    """The column has values that must be converted one by one."""


def arrow_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of a contract table."""
    return pa.schema(
        pa.field(column.name, ARROW_TYPES[column.type], nullable=column.nullable)
        for column in table.columns
    )


def text_bytes(rows: pa.Table) -> list[int]:
    """Return the bytes of all texts in each row of a table."""
    total = pa.array([0] * rows.num_rows, pa.int64())
    for column in rows.columns:
        if pa.types.is_string(column.type):
            lengths = pc.fill_null(pc.binary_length(column), 0).combine_chunks()
            total = pc.add(total, lengths.cast(pa.int64()))
    sizes: list[int] = total.to_pylist()
    return sizes


def longest_text(tables: Iterable[pa.Table]) -> int:
    """Return the bytes of the longest text in some tables."""
    lengths = [
        pc.max(pc.binary_length(column)).as_py() or 0
        for rows in tables
        for column in rows.columns
        if pa.types.is_string(column.type)
    ]
    return max(lengths, default=0)


def read_columns(
    objects: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, Column]]
) -> Iterator[tuple[str, Column, pa.Array, ConversionErrors]]:
    """Convert columns of API objects, one for each row, to Arrow arrays.

    Yield each pair of key and column with its array, which is null at the conversion errors.
    """
    texts = [(key, column) for key, column in columns if column.type in _FROM_TEXTS]
    # All columns that JSON writes as text take one pass over the rows in C.
    struct = pa.struct([(key, pa.string()) for key, _ in texts])
    arrays: dict[str, pa.Array] = {}
    with suppress(pa.ArrowException, UnicodeEncodeError):
        text_columns = pa.array(objects, struct)
        arrays = {column.name: text_columns.field(i) for i, (_, column) in enumerate(texts)}
    for key, column in columns:
        try:
            array = _FROM_TEXTS[column.type](_absent_to_null(arrays[column.name]))
            errors: ConversionErrors = []
        except (KeyError, _SlowPathError, pa.ArrowException):
            array, errors = to_array([item.get(key) for item in objects], column.type)
        yield key, column, array, errors


def to_array(values: Sequence[Any], column_type: str) -> tuple[pa.Array, ConversionErrors]:
    """Convert the API values of one column to an array, null at absent values and errors."""
    with suppress(_SlowPathError, pa.ArrowException, OverflowError, UnicodeEncodeError):
        if column_type in _FROM_TEXTS:
            texts = pa.array(_require_types(values, str), pa.string())
            return _FROM_TEXTS[column_type](_absent_to_null(texts)), []
        if column_type in _FROM_VALUES:
            return _FROM_VALUES[column_type](values), []
    return _convert_one_by_one(values, column_type)


def _convert_one_by_one(
    values: Sequence[Any], column_type: str
) -> tuple[pa.Array, ConversionErrors]:
    convert = CONVERTERS[column_type]
    converted: list[Any] = []
    errors: ConversionErrors = []
    for row, value in enumerate(values):
        try:
            converted.append(None if is_absent(value) else convert(value))
        except ConversionError as error:
            converted.append(None)
            errors.append((row, str(error)))
    return pa.array(converted, ARROW_TYPES[column_type]), errors


def _require_types(values: Sequence[Any], *types: type) -> Sequence[Any]:
    # Arrow silently converts True to 1.0 and truncates 1.5 to 1: check the types first.
    if not set(map(type, values)) <= {*types, NoneType}:
        raise _SlowPathError
    return values


def _absent_to_null(texts: pa.Array) -> pa.Array:
    """Replace texts by null where the API uses them for an absent value."""
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
    for start, separator in ((10, " "), (13, ":"), (16, ":"), (19, ".")):
        iso = pc.binary_replace_slice(iso, start=start, stop=start + 1, replacement=separator)
    return iso.cast(pa.timestamp("us")).cast(ARROW_TYPES["timestamp"])


def _cast_doubles(values: Sequence[Any]) -> pa.Array:
    array = pa.array(_require_types(values, float, int), pa.float64())
    if pc.all(pc.is_finite(array)).as_py() is False:
        raise _SlowPathError
    return array


def _cast_json(values: Sequence[Any]) -> pa.Array:
    try:
        texts = [orjson.dumps(value) if value else None for value in _require_types(values, dict)]
    except (TypeError, ValueError):  # a lone surrogate, or an integer beyond 64 bits
        raise _SlowPathError from None
    if any(b"\\u0000" in text for text in texts if text):
        raise _SlowPathError
    return pa.array(texts, pa.string())


_FROM_TEXTS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "text": lambda texts: texts,
    "timestamp": _cast_timestamps,
    "date": lambda texts: _require_pattern(texts, _DATE).cast(pa.date32()),
}
_FROM_VALUES: dict[str, Callable[[Sequence[Any]], pa.Array]] = {
    "double": _cast_doubles,
    "bigint": lambda values: pa.array(_require_types(values, int), pa.int64()),
    "json": _cast_json,
}
