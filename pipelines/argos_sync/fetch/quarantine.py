"""Quarantine and issues: the unusable objects and values of a chunk, as rows.

An object without a usable `submission_id` or `created_at` (`shape.identity`) is quarantined.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from argos_sync.fetch.protection import Protection
from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.contract import ISSUES, QUARANTINE
from argos_sync.shape.identity import InvalidIdentity
from argos_sync.shape.tables import Issue
from argos_sync.shape.values import to_json


@dataclass(slots=True)
class IssueCollector:
    """Collects the issues and quarantined objects of a chunk, as protected rows of a run.

    `nbytes` is about the memory that the quarantined objects take.
    """

    run_id: str
    protection: Protection
    _issues: dict[str, dict[str, Any]] = field(default_factory=dict)
    _quarantined: dict[str, dict[str, Any]] = field(default_factory=dict)
    nbytes: int = 0

    @property
    def count(self) -> int:
        """Return the number of issues, including those of quarantined objects."""
        return len(self._issues)

    def add_issues(self, issues: Iterable[Issue], quarantine_id: str = "") -> None:
        """Add values that do not fit their columns, of submissions or of a quarantined object.

        A run may fetch a submission more than once; its issues then have the same ids.
        """
        for issue in issues:
            issue_id = f"{self.run_id}/{_digest(*issue, quarantine_id)}"
            self._issues[issue_id] = {
                "issue_id": issue_id,
                "run_id": self.run_id,
                "submission_id": issue.submission_id,
                "table_name": issue.table_name,
                "path": issue.path,
                "problem": issue.problem,
            }

    def quarantine(self, item: Any, unusable: InvalidIdentity, received_at: datetime) -> None:
        """Add an object that cannot be loaded as a submission."""
        quarantine_id = self.quarantine_id(item)
        content = to_json(item)
        self.nbytes += len(content)
        self._quarantined[quarantine_id] = {
            "quarantine_id": quarantine_id,
            "run_id": self.run_id,
            "received_at": received_at,
            "reason": f"{unusable.path}: {unusable.reason}" if unusable.path else unusable.reason,
            "_extra": content,
        }
        issue = Issue(None, QUARANTINE, unusable.path, unusable.reason)
        self.add_issues([issue], quarantine_id)

    def quarantine_id(self, item: Any) -> str:
        """Return the id that an object has in quarantine: the hash of its content."""
        return self.protection.content_hash(item, ())

    def take_tables(self) -> dict[str, pa.Table]:
        """Return the collected rows by contract table, and start over."""
        policy = self.protection.policy
        tables = {QUARANTINE: list(self._quarantined.values()), ISSUES: list(self._issues.values())}
        self._issues, self._quarantined, self.nbytes = {}, {}, 0
        return {
            name: policy.protect(
                name, pa.Table.from_pylist(rows, schema=arrow_schema(policy.base_contract[name]))
            )
            for name, rows in tables.items()
            if rows
        }


def _digest(*parts: str | None) -> str:
    """Return a short hash of some texts."""
    return blake2b(repr(parts).encode(), digest_size=12).hexdigest()
