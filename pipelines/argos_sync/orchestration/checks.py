"""Read the check results that Dagster shows; the warehouse is not changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from argos_sync.config import freshness_settings
from argos_sync.load.read_only import open_read_only
from argos_sync.load.target import Target
from argos_sync.warehouse.checks import (
    CHECK_NAMES,
    KNOWN_FIELDS,
    KNOWN_VALUES,
    SHAPE,
    VOLUME,
    CheckResult,
)
from argos_sync.warehouse.overview import Overview, read_overview

FRESHNESS = "freshness"
STALENESS = "staleness"

CHECKS = {
    "unique_key": "No two rows of a table have the same key.",
    "has_parent": "Every row belongs to a row of its parent table.",
    "timestamps_ordered": "No submission has a KYC result from before its creation.",
    KNOWN_VALUES: "The last run saw no new value of an enumeration.",
    KNOWN_FIELDS: "The last run saw no new field of the API.",
    "counts_match_source": "Every day compared with the source has the same submissions.",
    "values_fit": "Values that fitted their column before have not stopped to fit it.",
    SHAPE: "New submissions have the sections, values and misfits that they usually have.",
    VOLUME: "The day before the last sync has about as many submissions as usual.",
    FRESHNESS: "The last successful sync started within max_age_hours; backfills do not count.",
    STALENESS: "Every submission was fetched within the last sweep_days.",
}
"""Description of each check by name: what is true when it passes."""

_WARNINGS = (KNOWN_VALUES, KNOWN_FIELDS, SHAPE, VOLUME)
"""Checks that report news in the source, not faults in the warehouse."""


def read_checks(target: Target, now: datetime, max_age_hours: float) -> list[dg.AssetCheckResult]:
    """Return the current result of every check, in the order of `CHECKS`.

    The post-run checks are the last results in `sync_checks`. Freshness and staleness are computed
    from the clock, so that they fail when nothing has run at all: `max_age_hours` is the largest
    age of the last successful sync, as with `status --max-age`.

    Raises:
        ConfigurationError: The destination or `sweep_days` is not valid.
        DestinationError: The warehouse does not exist, is locked or is unreachable.
    """
    limit = freshness_settings().sweep_days or None
    with open_read_only(target) as warehouse:
        overview = read_overview(warehouse.client, now)
    return [
        *(_post_run_check(name, overview.checks) for name in CHECK_NAMES),
        _freshness(overview, now, max_age_hours),
        _staleness(overview.max_age_days, limit),
    ]


def _result(
    name: str, text: str, metadata: Mapping[str, float] | None = None, *, passed: bool
) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.WARN if name in _WARNINGS else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(
        passed=passed, check_name=name, description=text, severity=severity, metadata=metadata
    )


def _post_run_check(name: str, rows: Sequence[Mapping[str, Any]]) -> dg.AssetCheckResult:
    results = [
        CheckResult(name, row["place"], row["found"], row["sample"])
        for row in rows
        if row["check_name"] == name
    ]
    failures = [result for result in results if not result.passed]
    text = f"passed; places checked: {len(results)}" if results else "no result yet"
    text = "; ".join(map(str, failures)) or text
    return _result(name, text, {one.place: one.found for one in failures}, passed=not failures)


def _freshness(overview: Overview, now: datetime, max_age_hours: float) -> dg.AssetCheckResult:
    if overview.last_sync is None:
        return _result(FRESHNESS, "no sync has succeeded yet", passed=False)
    if overview.sync_unreadable:
        text = "the last sync could not read too many submissions"
        return _result(FRESHNESS, text, passed=False)
    hours = (now - overview.last_sync).total_seconds() / 3600
    text = (
        f"the last successful sync started {hours:.1f} h ago;"
        f" the limit is {max_age_hours:g} h (max_age_hours)"
    )
    return _result(FRESHNESS, text, {"hours": hours}, passed=hours <= max_age_hours)


def _staleness(max_age_days: float | None, limit: int | None) -> dg.AssetCheckResult:
    if max_age_days is None:
        return _result(STALENESS, "there are no submissions yet", passed=True)
    bound = f"the limit is {limit} days (sweep_days)" if limit else "there is no limit (sweep_days)"
    text = f"the oldest row was fetched {max_age_days:.1f} days ago; {bound}"
    passed = limit is None or max_age_days <= limit
    return _result(STALENESS, text, {"max_age_days": max_age_days}, passed=passed)
