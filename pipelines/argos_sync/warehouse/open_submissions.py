"""Find open submissions: those that may soon change by themselves, so that `sync` fetches them.

A submission is open while its KYC result is not final, or while it has a red flag, and only for
`open_days` after it last changed: a case that nobody touches for so long is settled. `Not Screened`
keeps nothing open, because a screening without a match says it too. A submission that is marked as
deleted is not open.
"""

from collections.abc import Sequence
from datetime import date, datetime

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
    "kyc": f"k.result IS NULL OR LOWER(k.result) NOT IN {_FINAL_RESULTS}",
    "aml": "LOWER(a.current_status) = 'red flag'",
}
"""What makes a submission open, by the table that the condition reads."""


def count_open_by_day(
    client: Client, before: date, sections: Sequence[str], since: datetime
) -> dict[date, int]:
    """Return how many submissions created before a UTC day are open, by day.

    A section that is never fetched keeps no submission open; no sections means that all are. Those
    that neither changed nor were created since a time (UTC) are not open.
    """
    joins, condition = _open_condition(sections)
    if not condition:
        return {}
    where = f"WHERE {condition} AND created_at < ?"
    return count_by_day(client, where, since, since, midnight(before), joins=joins)


def open_submission_ids(
    client: Client, ranges: Sequence[DateRange], sections: Sequence[str], since: datetime
) -> list[str]:
    """Return the ids of open submissions created in these ranges, in order."""
    joins, condition = _open_condition(sections)
    in_ranges, bounds = created_in(ranges)
    if not condition or not ranges:
        return []
    where = f"WHERE {condition} AND ({in_ranges}) ORDER BY 1"
    rows = select_submissions(client, "s.submission_id", where, since, since, *bounds, joins=joins)
    return [row[0] for row in rows]


def _open_condition(sections: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Return the tables to join and the condition, whose two parameters are the earliest change."""
    joins = tuple(name for name in _CONDITIONS if not sections or name in sections)
    if not joins:
        return (), ""
    is_unsettled = " OR ".join(f"({_CONDITIONS[name]})" for name in joins)
    has_changed = "(_changed_at >= ? OR created_at >= ?)"
    return joins, f"_deleted_at IS NULL AND {has_changed} AND ({is_unsettled})"
