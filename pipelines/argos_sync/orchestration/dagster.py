"""Define argos-sync's assets for Dagster: `dagster dev -m argos_sync.orchestration.dagster`.

The assets `submissions`, `submissions_by_day` and `reconciliation` run the commands that load, with
the same configuration as the command line. The tables are downstream of them, and the published
copy and the report downstream of the tables. Everything that opens
the warehouse is in the pool `argos_api`: with a limit of one, runs wait for each other instead of
finding the warehouse locked. Without a limit, or when another process has the lock, the retry
policy waits.
"""

import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import partial
from pkgutil import resolve_name
from typing import Any

import dagster as dg

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.backfill import backfill
from argos_sync.commands.reconcile import ReconcileResult
from argos_sync.commands.reconcile import reconcile as run_reconcile
from argos_sync.commands.sync import sync
from argos_sync.config import load_orchestration, refuse_unknown_keys
from argos_sync.fetch.windows import add_days, day_of
from argos_sync.orchestration.checks import CHECKS, read_checks
from argos_sync.orchestration.outputs import publish_copy, published_table_names, write_report
from argos_sync.orchestration.tables import read_tables, table_events, table_metadata, table_specs
from argos_sync.orchestration.tasks import make_target, report_failures, run_command, run_metadata
from argos_sync.run.context import Context
from argos_sync.shape.contract import SUBMISSIONS, load_contract

POOL = "argos_api"
GROUP = "argos"
EARLIEST = date(2020, 1, 1)
"""The first partition when no `start_date` is configured."""

refuse_unknown_keys()
SETTINGS = load_orchestration()
RETRY = dg.RetryPolicy(max_retries=4, delay=SETTINGS.retry_seconds, backoff=dg.Backoff.EXPONENTIAL)


AUTOMATION = dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())
"""Materialize after every load, once Dagster's sensor for automation conditions is on. Tables may
be missing: those of sections that are not requested do not exist."""


class BackfillOptions(dg.Config):
    """Configure a backfill."""

    force: bool = False
    """Fetch days again that an earlier backfill finished."""


class ReconcileOptions(dg.Config):
    """Configure a reconcile."""

    days: int = 90
    """Number of days to compare, the last one being yesterday."""
    deep: bool = False
    """Compare and repair contents, too."""
    max_deleted: float = 0.05
    """Maximum share of submissions to mark as deleted."""


class ReportOptions(dg.Config):
    """Configure a report."""

    days: int = 90
    """Length of the period in days, the last one being today."""
    review_target_hours: float = 24.0
    """Time within which people should decide a pending submission."""


def _report_tables(
    context: dg.AssetExecutionContext, metadata: Mapping[str, Any]
) -> dg.MaterializeResult[None]:
    """Report what the tables have after a command, and return its result.

    A table that cannot be read, because another command has the DuckDB file, fails no command that
    has succeeded.
    """
    try:
        tables = report_failures(partial(read_tables, make_target(SETTINGS)))
    except dg.Failure as failure:
        context.log.warning("The rows of the tables are not reported: %s", failure.description)
        tables = {}
    own = tables.pop(SUBMISSIONS, {}) if context.asset_key == submissions.key else {}
    for event in table_events(tables):
        context.log_event(event)
    return dg.MaterializeResult(metadata={**own, **metadata})


@dg.asset(
    group_name=GROUP,
    pool=POOL,
    retry_policy=RETRY,
    kinds={"dlt", "table"},
    metadata=table_metadata(SETTINGS.dataset_name, load_contract()[SUBMISSIONS]),
    description=f"{load_contract()[SUBMISSIONS].comment} Materialize it to run the nightly sync,"
    " which loads new and changed submissions into all tables.",
)
def submissions(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Load new and changed submissions with the nightly sync."""
    return _report_tables(context, run_metadata(run_command(SETTINGS, context.log, sync)))


with warnings.catch_warnings():
    # Dagster warns on every start that backfill policies are beta; its version is bounded for it.
    warnings.simplefilter("ignore", dg.BetaWarning)

    @dg.asset(
        group_name=GROUP,
        pool=POOL,
        retry_policy=RETRY,
        kinds={"dlt"},
        partitions_def=dg.DailyPartitionsDefinition(
            (SETTINGS.first_day or EARLIEST).isoformat(), timezone="UTC"
        ),
        # A range is one run and one backfill: days share requests and load packages, and many
        # runs would only wait for each other.
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def submissions_by_day(
        context: dg.AssetExecutionContext, config: BackfillOptions
    ) -> dg.MaterializeResult[None]:
        """Load all submissions of each day (UTC) with a backfill."""
        days = context.partition_key_range
        first, last = date.fromisoformat(days.start), date.fromisoformat(days.end)
        command = partial(backfill, first=first, last=last, force=config.force)
        summary = run_command(SETTINGS, context.log, command)
        # Every partition of a range gets the metadata of the whole range.
        metadata = {"days": f"{first} to {last}"} | run_metadata(summary)
        return _report_tables(context, metadata)


@dg.asset(group_name=GROUP, pool=POOL, retry_policy=RETRY, kinds={"dlt"})
def reconciliation(
    context: dg.AssetExecutionContext, config: ReconcileOptions
) -> dg.MaterializeResult[None]:
    """Compare the last months with the source and repair differences."""

    def reconcile(context: Context) -> ReconcileResult:
        today = day_of(context.clock())
        first, last = add_days(today, -config.days), add_days(today, -1)
        return run_reconcile(context, first, last, deep=config.deep, max_deleted=config.max_deleted)

    result = run_command(SETTINGS, context.log, reconcile)
    different = {"days_that_differed": len(result.days), "submissions_held": result.stored}
    return _report_tables(context, run_metadata(result.summary) | different)


tables = table_specs(
    SETTINGS.dataset_name, GROUP, [submissions, submissions_by_day, reconciliation]
)


OUTPUT_DEPS = [reconciliation.key, *map(dg.AssetKey, published_table_names())]
"""What the copy and the report are made of. Within one run Dagster orders only assets that it
executes: `reconciliation` and, among the tables, `submissions`."""


@dg.asset(
    deps=OUTPUT_DEPS,
    group_name=GROUP,
    pool=POOL,
    retry_policy=RETRY,
    kinds={"duckdb"},
    automation_condition=AUTOMATION,
)
def published_copy() -> dg.MaterializeResult[None]:
    """Copy tables and views for analysts into a DuckDB file, without columns of class `direct`."""
    write = partial(publish_copy, make_target(SETTINGS), SETTINGS)
    return dg.MaterializeResult(metadata=report_failures(write))


@dg.asset(
    deps=OUTPUT_DEPS,
    group_name=GROUP,
    pool=POOL,
    retry_policy=RETRY,
    kinds={"html"},
    automation_condition=AUTOMATION,
)
def report(config: ReportOptions) -> dg.MaterializeResult[None]:
    """Write one HTML page: what needs attention, and a period in figures and charts."""
    target, now = make_target(SETTINGS), datetime.now(UTC)
    write = partial(write_report, target, SETTINGS, now, **config.model_dump())
    return dg.MaterializeResult(metadata=report_failures(write))


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset=submissions, description=description)
        for name, description in CHECKS.items()
    ],
    # A DuckDB file cannot be read while another process writes it.
    pool=POOL,
    retry_policy=RETRY,
)
def warehouse_checks() -> Iterator[dg.AssetCheckResult]:
    """Report the results of post-run checks, freshness and staleness."""
    now = datetime.now(UTC)
    read = partial(read_checks, make_target(SETTINGS), now, SETTINGS.max_age_hours)
    yield from report_failures(read)


def _executor(name: str | None) -> dg.ExecutorDefinition | None:
    """Import an executor by its name, such as `dagster_k8s.k8s_job_executor`."""
    if not name:
        return None
    try:
        executor = resolve_name(name)
    except (ImportError, AttributeError, ValueError):
        executor = None
    if not isinstance(executor, dg.ExecutorDefinition):
        raise ConfigurationError(
            "sources.argos.orchestration.executor is not the name of an installed Dagster executor",
            "use module.name, such as dagster_k8s.k8s_job_executor, and install its package",
        )
    return executor


sync_job = dg.define_asset_job("sync", [submissions], description="Sync, then check.")
reconcile_job = dg.define_asset_job(
    "reconcile", [reconciliation], description="Compare the last months with the source."
)
check_job = dg.define_asset_job(
    "check",
    dg.AssetSelection.checks(warehouse_checks),
    description="Check only; fails when no sync has run.",
)

defs = dg.Definitions(
    assets=[submissions, submissions_by_day, reconciliation, *tables, published_copy, report],
    asset_checks=[warehouse_checks],
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
