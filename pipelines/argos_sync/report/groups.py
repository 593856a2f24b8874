"""Describe how many submissions pass, by country and ID type, with confidence intervals."""

from math import sqrt

from argos_sync.load.sql import ResultRows
from argos_sync.report.charts import Interval, interval_chart
from argos_sync.report.formatting import (
    NO_BREAK_SPACE,
    format_code,
    format_count,
    format_share,
    pluralize,
    sum_counts,
)
from argos_sync.report.scope import Scope
from argos_sync.report.section import Content, DataTable
from argos_sync.shape.column_cipher import extract_key_id

_MIN_GROUP = 5
"""Groups with fewer decisions are combined, so that no single person stands out."""
_MAX_ROWS = 8
_Z = 1.959964
"""Standard deviations on both sides of the mean that have 95 % of a normal distribution."""


def describe_countries(rows: ResultRows, _scope: Scope) -> Content:
    """Describe approval rates by nationality; rows are as in `_describe_groups`."""
    return _describe_groups(rows, "Nationality", "nationalities")


def describe_id_types(rows: ResultRows, _scope: Scope) -> Content:
    """Describe approval rates by ID type; rows are as in `_describe_groups`."""
    return _describe_groups(rows, "ID type", "ID types")


def wilson_interval(part: int, whole: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share, from 0 to 1, by Wilson's score.

    Unlike the usual formula it holds for few observations and for shares near 0 or 1.
    """
    share, spread = part / whole, _Z * _Z / whole
    centre = share + spread / 2
    half = _Z * sqrt(share * (1 - share) / whole + spread / (4 * whole))
    # Rounding must not put a share of 0 or 1 outside of its interval.
    low, high = (centre - half) / (1 + spread), (centre + half) / (1 + spread)
    return max(min(low, share), 0.0), min(max(high, share), 1.0)


def _describe_groups(rows: ResultRows, heading: str, noun: str) -> Content:
    """Describe the approval rates of groups.

    A row has a group, its decisions and its approvals; the largest comes first.
    """
    with_group = [row for row in rows if row[0] is not None]
    if not with_group or any(extract_key_id(str(row[0])) for row in with_group):
        return Content(
            f"{noun[0].upper()}{noun[1:]} are not available in this warehouse: they are dropped,"
            " hashed or encrypted, or the source does not send them.",
            is_missing=True,
        )
    sums = sum_counts(rows, lambda group: format_code(group, "unknown").replace("_", " "))
    groups = {group: counts for group, counts in sums.items() if counts[0] >= _MIN_GROUP}
    small = [counts for group, counts in sums.items() if group not in groups]
    if small:
        combined = [sum(column) for column in zip(*small, strict=True)]
        groups[f"fewer than {_MIN_GROUP} each"] = combined
    decided, approved = (sum(column) for column in zip(*sums.values(), strict=True))
    intervals = {group: wilson_interval(part, whole) for group, (whole, part) in groups.items()}
    average = approved / decided
    differing = {group for group, (low, high) in intervals.items() if not low <= average <= high}
    # Groups that differ come before larger ones that do not; the chart keeps the order of size.
    chosen = sorted(groups, key=lambda group: group not in differing)[:_MAX_ROWS]
    drawn = [group for group in groups if group in chosen]
    shares = {group: format_share(part, whole) for group, (whole, part) in groups.items()}
    verdict = (
        f"{pluralize(len(differing), 'interval does', 'intervals do')} not include it."
        if differing
        else "All intervals include it."
    )
    rest = _describe_choice(drawn, len(groups), differing) if len(drawn) < len(groups) else ""
    return Content(
        f"{format_share(approved, decided)} of all decisions were approvals (dashed line). A dot"
        f" is the rate of a group, the bar its 95{NO_BREAK_SPACE}% confidence interval."
        f" {verdict}{rest}",
        interval_chart(
            [
                Interval(
                    *(group, groups[group][1] / groups[group][0], *intervals[group]),
                    f"{shares[group]} of {format_count(groups[group][0])}",
                )
                for group in drawn
            ],
            average,
        ),
        DataTable(
            (heading, "Decisions", "Approved", "Approval rate", "At least", "At most"),
            [
                (
                    *(group, format_count(whole), format_count(part), shares[group]),
                    *(format_share(bound, 1) for bound in intervals[group]),
                )
                for group, (whole, part) in groups.items()
            ],
        ),
    )


def _describe_choice(drawn: list[str], total: int, differing: set[str]) -> str:
    """Return a sentence about the groups that are drawn when there are too many."""
    if not differing:
        return f" The {len(drawn)} largest of {total} groups are drawn."
    if len(differing) >= len(drawn):
        return f" The {len(drawn)} largest of those are drawn."
    others = pluralize(len(drawn) - len(differing), "other")
    return f" Drawn are those and the largest {others} of {total} groups."
