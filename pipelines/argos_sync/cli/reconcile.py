"""`argos-sync reconcile`."""

from collections.abc import Iterable
from typing import Annotated

import typer

from argos_sync.cli.common import Common, FirstDay, LastDay
from argos_sync.cli.days import day_range
from argos_sync.cli.run_output import show_run


def reconcile(
    common: Common,
    *,
    first: FirstDay,
    last: LastDay,
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
    from argos_sync.shape.values import parse_share

    first_day, last_day = day_range(first, last)
    try:
        share = parse_share(max_deleted)
    except ValueError:
        raise typer.BadParameter("--max-deleted takes a share such as 5% or 0.05") from None
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
    show_run(common, result.summary, {"days": days}, text)
