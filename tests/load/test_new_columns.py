"""Columns of a later contract beside other sessions of a PostgreSQL database."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg2
import pyarrow as pa
import pytest

from argos_sync.commands.sync import sync
from argos_sync.emulator import generate
from argos_sync.load import ddl
from argos_sync.load.errors import DestinationError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.contract import SUBMISSIONS, Column, Contract, load_contract
from argos_sync.warehouse.view_updates import update_views
from support import (
    NOW,
    PG,
    Warehouse,
    assert_equal,
    at,
    closed,
    context_for,
    postgres_warehouse,
)
from whole_lists import Emulator

pytestmark = [pytest.mark.postgres, pytest.mark.tables_made]


SHOES = Column("shoe_size", "bigint", "none", "Size of the shoes.", "shoeSize")
HATS = Column("hats", "json", "none", "Hats.", "hats")


def later_contract() -> Contract:
    """Return the contract with two more columns of submissions and one of applicants."""
    tables = load_contract().tables
    later = {
        name: replace(tables[name], columns=(*tables[name].columns, *columns))
        for name, columns in ((SUBMISSIONS, (SHOES, HATS)), ("applicants", (HATS,)))
    }
    return Contract({name: later.get(name, table) for name, table in tables.items()})


def rows(contract: Contract, *ids: str) -> dict[str, pa.Table]:
    """Return submissions, of which the first has a hat, with an applicant each."""
    submissions = [
        {
            "submission_id": key,
            "_content_hash": f"hash of {key}",
            "shoe_size": None,
            "hats": '["red"]' if key == ids[0] else None,
        }
        | dict.fromkeys(("created_at", "_synced_at", "_changed_at"), NOW)
        for key in ids
    ]
    applicants = [{"submission_id": key, "name": f"name of {key}", "hats": None} for key in ids]
    lists = ((SUBMISSIONS, submissions), ("applicants", applicants))
    return {
        name: pa.Table.from_pylist(values, schema=arrow_schema(contract[name]))
        for name, values in lists
    }


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try twice, without a pause."""
    monkeypatch.setattr(ddl, "PAUSES", (0.0,))


@contextmanager
def reader(statement: str) -> Iterator[Any]:
    """Keep an analyst's transaction open in which a statement was executed."""
    address = os.environ["DESTINATION__POSTGRES__CREDENTIALS"]
    with closing(psycopg2.connect(address, application_name="a notebook")) as connection:
        connection.cursor().execute(statement)
        yield connection


@pytest.mark.parametrize("any_warehouse", ["postgres"], indirect=True)
@pytest.mark.usefixtures("short_pauses")
def test_rows_are_loaded_without_a_column_that_is_blocked(
    any_warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the reader; the next run adds the column and fetches lost values again."""
    contract = later_contract()
    with (
        reader("SELECT * FROM argos.submissions_wide"),
        open_warehouse(any_warehouse.target, contract=contract) as opened,
    ):
        assert opened.left_out == {SUBMISSIONS: {"shoe_size", "hats"}, "applicants": {"hats"}}
        assert opened.has_tables
        opened.load(rows(contract, "a", "b"))
    (record,) = caplog.records
    assert "(a notebook, user postgres)" in record.message
    assert "applicants.hats, submissions.hats, submissions.shoe_size" in record.message
    query = "SELECT submission_id, _content_hash FROM submissions ORDER BY 1"
    assert any_warehouse.query(query) == [
        {"submission_id": "a", "_content_hash": ""},
        {"submission_id": "b", "_content_hash": "hash of b"},
    ]
    caplog.clear()
    with open_warehouse(any_warehouse.target, contract=contract) as opened:
        assert not opened.left_out
        opened.load(rows(contract, "a", "b"))
    query = "SELECT submission_id, _content_hash, hats FROM submissions ORDER BY 1"
    assert any_warehouse.query(query) == [
        {"submission_id": "a", "_content_hash": "hash of a", "hats": ["red"]},
        {"submission_id": "b", "_content_hash": "hash of b", "hats": None},
    ]
    assert not caplog.records


@pytest.mark.parametrize("any_warehouse", ["postgres"], indirect=True)
@pytest.mark.usefixtures("short_pauses")
def test_a_dropped_column_that_is_blocked_ends_the_run(any_warehouse: Warehouse) -> None:
    """The schema that dlt has stored names it, so rows cannot be loaded without it."""
    any_warehouse.query("ALTER TABLE sync_runs DROP COLUMN pages CASCADE; SELECT 1")
    with (
        reader("SELECT * FROM argos.sync_runs"),
        pytest.raises(DestinationError, match=r"changed during .*a notebook") as raised,
        open_warehouse(any_warehouse.target),
    ):
        pass
    assert raised.value.exit_code == 5
    with open_warehouse(any_warehouse.target):
        assert any_warehouse.query("SELECT pages FROM sync_runs") == []


@pytest.mark.slow
def test_a_sync_passes_an_open_transaction(postgres_dataset: str, tmp_path: Path) -> None:
    """It must replace views and add a column; rows are loaded, and other readers hardly wait."""
    warehouse = postgres_warehouse(tmp_path, postgres_dataset)
    tables = load_contract().tables
    earlier = replace(
        tables[SUBMISSIONS],
        columns=tuple(c for c in tables[SUBMISSIONS].columns if c.name != "memo_text"),
    )
    with open_warehouse(
        warehouse.target, contract=Contract(tables | {SUBMISSIONS: earlier})
    ) as opened:
        opened.load({})
        update_views(opened.client, None, contract=opened.existing)
    submissions = [
        closed(item) | {"memo": {"text": f"memo {number}"}}
        for number, item in enumerate(generate(20, seed=3, start=NOW.date(), end=NOW.date()))
    ]
    waited: list[float] = []
    finished = threading.Event()

    def read() -> None:
        with closing(psycopg2.connect(PG)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            while not finished.wait(0.01):
                begin = monotonic()
                cursor.execute(f"SELECT COUNT(*) FROM {postgres_dataset}.submissions_wide")
                waited.append(monotonic() - begin)

    other = threading.Thread(target=read)
    with Emulator(submissions) as api:
        context = context_for(api.base_url, warehouse.target)
        with reader(f"SELECT * FROM {postgres_dataset}.submissions_wide"):
            other.start()
            begin = monotonic()
            try:
                report = sync(context)
            finally:
                finished.set()
                other.join()
        assert monotonic() - begin < 120
        assert 0.1 < max(waited) < 1
        assert report.submissions_new == 20
        sync(at(context, NOW + timedelta(days=1)))
    assert_equal(warehouse, submissions)
