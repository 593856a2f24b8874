"""Find the dlt destination that a name stands for, and refuse those that cannot keep the promises.

Which destinations are accepted is data in `destination_support`. One that needs special treatment
has it in these places, most of them keyed by its sqlglot dialect:

- `dialects`: functions that its SQL spells differently; `sql`: lists as parameters, UPDATE.
- `run_lock`: what keeps other machines out; `staging`: the staging datasets of killed runs.
- `warehouse.comments`: COMMENT statements; `warehouse.view_updates`: how views are replaced.
- `clickhouse`, `duckdb`, `postgres`: overrides of dlt's destination; another one gets a module
  of its own.

Add its extra to pyproject.toml, run `make schema`, and add its configuration to
docs/destinations.md; `tests/load/test_sql.py` and `tests/warehouse/test_views.py` translate every
statement and view into its dialect.
"""

from pathlib import Path
from typing import Any, cast

from dlt import current
from dlt.common.destination import AnyDestination, Destination
from dlt.common.storages.configuration import WithLocalFiles
from dlt.destinations import clickhouse, duckdb, ducklake, postgres

from argos_sync.load.destinations.clickhouse import make_clickhouse
from argos_sync.load.destinations.duckdb import DuckDb
from argos_sync.load.destinations.ducklake import DuckLake
from argos_sync.load.destinations.postgres import Postgres
from argos_sync.load.destinations.support import refuse_unsupported, refuse_untried

DUCKDB = "duckdb"
_DLT_DESTINATIONS = "dlt.destinations.impl."


def make_destination(
    name: str, file: str | None = None, staging_layout: str | None = None
) -> AnyDestination:
    """Return the destination with a name that dlt knows, or of a `module.factory`.

    A DuckDB `file` overrides the configured one; DuckDB stages nothing and has no staging layout.

    Raises:
        ConfigurationError: The destination cannot keep the promises; see `destination_support`.
    """
    if name == DUCKDB:
        options: dict[str, Any] = {"credentials": f"duckdb:///{file}"} if file else {}
        destination: Any = DuckDb(destination_name=DUCKDB, **options)
    else:
        layout = {"staging_dataset_name_layout": staging_layout} if staging_layout else {}
        destination = Destination.from_reference(name, **layout)
        refuse_unsupported(_kind(destination), name)
        named = {"destination_name": destination.destination_name}
        # Also under a name that the configuration gives it.
        if type(destination) is duckdb:
            destination = DuckDb(**destination.config_params | named)
        elif type(destination) is ducklake:
            destination = DuckLake(**destination.config_params | named)
        elif type(destination) is postgres:
            destination = Postgres(**destination.config_params | named)
        elif type(destination) is clickhouse:
            destination = make_clickhouse(destination.config_params | named)
    if issubclass(destination.spec, WithLocalFiles):
        # Without it dlt resolves a relative file against the folder where the first pipeline with
        # this working directory was started (1.31, `initial_cwd` in `Pipeline._bind_local_files`),
        # so that a sync started in another folder would load into the first folder's file.
        local = Path(current.run_context().local_dir).absolute()
        destination.config_params["local_dir"] = str(local)
    return cast("AnyDestination", destination)


def check_destination(name: str, *, allow_untried: bool) -> None:
    """Check that a destination may be written to; nothing is configured or connected.

    Raises:
        ConfigurationError: It cannot keep the promises, or is only tried and that is not allowed.
        UnknownDestinationModule: dlt knows no such destination.
    """
    kind = _kind(make_destination(name))
    if kind is not None and not allow_untried:
        refuse_untried(kind, name)


def _kind(destination: AnyDestination) -> str | None:
    """Return dlt's own name of the destination that this one is or derives from, if any."""
    for base in type(destination).__mro__:
        if base.__module__.startswith(_DLT_DESTINATIONS):
            return base.__module__.removeprefix(_DLT_DESTINATIONS).partition(".")[0]
    return None
