"""The commands that load: sync, backfill, refresh, reconcile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argos_sync.cli.common import Common

if TYPE_CHECKING:
    from argos_sync.run.summary import RunSummary


def sync(common: Common) -> None:
    """Load what is new, and again what may have changed: young, open, and a share of all others."""
    with common.context() as context:
        from argos_sync.commands import sync as commands

        report = commands.sync(context)
    _show(common, report)


def backfill(
    common: Common,
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First day, UTC.")],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last day, UTC, included.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Windows read at once; max_concurrency if left out.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Read again what was read to its end before.")
    ] = False,
) -> None:
    """Load exactly the submissions created between two days; goes on where it was interrupted."""
    first_day, last_day = _day("--from", first), _day("--to", last)
    with common.context() as context:
        from argos_sync.commands import sync as commands

        report = commands.backfill(context, first_day, last_day, workers, force=force)
    _show(common, report)


def refresh(
    common: Common,
    submission_id: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="May be given several times.")
    ] = None,
    userid: Annotated[str | None, typer.Option(metavar="ID")] = None,
    email: Annotated[str | None, typer.Option(metavar="ADDRESS")] = None,
) -> None:
    """Fetch these submissions again, now."""
    with common.context() as context:
        from argos_sync.commands import sync as commands

        report = commands.refresh(
            context, submission_ids=submission_id or (), userid=userid, email=email
        )
    _show(common, report)


def reconcile(
    common: Common,
    *,
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First day, UTC.")],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last day, UTC, included.")],
    deep: Annotated[
        bool, typer.Option("--deep", help="Compare contents too, and repair them.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell; exit 6 when something differs.")
    ] = False,
    max_deleted: Annotated[
        str, typer.Option(metavar="SHARE", help="Mark no more than this share as deleted.")
    ] = "5%",
) -> None:
    """Compare with the source day by day, fetch what is missing, mark what is gone."""
    first_day, last_day, share = _day("--from", first), _day("--to", last), _share(max_deleted)
    with common.context() as context:
        from argos_sync.commands.reconcile import reconcile as compare

        result = compare(
            context, first_day, last_day, deep=deep, dry_run=dry_run, max_deleted=share
        )
    days = [
        {
            "day": day.day,
            "source": day.source,
            "warehouse": day.warehouse,
            "missing": len(day.missing),
            "gone": len(day.gone),
            "changed": len(day.changed),
        }
        for day in result.days
    ]
    _show(common, result.report, {"days": days}, _table(days))
    if result.report.exit_status:
        raise typer.Exit(result.report.exit_status)


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{option} takes a day as YYYY-MM-DD") from None


def _share(text: str) -> float:
    number, percent, rest = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if rest or not 0 <= share <= 1:
        raise typer.BadParameter("--max-deleted takes a share such as 5% or 0.05")
    return share


def _table(rows: list[dict[str, Any]]) -> str:
    """Return rows as lines under their column names; nothing for no rows."""
    lines = (
        [list(rows[0]), *([str(value) for value in row.values()] for row in rows)] if rows else []
    )
    return "".join(" ".join(f"{value:>10}" for value in line) + "\n" for line in lines)


def _show(
    common: Common, report: RunSummary, more: Mapping[str, Any] | None = None, before: str = ""
) -> None:
    seconds = (report.ended_at - report.started_at).total_seconds() if report.ended_at else 0.0
    note = f"\nnote: {report.note}" if report.note else ""
    more = {"note": report.note, "checks": _checks(report)} | dict(more or {})
    common.show(
        report.row() | {"seconds": round(seconds, 3)} | more,
        f"{before}{report.command}: {report.submissions_fetched:,} submissions"
        f" ({report.submissions_new:,} new, {report.submissions_changed:,} changed,"
        f" {report.submissions_unchanged:,} unchanged, {report.submissions_deleted:,} deleted),"
        f" {report.windows} windows, {report.pages} pages, {report.requests} requests"
        f" ({report.retries} retries), {report.issues:,} issues, {seconds:.1f} s{note}",
    )


def _checks(report: RunSummary) -> dict[str, Any]:
    """Return how many checks were made, and what those found that failed."""
    failed = [asdict(one) for one in report.checks if not one.passed]
    return {"made": len(report.checks), "failed": failed}
