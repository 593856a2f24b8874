"""Open a warehouse for a run, record how the run ends, and run the post-run checks."""

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

from argos_sync.api.errors import ArgosError, IncompleteWalk
from argos_sync.fetch.checkpoint import State
from argos_sync.fetch.clock import RunClock
from argos_sync.fetch.list_probe import PROBE_PAGE
from argos_sync.fetch.project import project_changes
from argos_sync.fetch.protection import PRIVACY, Protection
from argos_sync.fetch.windows import ALL_DAYS, DateRange
from argos_sync.load.compact import compact, has_unfinished_erasure
from argos_sync.load.destinations.duckdb import duckdb_file
from argos_sync.load.destinations.lake_cleanup import limit_history
from argos_sync.load.errors import destination_errors
from argos_sync.load.pipeline import Warehouse, open_warehouse
from argos_sync.load.sql import Client
from argos_sync.process import collect_garbage_rarely
from argos_sync.run.analyst_views import update_analyst_views
from argos_sync.run.committer import Committer
from argos_sync.run.content_guard import ContentGuard
from argos_sync.run.context import Context
from argos_sync.run.erasure import Eraser
from argos_sync.run.migrations import upgrade
from argos_sync.run.post_run import notify_failure, run_post_run_checks
from argos_sync.run.project import AnotherProject, recognize_project
from argos_sync.run.quarantine import find_unreadable
from argos_sync.run.run import Run
from argos_sync.run.second_look import load_withheld, settle_days
from argos_sync.run.summary import RunSummary
from argos_sync.run.telemetry import trace_run
from argos_sync.warehouse.overview import newest_time, requests_by_day
from argos_sync.warehouse.rows import has_completed_load, read_suppression_list

log = logging.getLogger("argos_sync")

_TICK = timedelta(microseconds=1)


@contextmanager
def open_run(
    context: Context,
    command: str,
    *,
    uses_api: bool = True,
    days: DateRange = ALL_DAYS,
    new_key: bool = False,
    lost_key: str | None = None,
) -> Iterator[Run]:
    """Open the warehouse for a run, record how the run ends, and run the post-run checks.

    Failures and failed checks are sent to the configured webhook. Other processes that must wait
    see the name of the command; runs over other `days` (UTC) may write at the same time. With
    `new_key` the API key is taken for one of the warehouse's project, whatever the API returns.
    Entries of the suppression list that were made with a `lost_key` are left out.

    Raises:
        AnotherProject: The API key is not of the project that the warehouse was loaded from.
        TooManyUnreadable: The run has received too many objects that it cannot read.
        ArgosError: The block raises it or fails at the destination, or the warehouse cannot be
            opened.
    """
    started = time.monotonic()
    context.progress.enter_stage("opening the warehouse")
    names = (command, context.target.dataset)
    opened = _open_run(
        context, command, days, uses_api=uses_api, new_key=new_key, lost_key=lost_key
    )
    with trace_run(*names) as trace, notify_failure(*names), opened as run:
        run.trace, trace.summary = trace, run.summary
        yield run
    run.summary.seconds = round(time.monotonic() - started, 3)


@contextmanager
def _open_run(
    context: Context,
    command: str,
    days: DateRange,
    *,
    uses_api: bool,
    new_key: bool,
    lost_key: str | None,
) -> Iterator[Run]:
    settings, wall_clock = context.settings, context.clock
    clock = RunClock(wall_clock, wall_clock())
    context = replace(context, clock=clock)
    if uses_api:
        context.client_options().connect()  # reports an invalid key before anything is opened
    configured = Protection.configured(settings)
    opened = open_warehouse(
        context.target,
        settings.sections,
        command,
        configured.policy.contract,
        days=days,
        prepare=partial(_prepare_partitions, context, configured),
    )
    run: Run | None = None
    try:
        with collect_garbage_rarely(), opened as warehouse:
            layout = upgrade(warehouse)
            protection = warehouse_protection(
                configured, warehouse.client, warehouse.state, lost_key
            )
            # Another run may have ended while this one waited, or before the clock was set back.
            newest = newest_time(warehouse.client, clock())
            if newest is not None and newest > clock():
                clock.advance(newest + _TICK)
            started_at = clock()
            run_id = f"{started_at:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
            summary = RunSummary(run_id, command, started_at)
            committer = Committer(warehouse, summary, context.clock)
            eraser = Eraser(committer, protection, has_unfinished_erasure(warehouse.client))
            guard = ContentGuard(warehouse, run_id)
            run = Run(context, warehouse, summary, protection, committer, eraser, guard, clock)
            context.progress.run_opened(summary)
            # A warehouse of an earlier version has no counts yet.
            if settings.max_requests_per_day and warehouse.has_tables:
                run.requests_before = requests_by_day(warehouse.client, run.summary.started_at)
            try:
                opened_file = duckdb_file(warehouse.client)
                with destination_errors(opened_file), _second_look(run):
                    if uses_api:
                        _remember_project(run, new_key=new_key)
                    _begin(run, layout, uses_api=uses_api)
                    yield run
                    failure = find_unreadable(run) if uses_api else None
                    eraser.finish()
            except AnotherProject:
                raise  # not even the run is recorded in the warehouse of another project
            except (ArgosError, KeyboardInterrupt) as error:
                run.finish(error)
                raise
            if failure:
                run.report_unreadable(failure)
            run.finish(failure)
            _finish(run)
            if failure:
                raise failure
    finally:
        if run and run.eraser.has_erased:
            compact(context.target, command)


def _begin(run: Run, layout: State, *, uses_api: bool) -> None:
    """Do what comes before the command's own work."""
    run.committer.remember(layout)
    run.committer.save(run.protection.state_changes(run.warehouse.state))
    try:
        run.eraser.finish()  # of a run that was killed, whatever becomes of this one
    except ArgosError as error:  # tried again after the command's own work
        log.warning("an earlier erasure is not finished: %s", error)
    run.ensure_views()
    if uses_api:
        run.context.progress.enter_stage("asking the API")


def _finish(run: Run) -> None:
    """Do what follows the run record."""
    run.context.progress.enter_stage("checking what is loaded")
    run.eraser.save_finish()
    try:
        with destination_errors():
            limit_history(run.warehouse.client)
    except ArgosError as error:  # all rows are committed, and the next run tries again
        log.warning("the lake keeps its old snapshots until the next run: %s", error)
    run_post_run_checks(run)


@contextmanager
def _second_look(run: Run) -> Iterator[None]:
    """Look again at submissions that were withheld once the block has read everything else."""
    try:
        yield
    except IncompleteWalk:
        load_withheld(run)
        raise
    load_withheld(run)
    settle_days(run)


def warehouse_protection(
    configured: Protection, client: Client, state: State, lost_key: str | None = None
) -> Protection:
    """Return the configured protection with the suppression list of a warehouse in some state.

    Entries of the list that were made with a `lost_key` are left out.

    Raises:
        ConfigurationError: The warehouse was written under another privacy policy, or its
            suppression list with a key that is not configured.
    """
    configured.check(state, has_rows=PRIVACY in state or has_completed_load(client))
    hashes, key_ids = read_suppression_list(client)
    return configured.with_suppression_list(hashes, key_ids - {lost_key}, state)


def _remember_project(run: Run, *, new_key: bool) -> None:
    """Remember the API key with the next commit; for a partition that was done before."""
    warehouse, settings = run.warehouse, run.context.settings
    if new_key:
        run.committer.remember(project_changes(warehouse.state, settings.api_key))
    elif warehouse.shared is None:
        changes, stats = recognize_project(warehouse, settings, run.client_options(PROBE_PAGE))
        run.committer.remember(changes)
        run.summary.count_requests(stats)


def _prepare_partitions(context: Context, configured: Protection, warehouse: Warehouse) -> None:
    """Upgrade, and create what partitions share: tables, views, project, policy, list key."""
    layout = upgrade(warehouse)
    options = context.client_options(PROBE_PAGE)
    facts, _ = recognize_project(warehouse, context.settings, options)
    protection = warehouse_protection(configured, warehouse.client, warehouse.state)
    facts |= layout | protection.state_changes(warehouse.state)
    # A partition that adds to the suppression list uses a key that all the others know.
    _, _, secrets = protection.suppression_key(warehouse.state)
    facts |= {key: value for key, value in secrets.items() if key not in warehouse.state}
    if facts or not warehouse.has_tables:
        warehouse.load({}, lambda state: state.update(facts))
    views = update_analyst_views(warehouse, context.settings)
    if any(warehouse.state.get(key) != value for key, value in views.items()):
        warehouse.load({}, lambda state: state.update(views))
