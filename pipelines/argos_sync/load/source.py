"""What dlt loads: Arrow tables of the contract through one resource, rows and state together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource, DltSource

from argos_sync.load.hints import table_hints, with_row_key
from argos_sync.shape.columns import arrow_schema
from argos_sync.shape.contract import Contract, tables_for_sections

SOURCE = "argos"
"""Name of the source, and the key of its state."""

State = dict[str, Any]


def tables_source(
    tables: Mapping[str, pa.Table],
    update_state: Callable[[State], object],
    sections: Sequence[str],
    contract: Contract | None = None,
) -> DltSource:
    """Return a source that loads Arrow tables and changes the state in the same package.

    Args:
        tables: Rows by contract table name.
        update_state: Called with the state of source `argos` once all rows are written.
        sections: The `request_type`s the rows were fetched with; empty means all of them.
        contract: What the tables are like in the warehouse; the shipped one when left out.
    """

    @dlt.source(name=schema_name(sections), section=SOURCE)
    def package() -> DltResource:
        @dlt.resource(name=SOURCE)
        def rows() -> Iterator[Any]:
            yield from rows_for_dlt(tables, sections, contract)
            update_state(dlt.current.source_state(SOURCE))

        return rows

    return package()


def schema_name(sections: Sequence[str]) -> str:
    """Return the name of the dlt schema for runs over these sections.

    A merge deletes a submission's rows from all tables of the schema's chain, so a run that
    fetches some sections only needs a schema without the tables of the others.
    """
    return "_".join((SOURCE, *sections))


def rows_for_dlt(
    tables: Mapping[str, pa.Table],
    sections: Sequence[str] = (),
    contract: Contract | None = None,
    leave: Collection[str] = (),
) -> Iterator[Any]:
    """Yield Arrow tables addressed to their contract tables, for use inside a resource.

    The first time, tables without rows are created empty: a query for red flags has to answer
    "none", not "no such table".

    Args:
        tables: Rows by contract table.
        sections: `request_type`s that were fetched; empty means all of them.
        contract: What the tables are like in the warehouse; the shipped one when left out.
        leave: Tables that are neither made nor merged into.
    """
    logging.getLogger("dlt").addFilter(_json_is_meant)
    filled = {
        n: one for n, one in tables_for_sections(sections, contract).items() if n not in leave
    }
    created = dlt.current.source_schema().tables
    for name, table in filled.items():
        rows = tables[name] if name in tables else arrow_schema(table).empty_table()
        if rows.num_rows or name not in created:
            yield dlt.mark.with_hints(
                with_row_key(table, rows), table_hints(table), create_table_variant=True
            )
    for name, table in filled.items():
        if table.belongs_to_submission:
            created[name] = _NestedTable(created[name])  # type: ignore[assignment] # a dict still


def _json_is_meant(record: logging.LogRecord) -> bool:
    """Drop dlt's warning that a text in Arrow is JSON by our hints, once a table and chunk.

    Arrow has no JSON type that dlt reads (`get_column_type_from_py_arrow`), so the hints have to
    say what Arrow cannot.
    """
    return "several column hints were different" not in record.getMessage()


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
