"""`argos-sync sync`, `backfill`, `refresh` and `reconcile`: load, and print the run's summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argos_sync.cli.common import Common, parse_day

if TYPE_CHECKING:
    from argos_sync.run.summary import RunSummary

First = Annotated[str, typer.Option("--from", metavar="DATE", help="First day, UTC.")]
Last = Annotated[str, typer.Option("--to", metavar="DATE", help="Last day, UTC, included.")]


def sync(common: Common) -> None:
    """Load new submissions, and re-read young and open ones and a share of all others."""
    with common.context() as context:
        from argos_sync.commands.sync import sync as run_sync

        summary = run_sync(context)
    _show_run(common, summary)


def backfill(
    common: Common,
    first: First,
    last: Last,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Windows read at once; default: max_concurrency.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Read again what a finished backfill has read.")
    ] = False,
) -> None:
    """Load exactly the submissions created between two days; resume an interrupted backfill."""
    first_day, last_day = parse_day("--from", first), parse_day("--to", last)
    with common.context() as context:
        from argos_sync.commands.backfill import backfill as run_backfill

        summary = run_backfill(context, first_day, last_day, workers, force=force)
    _show_run(common, summary)


def refresh(
    common: Common,
    submission_id: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Repeat it for several submissions.")
    ] = None,
    userid: Annotated[
        str | None, typer.Option(metavar="ID", help="All submissions of this user.")
    ] = None,
    email: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="All submissions with this address.")
    ] = None,
) -> None:
    """Fetch these submissions again, now."""
    with common.context() as context:
        from argos_sync.commands.refresh import refresh as run_refresh

        summary = run_refresh(
            context, submission_ids=submission_id or (), userid=userid, email=email
        )
    _show_run(common, summary)


def reconcile(
    common: Common,
    *,
    first: First,
    last: Last,
    deep: Annotated[
        bool, typer.Option("--deep", help="Compare contents too, and repair differences.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report; exit 6 if anything differs.")
    ] = False,
    max_deleted: Annotated[
        str, typer.Option(metavar="SHARE", help="Mark at most this share as deleted.")
    ] = "5%",
) -> None:
    """Compare with the source day by day, fetch missing submissions, mark deleted ones."""
    first_day, last_day = parse_day("--from", first), parse_day("--to", last)
    share = _parse_share(max_deleted)
    with common.context() as context:
        from argos_sync.commands.reconcile import reconcile as run_reconcile

        result = run_reconcile(
            context, first_day, last_day, deep=deep, dry_run=dry_run, max_deleted=share
        )
    days = [
        {
            "day": day.day,
            "source": day.source,
            "warehouse": day.warehouse,
            "missing": len(day.missing),
            "gone": len(day.deleted),
            "changed": len(day.changed),
        }
        for day in result.days
    ]
    lines: list[Iterable[object]] = [list(days[0])] if days else []
    lines += [day.values() for day in days]
    text = "".join(" ".join(f"{value!s:>10}" for value in line) + "\n" for line in lines)
    _show_run(common, result.summary, {"days": days}, text)
    if result.summary.exit_status:
        raise typer.Exit(result.summary.exit_status)


def _parse_share(text: str) -> float:
    number, percent, rest = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if rest or not 0 <= share <= 1:
        raise typer.BadParameter("--max-deleted takes a share such as 5% or 0.05")
    return share


def _show_run(
    common: Common, summary: RunSummary, more: Mapping[str, Any] | None = None, before: str = ""
) -> None:
    """Print a run's summary: as JSON with `more` entries, or as a line after the text `before`."""
    seconds = ((summary.ended_at or summary.started_at) - summary.started_at).total_seconds()
    failed = [asdict(result) for result in summary.checks if not result.passed]
    note = f"\nnote: {summary.note}" if summary.note else ""
    common.show(
        {
            **summary.row(),
            "seconds": round(seconds, 3),
            "note": summary.note,
            "checks": {"made": len(summary.checks), "failed": failed},
            **(more or {}),
        },
        f"{before}{summary.command}: {summary.submissions_fetched:,} submissions"
        f" ({summary.submissions_new:,} new, {summary.submissions_changed:,} changed,"
        f" {summary.submissions_unchanged:,} unchanged, {summary.submissions_deleted:,} deleted),"
        f" {summary.windows} windows, {summary.pages} pages, {summary.requests} requests"
        f" ({summary.retries} retries), {summary.issues:,} issues, {seconds:.1f} s{note}",
    )
