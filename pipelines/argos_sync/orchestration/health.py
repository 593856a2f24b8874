"""What a warehouse is checked for after a run; looks, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from argos_sync.config import sweep_days
from argos_sync.load.read_only import open_read_only
from argos_sync.load.target import Target
from argos_sync.shape.contract import SUBMISSIONS, load_contract
from argos_sync.warehouse.integrity import orphans
from argos_sync.warehouse.overview import Overview, read_overview

CHECKS = {
    "row_counts": "There are submissions, and no table has two rows where one is meant.",
    "referential_integrity": "Every row belongs to a submission that is there.",
    "staleness": "Every submission was fetched within the last sweep_days.",
    "last_run_age": "The last good sync or backfill is not older than max_age_hours.",
}
"""Checks by name, and what each one says when it passes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        name: Of the check.
        passed: Whether all is well.
        said: One line.
        figures: Numbers behind it.
    """

    name: str
    passed: bool
    said: str
    figures: Mapping[str, int | float] = field(default_factory=dict)


def look(target: Target, now: datetime, max_age_hours: float) -> list[Finding]:
    """Return what every check finds, in the order of `CHECKS`.

    Args:
        target: Where the warehouse is.
        now: The moment, UTC.
        max_age_hours: How old the last good run may be.

    Raises:
        ConfigurationError: The destination or `sweep_days` is not valid.
        DestinationError: There is no warehouse yet, or it is locked or not reachable.
    """
    bound = sweep_days() or None
    with open_read_only(target) as view:
        seen = read_overview(view.client)
        lost = orphans(view.client)
    return [
        _row_counts(seen),
        _referential_integrity(lost),
        _staleness(seen.max_age_days, bound),
        _last_run_age(seen.last_success, now, max_age_hours),
    ]


def _row_counts(seen: Overview) -> Finding:
    total = seen.rows[SUBMISSIONS]
    single = [table.name for table in load_contract().api_tables if table.key == ("submission_id",)]
    more = [name for name in single if seen.rows[name] > total]
    said = f"{total:,} submissions"
    if more:
        said += f", and more rows than that in {', '.join(more)}"
    return Finding("row_counts", total > 0 and not more, said, seen.rows)


def _referential_integrity(lost: Mapping[str, int]) -> Finding:
    found = {name: rows for name, rows in lost.items() if rows}
    said = ", ".join(f"{rows:,} in {name}" for name, rows in found.items()) or "none"
    return Finding(
        "referential_integrity", not found, f"rows without what they belong to: {said}", lost
    )


def _staleness(max_age_days: float | None, bound: int | None) -> Finding:
    age = max_age_days or 0.0
    promise = f"the bound is {bound} days" if bound else "there is no bound: sweep_days is 0"
    return Finding(
        "staleness",
        not bound or age <= bound,
        f"the oldest row was fetched {age:.1f} days ago; {promise}",
        {"max_age_days": age},
    )


def _last_run_age(last_success: datetime | None, now: datetime, max_age_hours: float) -> Finding:
    if last_success is None:
        return Finding("last_run_age", passed=False, said="no sync or backfill has succeeded yet")
    hours = (now - last_success).total_seconds() / 3600
    said = (
        f"the last good sync or backfill began {hours:.1f} h ago; {max_age_hours:g} h are allowed"
    )
    return Finding("last_run_age", hours <= max_age_hours, said, {"hours": hours})
