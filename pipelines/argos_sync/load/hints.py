"""What dlt is told about each table: made from the contract, never written twice.

All tables of a submission form one chain: `submissions` is the root, every other one, the status
history too, is nested in it by `submission_id`. dlt merges a chain as one SQL job in one
transaction: it deletes the rows of every submission in the package from all tables of the chain,
then inserts the new ones (`dlt/destinations/sql_jobs.py`, `gen_merge_sql`). A submission that came
back with fewer children, or none, so loses the old ones in the commit that brings the new ones,
and a reader never sees half of a chunk.
"""

from __future__ import annotations

from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.schema.typing import TColumnSchema, TMergeDispositionDict

from argos_sync.shape.contract import SUBMISSIONS, Column, Table

ROW_KEY = "_dlt_id"
"""dlt's own name for a nested row's key. dlt uses it to drop rows that a process killed between
writing and acknowledging them wrote twice to staging."""

_MERGE: TMergeDispositionDict = {"disposition": "merge", "strategy": "delete-insert"}


def table_hints(table: Table) -> Any:
    """Return the hints dlt needs to create and merge a contract table."""
    columns = {column.name: _column_hints(table, column) for column in table.columns}
    if table.belongs_to_submission and not has_own_key(table):
        columns[ROW_KEY] = {
            "name": ROW_KEY,
            "data_type": "text",
            "nullable": False,
            "row_key": True,
            "unique": True,
        }
    return dlt.mark.make_hints(
        table_name=table.name,
        parent_table_name=SUBMISSIONS if table.belongs_to_submission else None,
        columns=columns,
        write_disposition=_MERGE,
    )


def has_own_key(table: Table) -> bool:
    """Whether one contract column alone identifies a row."""
    return len(table.key) == 1


def with_row_key(table: Table, rows: pa.Table) -> pa.Table:
    """Return the rows with dlt's row key where the table needs one: the key's columns joined."""
    if not table.belongs_to_submission or has_own_key(table):
        return rows
    parts = [rows[name].cast(pa.string()) for name in table.key]
    joined = pc.binary_join_element_wise(*parts, "/")
    return rows.append_column(pa.field(ROW_KEY, pa.string(), nullable=False), joined)


def _column_hints(table: Table, column: Column) -> TColumnSchema:
    hints: TColumnSchema = {
        "name": column.name,
        "data_type": column.type,
        "nullable": column.nullable,
        # BigQuery, Databricks and Snowflake have it as the column's comment, which dlt writes.
        "description": column.comment,
    }
    if column.name == "submission_id" and (
        table.belongs_to_submission or table.name == SUBMISSIONS
    ):
        if table.belongs_to_submission:
            hints["root_key"] = hints["parent_key"] = True
        if has_own_key(table):
            hints["row_key"] = hints["unique"] = True
    if column.name in table.key and not table.belongs_to_submission:
        hints["primary_key"] = True
    return hints
