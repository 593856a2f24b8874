"""Print the summary of a run."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from argos_sync.cli.common import Common
from argos_sync.cli.failure import Failure
from argos_sync.cli.wording import counted, fitted
from argos_sync.process import seconds_since_start

if TYPE_CHECKING:
    from argos_sync.run.summary import RunSummary

_DIFFERENCE = 6


def show_run(
    common: Common, summary: "RunSummary", more: Mapping[str, Any] | None = None, before: str = ""
) -> None:
    """Print a run's summary: as JSON with `more` entries, or as a line after the text `before`.

    The seconds are those of the process, so that they are the ones that its user has waited.

    Raises:
        typer.Exit: The run has ended with another exit code than 0.
    """
    seconds = round(seconds_since_start(), 3)
    failed = [asdict(result) for result in summary.checks if not result.passed]
    note = f"note: {summary.note}" if summary.note else ""
    totals = (
        f"{summary.command}: {counted(summary.submissions_fetched, 'submission')}"
        f" ({summary.submissions_new:,} new, {summary.submissions_changed:,} changed,"
        f" {summary.submissions_unchanged:,} unchanged, {summary.submissions_deleted:,} deleted),"
        f" {counted(summary.windows, 'window')}, {counted(summary.pages, 'page')},"
        f" {counted(summary.requests, 'request')} ({counted(summary.retries, 'retry', 'retries')}),"
        f" {counted(summary.issues, 'issue')}, {seconds:.1f} s"
    )
    common.show(
        {
            **summary.as_json(),
            "seconds": seconds,
            "note": summary.note,
            "checks": {"made": len(summary.checks), "failed": failed},
            **(more or {}),
        },
        "\n".join(filter(None, [before + fitted(totals), fitted(note)])),
        _failure(summary),
    )


def _failure(summary: "RunSummary") -> Failure | None:
    """Return why a run that has read everything nevertheless fails."""
    if not summary.exit_status:
        return None
    if summary.exit_status == _DIFFERENCE:
        message = "the warehouse differs from the source"
        return Failure(_DIFFERENCE, "Difference", message, "run reconcile without --dry-run")
    # The note says how many, and what to do if the loss is true.
    message = summary.note or "the run has failed"
    remedy = "ask ARGOS; if the loss is true, run sync with --accept-emptied"
    return Failure(summary.exit_status, "LostSections", message, remedy)
