"""Find the foreign keys between tables."""

from collections.abc import Iterator
from dataclasses import dataclass

from argos_sync.shape.contract import RUNS, Contract, Table


@dataclass(frozen=True, slots=True)
class Reference:
    """Describe a foreign key from `table` to `to`, whose primary key has the same names.

    Attributes:
        always: Whether the other row always exists. The row of a run is written when the run
            ends, and a killed run never writes it.
    """

    table: Table
    to: Table
    columns: tuple[str, ...]
    always: bool

    @property
    def at_most_one(self) -> bool:
        """Return whether at most one row refers to the same row."""
        return self.columns == self.table.key


def find_references(contract: Contract) -> Iterator[Reference]:
    """Yield the references of rows to their parents and to the runs that wrote them."""
    runs = contract[RUNS]
    for table in contract.tables.values():
        if parent := contract.parent(table):
            yield Reference(table, parent, parent.key, always=True)
        elif table is not runs and set(runs.key) <= set(table.columns_by_name):
            yield Reference(table, runs, runs.key, always=False)
