"""`argos-sync sync`."""

from argos_sync.cli.common import Common
from argos_sync.cli.run_output import show_run


def sync(common: Common) -> None:
    """Load new submissions, and re-read young and open ones and a share of all others."""
    with common.context() as context:
        from argos_sync.commands.sync import sync as run_sync

        summary = run_sync(context)
    show_run(common, summary)
