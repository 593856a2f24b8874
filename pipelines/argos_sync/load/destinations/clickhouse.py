"""dlt's ClickHouse destination, with dates before 1970."""

from collections.abc import Mapping
from typing import Any

from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema.typing import TColumnSchema, TColumnType
from dlt.destinations import clickhouse
from dlt.destinations.impl.clickhouse.factory import ClickHouseTypeMapper

_DATE = "Date32"
"""ClickHouse's type for dates from 1900 to 2299."""


class _TypeMapper(ClickHouseTypeMapper):
    """Stores dates as `Date32`.

    dlt 1.31 stores them as `Date`, which begins in 1970: whoever was born before could not be
    loaded. Can go once dlt does the same, or takes the type from a hint of the column.
    """

    def to_destination_type(self, column: TColumnSchema, table: PreparedTableSchema) -> str:
        """Return ClickHouse's type of a column."""
        if column["data_type"] == "date":
            return _DATE
        return super().to_destination_type(column, table)

    def from_destination_type(
        self, db_type: str, precision: int | None = None, scale: int | None = None
    ) -> TColumnType:
        """Return dlt's type of a column."""
        if _DATE in db_type:
            return {"data_type": "date"}
        return super().from_destination_type(db_type, precision, scale)


def make_clickhouse(parameters: Mapping[str, Any]) -> clickhouse:
    """Return the destination with these parameters of dlt's factory, and dates as above."""
    return clickhouse(**parameters, type_mapper=_TypeMapper)
