"""What every run is: a warehouse that is opened, a record, checks, and word of how it ended."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from argos_sync.api.errors import ArgosError
from argos_sync.config import Settings
from argos_sync.fetch.checkpoint import State
from argos_sync.fetch.chunks import CHUNK_SUBMISSIONS
from argos_sync.fetch.client import ClientMaker, client_maker
from argos_sync.fetch.job import ChunkSource, Clock, fetch_in_thread, utc_now
from argos_sync.fetch.protection import Protection
from argos_sync.fetch.windows import ALL_DAYS, DateRange
from argos_sync.load.compact import compact
from argos_sync.load.errors import destination_errors
from argos_sync.load.pipeline import Target, Warehouse, open_warehouse
from argos_sync.process import collect_garbage_rarely
from argos_sync.run.begun import warehouse_protection
from argos_sync.run.post_run import run_post_run_checks
from argos_sync.run.run import Run
from argos_sync.run.summary import NoProgress, ProgressReporter, RunSummary
from argos_sync.run.telemetry import trace_run
from argos_sync.run.telling import notify_failure
from argos_sync.warehouse.multi_project import drop_project_views, update_project_views
from argos_sync.warehouse.views import update_views

log = logging.getLogger("argos_sync")


@dataclass(frozen=True, slots=True)
class Context:
    """What every command needs.

    Attributes:
        settings: Checked configuration.
        target: Where to load to.
        progress: Told what happens.
        clock: The time.
        client: Returns, for settings and optionally a page size, what makes clients.
        chunk_size: Submissions that are committed together.
        feed: Where a run has its chunks from.
    """

    settings: Settings
    target: Target
    progress: ProgressReporter = field(default_factory=NoProgress)
    clock: Clock = utc_now
    client: Callable[..., ClientMaker] = client_maker
    chunk_size: int = CHUNK_SUBMISSIONS
    feed: ChunkSource = fetch_in_thread


@contextmanager
def open_run(
    context: Context, command: str, *, asks_api: bool = True, days: DateRange = ALL_DAYS
) -> Iterator[Run]:
    """Open the warehouse for a run, record how the run ends, and check what it has brought.

    Whoever is to be told of failures and news is told.

    Args:
        context: Settings and target.
        command: Named in the record, and to whom wants to open the warehouse meanwhile.
        asks_api: Whether the run needs the API.
        days: What it writes to; runs of other days may be under way.

    Raises:
        ArgosError: What the block raises, or what keeps the warehouse from being opened.
    """
    opened = _opened(context, command, days, asks_api=asks_api)
    names = (command, context.target.dataset)
    with trace_run(*names) as seen, notify_failure(*names), opened as run:
        run.seen, seen.report = seen, run.report
        yield run


@contextmanager
def _opened(context: Context, command: str, days: DateRange, *, asks_api: bool) -> Iterator[Run]:
    """Open the warehouse for a run, and record how the run ends; see `open_run`."""
    started_at, settings = context.clock(), context.settings
    if asks_api:
        context.client(settings)()  # what cannot work is said before anything is opened
    wanted = Protection.configured(settings)
    opened = open_warehouse(
        context.target,
        settings.sections,
        command,
        wanted.policy.contract,
        days=days,
        prepare=partial(_prepare, context, wanted),
    )
    run: Run | None = None
    try:
        with collect_garbage_rarely(), opened as warehouse:
            with destination_errors():
                protection = warehouse_protection(wanted, warehouse.client, warehouse.state)
            run_id = f"{started_at:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
            report = RunSummary(run_id, command, started_at)
            learned = protection.to_remember(warehouse.state)
            progress, clock, feed = context.progress, context.clock, context.feed
            run = Run(warehouse, report, progress, clock, protection, learned, feed=feed)
            if warehouse.shared is None:
                _follow_with_views(context, run)
            try:
                yield run
            except ArgosError as error:
                run.finish(error)
                raise
            run.finish()
            run_post_run_checks(run)
    finally:
        if run and run.erased:
            compact(context.target, command)


def _prepare(context: Context, wanted: Protection, warehouse: Warehouse) -> None:
    """Make what all partitions share and none may make beside others: tables, views, policy."""
    protection = warehouse_protection(wanted, warehouse.client, warehouse.state)
    learned = protection.to_remember(warehouse.state)
    # Whoever of them lists somebody does it with a key that all the others know.
    _, _, secrets = protection.suppression_key(warehouse.state)
    learned |= {key: kept for key, kept in secrets.items() if key not in warehouse.state}
    if learned or not warehouse.has_tables:
        warehouse.load({}, lambda state: state.update(learned))
    made = _keep_views(context, warehouse)
    if any(warehouse.state.get(key) != kept for key, kept in made.items()):
        warehouse.load({}, lambda state: state.update(made))


def _follow_with_views(context: Context, run: Run) -> None:
    """Make views as soon as there are the tables they read; what to note goes with a commit."""

    def keep() -> None:
        run.learned |= _keep_views(context, run.warehouse)

    if run.warehouse.has_tables:
        keep()
    else:
        # While the next chunk is fetched, rather than when all is done.
        run.once_loaded = keep


def _keep_views(context: Context, warehouse: Warehouse) -> State:
    """Make views for analysts, and comments, where they are not as they are meant to be.

    Rows do not depend on them: whatever comes of this, it fails no run.

    Args:
        context: Settings and target.
        warehouse: Alone, or in turn.

    Returns:
        What to note of them, for the next run; nothing when it could not be done.
    """
    clear = partial(drop_project_views, warehouse, context.settings)
    try:
        views = update_views(
            warehouse.client, warehouse.state.get("views"), contract=warehouse.made, clear=clear
        )
        return {
            "views": views,
            "together": update_project_views(warehouse, context.settings, views),
        }
    except Exception as error:  # noqa: BLE001 told by its kind, for the text may be the database's
        log.warning(
            "the views for analysts could not be kept (%s); the next run tries again",
            type(error).__name__,
        )
        return {}
