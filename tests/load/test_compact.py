"""A DuckDB file is rewritten without the blocks of deleted rows."""

from pathlib import Path

import duckdb
import pytest

from argos_sync.load.compact import compact
from argos_sync.load.destinations.duckdb import fit_to_texts
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.target import Target

SIZE = 400_000


@pytest.mark.slow  # a gigabyte of texts
def test_large_texts_are_compacted_in_bounded_memory(tmp_path: Path) -> None:
    """More of them than DuckDB may have in memory; tables, views and comments stay."""
    file = tmp_path / "kyc.duckdb"
    target = Target(pipelines_dir=str(tmp_path / "pipelines"), file=str(file))
    with open_warehouse(target) as opened:
        fit_to_texts(opened.client, SIZE)
    with duckdb.connect(str(file), config={"max_vacuum_tasks": 0}) as connection:
        connection.execute("CREATE TABLE large (id BIGINT, text VARCHAR)")
        connection.execute("CREATE TABLE nothing (id BIGINT)")
        connection.execute("CREATE VIEW counted AS SELECT count(*) AS number FROM large")
        connection.execute("COMMENT ON TABLE large IS 'texts'")
        for number in range(30):
            connection.execute(
                f"INSERT INTO large SELECT i + {number}000,"
                f" repeat(md5((i + {number}000)::VARCHAR), {SIZE // 32}) FROM range(80) r(i)"
            )
            connection.execute("CHECKPOINT")
        connection.execute("DELETE FROM large WHERE id % 2 = 0")
    compact(target, "forget")
    with duckdb.connect(str(file), read_only=True) as connection:
        wrong = f"text <> repeat(md5(id::VARCHAR), {SIZE // 32})"
        query = f"SELECT count(*), count(*) FILTER ({wrong}) FROM large"
        assert connection.execute(query).fetchall() == [(1_200, 0)]
        assert connection.execute("SELECT number FROM counted").fetchall() == [(1_200,)]
        comments = "SELECT comment FROM duckdb_tables() WHERE table_name = 'large'"
        assert connection.execute(comments).fetchall() == [("texts",)]
        assert connection.execute("SELECT * FROM nothing").fetchall() == []
