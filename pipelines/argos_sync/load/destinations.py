"""Find the dlt destination that a name stands for.

Any SQL destination of dlt works by its name, without a line here. A destination that needs special
treatment has it in these places, most of them keyed by its sqlglot dialect:

- `dialects`: functions that its SQL spells differently; `sql`: lists as parameters, UPDATE.
- `run_lock`: what keeps other machines out; `staging`: the staging datasets of killed runs.
- `warehouse.comments`: COMMENT statements; `warehouse.view_updates`: how views are replaced.
- `duckdb`: overrides of dlt's destination; a second one of that kind gets a module of its own.

Add its extra to pyproject.toml and its row to docs/destinations.md; `tests/load/test_sql.py` and
`tests/warehouse/test_views.py` translate every statement and view into its dialect.
"""

from pathlib import Path
from typing import Any, cast

from dlt import current
from dlt.common.destination import AnyDestination, Destination
from dlt.common.storages.configuration import WithLocalFiles

from argos_sync.load.duckdb import DuckDb

DUCKDB = "duckdb"


def make_destination(
    name: str, file: str | None = None, staging_layout: str | None = None
) -> AnyDestination:
    """Return the destination with a name that dlt knows, or of a `module.factory`.

    A DuckDB `file` overrides the configured one; DuckDB stages nothing and has no staging layout.
    """
    if name == DUCKDB:
        options: dict[str, Any] = {"credentials": f"duckdb:///{file}"} if file else {}
        destination: Any = DuckDb(destination_name=DUCKDB, **options)
    else:
        layout = {"staging_dataset_name_layout": staging_layout} if staging_layout else {}
        destination = Destination.from_reference(name, **layout)
    if issubclass(destination.spec, WithLocalFiles):
        # Without it dlt resolves a relative file against the folder where the first pipeline with
        # this working directory was started (1.31, `initial_cwd` in `Pipeline._bind_local_files`),
        # so that a sync started in another folder would load into the first folder's file.
        local = Path(current.run_context().local_dir).absolute()
        destination.config_params["local_dir"] = str(local)
    return cast("AnyDestination", destination)
