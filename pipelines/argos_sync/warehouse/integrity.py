"""Build queries for rows that a correct merge never leaves in the warehouse."""

from __future__ import annotations

from argos_sync.shape.contract import SUBMISSIONS, Table, load_contract


def rows_without_parent(table: Table, condition: str = "1 = 1") -> str:
    """Return a query for the rows of a table whose parent is missing.

    Args:
        table: Table whose rows belong to a submission.
        condition: Condition on `submission_id` that selects the rows to check.
    """
    parent = parent_table(table)
    key_matches = " AND ".join(f"p.{column} = c.{column}" for column in parent.key)
    children = f"(SELECT * FROM {table.name} WHERE {condition})"  # noqa: S608 ours
    return (
        f"SELECT c.submission_id FROM {children} AS c"  # noqa: S608 names of the contract
        f" LEFT JOIN {parent.name} AS p ON {key_matches} WHERE p.{parent.key[0]} IS NULL"
    )


def repeated_keys(table: Table, condition: str = "1 = 1") -> str:
    """Return a query for the keys that more than one row of a table has.

    Args:
        table: Table of the contract.
        condition: Condition on `submission_id` that selects the rows to check.
    """
    keys = ", ".join(table.key)
    return f"SELECT {keys} FROM {table.name} WHERE {condition} GROUP BY {keys} HAVING COUNT(*) > 1"  # noqa: S608 ours


def parent_table(table: Table) -> Table:
    """Return the table that a table's rows belong to.

    That is the list table whose key is this table's key without its last column; any other table
    belongs to the submission.
    """
    contract = load_contract()
    lists = [one for one in contract.api_tables if one.key == table.key[:-1] and one.index_columns]
    return lists[0] if lists else contract[SUBMISSIONS]
