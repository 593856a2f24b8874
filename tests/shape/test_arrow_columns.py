from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from argos_sync.shape.arrow_columns import ARROW_TYPES, arrow_schema, to_array
from argos_sync.shape.contract import load_contract


@pytest.mark.parametrize(
    ("column_type", "values", "expected"),
    [
        ("text", ["a", None, "", "N/A", "김"], ["a", None, None, None, "김"]),
        ("text", ["a", 5, True, {}, []], ["a", "5", "true", None, None]),
        ("bigint", [1, None, 2**63 - 1], [1, None, 2**63 - 1]),
        ("bigint", [1, "2", 3.0, "N/A"], [1, 2, 3, None]),
        ("double", [1.5, 2, None], [1.5, 2.0, None]),
        ("double", [1.5, "2.5", {}], [1.5, 2.5, None]),
        ("double", [2**60 + 1], [float(2**60 + 1)]),
        ("bool", [True, "false", None], [True, False, None]),
        ("date", ["2020-02-29", "", None], [date(2020, 2, 29), None, None]),
        ("date", ["2020-02-29", "0999-12-31"], [date(2020, 2, 29), date(999, 12, 31)]),
        ("json", [{"a": [1]}, None, {}, "N/A", "x"], ['{"a":[1]}', None, None, None, '"x"']),
        (
            "timestamp",
            ["2026-01-05-09-00-00-123", None, "N/A"],
            [datetime(2026, 1, 5, 9, 0, 0, 123_000, tzinfo=UTC), None, None],
        ),
        (
            "timestamp",
            ["2026-01-05-09-00-00-123", "2026-01-05T18:00+09:00"],
            [
                datetime(2026, 1, 5, 9, 0, 0, 123_000, tzinfo=UTC),
                datetime(2026, 1, 5, 9, tzinfo=UTC),
            ],
        ),
        (
            "timestamp",
            [1767603600, "1767603600500", "2026-01-04T24:00:00Z", None],
            [
                datetime(2026, 1, 5, 9, tzinfo=UTC),
                datetime(2026, 1, 5, 9, 0, 0, 500_000, tzinfo=UTC),
                datetime(2026, 1, 5, tzinfo=UTC),
                None,
            ],
        ),
    ],
)
def test_columns(column_type: str, values: list[Any], expected: list[Any]) -> None:
    """A column has the contract's type, its values, and null for absent values."""
    array, errors = to_array(values, column_type)
    assert array.type == ARROW_TYPES[column_type]
    assert array.to_pylist() == expected
    assert errors == []


@pytest.mark.parametrize(
    ("column_type", "values", "rows"),
    [
        ("text", ["a", ["b"], "\0", "\ud800", None], [1, 2, 3]),
        ("bigint", [1, 1.5, True, 2**63, "x"], [1, 2, 3, 4]),
        ("double", [1.5, True, "abc", float("inf"), 10**400], [1, 2, 3, 4]),
        ("double", [1.5, float("inf"), float("nan")], [1, 2]),
        ("bool", [True, 1], [1]),
        ("date", ["2020-02-29", "2023-02-30", "31/12/2020"], [1, 2]),
        ("timestamp", ["2026-01-05-09-00-00-123", "2026-02-30-09-00-00-123"], [1]),
    ],
)
def test_conversion_errors(column_type: str, values: list[Any], rows: list[int]) -> None:
    """A value that does not fit becomes null and is listed; the other values stay."""
    array, errors = to_array(values, column_type)
    assert [row for row, _ in errors] == rows
    assert all(array[row].as_py() is None for row in rows)
    assert array[0].as_py() is not None


@pytest.mark.parametrize(
    ("column_type", "value"), [("date", "0000-01-01"), ("timestamp", "0000-01-01-00-00-00-000")]
)
def test_year_0_does_not_fit(column_type: str, value: str) -> None:
    """Arrow would accept the year 0, which Python cannot read back."""
    array, errors = to_array([value], column_type)
    assert array.null_count == 1
    assert len(errors) == 1


@pytest.mark.parametrize("column_type", sorted(ARROW_TYPES))
@pytest.mark.parametrize("values", [[], [None, None]])
def test_columns_without_values(column_type: str, values: list[None]) -> None:
    """An empty column has the contract's type too."""
    array, errors = to_array(values, column_type)
    assert array.type == ARROW_TYPES[column_type]
    assert array.to_pylist() == values
    assert errors == []


def test_schema() -> None:
    """The Arrow schema has the contract's columns in order, with type and nullability."""
    schema = arrow_schema(load_contract()["submissions"])
    assert schema.field("created_at") == pa.field(
        "created_at", pa.timestamp("us", tz="UTC"), nullable=False
    )
    assert schema.field("argos_score") == pa.field("argos_score", pa.float64())
    assert schema.names == [column.name for column in load_contract()["submissions"].columns]
