"""A warehouse that the promise suite loads to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from argos_sync.load.read_only import open_read_only
from argos_sync.load.sql import translate
from argos_sync.load.target import Target
from argos_sync.run.context import Context
from argos_sync.shape.contract import load_contract
from argos_sync.warehouse.views import load_views
from support import NOW, Rows, Warehouse, context_for
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


def read_through_dlt(target: Target) -> Warehouse:
    """Return a warehouse that tests query in DuckDB's dialect, which is translated."""

    def query(sql: str) -> Rows:
        with open_read_only(target) as view:
            text, _ = translate(view.client, sql)
            with view.client.execute_query(text) as cursor:
                names = [column[0].lower() for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    return Warehouse(target, query)
