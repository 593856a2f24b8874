"""The dlt source: Arrow tables of the contract, loaded and merged as one table chain.

All tables of a submission form one chain: `submissions` is the root, every other table, the status
history included, is nested in it by `submission_id`. dlt merges a chain in one transaction: it
deletes the rows of every submission in the package from all tables of the chain, then inserts the
new ones (dlt 1.31, `destinations/sql_jobs.py`, `gen_merge_sql`). A submission that comes back with
fewer children therefore loses the old ones in the commit that brings the new ones, and a reader
never sees half a chunk.
"""

import logging
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.schema.typing import (
    C_DLT_ID,
    LOADS_TABLE_NAME,
    PIPELINE_STATE_TABLE_NAME,
    TColumnSchema,
    TMergeDispositionDict,
)
from dlt.common.versioned_state import compress_state, decompress_state
from dlt.extract import DltResource
from dlt.extract import DltSource as DltSource  # noqa: PLC0414 exported

from argos_sync.fetch.checkpoint import State
from argos_sync.shape.arrow_columns import arrow_schema, text_bytes
from argos_sync.shape.contract import SUBMISSIONS, Column, Contract, Table, tables_for_sections

SOURCE = "argos"
"""Name of the source, and the key of its state."""

LOADS = LOADS_TABLE_NAME
"""dlt's table of completed loads."""

STATES = PIPELINE_STATE_TABLE_NAME
"""dlt's table of pipeline states."""

ROW_KEY = C_DLT_ID
"""dlt's name for the key of a nested row, and of a state. dlt uses it to drop rows that a killed
process wrote to staging twice."""

_ROW_GROUP_BYTES = 4 * 1024 * 1024
"""Bytes of rows that are written, normalized and merged at once."""

_MERGE: TMergeDispositionDict = {"disposition": "merge", "strategy": "delete-insert"}


def make_source(
    generate: Callable[[State], Iterator[Mapping[str, pa.Table]]],
    sections: Sequence[str],
    contract: Contract | None = None,
    skipped_tables: Collection[str] = (),
) -> DltSource:
    """Return a dlt source that loads Arrow tables and changes its state in the same package.

    Args:
        generate: Yields rows by contract table. It gets the state of source `argos` and may change
            it until it returns; rows and state are committed together.
        sections: The `request_type`s the rows were fetched with; empty means all of them.
        contract: The tables as the warehouse has them; the shipped contract if omitted.
        skipped_tables: Tables that are neither created nor merged.
    """

    @dlt.source(name=schema_name(sections), section=SOURCE)
    def package() -> DltResource:
        @dlt.resource(name=SOURCE)
        def rows() -> Iterator[Any]:
            for tables in generate(dlt.current.source_state(SOURCE)):
                yield from _with_hints(tables, sections, contract, skipped_tables)

        return rows

    return package()


def schema_name(sections: Sequence[str]) -> str:
    """Return the name of the dlt schema for runs over these sections.

    A merge deletes a submission's rows from all tables of the schema's chain, so a run that
    fetches only some sections needs a schema without the tables of the others.
    """
    return "_".join((SOURCE, *sections))


def source_state(pipeline_state: Mapping[str, Any]) -> State:
    """Return a copy of the source's part of dlt's pipeline state."""
    return dict(pipeline_state.get("sources", {}).get(SOURCE, {}))


def read_state(text: str) -> State | None:
    """Return the source's state from the text that dlt has encoded; None if it is unreadable."""
    try:
        return source_state(decompress_state(text))
    except (ValueError, zlib.error):
        return None


def change_state(text: str, change: Callable[[State], object]) -> str:
    """Return dlt's encoded pipeline state with a change of the source's part of it."""
    pipeline_state: Any = decompress_state(text)
    change(pipeline_state.get("sources", {}).get(SOURCE, {}))
    return compress_state(pipeline_state)


def dlt_schema() -> str:
    """Return dlt's schema of all tables as YAML.

    It is exported for people who review or reuse it. Reading it back at run time
    (`import_schema_path`) would let a file override the contract.
    """
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("export", pipelines_dir=folder)
        pipeline.extract(make_source(lambda _: iter([{}]), ()))
        schema = pipeline.schemas[SOURCE]
        return schema.to_pretty_yaml(remove_processing_hints=True)


def _with_hints(
    tables: Mapping[str, pa.Table],
    sections: Sequence[str],
    contract: Contract | None,
    skipped_tables: Collection[str],
) -> Iterator[Any]:
    """Yield Arrow tables with the hints of their contract tables.

    The first time, tables without rows are created empty: a query for red flags has to answer
    "none", not "no such table".
    """
    logging.getLogger("dlt").addFilter(_is_not_json_hint_warning)
    filled = {
        name: table
        for name, table in tables_for_sections(sections, contract).items()
        if name not in skipped_tables
    }
    created = dlt.current.source_schema().tables
    for name, table in filled.items():
        rows = tables[name] if name in tables else arrow_schema(table).empty_table()
        if rows.num_rows or name not in created:
            hints = _table_hints(table)
            for group in row_groups(_with_row_key(table, rows)):
                yield dlt.mark.with_hints(group, hints, create_table_variant=True)
    for name, table in filled.items():
        if table.belongs_to_submission:
            created[name] = _NestedTable(created[name])  # type: ignore[assignment] # a dict still


def row_groups(rows: pa.Table, group_bytes: int = _ROW_GROUP_BYTES) -> Iterator[pa.Table]:
    """Yield the rows in groups of some bytes; a group with a larger row has that row alone.

    dlt writes each group as a row group of a Parquet file. Readers hold whole row groups.
    """
    if rows.nbytes <= group_bytes:
        yield rows
        return
    start, size = 0, 0
    # Rows differ in their texts.
    for position, length in enumerate(text_bytes(rows)):
        if position > start and size + length > group_bytes:
            yield rows.slice(start, position - start)
            start, size = position, 0
        size += length
    yield rows.slice(start)


def _is_not_json_hint_warning(record: logging.LogRecord) -> bool:
    """Drop dlt's warning that our hints and Arrow disagree about JSON columns.

    Arrow has no JSON type that dlt 1.31 reads (`get_column_type_from_py_arrow`), so the hints have
    to say it, and dlt warns once per table and chunk. Can go once dlt reads Arrow's JSON type.
    """
    return "several column hints were different" not in record.getMessage()


class _NestedTable(dict[str, Any]):
    """A nested table's schema that also answers which resource filled it.

    dlt expects rows of nested tables to come from its own normalizer: their schema has no
    `resource`, and `merge_table` refuses one. But dlt 1.31 reads the `resource` of every table that
    received rows (`extract/extract.py`, `_compute_metrics`) and fails with a KeyError. This answers
    that question without changing the stored schema. Can go once the metrics use `.get`.
    """

    def __missing__(self, key: str) -> str:
        if key == "resource":
            return SOURCE
        raise KeyError(key)


def _table_hints(table: Table) -> Any:
    """Return the hints dlt needs to create and merge a contract table."""
    columns = {column.name: _column_hints(table, column) for column in table.columns}
    if _needs_row_key(table):
        columns[ROW_KEY] = TColumnSchema(
            name=ROW_KEY, data_type="text", nullable=False, row_key=True, unique=True
        )
    return dlt.mark.make_hints(
        table_name=table.name,
        parent_table_name=SUBMISSIONS if table.belongs_to_submission else None,
        columns=columns,
        write_disposition=_MERGE,
    )


def _needs_row_key(table: Table) -> bool:
    """Whether no contract column alone identifies a nested row."""
    return table.belongs_to_submission and len(table.key) > 1


def _with_row_key(table: Table, rows: pa.Table) -> pa.Table:
    """Return the rows with dlt's row key where the table needs one: the joined key columns."""
    if not _needs_row_key(table):
        return rows
    parts = [rows[name].cast(pa.string()) for name in table.key]
    joined = pc.binary_join_element_wise(*parts, "/")
    return rows.append_column(pa.field(ROW_KEY, pa.string(), nullable=False), joined)


def _column_hints(table: Table, column: Column) -> TColumnSchema:
    hints: TColumnSchema = {
        "name": column.name,
        "data_type": column.type,
        "nullable": column.nullable,
        # dlt writes it as the column's comment on Databricks and Snowflake.
        "description": column.comment,
    }
    in_chain = table.belongs_to_submission or table.name == SUBMISSIONS
    if column.name == "submission_id" and in_chain:
        if table.belongs_to_submission:
            hints["root_key"] = hints["parent_key"] = True
        if not _needs_row_key(table):
            hints["row_key"] = hints["unique"] = True
    if column.name in table.key and not table.belongs_to_submission:
        hints["primary_key"] = True
    return hints
