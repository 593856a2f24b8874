"""The rows of a load package: written in row groups of bounded size."""

import pyarrow as pa

from argos_sync.load.source import row_groups


def sizes(texts: list[str], group_bytes: int) -> list[int]:
    """Return the number of rows of each group."""
    rows = pa.table({"id": pa.array(range(len(texts))), "text": texts})
    groups = list(row_groups(rows, group_bytes))
    assert pa.concat_tables(groups).equals(rows)
    return [group.num_rows for group in groups]


def test_row_groups_have_a_number_of_bytes() -> None:
    """A group is full before it would have more; a larger row is alone."""
    assert sizes(["x"] * 5, 1_000) == [5]
    assert sizes(["x" * 400] * 5, 1_000) == [2, 2, 1]
    assert sizes(["x", "x" * 5_000, "x", "x"], 1_000) == [1, 1, 2]


def test_no_rows_are_one_group() -> None:
    """It creates the table."""
    assert sizes([], 1_000) == [0]
