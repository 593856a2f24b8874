"""Print the summary of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from argos_sync.cli.common import Common

if TYPE_CHECKING:
    from argos_sync.run.summary import RunSummary


def show_run(
    common: Common,
    summary: RunSummary,
    more: Mapping[str, Any] | None = None,
    before: str = "",
) -> None:
    """Print a run's summary, as JSON or as one line.

    Args:
        common: Common options of the command.
        summary: The finished run.
        more: Further entries of the JSON object.
        before: Text to print before the line.
    """
    ended_at = summary.ended_at or summary.started_at
    seconds = (ended_at - summary.started_at).total_seconds()
    note = f"\nnote: {summary.note}" if summary.note else ""
    more = {"note": summary.note, "checks": _checks(summary)} | dict(more or {})
    common.show(
        summary.row() | {"seconds": round(seconds, 3)} | more,
        f"{before}{summary.command}: {summary.submissions_fetched:,} submissions"
        f" ({summary.submissions_new:,} new, {summary.submissions_changed:,} changed,"
        f" {summary.submissions_unchanged:,} unchanged, {summary.submissions_deleted:,} deleted),"
        f" {summary.windows} windows, {summary.pages} pages, {summary.requests} requests"
        f" ({summary.retries} retries), {summary.issues:,} issues, {seconds:.1f} s{note}",
    )


def _checks(summary: RunSummary) -> dict[str, Any]:
    """Return how many checks ran, and the results of those that failed."""
    failed = [asdict(result) for result in summary.checks if not result.passed]
    return {"made": len(summary.checks), "failed": failed}
