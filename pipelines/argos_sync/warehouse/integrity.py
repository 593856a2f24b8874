"""What the merge of whole submissions must never leave behind, as queries that find it."""

from __future__ import annotations

from argos_sync.shape.contract import SUBMISSIONS, Table, load_contract


def rows_without_parent(table: Table, condition: str = "1 = 1") -> str:
    """Return a query for the rows of a table whose parent is missing.

    Args:
        table: Its rows belong to a submission.
        condition: On `submission_id`, which rows are looked at.
    """
    parent = parent_table(table)
    joined = " AND ".join(f"p.{column} = c.{column}" for column in parent.key)
    looked_at = f"(SELECT * FROM {table.name} WHERE {condition})"  # noqa: S608 ours
    return (
        f"SELECT c.submission_id FROM {looked_at} AS c"  # noqa: S608 names of the contract
        f" LEFT JOIN {parent.name} AS p ON {joined} WHERE p.{parent.key[0]} IS NULL"
    )


def repeated_keys(table: Table, condition: str = "1 = 1") -> str:
    """Return a query for the keys that more than one row of a table has.

    Args:
        table: Of the contract.
        condition: On `submission_id`, which rows are looked at.
    """
    keys = ", ".join(table.key)
    return f"SELECT {keys} FROM {table.name} WHERE {condition} GROUP BY {keys} HAVING COUNT(*) > 1"  # noqa: S608 ours


def parent_table(table: Table) -> Table:
    """Return what a row belongs to: the table with the longest beginning of the key as its own."""
    contract = load_contract()
    above = [one for one in contract.api_tables if one.key == table.key[:-1] and one.index_columns]
    return above[0] if above else contract[SUBMISSIONS]
