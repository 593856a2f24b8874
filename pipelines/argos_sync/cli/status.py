"""`argos-sync status`."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argos_sync import __version__
from argos_sync.cli.common import UNITS, Common, parse_age
from argos_sync.cli.exit_codes import print_failure
from argos_sync.cli.failure import Failure
from argos_sync.cli.wording import counted

if TYPE_CHECKING:
    from argos_sync.load.read_only import ReadOnlyWarehouse
    from argos_sync.warehouse.overview import Overview

_STALE = 7


def status(
    common: Common,
    *,
    max_age: Annotated[
        str | None,
        typer.Option(
            metavar="AGE",
            help="Exit 7 if the last successful sync is older, such as 26h, or if the last sync"
            " could not read too many submissions.",
        ),
    ] = None,
    tables: Annotated[bool, typer.Option("--tables", help="Show the rows of each table.")] = False,
    runs: Annotated[
        int,
        typer.Option("--runs", metavar="N", min=0, max=1_000_000, help="Show the last N runs."),
    ] = 0,
) -> None:
    """Show the last and next sync, high-water mark, freshness, checks and issues."""
    limit = parse_age("--max-age", max_age) if max_age is not None else None
    from argos_sync.cli.status_text import status_text
    from argos_sync.config import configured_api_key, freshness_settings
    from argos_sync.fetch.checkpoint import high_water_mark
    from argos_sync.fetch.project import project_changes, project_fingerprint
    from argos_sync.load.read_only import open_read_only
    from argos_sync.warehouse.overview import LAST_RUNS, read_overview

    freshness = freshness_settings(common.project)
    now = datetime.now(UTC)
    with _stale_without_file(common, limit), open_read_only(common.target) as warehouse:
        overview = read_overview(warehouse.client, now, runs=max(runs, LAST_RUNS))
        mark = high_water_mark(warehouse.state)
        fingerprint = project_fingerprint(warehouse.state)
        api_key = configured_api_key(common.project)
        matches = not project_changes(warehouse.state, api_key) if api_key and fingerprint else None
        place = _place(common, warehouse)
    # 0 turns the sweep off: then rows may be of any age.
    bound = freshness.sweep_days or None
    failure = None
    if limit is not None and max_age is not None:
        failure = _staleness(overview, now, limit, max_age[-1], has_tables=place["has_tables"])
    summary = {
        "version": __version__,
        "warehouse": place,
        "last_sync": overview.last_sync,
        "last_sync_age_seconds": _age_seconds(overview.last_sync, now),
        "last_success": overview.last_success,
        "next_expected": overview.next_expected,
        "age_seconds": _age_seconds(overview.last_success, now),
        "stale": failure is not None,
        "exit_status": 0,
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
    if failure:
        print_failure(failure, common.log_format)
    text = status_text(summary, now, tables=tables, runs=runs, verbose=common.verbose)
    common.show(summary, text, failure)


@contextmanager
def _stale_without_file(common: Common, limit: timedelta | None) -> Iterator[None]:
    """Let `--max-age` fail as it does for a warehouse without tables, if there is no file."""
    from argos_sync.load.errors import MissingFileError

    try:
        yield
    except MissingFileError as error:
        if limit is None:
            raise
        failure = Failure(_STALE, "Stale", f"stale: {error.message}", "run argos-sync sync")
        print_failure(failure, common.log_format)
        common.show({"stale": True}, "nothing was loaded yet", failure)


def _place(common: Common, warehouse: "ReadOnlyWarehouse") -> dict[str, Any]:
    """Return which warehouse it is, and whether a run has created its tables."""
    from argos_sync.load.destinations.duckdb import duckdb_file
    from argos_sync.shape.contract import RUNS

    file = duckdb_file(warehouse.client)
    return {
        "destination": common.destination,
        "dataset": common.target.dataset,
        "file": str(file) if file else None,
        "has_tables": bool(warehouse.columns([RUNS])[RUNS]),
    }


def _age_seconds(moment: datetime | None, now: datetime) -> int | None:
    return None if moment is None else round((now - moment).total_seconds())


def _staleness(
    overview: "Overview", now: datetime, limit: timedelta, unit: str, *, has_tables: bool
) -> Failure | None:
    """Return why the warehouse is stale; ages are in the unit that `--max-age` has."""

    def failure(message: str, remedy: str) -> Failure:
        return Failure(_STALE, "Stale", f"stale: {message}", remedy)

    if not has_tables:
        return failure("the warehouse has no tables yet", "run argos-sync sync")
    remedy = "look at argos-sync status --runs 5, and whether the scheduler starts it"
    if overview.last_sync is None:
        maximum = _in_unit(limit, unit)
        return failure(f"no sync has succeeded yet; --max-age is {maximum}", remedy)
    if (age := now - overview.last_sync) > limit:
        message = f"the last successful sync began {_in_unit(age, unit)} ago"
        return failure(f"{message}; --max-age is {_in_unit(limit, unit)}", remedy)
    if overview.sync_unreadable:
        message = "the last sync could not read too many submissions; they are in quarantine"
        return failure(message, "the column reason of the table quarantine says why")
    return None


def _in_unit(age: timedelta, unit: str) -> str:
    """Return an age with at most one decimal, rounded up so that it shows what exceeds a limit."""
    number = math.ceil(age / timedelta(**{f"{UNITS[unit]}s": 1}) * 10) / 10
    return counted(int(number) if number.is_integer() else number, UNITS[unit])
