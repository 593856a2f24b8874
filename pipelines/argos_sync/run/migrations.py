"""Bring warehouses of earlier versions up to date, and leave those of later versions alone.

The state notes the layout of a warehouse: a number that grows with each change that older versions
could not follow. From 0.1.0 on, every later version can upgrade the layouts of all earlier ones.
"""

from collections.abc import Callable, Mapping

from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.checkpoint import LAYOUT, State
from argos_sync.load.pipeline import Warehouse
from argos_sync.shape.contract import Contract, load_contract

CURRENT = 1
"""The layout that this version writes; 1 is that of 0.1.0."""

Migration = Callable[[Warehouse], State]
"""Changes the tables of a warehouse from one layout to the next, and returns the changes of its
state. It may be interrupted before they are committed, so doing it twice must do no harm."""

MIGRATIONS: Mapping[int, Migration] = {}
"""Migrations by the layout that they start from. There is one for each layout before `CURRENT`."""


class LaterVersionError(ConfigurationError):
    """A later version has written to the warehouse."""

    advice = (
        "install that version or a later one here, too (`argos-sync --version`), or restore a"
        " backup from before its first run"
    )


def upgrade(
    warehouse: Warehouse,
    migrations: Mapping[int, Migration] = MIGRATIONS,
    current: int = CURRENT,
) -> State:
    """Apply the migrations that a warehouse needs; return the changes of its state.

    Each migration is committed before the next one begins.

    Raises:
        LaterVersionError: The warehouse has a layout, or a column, that this version does not
            know: it would lose the column's values where it replaces rows. Nothing was changed.
    """
    stored = warehouse.state.get(LAYOUT)
    if stored is not None and stored > current:
        raise LaterVersionError(
            f"a later version of argos-sync has written to the warehouse {warehouse.dataset}"
            f" (layout {stored}; this version knows {current})"
        )
    if unknown := unknown_columns(warehouse, load_contract()):
        raise LaterVersionError(
            f"the warehouse {warehouse.dataset} has columns that this version of argos-sync does"
            f" not know: {', '.join(unknown[:5])}"
        )
    # Before 0.1.0 the layout was not noted, and it was the first.
    for layout in range(stored or (1 if warehouse.state else current), current):
        changes = migrations[layout](warehouse) | {LAYOUT: layout + 1}
        warehouse.load({}, lambda state, changes=changes: state.update(changes))  # type: ignore[misc]
    return {} if warehouse.state.get(LAYOUT) == current else {LAYOUT: current}


def unknown_columns(warehouse: Warehouse, contract: Contract) -> list[str]:
    """Return the columns that a load has created, but the contract lacks, as `table.column`.

    Columns that people have added by SQL are not among them; dlt does not know these.
    """
    return sorted(
        {
            f"{name}.{column}"
            for schema in warehouse.pipeline.schemas.values()
            for name, table in schema.tables.items()
            if name in contract.tables
            for column in table["columns"]
            if column not in contract[name].columns_by_name and not column.startswith("_dlt_")
        }
    )
