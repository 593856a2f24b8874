"""`argos-sync backfill`."""

from typing import Annotated

import typer

from argos_sync.cli.common import Common, FirstDay, LastDay
from argos_sync.cli.days import day_range
from argos_sync.cli.run_output import show_run


def backfill(
    common: Common,
    first: FirstDay,
    last: LastDay,
    workers: Annotated[
        int | None,  # in the range of max_concurrency
        typer.Option(min=1, max=1_000, help="Windows read at once; default: max_concurrency."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Read again what a finished backfill has read.")
    ] = False,
) -> None:
    """Load exactly the submissions created between two days; resume an interrupted backfill."""
    first_day, last_day = day_range(first, last)
    with common.context() as context:
        from argos_sync.commands.backfill import backfill as run_backfill

        summary = run_backfill(context, first_day, last_day, workers, force=force)
    show_run(common, summary)
