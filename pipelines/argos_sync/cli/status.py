"""The commands that look: status and doctor."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argos_sync.cli.common import Common

if TYPE_CHECKING:
    from argos_sync.warehouse.overview import Overview

_STALE = 7
_SAMPLE = 200
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def status(
    common: Common,
    max_age: Annotated[
        str | None,
        typer.Option(
            metavar="AGE",
            help="Exit 7 when the last good sync or backfill is older, such as 26h.",
        ),
    ] = None,
) -> None:
    """Tell last and next run, high-water mark, how old rows are, checks, row counts and issues."""
    limit = _age(max_age) if max_age is not None else None
    from argos_sync.config import sweep_days
    from argos_sync.fetch.checkpoint import high_water_mark
    from argos_sync.load.read_only import open_read_only
    from argos_sync.warehouse.overview import read_overview

    # 0 turns the sweep off: rows may grow as old as they like.
    bound = sweep_days(common.project) or None
    with open_read_only(common.target) as warehouse:
        seen = read_overview(warehouse.client)
        mark = high_water_mark(warehouse.state)
    age = datetime.now(UTC) - seen.last_success if seen.last_success else None
    stale = limit is not None and (age is None or age > limit)
    staleness = {
        "max_age_days": seen.max_age_days,
        "bound_days": bound,
        "kept": (seen.max_age_days or 0) <= bound if bound else None,
    }
    summary = {
        "last_success": seen.last_success,
        "next_expected": seen.next_expected,
        "age_seconds": round(age.total_seconds()) if age else None,
        "stale": stale,
        "high_water_mark": mark,
        "staleness": staleness,
        "rows": seen.rows,
        "runs": seen.runs,
        "issues": seen.issues,
        "checks": seen.checks,
    }
    common.show(summary, _text(seen, mark, age, bound))
    if stale:
        since = f"{_short(age)} ago" if age else "never"
        said = (
            f"argos-sync: stale: the last good sync or backfill was {since}, --max-age is {max_age}"
        )
        typer.echo(said, err=True)
        raise typer.Exit(_STALE)


def _age(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)([mhd])", text)
    if match is None:
        raise typer.BadParameter("--max-age takes a number with m, h or d, such as 26h")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def _short(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.1f} h"


def _staleness(max_age_days: float | None, bound: int | None) -> str:
    if max_age_days is None:
        return "oldest row fetched: none yet"
    if bound is None:
        promise = "no bound: sweep_days is 0"
    else:
        promise = f"bound: {bound} days, {'kept' if max_age_days <= bound else 'not kept'}"
    return f"oldest row fetched {max_age_days:.1f} days ago ({promise})"


def _next(expected: datetime | None) -> str:
    if expected is None:
        return "next sync expected: none yet"
    late = datetime.now(UTC) - expected
    how = f"{_short(late)} late" if late > timedelta() else f"in {_short(-late)}"
    return f"next sync expected: {expected:%Y-%m-%d %H:%M:%S} UTC, {how}"


def _checks(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return how many checks passed, and a line for each that does not, or once did not."""
    passed = sum(one["passed"] for one in checks)
    lines = [f"checks: {passed} of {len(checks)} passed" if checks else "checks: none yet"]
    for one in checks:
        if one["last_failed_at"] is None:
            continue
        where = f"{one['check_name']} {one['place']}"
        if one["passed"]:
            lines.append(f"  ok   {where}, since it failed {one['last_failed_at']:%Y-%m-%d %H:%M}")
        else:
            sample = f": {one['sample']}" if one["sample"] else ""
            sample = shorten(sample, _SAMPLE, placeholder=" ...")
            said = f"{one['found']:,} found {one['checked_at']:%Y-%m-%d %H:%M}"
            lines.append(f"  FAIL {where}, {said}{sample}")
    return lines


def _text(seen: Overview, mark: datetime | None, age: timedelta | None, bound: int | None) -> str:
    lines = [
        f"last good sync or backfill: {seen.last_success:%Y-%m-%d %H:%M:%S} UTC, {_short(age)} ago"
        if seen.last_success and age
        else "last good sync or backfill: never",
        f"high-water mark: {mark or 'none yet'}",
        _staleness(seen.max_age_days, bound),
        _next(seen.next_expected),
        "runs:",
    ]
    for run in seen.runs:
        outcome = "unfinished" if run["exit_status"] is None else f"exit {run['exit_status']}"
        outcome += f" {run['error']}" if run["error"] else ""
        lines.append(
            f"  {run['started_at']:%Y-%m-%d %H:%M:%S} {run['command']:<10} {outcome},"
            f" {run['submissions_fetched']:,} submissions"
        )
    lines += ["rows:", *(f"  {name:<28}{count:>12,}" for name, count in seen.rows.items())]
    lines += _checks(seen.checks)
    lines += ["issues:" if seen.issues else "issues: none"]
    lines += [f"  {i['count']:>8,} {i['table_name']}: {i['problem']}" for i in seen.issues]
    return "\n".join(lines)
