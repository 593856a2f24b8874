"""Stand-ins for dlt's clients of warehouses that are not available to tests."""

from types import SimpleNamespace
from typing import cast

from dlt.common.destination import Destination

from argos_sync.load.sql import Client


def client_for(dialect: str) -> Client:
    """Return an unconnected client of a destination: its capabilities and its table names."""
    destination = Destination.from_reference(dialect)
    assert destination is not None
    capabilities = destination.capabilities()

    def qualify(table: str) -> str:
        parts = map(capabilities.casefold_identifier, ("argos", table))
        return ".".join(map(capabilities.escape_identifier, parts))

    client = SimpleNamespace(capabilities=capabilities, make_qualified_table_name=qualify)
    return cast("Client", client)
