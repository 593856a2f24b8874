"""Print the summary of a run."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from argos_sync.cli.common import Common

if TYPE_CHECKING:
    from argos_sync.run.summary import RunSummary


def show_run(
    common: Common, summary: "RunSummary", more: Mapping[str, Any] | None = None, before: str = ""
) -> None:
    """Print a run's summary: as JSON with `more` entries, or as a line after the text `before`.

    Raises:
        typer.Exit: The run has ended with another exit code than 0.
    """
    failed = [asdict(result) for result in summary.checks if not result.passed]
    note = f"\nnote: {summary.note}" if summary.note else ""
    common.show(
        {
            **summary.row(),
            "seconds": summary.seconds,
            "note": summary.note,
            "checks": {"made": len(summary.checks), "failed": failed},
            **(more or {}),
        },
        f"{before}{summary.command}: {summary.submissions_fetched:,} submissions"
        f" ({summary.submissions_new:,} new, {summary.submissions_changed:,} changed,"
        f" {summary.submissions_unchanged:,} unchanged, {summary.submissions_deleted:,} deleted),"
        f" {summary.windows} windows, {summary.pages} pages, {summary.requests} requests"
        f" ({summary.retries} retries), {summary.issues:,} issues, {summary.seconds:.1f} s{note}",
    )
    if summary.exit_status:
        raise typer.Exit(summary.exit_status)
