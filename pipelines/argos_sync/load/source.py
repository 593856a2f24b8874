"""The dlt source `argos`: Arrow batches of all tables through one resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from argos_sync.load.hints import is_nested, table_hints, with_row_key
from argos_sync.shape.contract import load_contract

SOURCE = "argos"
__source_name__ = SOURCE

State = dict[str, Any]


@dlt.source(name=SOURCE, section=SOURCE)
def tables_source(
    tables: Mapping[str, pa.Table], update_state: Callable[[State], None]
) -> DltResource:
    """Return a source that loads Arrow tables and changes the state in the same package.

    dlt commits rows and state of a package together: a resource that raises loses both.

    Args:
        tables: Rows by contract table name.
        update_state: Called with the source's state once all rows are written.
    """

    @dlt.resource(name=SOURCE)
    def rows() -> Iterator[Any]:
        yield from marked(tables)
        update_state(dlt.current.source_state())

    return rows


def marked(tables: Mapping[str, pa.Table]) -> Iterator[Any]:
    """Yield Arrow tables addressed to their contract tables, for use inside a resource."""
    contract = load_contract()
    for name, rows in tables.items():
        if rows.num_rows:  # an empty Arrow table can fail a load
            table = contract[name]
            yield dlt.mark.with_hints(
                with_row_key(table, rows), table_hints(table), create_table_variant=True
            )
    _name_resource_of_nested_tables()


def _name_resource_of_nested_tables() -> None:
    tables = dlt.current.source_schema().tables
    for name, table in load_contract().tables.items():
        if is_nested(table) and name in tables:
            tables[name] = _NestedTable(tables[name])  # type: ignore[assignment]


class _NestedTable(dict[str, Any]):
    """A nested table's schema that also answers which resource filled it.

    dlt expects rows of nested tables to come from its own normalizer, so their schema has no
    `resource`, and setting one is refused (`merge_table`). But its metrics ask every table that
    a resource wrote to for one (dlt 1.31, `extract/extract.py`, `_compute_metrics`) and fail with
    a KeyError. This answers that one question without changing the schema that is stored.
    """

    def __missing__(self, key: str) -> str:
        if key == "resource":
            return SOURCE
        raise KeyError(key)
