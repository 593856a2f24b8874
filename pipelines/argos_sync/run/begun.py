"""The configured protection held against what a warehouse was begun with, and with its list.

Apart from `protection`, which the process that fetches needs: that imports no dlt.
"""

from __future__ import annotations

from argos_sync.fetch.checkpoint import State
from argos_sync.fetch.protection import PRIVACY, Protection
from argos_sync.load.sql import Client
from argos_sync.warehouse.rows import has_completed_load, read_suppression_list


def warehouse_protection(wanted: Protection, client: Client, state: State) -> Protection:
    """Return a protection with who must not come back to a warehouse.

    Args:
        wanted: As configured.
        client: Connected to the warehouse.
        state: As last committed.

    Raises:
        ConfigurationError: The warehouse was written with another policy, or its list with a
            key that is not configured.
    """
    # The policy travels with the first rows. If they came and it did not, because the load was
    # killed, all of them are fetched again, and differ under another policy.
    wanted.check(state, begun=PRIVACY in state or has_completed_load(client))
    return wanted.with_list(*read_suppression_list(client), state)
