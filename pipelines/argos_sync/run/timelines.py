"""The timelines of a chunk's submissions: status history and change feed.

A merge replaces all rows of a submission, so both are read before it and written completely.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from argos_sync.load.pipeline import Warehouse
from argos_sync.load.sql import Client
from argos_sync.run.change_feed import ChangeFeed
from argos_sync.run.diff import Diff
from argos_sync.run.history import history_rows
from argos_sync.run.journal import TableRows
from argos_sync.shape.contract import HISTORY, SUBMISSIONS
from argos_sync.shape.privacy import PrivacyPolicy
from argos_sync.warehouse.rows import stored_changes, stored_history


@dataclass(frozen=True, slots=True)
class Timelines:
    """The stored periods of a chunk's submissions, by id, and rows of the change feed."""

    history: Mapping[str, Sequence[dict[str, Any]]]
    changes: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, client: Client, diff: Diff) -> Self:
        """Read what the warehouse has.

        Each submission has a history, also one that has lost its row in `submissions`.
        """
        known = [*diff.changed, *diff.deleted, *diff.rewritten]
        history = stored_history(client, [*known, *diff.unknown])
        lost = [key for key in diff.unknown if key in history]
        return cls(history, stored_changes(client, [*known, *lost]))

    def rows(
        self,
        tables: Mapping[str, pa.Table],
        diff: Diff,
        damaged: AbstractSet[str],
        warehouse: Warehouse,
        policy: PrivacyPolicy,
    ) -> TableRows:
        """Return the complete timelines after the rows of a chunk are loaded.

        `damaged` are submissions among the changed ones that the source has not changed.
        """
        if SUBMISSIONS not in tables:
            return {}
        same = {*diff.rewritten, *damaged}
        history = history_rows(tables, self.history, warehouse.sections, same)
        changed = {*diff.changed, *diff.deleted} - {*damaged, *diff.unknown}
        if not (changed or self.changes):
            return {HISTORY: history}
        feed = ChangeFeed.of(warehouse, policy)
        return {HISTORY: history, **feed.rows(tables, changed, self.changes)}
