"""The comparison of a published copy with a change log, in tables of a few rows."""

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads
import pytest

from argos_sync.commands.publish.change_diff import (
    FINGERPRINT,
    PERSONAL_VALUES,
    CopyDiff,
    Difference,
    logged_tables,
)
from argos_sync.commands.publish.tables import public_tables
from argos_sync.load.delta_log import LOAD
from argos_sync.load.dialects import DUCKDB_TYPES

TABLES = {
    table.name: table
    for table in logged_tables(public_tables(strict=False))
    if table.name in ("submissions", "applicants", "kyc_comments", "sync_runs")
}

ROWS = """
    INSERT INTO argos.submissions BY NAME SELECT 's' || n AS submission_id FROM range(4) AS t(n);
    INSERT INTO argos.applicants BY NAME
        SELECT submission_id, 'of ' || submission_id AS nationality FROM argos.submissions;
    INSERT INTO argos.kyc_comments BY NAME
        SELECT submission_id, 0 AS comment_index, 'a' AS comment FROM argos.submissions;
    INSERT INTO argos.sync_runs BY NAME SELECT 'r' AS run_id
"""

SWAP = """
    UPDATE argos.applicants SET nationality = CASE submission_id WHEN 's0' THEN 'of s1'
        WHEN 's1' THEN 'of s0' ELSE nationality END
"""


@pytest.fixture
def copy() -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a published copy of four submissions."""
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA argos")
        for table in TABLES.values():
            columns = ", ".join(f'"{c.name}" {DUCKDB_TYPES[c.type]}' for c in table.columns)
            connection.execute(f"CREATE TABLE argos.{table.name} ({columns})")
        connection.execute(ROWS)
        yield connection


def logged(copy: duckdb.DuckDBPyConnection, name: str, *numbers: int) -> pads.Dataset:
    """Return what the change log has after loads with all rows of the copy."""
    diff = CopyDiff(copy, "argos", list(TABLES.values()))
    tables = [diff.rows(name, number, everything=True).read_all() for number in numbers]
    copy.execute("DROP SCHEMA change_log CASCADE")
    return pads.dataset(pa.concat_tables(tables))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE argos.kyc_comments SET comment = 'b' WHERE submission_id = 's1'", {"changed": 1}),
        ("DELETE FROM argos.kyc_comments WHERE submission_id = 's1'", {"changed": 1, "emptied": 1}),
        ("DELETE FROM argos.submissions WHERE submission_id = 's1'", {"gone": 1}),
        ("INSERT INTO argos.submissions BY NAME SELECT 's4' AS submission_id", {"new": 1}),
        ("INSERT INTO argos.kyc_comments FROM argos.kyc_comments", {"changed": 4}),
        # What is gained in one column does not make up for what is lost in another.
        (
            "UPDATE argos.applicants SET nationality = NULL, address_city = 'Seoul'",
            {"changed": 4, "emptied": 4},
        ),
        (SWAP, {"changed": 2}),
        ("UPDATE argos.sync_runs SET retries = 1", {}),
    ],
)
def test_changes_of_submissions(
    copy: duckdb.DuckDBPyConnection, statement: str, expected: dict[str, int]
) -> None:
    """A submission has changed if a published value of it has, in any table; others have not."""
    rows = logged(copy, "submissions", 1, 3, 9)
    copy.execute(statement)
    nothing = {"new": 0, "changed": 0, "gone": 0, "emptied": 0, "logged": 4, "versions": 8}
    diff = CopyDiff(copy, "argos", list(TABLES.values()))
    # Load 9 is not visible.
    assert diff.compare("submissions", rows, [1, 3]) == Difference(**nothing | expected)
    changed = expected.get("changed", 0) + expected.get("new", 0)
    assert diff.count("submissions", everything=False) == changed
    appended = diff.rows("kyc_comments", 5, everything=False).read_all()
    assert set(appended["submission_id"].to_pylist()) <= {"s0", "s1", "s2", "s3"}
    assert appended.column_names == [*TABLES["kyc_comments"].columns_by_name, LOAD]


def test_only_the_newest_version_counts(copy: duckdb.DuckDBPyConnection) -> None:
    """A value that changed and changed back is a change each time."""
    first = logged(copy, "sync_runs", 1)
    copy.execute("UPDATE argos.sync_runs SET retries = 1")
    second = logged(copy, "sync_runs", 2)
    copy.execute("UPDATE argos.sync_runs SET retries = NULL")
    diff = CopyDiff(copy, "argos", list(TABLES.values()))
    both = pads.dataset(pa.concat_tables([first.to_table(), second.to_table()]))
    assert diff.compare("sync_runs", both, [1, 2]).changed == 1
    assert diff.schema("sync_runs").names[-2:] == [LOAD, FINGERPRINT]
    assert diff.schema("submissions").names[-1] == PERSONAL_VALUES


def test_the_layout_covers_names_and_types(copy: duckdb.DuckDBPyConnection) -> None:
    """Another set of columns, or another type, is another layout."""
    layouts = set()
    for statement in ("SELECT 1", "ALTER TABLE argos.applicants ALTER date_of_birth TYPE TEXT"):
        copy.execute(statement)
        layouts.add(CopyDiff(copy, "argos", list(TABLES.values())).layout)
        copy.execute("DROP SCHEMA change_log CASCADE")
    layouts.add(CopyDiff(copy, "argos", [*TABLES.values()][:2]).layout)
    assert len(layouts) == 3
