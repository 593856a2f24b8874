"""Find open submissions: those that may soon change.

A submission is open while its KYC result is not final, while it is approved and its AML status is
`Not Screened`, or while it has a red flag, which the source keeps monitoring. One that is marked as
deleted is not open.
"""

from collections.abc import Sequence
from datetime import date

from argos_sync.fetch.windows import DateRange
from argos_sync.load.sql import Client
from argos_sync.warehouse.submissions import (
    count_by_day,
    created_in,
    midnight,
    select_submissions,
)

_FINAL_RESULTS = ("approved", "rejected")

_CONDITIONS = {
    ("kyc",): f"k.result IS NULL OR LOWER(k.result) NOT IN {_FINAL_RESULTS}",
    ("aml",): "LOWER(a.current_status) = 'red flag'",
    ("kyc", "aml"): "LOWER(k.result) = 'approved' AND LOWER(a.current_status) = 'not screened'",
}
"""What makes a submission open, by the tables that the condition reads."""


def count_open_by_day(client: Client, before: date, sections: Sequence[str]) -> dict[date, int]:
    """Return how many submissions created before a UTC day are open, by day.

    A section that is never fetched keeps no submission open; no sections means that all are.
    """
    joins, condition = _open_condition(sections)
    if not condition:
        return {}
    where = f"WHERE _deleted_at IS NULL AND created_at < ? AND ({condition})"
    return count_by_day(client, where, midnight(before), joins=joins)


def open_submission_ids(
    client: Client, ranges: Sequence[DateRange], sections: Sequence[str]
) -> list[str]:
    """Return the ids of open submissions created in these ranges, in order."""
    joins, condition = _open_condition(sections)
    in_ranges, parameters = created_in(ranges)
    if not condition or not ranges:
        return []
    where = f"WHERE _deleted_at IS NULL AND ({condition}) AND ({in_ranges}) ORDER BY 1"
    rows = select_submissions(client, "s.submission_id", where, *parameters, joins=joins)
    return [row[0] for row in rows]


def _open_condition(sections: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Return the tables to join and the condition for open submissions."""
    conditions = [
        f"({condition})"
        for tables, condition in _CONDITIONS.items()
        if not sections or set(tables) <= set(sections)
    ]
    joins = tuple(name for name in ("kyc", "aml") if not sections or name in sections)
    return joins, " OR ".join(conditions)
