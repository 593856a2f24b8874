"""Check a finished run, and notify the configured webhook of failures and failed checks."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from argos_sync.api.errors import ArgosError
from argos_sync.api.webhook import post_text, validate_webhook_url
from argos_sync.config import webhook_url
from argos_sync.load.errors import error_kind
from argos_sync.run.jobs import today
from argos_sync.run.journal import check_records, insert
from argos_sync.run.run import Run
from argos_sync.warehouse import checks
from argos_sync.warehouse.drift import check_volume

log = logging.getLogger("argos_sync")


def run_post_run_checks(run: Run) -> None:
    """Run the checks, record changed results, log failed checks and notify new failures.

    A result is recorded if it differs from the last one, so most runs record nothing. The run's
    rows are committed, so an error in a check is logged and does not fail the run.
    """
    try:
        changed = _check(run)
    except Exception as error:  # noqa: BLE001 the run itself succeeded
        log.warning("the post-run checks could not run (%s)", error_kind(error))
        return
    for result in run.summary.checks:
        if not result.passed:
            log.warning("check %s: %s", result.check_name, result)
    failures = [str(result) for result in changed if not result.passed]
    if failures:
        notify(run.summary.command, run.warehouse.dataset, "; ".join(failures))


def notify(command: str, dataset: str, text: str) -> None:
    """Post a message to the webhook, if one is configured; failures are only logged.

    The text must have no keys and no personal data.
    """
    message = f"argos-sync {command} (dataset {dataset}): {text}"
    try:
        url = webhook_url()
        problem = post_text(validate_webhook_url(url), message) if url else None
    except ArgosError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 the webhook must not fail a run
        problem = type(error).__name__
    if problem:
        log.warning("the webhook was not notified: %s", problem)


@contextmanager
def notify_failure(command: str, dataset: str) -> Iterator[None]:
    """Notify the webhook if the block fails."""
    try:
        yield
    except ArgosError as error:
        notify(command, dataset, f"exit {error.exit_code}: {error}")
        raise
    except Exception as error:
        # The text of other libraries' errors may quote values.
        notify(command, dataset, f"exit 1: unexpected {type(error).__name__}")
        raise


def _check(run: Run) -> list[checks.CheckResult]:
    """Run the checks, record the results that changed, and return those."""
    client, summary, coverage = run.warehouse.client, run.summary, run.coverage
    since = None
    if not coverage.all_rows:
        since = checks.last_success_end(client, summary.run_id, summary.started_at)
    previous = checks.recorded_results(client, run.clock())
    summary.checks = [
        *run.values_fit,
        *checks.check_rows(client, run.warehouse.sections, since, previous),
        *checks.check_counts(
            client,
            coverage.returned_by_day,
            coverage.complete,
            run.period,
            previous=previous,
            repaired=coverage.repaired,
            damaged=coverage.damaged,
        ),
        *_check_drift(run),
    ]
    changed = checks.changed_results(summary.checks, previous)
    insert(client, check_records(summary, changed, run.clock()))
    return changed


def _check_drift(run: Run) -> list[checks.CheckResult]:
    """Compare a nightly sync's new submissions, and yesterday's number, with the usual ones."""
    if run.drift is None:
        return []
    return [*run.drift.check(), *check_volume(run.warehouse.client, today(run))]
