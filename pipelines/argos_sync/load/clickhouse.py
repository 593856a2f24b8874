"""dlt's ClickHouse destination, with dates before 1970."""

from collections.abc import Mapping
from typing import Any, ClassVar

from dlt.destinations import clickhouse
from dlt.destinations.impl.clickhouse.factory import ClickHouseTypeMapper


class _TypeMapper(ClickHouseTypeMapper):
    """Stores dates as `Date32`, from 1900 to 2299.

    dlt 1.31 stores them as `Date`, which begins in 1970: whoever was born before could not be
    loaded. Can go once dlt does the same, or takes the type from a hint of the column.
    """

    sct_to_unbound_dbt: ClassVar[dict[str, str]] = {
        **ClickHouseTypeMapper.sct_to_unbound_dbt,
        "date": "Date32",
    }
    dbt_to_sct: ClassVar[dict[str, Any]] = {**ClickHouseTypeMapper.dbt_to_sct, "Date32": "date"}


def make_clickhouse(parameters: Mapping[str, Any]) -> clickhouse:
    """Return the destination with these parameters of dlt's factory, and types of ours."""
    return clickhouse(**parameters, type_mapper=_TypeMapper)
