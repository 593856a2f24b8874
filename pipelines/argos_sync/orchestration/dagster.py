"""argos-sync in Dagster: `dagster dev -m argos_sync.orchestration.dagster`.

Each asset is one command, called as the command line calls it and configured in the same places.
All that touches the warehouse is in the pool `argos_api`: with a limit of one, runs wait for one
another instead of finding the warehouse locked. Where a limit is missing, or somebody else holds
the warehouse, the retry policy waits.
"""

# Without `from __future__ import annotations`: Dagster reads the types of assets as they stand.

import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib import import_module

import dagster as dg

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands import sync as commands
from argos_sync.commands.reconcile import ReconcileResult
from argos_sync.commands.reconcile import reconcile as compare
from argos_sync.config import load_orchestration
from argos_sync.orchestration.health import CHECKS, look
from argos_sync.orchestration.tasks import make_target, report_failures, run_command, run_metadata
from argos_sync.run.context import Context

POOL = "argos_api"
GROUP = "argos"
EARLIEST = "2020-01-01"
"""The first partition when no `start_date` is configured."""

SETTINGS = load_orchestration()
RETRY = dg.RetryPolicy(max_retries=4, delay=SETTINGS.retry_seconds, backoff=dg.Backoff.EXPONENTIAL)


class BackfillOptions(dg.Config):
    """What a backfill can be told."""

    force: bool = False
    """Read again what was read to its end before."""


class ReconcileOptions(dg.Config):
    """What a reconcile can be told."""

    days: int = 90
    """How many days back, yesterday included."""
    deep: bool = False
    """Compare contents too, and repair them."""
    max_deleted: float = 0.05
    """Mark no more than this share as deleted."""


@dg.asset(group_name=GROUP, pool=POOL, retry_policy=RETRY, kinds={"dlt"})
def submissions(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """All submissions with their parts, as of the last nightly sync."""
    report, rows = run_command(SETTINGS, context.log, commands.sync)
    return dg.MaterializeResult(metadata=run_metadata(report, rows))


with warnings.catch_warnings():
    # Dagster calls backfill policies beta, on every start; its version is bounded for that.
    warnings.simplefilter("ignore", dg.BetaWarning)

    @dg.asset(
        group_name=GROUP,
        pool=POOL,
        retry_policy=RETRY,
        kinds={"dlt"},
        partitions_def=dg.DailyPartitionsDefinition(
            SETTINGS.start_date or EARLIEST, timezone="UTC"
        ),
        # A range is one run and one backfill: days share requests and load packages, and a
        # warehouse with one writer gains nothing from many runs.
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def submissions_by_day(
        context: dg.AssetExecutionContext, config: BackfillOptions
    ) -> dg.MaterializeResult[None]:
        """The submissions created on each day (UTC), loaded whole by a backfill."""
        days = context.partition_key_range
        first, last = date.fromisoformat(days.start), date.fromisoformat(days.end)
        backfill = partial(commands.backfill, first=first, last=last, force=config.force)
        report, rows = run_command(SETTINGS, context.log, backfill)
        # Every partition of a range gets the numbers of the range.
        return dg.MaterializeResult(
            metadata={"days": f"{first} to {last}"} | run_metadata(report, rows)
        )


@dg.asset(group_name=GROUP, pool=POOL, retry_policy=RETRY, kinds={"dlt"})
def reconciliation(
    context: dg.AssetExecutionContext, config: ReconcileOptions
) -> dg.MaterializeResult[None]:
    """The last months compared with the source, and repaired where they differed."""

    def reconcile(asked: Context) -> ReconcileResult:
        today = asked.clock().astimezone(UTC).date()
        first, last = today - timedelta(days=config.days), today - timedelta(days=1)
        return compare(asked, first, last, deep=config.deep, max_deleted=config.max_deleted)

    result, rows = run_command(SETTINGS, context.log, reconcile)
    different = {"days_that_differed": len(result.days), "submissions_held": result.held}
    return dg.MaterializeResult(metadata=run_metadata(result.report, rows) | different)


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset=submissions, description=meaning)
        for name, meaning in CHECKS.items()
    ],
    # A DuckDB file that is written cannot be read.
    pool=POOL,
    retry_policy=RETRY,
)
def health() -> Iterator[dg.AssetCheckResult]:
    """Look into the warehouse; nothing is changed."""
    target = make_target(SETTINGS)
    for found in report_failures(partial(look, target, datetime.now(UTC), SETTINGS.max_age_hours)):
        yield dg.AssetCheckResult(
            passed=found.passed,
            asset_key=submissions.key,
            check_name=found.name,
            description=found.said,
            metadata=dict(found.figures),
        )


def _executor(name: str | None) -> dg.ExecutorDefinition | None:
    """Return the executor with a name such as `dagster_k8s.k8s_job_executor`."""
    if not name:
        return None
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        found = None
    if not isinstance(found, dg.ExecutorDefinition):
        raise ConfigurationError(
            "sources.argos.orchestration.executor names no executor of Dagster that is installed",
            "use module.name, such as dagster_k8s.k8s_job_executor, and install its package",
        )
    return found


sync_job = dg.define_asset_job(
    "sync", dg.AssetSelection.assets(submissions), description="The nightly run, and its checks."
)
reconcile_job = dg.define_asset_job(
    "reconcile",
    dg.AssetSelection.assets(reconciliation),
    description="The last months compared with the source.",
)
check_job = dg.define_asset_job(
    "check",
    dg.AssetSelection.checks(health),
    description="The checks alone, which also tell when no sync has run at all.",
)

defs = dg.Definitions(
    assets=[submissions, submissions_by_day, reconciliation],
    asset_checks=[health],
    jobs=[sync_job, reconcile_job, check_job],
    schedules=[
        dg.ScheduleDefinition(
            name=name,
            job=job,
            cron_schedule=cron,
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
        for name, job, cron in (
            ("nightly", sync_job, SETTINGS.nightly),
            ("weekly", reconcile_job, SETTINGS.weekly),
            ("morning", check_job, SETTINGS.morning),
        )
    ],
    executor=_executor(SETTINGS.executor),
)
