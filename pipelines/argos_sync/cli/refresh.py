"""`argos-sync refresh`."""

from typing import Annotated

import typer

from argos_sync.cli.common import Common
from argos_sync.cli.run_output import show_run


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
    show_run(common, summary)
