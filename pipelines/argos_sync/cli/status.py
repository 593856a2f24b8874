"""`argos-sync status`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argos_sync.cli.common import Common, parse_age

if TYPE_CHECKING:
    from argos_sync.config import Freshness
    from argos_sync.fetch.completeness import ReadMode
    from argos_sync.warehouse.overview import Overview

_STALE = 7
_SAMPLE_LENGTH = 200


def status(
    common: Common,
    max_age: Annotated[
        str | None,
        typer.Option(
            metavar="AGE",
            help="Exit 7 if the last successful sync or backfill is older, such as 26h, or if the"
            " last one could not read too many submissions.",
        ),
    ] = None,
) -> None:
    """Show last and next run, high-water mark, freshness, checks, row counts and issues."""
    limit = parse_age("--max-age", max_age) if max_age is not None else None
    from argos_sync.config import configured_api_key, freshness_settings
    from argos_sync.fetch.checkpoint import high_water_mark
    from argos_sync.fetch.project import project_changes, project_fingerprint
    from argos_sync.load.read_only import open_read_only
    from argos_sync.warehouse.overview import read_overview

    # 0 turns the sweep off: then rows may be of any age.
    freshness = freshness_settings(common.project)
    bound = freshness.sweep_days or None
    now = datetime.now(UTC)
    with open_read_only(common.target) as warehouse:
        overview = read_overview(warehouse.client, now)
        mark = high_water_mark(warehouse.state)
        fingerprint = project_fingerprint(warehouse.state)
        api_key = configured_api_key(common.project)
        matches = not project_changes(warehouse.state, api_key) if api_key and fingerprint else None
    age = now - overview.last_success if overview.last_success else None
    is_old = limit is not None and (age is None or age > limit)
    stale = is_old or (limit is not None and overview.unreadable)
    summary = {
        "last_success": overview.last_success,
        "next_expected": overview.next_expected,
        "age_seconds": None if age is None else round(age.total_seconds()),
        "stale": stale,
        "unreadable": overview.unreadable,
        "high_water_mark": mark,
        "project": {"key_fingerprint": fingerprint, "key_matches": matches},
        "staleness": {
            "max_age_days": overview.max_age_days,
            "bound_days": bound,
            "kept": (overview.max_age_days or 0) <= bound if bound else None,
            "open_days": freshness.open_days,
        },
        "completeness": overview.completeness,
        "rows": overview.rows,
        "runs": overview.runs,
        "issues": overview.issues,
        "checks": overview.checks,
    }
    project = _project_line(fingerprint, matches)
    common.show(summary, f"{project}\n{_text(overview, mark, freshness, now)}")
    if stale and not is_old:
        typer.echo(
            "argos-sync: stale: the last sync or backfill could not read too many submissions;"
            " they are in quarantine",
            err=True,
        )
        raise typer.Exit(_STALE)
    if stale:
        when = _relative(overview.last_success, now) if overview.last_success else "never"
        typer.echo(
            f"argos-sync: stale: last successful sync or backfill: {when}; --max-age is {max_age}",
            err=True,
        )
        raise typer.Exit(_STALE)


def _duration(start: datetime, end: datetime) -> str:
    """Return the time between two moments in words, such as `2 minutes`."""
    import pendulum

    return pendulum.instance(start).diff_for_humans(
        pendulum.instance(end), absolute=True, locale="en"
    )


def _relative(moment: datetime, now: datetime) -> str:
    """Return a moment in words, such as `2 minutes ago` or `in 5 hours`."""
    duration = _duration(moment, now)
    return f"in {duration}" if moment > now else f"{duration} ago"


def _project_line(fingerprint: str | None, matches: bool | None) -> str:
    if fingerprint is None:
        return "project: not known yet; the next run remembers its API key"
    answer = {
        True: "the configured one matches",
        False: "the configured one is another; the next run compares submissions",
        None: "no API key is configured",
    }[matches]
    return f"project: API key with fingerprint {fingerprint}; {answer}"


def _freshness_line(max_age_days: float | None, freshness: "Freshness") -> str:
    if max_age_days is None:
        return "oldest row fetched: none yet"
    promise = "no bound: sweep_days is 0"
    if bound := freshness.sweep_days:
        promise = f"bound: {bound} days, {'kept' if max_age_days <= bound else 'not kept'}"
    # One decimal, to compare it with the bound.
    return f"oldest row fetched {max_age_days:.1f} days ago ({promise})"


def _completeness_line(completeness: "ReadMode | None") -> str:
    from argos_sync.fetch.completeness import DESCRIPTIONS

    answer = DESCRIPTIONS[completeness] if completeness else "not found out yet"
    return f"whole submissions: {answer}"


def _next_sync_line(expected: datetime | None, now: datetime) -> str:
    if expected is None:
        return "next sync expected: none yet"
    when = f"{_duration(expected, now)} late" if expected < now else _relative(expected, now)
    return f"next sync expected: {expected:%Y-%m-%d %H:%M:%S} UTC, {when}"


def _check_lines(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the number of passed checks, and a line for each check that ever failed."""
    passed = sum(check["passed"] for check in checks)
    lines = [f"checks: {passed} of {len(checks)} passed" if checks else "checks: none yet"]
    for check in checks:
        if check["last_failed_at"] is None:
            continue
        name = f"{check['check_name']} {check['place']}"
        if check["passed"]:
            lines.append(f"  ok   {name}, last failed {check['last_failed_at']:%Y-%m-%d %H:%M}")
        else:
            sample = f": {check['sample']}" if check["sample"] else ""
            sample = shorten(sample, _SAMPLE_LENGTH, placeholder=" ...")
            finding = f"{check['found']:,} found {check['checked_at']:%Y-%m-%d %H:%M}"
            lines.append(f"  FAIL {name}, {finding}{sample}")
    return lines


def _text(
    overview: "Overview", mark: datetime | None, freshness: "Freshness", now: datetime
) -> str:
    success = overview.last_success
    when = f"{success:%Y-%m-%d %H:%M:%S} UTC, {_relative(success, now)}" if success else "never"
    lines = [
        f"last successful sync or backfill: {when}",
        f"high-water mark: {mark or 'none yet'}",
        _freshness_line(overview.max_age_days, freshness),
        f"open submissions: every night for {freshness.open_days} days after their last change",
        _completeness_line(overview.completeness),
        _next_sync_line(overview.next_expected, now),
        "runs:",
    ]
    for run in overview.runs:
        outcome = "unfinished" if run["exit_status"] is None else f"exit {run['exit_status']}"
        outcome += f" {run['error']}" if run["error"] else ""
        lines.append(
            f"  {run['started_at']:%Y-%m-%d %H:%M:%S} {run['command']:<10} {outcome},"
            f" {run['submissions_fetched']:,} submissions"
        )
    lines += ["rows:", *(f"  {name:<28}{count:>12,}" for name, count in overview.rows.items())]
    lines += _check_lines(overview.checks)
    lines += ["issues:" if overview.issues else "issues: none"]
    lines += [
        f"  {issue['count']:>8,} {issue['table_name']}: {issue['problem']}"
        for issue in overview.issues
    ]
    return "\n".join(lines)
