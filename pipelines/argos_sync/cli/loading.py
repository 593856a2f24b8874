"""The commands that load: sync, backfill, refresh."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from argos_sync.cli.common import Common

if TYPE_CHECKING:
    from argos_sync.load.report import RunReport


def sync(common: Common) -> None:
    """Load what is new since the last sync, and the look-back window again."""
    from argos_sync.load import commands

    with common.context() as context:
        report = commands.sync(context)
    _show(common, report)


def backfill(
    common: Common,
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First day, UTC.")],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last day, UTC, included.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Windows read at once; max_concurrency if left out.")
    ] = None,
) -> None:
    """Load exactly the submissions created between two days; goes on where it was interrupted."""
    first_day, last_day = _day("--from", first), _day("--to", last)
    from argos_sync.load import commands

    with common.context() as context:
        report = commands.backfill(context, first_day, last_day, workers)
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
    from argos_sync.load import commands

    with common.context() as context:
        report = commands.refresh(
            context, submission_ids=submission_id or (), userid=userid, email=email
        )
    _show(common, report)


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{option} takes a day as YYYY-MM-DD") from None


def _show(common: Common, report: RunReport) -> None:
    seconds = (report.ended_at - report.started_at).total_seconds() if report.ended_at else 0.0
    common.show(
        report.row() | {"seconds": round(seconds, 3)},
        f"{report.command}: {report.submissions_fetched:,} submissions"
        f" ({report.submissions_new:,} new, {report.submissions_changed:,} changed,"
        f" {report.submissions_unchanged:,} unchanged), {report.windows} windows,"
        f" {report.pages} pages, {report.requests} requests ({report.retries} retries),"
        f" {report.issues:,} issues, {seconds:.1f} s",
    )
