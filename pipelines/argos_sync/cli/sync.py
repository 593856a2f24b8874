"""`argos-sync sync`."""

from typing import Annotated

import typer

from argos_sync.cli.common import Common
from argos_sync.cli.run_output import show_run


def sync(
    common: Common,
    accept_emptied: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SECTION",
            help="Replace submissions that have lost this section, however many there are: kyc,"
            " aml, data, others, attempts or matches; repeat it for several.",
        ),
    ] = None,
    new_key: Annotated[
        bool,
        typer.Option(
            "--new-key",
            help="Accept an API key although the API returns none of the warehouse's submissions.",
        ),
    ] = False,
) -> None:
    """Load new submissions, and re-read young and open ones and a share of all others."""
    with common.context() as context:
        from argos_sync.commands.sync import sync as run_sync

        summary = run_sync(context, accept_emptied or (), new_key=new_key)
    show_run(common, summary)
