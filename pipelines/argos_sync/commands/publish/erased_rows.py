"""Find out whether rows are gone, or have lost personal values, between two copies.

What is erased from the warehouse must not stay in what was published before. The rules are those of
a change log, see `change_diff`.
"""

from collections.abc import Mapping

from argos_sync.load.dialects import quote_name
from argos_sync.shape.contract import Table

GONE = "rows are gone from the warehouse"
LOST_VALUES = "submissions have lost personal values"


def key_expression(table: Table) -> str:
    """Return an expression for a key: its values, with a separator that none of them has."""
    values = ", ".join(f"CAST({quote_name(name)} AS VARCHAR)" for name in table.key)
    return f"concat_ws(chr(31), {values})"


def missing_rows_query(table: Table, before: str, now: str) -> str | None:
    """Return a query that has a row if a key is gone; None for parts of submissions.

    Those are gone with the submission, or are like a value that changed. `before` and `now` are
    relations with the old and the new rows of the table.
    """
    if table.belongs_to_submission:
        return None
    key = key_expression(table)
    return f"SELECT {key} FROM {before} EXCEPT SELECT {key} FROM {now} LIMIT 1"  # noqa: S608 names only


def emptied_values_query(
    table: Table, before: str, now: str, sources: Mapping[str, str] | None = None
) -> str | None:
    """Return a query that has a row if a submission has fewer values in a column of class `quasi`.

    None if the table has no such columns. `before` and `now` are relations with the old and the new
    rows, and `sources` the names that columns have in the new ones, if they are others.
    """
    names = [quote_name(column.name) for column in table.columns if column.privacy == "quasi"]
    if "submission_id" not in table.columns_by_name or not names:
        return None
    new_names = {quote_name(name): quote_name(source) for name, source in (sources or {}).items()}
    old_counts = ", ".join(f"COUNT({name}) AS {name}" for name in names)
    new_counts = ", ".join(f"COUNT({new_names.get(name, name)}) AS {name}" for name in names)
    fewer = " OR ".join(f"COALESCE(n.{name}, 0) < b.{name}" for name in names)
    return f"""
        SELECT 1
        FROM (SELECT submission_id, {old_counts} FROM {before} GROUP BY 1) AS b
        LEFT JOIN (SELECT submission_id, {new_counts} FROM {now} GROUP BY 1) AS n
            USING (submission_id)
        WHERE {fewer} LIMIT 1"""  # noqa: S608 names only
