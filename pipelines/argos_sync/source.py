"""`argos_source`: the same tables in a dlt pipeline of your own."""

import asyncio
import uuid
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from argos_sync.config import Settings, load_settings
from argos_sync.fetch.checkpoint import State, advance_high_water_mark, high_water_mark
from argos_sync.fetch.clock import utc_now
from argos_sync.fetch.completeness import find_reading
from argos_sync.fetch.job import FetchJob, client_options
from argos_sync.fetch.ledger import Plan
from argos_sync.fetch.protection import Protection
from argos_sync.fetch.thread import fetch_in_thread
from argos_sync.fetch.windows import DateRange, nightly_range
from argos_sync.fetch.work_queue import WorkQueue
from argos_sync.load.dataset_name import check_active_pipeline
from argos_sync.load.source import SOURCE, DltSource, make_source
from argos_sync.process import collect_garbage_rarely
from argos_sync.shape.contract import CHANGES, CHECKS, ERASURES, HISTORY, REVEALS, SUPPRESSIONS

_COMMANDS_ONLY = (HISTORY, CHANGES, SUPPRESSIONS, ERASURES, REVEALS, CHECKS)
"""Tables that only the commands fill: their rows depend on what the warehouse already has."""


def argos_source(
    start_date: str | date | None = None,
    end_date: str | date | None = None,
    **settings: Any,
) -> DltSource:
    """Return the dlt source `argos`: all tables of the contract, for `pipeline.run`.

    With a range it yields exactly the submissions created in it. Without one it yields new
    submissions since the last run of the same pipeline, and the look-back window again; the
    high-water mark is kept in the pipeline's state. Personal values are protected as configured.
    The status history, the change feed and the suppression list are left to the commands, which can
    query the warehouse. Every table merges: `submissions` by `submission_id`, all others as its
    children, so a submission that comes back replaces all its rows in one transaction. Everything
    is one load package; the commands of argos-sync load in chunks and can resume.

    Args:
        start_date: First day (UTC), `YYYY-MM-DD`.
        end_date: Last day (UTC), included; today if only `start_date` is given.
        settings: Values for keys of section `sources.argos`, such as `api_key` or `base_url`, that
            override dlt's configuration.

    Raises:
        ConfigurationError: A required key is missing, or a value is invalid.
        ArgosError: While the pipeline runs: the API failed, or the destination would change the
            name of the dataset; nothing of the run is loaded.
    """
    configured = load_settings(settings)
    protection = Protection.configured(configured)
    days = DateRange(_parse_day(start_date), _parse_day(end_date))

    def generate(state: State) -> Iterator[Mapping[str, pa.Table]]:
        check_active_pipeline()
        return _rows(configured, protection, days, state)

    return make_source(
        generate,
        configured.sections,
        protection.policy.contract,
        _COMMANDS_ONLY,
    )


def _rows(
    settings: Settings, protection: Protection, days: DateRange, state: State
) -> Iterator[Mapping[str, pa.Table]]:
    started_at = utc_now()
    incremental = days == DateRange()
    if incremental:
        mark = high_water_mark(state)
        days = nightly_range(started_at.date(), mark, settings.lookback_days, settings.first_day)
    protection.check(state, has_rows=bool(state))
    state |= protection.state_changes(state)
    run_id = uuid.uuid4().hex
    plan = Plan.new(SOURCE, run_id, started_at=started_at, days=days, sections=settings.sections)
    # Without a probe it is unknown how the server reads `end_date`: one more day is asked for.
    queue = WorkQueue(plan, workers=settings.max_concurrency, page_size=settings.page_size)
    client = client_options(settings)
    answer = asyncio.run(
        find_reading(
            settings.completeness,
            settings.sections,
            state,
            lambda page_size: client_options(settings, page_size).connect(),
            started_at.date(),
        )
    )
    state |= answer.state
    job = FetchJob(run_id, queue, answer.reading, client, utc_now, protection, single_package=True)
    newest: datetime | None = None
    with collect_garbage_rarely(), fetch_in_thread(job) as chunks:
        for chunk in chunks:
            yield chunk.tables
            newest = chunk.plan.newest if chunk.plan else None
    if incremental:
        advance_high_water_mark(state, newest, started_at)


def _parse_day(value: str | date | None) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value
