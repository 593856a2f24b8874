"""What follows a run that ended well: its checks, and word of what they found."""

from __future__ import annotations

import logging

from dlt.destinations.exceptions import DatabaseException

from argos_sync.run.journal import check_records, insert
from argos_sync.run.run import Run
from argos_sync.run.telling import notify
from argos_sync.warehouse import checks

log = logging.getLogger("argos_sync")


def run_post_run_checks(run: Run) -> None:
    """Check what the run has brought, and record, log and tell what is not as it should be.

    A result is recorded when it is not what it was, so that a run without news writes nothing.
    The run's rows are committed: whatever comes of this, it does not fail.

    Args:
        run: Ended well.
    """
    try:
        _check(run)
    except Exception as error:  # noqa: BLE001 whatever it is
        # The texts of foreign errors quote values.
        cause = error.dbapi_exception if isinstance(error, DatabaseException) else error
        log.warning("the checks could not be made (%s)", type(cause).__name__)


def _check(run: Run) -> None:
    fresh = _look(run)
    for one in run.report.checks:
        if not one.passed:
            log.warning("check %s: %s", one.check_name, one)
    news = [str(one) for one in fresh if not one.passed]
    if news:
        notify(run.report.command, run.warehouse.pipeline.dataset_name, "; ".join(news))


def _look(run: Run) -> list[checks.CheckResult]:
    """Check, record what is new, and return it."""
    client, report = run.warehouse.client, run.report
    since = None
    if not run.checks_all:
        since = checks.last_success_end(client, report.run_id, report.started_at)
    before = checks.recorded_results(client)
    report.checks = [
        *checks.check_rows(client, run.warehouse.sections, since, before),
        *checks.check_counts(
            client, run.returned, run.whole, report.started_at, before=before, repaired=run.repaired
        ),
    ]
    fresh = checks.changed_results(report.checks, before)
    insert(client, check_records(report, fresh, run.clock()))
    return fresh
