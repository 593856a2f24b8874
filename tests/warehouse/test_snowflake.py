"""Snowflake's tables and views, on fakesnow; loading and comments are not tested.

fakesnow's server takes one statement in each request, while dlt sends several; it does not
understand the quoted name of the stage that dlt uploads files to, nor some comments.
"""

from collections.abc import Iterator

import pytest

from argos_sync.shape.contract import load_contract
from argos_sync.warehouse.view_updates import replace_views
from argos_sync.warehouse.views import load_views, view_query
from support import Warehouse, duckdb_warehouse
from warehouse.direct import connected
from warehouse.fakesnow_server import copy_rows, snowflake_warehouse
from warehouse.view_data import ANSWERS, assert_answers, load_data_set, view_folder

pytestmark = [pytest.mark.standins, pytest.mark.slow]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A DuckDB file with the data set of the views."""
    folder = tmp_path_factory.mktemp("duckdb")
    warehouse = duckdb_warehouse(folder)
    load_data_set(warehouse, folder / "views")
    return warehouse


@pytest.fixture(scope="module")
def snowflake(loaded: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A dataset of Snowflake with the same rows, and with views."""
    folder = tmp_path_factory.mktemp("snowflake")
    with snowflake_warehouse(folder) as warehouse:
        copy_rows(loaded, warehouse)
        with connected(warehouse) as client:
            views = load_views(view_folder(folder / "views"))
            replace_views(client, {view.name: view_query(client, view) for view in views}, ())
        yield warehouse


def test_tables_keep_all_values(loaded: Warehouse, snowflake: Warehouse) -> None:
    """Each table has the columns of the contract, and types that hold their values."""
    names = load_contract().tables
    assert snowflake.tables(names) == loaded.tables(names)


@pytest.mark.parametrize("view", ANSWERS)
def test_views_answer(view: str, snowflake: Warehouse) -> None:
    """Views have the answers that were worked out by hand."""
    assert_answers(snowflake, view)


def test_every_view_can_be_read(loaded: Warehouse, snowflake: Warehouse) -> None:
    """Also those whose answers are not among the ones worked out by hand."""
    names = [view.name for view in load_views()]
    assert {name: snowflake.count(name) for name in names} == {
        name: loaded.count(name) for name in names
    }
