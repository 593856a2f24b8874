"""Rows whose parent is missing: what the merge of whole submissions must never leave behind."""

from __future__ import annotations

from argos_sync.load.sql import Client, select
from argos_sync.shape.contract import SUBMISSIONS, Contract, Table, load_contract


def orphans(client: Client) -> dict[str, int]:
    """Return how many rows of each table have no parent, by table.

    Every part of a submission needs the submission, and a part of a part, such as a retry of an
    attempt, the part. A table that does not exist has none.

    Args:
        client: Connected to the warehouse.
    """
    contract = load_contract()
    return {
        table.name: _count(client, table, _parent(contract, table))
        for table in contract.tables.values()
        if table.belongs_to_submission
    }


def _parent(contract: Contract, table: Table) -> Table:
    """Return the table with the longest beginning of the key as its own."""
    above = [one for one in contract.api_tables if one.key == table.key[:-1] and one.index_columns]
    return above[0] if above else contract[SUBMISSIONS]


def _count(client: Client, table: Table, parent: Table) -> int:
    joined = " AND ".join(f"p.{column} = c.{column}" for column in parent.key)
    query = (
        f"SELECT COUNT(*) FROM {table.name} AS c"  # noqa: S608 names of the contract
        f" LEFT JOIN {parent.name} AS p ON {joined} WHERE p.{parent.key[0]} IS NULL"
    )
    rows = select(client, query)
    return int(rows[0][0]) if rows else 0
