"""Quarantine and issues: the unusable objects and values of a chunk, as rows.

An object without a usable `submission_id` or `created_at` (`shape.identity`) is quarantined.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
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
    """Collects the issues and quarantined objects of a chunk, as protected rows of a run."""

    run_id: str
    protection: Protection
    _issues: list[dict[str, Any]] = field(default_factory=list)
    _quarantined: dict[str, dict[str, Any]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def count(self) -> int:
        """Return the number of issues, including those of quarantined objects."""
        return len(self._issues)

    def add_issues(self, issues: Iterable[Issue]) -> None:
        """Add values that do not fit their columns."""
        for issue in issues:
            self._issues.append(
                {
                    "issue_id": f"{self.run_id}/{next(self._numbers)}",
                    "run_id": self.run_id,
                    "submission_id": issue.submission_id,
                    "table_name": issue.table_name,
                    "path": issue.path,
                    "problem": issue.problem,
                }
            )

    def quarantine(self, item: Any, unusable: InvalidIdentity, received_at: datetime) -> None:
        """Add an object that cannot be loaded as a submission."""
        quarantine_id = self.quarantine_id(item)
        self._quarantined[quarantine_id] = {
            "quarantine_id": quarantine_id,
            "run_id": self.run_id,
            "received_at": received_at,
            "reason": f"{unusable.path}: {unusable.reason}" if unusable.path else unusable.reason,
            "_extra": to_json(item),
        }
        self.add_issues([Issue(None, QUARANTINE, unusable.path, unusable.reason)])

    def quarantine_id(self, item: Any) -> str:
        """Return the id that an object has in quarantine: the hash of its content."""
        return self.protection.content_hash(item, ())

    def take_tables(self) -> dict[str, pa.Table]:
        """Return the collected rows by contract table, and start over."""
        policy = self.protection.policy
        tables = {QUARANTINE: list(self._quarantined.values()), ISSUES: self._issues}
        self._issues, self._quarantined = [], {}
        return {
            name: policy.protect(
                name, pa.Table.from_pylist(rows, schema=arrow_schema(policy.base_contract[name]))
            )
            for name, rows in tables.items()
            if rows
        }
