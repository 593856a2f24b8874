"""Read and change a warehouse directly, without a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from argos_sync.load.sql import Client
from argos_sync.load.target import make_pipeline, working_dir
from argos_sync.shape.contract import SUBMISSIONS
from support import Warehouse

CREATED_AT = datetime(2025, 1, 1, tzinfo=UTC)


@contextmanager
def connected(warehouse: Warehouse) -> Iterator[Client]:
    """Connect to the warehouse without locks, and without restoring state."""
    working = working_dir(warehouse.target)
    with make_pipeline(warehouse.target, working).sql_client() as client:
        yield client


def insert_submissions(client: Client, count: int) -> list[str]:
    """Insert submissions that have nothing but the required columns; return their ids in order."""
    table = client.make_qualified_table_name(SUBMISSIONS)
    columns = "submission_id, created_at, _synced_at, _changed_at, _content_hash"
    ids = [f"submission-{number}" for number in range(count)]
    for submission_id in ids:
        values = (submission_id, *[CREATED_AT] * 3, "hash")
        insert = f"INSERT INTO {table} ({columns}) VALUES (%s, %s, %s, %s, %s)"
        client.execute_sql(insert, *values)
    return ids
