"""`argos-sync reconcile`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from argos_sync.cli.common import Common, parse_day
from argos_sync.cli.run_output import show_run


def reconcile(
    common: Common,
    *,
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First day, UTC.")],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last day, UTC, included.")],
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
    show_run(common, result.summary, {"days": days}, _columns(days))
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


def _columns(rows: list[dict[str, Any]]) -> str:
    """Return rows as lines under their column names; empty for no rows."""
    lines = (
        [list(rows[0]), *([str(value) for value in row.values()] for row in rows)] if rows else []
    )
    return "".join(" ".join(f"{value:>10}" for value in line) + "\n" for line in lines)
