"""Write the status of a warehouse as text that takes five seconds to read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from textwrap import shorten
from typing import Any

from argos_sync.cli.wording import counted

_SAMPLE_LENGTH = 200
_MOST_ISSUES = 5


def status_text(
    status: Mapping[str, Any], now: datetime, *, tables: bool, runs: int, verbose: bool
) -> str:
    """Return the text of a status, whose keys are those of its JSON.

    The rows of tables, some last runs, and what hardly ever changes (`verbose`) are only shown when
    they are asked for.
    """
    lines = [_warehouse_line(status)]
    if not status["warehouse"]["has_tables"]:
        return "\n".join([*lines, "no tables yet: nothing was loaded; run argos-sync sync"])
    lines += [
        f"last sync: {_moment(status['last_sync'], now) or 'none has succeeded yet'}",
        *_last_run_lines(status["runs"], now),
        _next_sync_line(status["next_expected"], now),
        f"high-water mark: {_moment(status['high_water_mark'], now) or 'none yet'}",
        _freshness_line(status["staleness"]),
        *_check_lines(status["checks"]),
        *_issue_lines(status["issues"]),
        *_project_lines(status["project"], verbose=verbose),
    ]
    if verbose:
        days = counted(status["staleness"]["open_days"], "day")
        lines.append(f"open submissions: every night for {days} after their last change")
        lines.append(_completeness_line(status["completeness"]))
    if tables:
        lines += ["rows:", *(f"  {name:<28}{n:>12,}" for name, n in status["rows"].items())]
    if runs:
        lines += ["runs:", *map(_run_line, status["runs"][:runs])]
    return "\n".join(lines)


def _warehouse_line(status: Mapping[str, Any]) -> str:
    place = status["warehouse"]
    name = place["file"] or place["destination"]
    return f"warehouse: {name}, dataset {place['dataset']} (argos-sync {status['version']})"


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


def _moment(moment: datetime | None, now: datetime) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {_relative(moment, now)}" if moment else None


def _last_run_lines(runs: Sequence[Mapping[str, Any]], now: datetime) -> list[str]:
    """Return a line about the last run if it has not succeeded."""
    if not runs or runs[0]["exit_status"] == 0:
        return []
    when = _relative(runs[0]["started_at"], now)
    return [f"last run: {runs[0]['command']} {_outcome(runs[0])}, {when}"]


def _outcome(run: Mapping[str, Any]) -> str:
    if run["exit_status"] is None:
        return "unfinished"
    return f"exit {run['exit_status']}" + (f" {run['error']}" if run["error"] else "")


def _next_sync_line(expected: datetime | None, now: datetime) -> str:
    if expected is None:
        return "next sync: unknown, until there are three more than an hour apart"
    when = f"{_duration(expected, now)} late" if expected < now else _relative(expected, now)
    return f"next sync: expected {expected:%Y-%m-%d %H:%M:%S} UTC, {when}"


def _freshness_line(staleness: Mapping[str, Any]) -> str:
    if staleness["max_age_days"] is None:
        return "freshness: no submissions yet"
    # One decimal, to compare it with the bound.
    age = f"the oldest row was fetched {staleness['max_age_days']:.1f} days ago"
    if staleness["bound_days"] is None:
        return f"freshness: {age} (no bound: sweep_days is 0)"
    verdict = "kept" if staleness["kept"] else "NOT KEPT"
    return f"freshness: {verdict}, {age} (bound: {counted(staleness['bound_days'], 'day')})"


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


def _issue_lines(issues: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return how many issues there are, and the most frequent ones."""
    if not issues:
        return ["issues: none"]
    lines = [f"issues: {sum(issue['count'] for issue in issues):,}"]
    lines += [
        f"  {issue['count']:>8,} {issue['table_name']}: {issue['problem']}"
        for issue in issues[:_MOST_ISSUES]
    ]
    if (hidden := len(issues) - _MOST_ISSUES) > 0:
        lines.append(f"  and {counted(hidden, 'more kind')}; status --json shows all")
    return lines


def _project_lines(project: Mapping[str, Any], *, verbose: bool) -> list[str]:
    """Return a line about the API key if it is not the warehouse's, or with `verbose`."""
    matches = project["key_matches"]
    if matches is not False and not verbose:
        return []
    if project["key_fingerprint"] is None:
        return ["project: not known yet; the next run remembers its API key"]
    answer = {
        True: "the configured one matches",
        False: "the configured one is another; the next run compares submissions",
        None: "no API key is configured",
    }[matches]
    return [f"project: API key with fingerprint {project['key_fingerprint']}; {answer}"]


def _completeness_line(completeness: str | None) -> str:
    from argos_sync.fetch.completeness import DESCRIPTIONS

    answer = next((text for mode, text in DESCRIPTIONS.items() if mode == completeness), None)
    return f"whole submissions: {answer or 'not found out yet'}"


def _run_line(run: Mapping[str, Any]) -> str:
    return (
        f"  {run['started_at']:%Y-%m-%d %H:%M:%S} {run['command']:<10} {_outcome(run)},"
        f" {counted(run['submissions_fetched'], 'submission')}"
    )
