"""Places that the promise suite loads to: one for each destination that a test can reach.

Another destination is one more entry of `KINDS`, and a function that yields an empty warehouse.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from lakes import s3_lake
from promises.clickhouse import clickhouse_place
from promises.place import Place
from support import (
    duckdb_warehouse,
    postgres_address,
    postgres_database,
    warehouse_in,
)


@dataclass(frozen=True)
class Kind:
    """A destination that the suite can reach.

    Attributes:
        modules: What its driver and its stand-in are imported as. Where one of them is not
            installed, the suite does not run; `target` does it elsewhere.
        target: The target of the Makefile that installs them and runs the suite.
        place: Opens a place in a folder, for a test, and removes what is outside of the folder.
            Unless the test `may_have_tables`, it is empty.
    """

    modules: tuple[str, ...]
    target: str
    place: Callable[[Path, pytest.FixtureRequest], AbstractContextManager[Place]]

    @property
    def is_installed(self) -> bool:
        """Whether all modules can be imported."""
        return all(map(find_spec, self.modules))


def may_have_tables(request: pytest.FixtureRequest) -> bool:
    """Return whether the test does not mind tables and views that are there already."""
    return request.node.get_closest_marker("tables_made") is not None


@contextmanager
def duckdb_place(folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Yield a DuckDB file empty or with tables."""
    files = folder / "files"
    files.mkdir()
    warehouse = duckdb_warehouse(files)
    if may_have_tables(request):
        shutil.copy(request.getfixturevalue("_made"), str(warehouse.target.file))
    target = replace(warehouse.target, pipelines_dir=str(folder / "pipelines"))
    yield Place(replace(warehouse, target=target), files=files)


@contextmanager
def postgres_place(folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Yield a new database of the machine's PostgreSQL, empty or with tables."""
    is_empty = not may_have_tables(request)
    template = "template1" if is_empty else request.getfixturevalue("_made_in_postgres")
    with postgres_database(template) as name, warehouse_in(name, folder) as warehouse:
        environment = {"DESTINATION__POSTGRES__CREDENTIALS": postgres_address(name)}
        yield Place(warehouse, environment)


@contextmanager
def ducklake_place(folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Yield a lake in S3 and the machine's PostgreSQL, empty or with tables."""
    is_empty = not may_have_tables(request)
    template = "template1" if is_empty else request.getfixturevalue("_made_lake")
    with postgres_database(template) as name, s3_lake(folder, name) as lake:
        yield Place(lake.warehouse, lake.environment, content=lake.content)


KINDS: Mapping[str, Kind] = {
    "duckdb": Kind(("duckdb",), "rest", duckdb_place),
    "postgres": Kind(("psycopg2",), "rest", postgres_place),
    "ducklake": Kind(("duckdb_extension_ducklake", "moto"), "test-ducklake", ducklake_place),
    "clickhouse": Kind(("chdb", "clickhouse_driver"), "standins", clickhouse_place),
}
"""By dlt's name of the destination."""
