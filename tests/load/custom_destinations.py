"""Destinations of a user's own, named as `load.custom_destinations.NAME`."""

from typing import Any

import dlt
from dlt.common.destination import Destination
from dlt.destinations import postgres, sqlalchemy
from dlt.destinations.impl.dummy.configuration import DummyClientConfiguration


class CompanyPostgres(postgres):
    """Derives from a supported destination."""


class CompanyMySql(sqlalchemy):
    """Derives from a refused destination."""


class Unrelated(Destination[Any, Any]):
    """Derives from no destination of dlt."""

    spec = DummyClientConfiguration
    client_class = property(lambda _: None)

    def _raw_capabilities(self) -> Any:
        """Return none: the destination is refused before anyone asks."""


@dlt.destination
def receive(items: Any, table: Any) -> None:
    """Receive rows, as dlt's destination functions do."""
