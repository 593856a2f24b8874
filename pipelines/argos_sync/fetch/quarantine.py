"""Quarantine and issues: the unusable objects and values of a chunk, as rows.

An object without a usable `submission_id` or `created_at` (`shape.identity`) is quarantined. The
quarantine has one row for each submission, and for each object that belongs to none.
"""

import json
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from argos_sync.fetch.protection import Protection
from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.column_cipher import RevealError
from argos_sync.shape.contract import ISSUES, QUARANTINE
from argos_sync.shape.identity import Identity, InvalidIdentity, identify
from argos_sync.shape.privacy import PolicyError, PrivacyPolicy
from argos_sync.shape.tables import Issue
from argos_sync.shape.values import is_absent, to_json


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

    def __bool__(self) -> bool:
        """Whether there are issues, including those of quarantined objects."""
        return bool(self._issues)

    def add_issues(self, issues: Iterable[Issue]) -> None:
        """Add values of submissions that do not fit their columns.

        A run may fetch a submission more than once; its issues then have the same ids.
        """
        for issue in issues:
            self._add_issue(f"{self.run_id}/{_digest(*issue)}", issue)

    def _add_issue(self, issue_id: str, issue: Issue) -> None:
        self._issues[issue_id] = {
            "issue_id": issue_id,
            "run_id": self.run_id,
            "submission_id": issue.submission_id,
            "table_name": issue.table_name,
            "path": issue.path,
            "problem": issue.problem,
        }

    def quarantine(self, item: Any, unusable: InvalidIdentity, received_at: datetime) -> None:
        """Add an object that cannot be loaded as a submission; it replaces an earlier version."""
        quarantine_id = self.quarantine_id(item, unusable)
        content = to_json(item)
        self.nbytes += len(content)
        self._quarantined[quarantine_id] = {
            "quarantine_id": quarantine_id,
            "run_id": self.run_id,
            "last_run_id": self.run_id,
            "submission_id": unusable.submission_id,
            "_content_hash": self.protection.content_hash(item, ()),
            "received_at": received_at,
            "reason": f"{unusable.path}: {unusable.reason}" if unusable.path else unusable.reason,
            "_extra": content,
        }
        issue = Issue(None, QUARANTINE, unusable.path, unusable.reason)
        self._add_issue(quarantine_issue_id(self.run_id, quarantine_id), issue)

    def quarantine_id(self, item: Any, unusable: InvalidIdentity) -> str:
        """Return the id that an object has in quarantine.

        That is the hash of its submission id. An object without one has the hash of its content.
        """
        return self.protection.quarantine_id(unusable.submission_id or item)

    def drop(self, submission_ids: AbstractSet[str]) -> None:
        """Drop the issues of submissions, of which another version takes the place."""
        self._issues = {
            key: row
            for key, row in self._issues.items()
            if row["submission_id"] not in submission_ids
        }

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


def quarantine_issue_id(run_id: str, quarantine_id: str) -> str:
    """Return the id of the issue that a run has with an object in quarantine."""
    return f"{run_id}/{quarantine_id}"


def identify_answer(item: Any, requested: str | None) -> Identity | InvalidIdentity:
    """Return the identity of an entry of `Items`, or why it has none; see `identify`.

    The answer to a request by id belongs to the `requested` submission, even if its own id cannot
    be read. An absent value is no answer.
    """
    identity = identify(item)
    if identity.submission_id or not requested or is_absent(item):
        return identity
    return replace(identity, submission_id=requested)


def read_quarantined(policy: PrivacyPolicy, value: Any) -> Any:
    """Return an object from `_extra` of its row in quarantine; None if it cannot be decrypted."""
    if policy.mode(QUARANTINE, "_extra") == "encrypt" and isinstance(value, str):
        try:
            value = policy.reveal(QUARANTINE, "_extra", value)
        except (PolicyError, RevealError):
            return None
    if isinstance(value, str):
        with suppress(ValueError):
            return json.loads(value)
    return value


def _digest(*parts: str | None) -> str:
    """Return a short hash of some texts."""
    return blake2b(repr(parts).encode(), digest_size=12).hexdigest()
