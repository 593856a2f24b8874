"""`argos_source`: the same rows in a dlt pipeline of somebody else's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import dlt
from dlt.extract import DltResource, DltSource

from argos_sync.config import Settings, load_settings
from argos_sync.fetch.checkpoint import advance_high_water_mark, high_water_mark
from argos_sync.fetch.client import client_maker
from argos_sync.fetch.job import FetchJob, chunk_producer, utc_now
from argos_sync.fetch.plan import Plan
from argos_sync.fetch.protection import Protection
from argos_sync.fetch.thread import chunks_from_thread
from argos_sync.fetch.windows import DateRange, nightly_range
from argos_sync.fetch.work import WorkQueue
from argos_sync.load.source import SOURCE, rows_for_dlt, schema_name
from argos_sync.process import collect_garbage_rarely
from argos_sync.shape.contract import CHECKS, ERASURES, HISTORY, REVEALS, SUPPRESSIONS

_COMMANDS_ONLY = (HISTORY, SUPPRESSIONS, ERASURES, REVEALS, CHECKS)
"""Tables that take a look into the warehouse, which a resource has none of."""


def argos_source(
    start_date: str | date | None = None,
    end_date: str | date | None = None,
    **settings: Any,
) -> DltSource:
    """Return the dlt source `argos`: all tables of the contract, for `pipeline.run`.

    With a range it yields exactly the submissions created in it. Without one it yields what is new
    since the last run of the same pipeline and the look-back window again; the high-water mark is
    kept in the pipeline's state. Personal values are protected as configured. The status history
    and the list of who was forgotten are left to the commands, which can look into the warehouse.
    Every table merges: `submissions` by `submission_id`, all others as its children, so a
    submission that comes back replaces all its rows in one transaction. Everything is one load
    package; the commands of argos-sync load in chunks and can resume.

    Args:
        start_date: First day (UTC), `YYYY-MM-DD`.
        end_date: Last day (UTC), included; today when only `start_date` is given.
        settings: Values for keys of section `sources.argos`, such as `api_key` or `base_url`, that
            go before dlt's configuration.

    Raises:
        ConfigurationError: A required key is missing, or a value is not valid.
        ArgosError: While the pipeline runs: the API failed; nothing of the run is loaded.
    """
    configured = load_settings(settings)
    protection = Protection.configured(configured)
    wanted = DateRange(_day(start_date), _day(end_date))

    @dlt.source(name=schema_name(configured.sections), section=SOURCE)
    def package() -> DltResource:
        return dlt.resource(_rows, name=SOURCE)(configured, protection, wanted)

    return package()


def _rows(settings: Settings, protection: Protection, wanted: DateRange) -> Iterator[Any]:
    state = dlt.current.source_state(SOURCE)
    begun = utc_now()
    incremental = wanted == DateRange()
    if incremental:
        mark = high_water_mark(state)
        wanted = nightly_range(begun.date(), mark, settings.lookback_days, settings.first_day)
    protection.check(state, begun=bool(state))
    state |= protection.to_remember(state)
    run_id = uuid.uuid4().hex
    plan = Plan.new(SOURCE, run_id, begun=begun, wanted=wanted, sections=settings.sections)
    # How the server reads end_date is not known here: a day more is asked for.
    work = WorkQueue(plan, workers=settings.max_concurrency, page_size=settings.page_size)
    client = client_maker(settings)
    reading = FetchJob(run_id, work, settings.sections, client, utc_now, protection, whole=True)
    newest: datetime | None = None
    with collect_garbage_rarely(), chunks_from_thread(chunk_producer(reading)) as chunks:
        for chunk in chunks:
            contract = protection.policy.contract
            yield from rows_for_dlt(chunk.tables, settings.sections, contract, _COMMANDS_ONLY)
            newest = chunk.plan.newest if chunk.plan else None
    if incremental:
        advance_high_water_mark(state, newest, begun)


def _day(value: str | date | None) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value
