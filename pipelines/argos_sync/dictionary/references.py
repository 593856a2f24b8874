"""How rows of one table refer to those of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from argos_sync.shape.contract import RUNS, Contract, Table


@dataclass(frozen=True, slots=True)
class Reference:
    """Rows of one table name a row of another.

    Attributes:
        table: The one that refers.
        to: The one that is referred to.
        columns: That both have; they are the other's key.
        always: Whether the other row is there; that of a run is written when the run ends, and one
            that is killed never writes it.
    """

    table: Table
    to: Table
    columns: tuple[str, ...]
    always: bool

    @property
    def at_most_one(self) -> bool:
        """Whether no two rows refer to the same one."""
        return self.columns == self.table.key


def references(contract: Contract) -> Iterator[Reference]:
    """Yield all references: rows belong to one of a parent table, and were written by a run."""
    runs = contract[RUNS]
    for table in contract.tables.values():
        if parent := contract.parent(table):
            yield Reference(table, parent, parent.key, always=True)
        elif table is not runs and set(runs.key) <= set(table.columns_by_name):
            yield Reference(table, runs, runs.key, always=False)
