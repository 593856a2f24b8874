"""Places that the promise suite loads to: one for each destination that a test can reach.

Another destination is one more entry of `KINDS`, and a function that yields an empty warehouse.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from argos_sync.run.context import Context
from argos_sync.shape.contract import load_contract
from argos_sync.warehouse.views import load_views
from lakes import s3_lake
from support import (
    NOW,
    Warehouse,
    context_for,
    duckdb_warehouse,
    postgres_address,
    postgres_database,
    warehouse_in,
)
from whole_lists import Emulator


@dataclass(frozen=True)
class Place:
    """A warehouse of a destination, without submissions.

    Attributes:
        warehouse: Where commands load to, and how tests read it.
        environment: What configures the destination, by the names of environment variables; they
            are set while the place is open, and passed on to processes.
        files: The folder with all of its bytes; None if they are a server's own.
        content: Returns all that a lake stores, as a text.
    """

    warehouse: Warehouse
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Path | None = None
    content: Callable[[], str] | None = None

    def context(self, api: Emulator, now: Any = NOW, **settings: Any) -> Context:
        """Return a context that loads from the API into this place."""
        return context_for(api.base_url, self.warehouse.target, now, **settings)


def everything(place: Place) -> str:
    """Return all rows of all tables and views as a text."""
    own = ("_dlt_pipeline_state", "_dlt_loads", "_dlt_version", "sync_suppressions")
    names = {*load_contract().tables, *(view.name for view in load_views()), *own}
    return str([place.warehouse.query(f"SELECT * FROM {name}") for name in sorted(names)])


def on_machine(context: Context, name: str) -> Context:
    """Return the context with a working directory of another machine."""
    folder = Path(str(context.target.pipelines_dir)).with_name(name)
    return replace(context, target=replace(context.target, pipelines_dir=str(folder)))


Made = Callable[[str], Any] | None
"""Returns a fixture; None if nothing may have been made."""


@dataclass(frozen=True)
class Kind:
    """A destination that the suite can reach.

    Attributes:
        modules: What its driver and its stand-in are imported as. Where one of them is not
            installed, the suite does not run; `target` does it elsewhere.
        target: The target of the Makefile that installs them and runs the suite.
        place: Opens a place in a folder, and removes what is outside of it. It is empty, unless
            there is a function that returns fixtures by their names: then it may have tables.
    """

    modules: tuple[str, ...]
    target: str
    place: Callable[[Path, Made], AbstractContextManager[Place]]

    @property
    def is_installed(self) -> bool:
        """Whether all modules can be imported."""
        return all(map(find_spec, self.modules))


@contextmanager
def duckdb_place(folder: Path, made: Made) -> Iterator[Place]:
    """Yield a DuckDB file empty or with tables."""
    files = folder / "files"
    files.mkdir()
    warehouse = duckdb_warehouse(files)
    if made is not None:
        shutil.copy(made("_made"), str(warehouse.target.file))
    target = replace(warehouse.target, pipelines_dir=str(folder / "pipelines"))
    yield Place(replace(warehouse, target=target), files=files)


@contextmanager
def postgres_place(folder: Path, made: Made) -> Iterator[Place]:
    """Yield a new database of the machine's PostgreSQL, empty or with tables."""
    template = made("_made_in_postgres") if made else "template1"
    with postgres_database(template) as name, warehouse_in(name, folder) as warehouse:
        environment = {"DESTINATION__POSTGRES__CREDENTIALS": postgres_address(name)}
        yield Place(warehouse, environment)


@contextmanager
def ducklake_place(folder: Path, made: Made) -> Iterator[Place]:
    """Yield a lake in S3 and the machine's PostgreSQL, empty or with tables."""
    template = made("_made_lake") if made else "template1"
    with postgres_database(template) as name, s3_lake(folder, name) as lake:
        yield Place(lake.warehouse, lake.environment, content=lake.content)


KINDS: Mapping[str, Kind] = {
    "duckdb": Kind(("duckdb",), "rest", duckdb_place),
    "postgres": Kind(("psycopg2",), "rest", postgres_place),
    "ducklake": Kind(("duckdb_extension_ducklake", "moto"), "test-ducklake", ducklake_place),
}
"""By dlt's name of the destination."""
