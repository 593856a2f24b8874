"""`argos_source`: the same rows in a dlt pipeline of somebody else's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import dlt
from dlt.extract import DltResource, DltSource

from argos_sync.config import Settings, load_settings
from argos_sync.load.chunks import ChunkBuilder
from argos_sync.load.clients import make_client
from argos_sync.load.feed import feed
from argos_sync.load.fetching import Task
from argos_sync.load.reading import Reading, producer
from argos_sync.load.source import SOURCE, marked, schema_name
from argos_sync.load.state import high_water_mark, raise_high_water_mark
from argos_sync.load.windows import Range, nightly_range, plan_windows


def argos_source(
    start_date: str | date | None = None,
    end_date: str | date | None = None,
    **settings: Any,
) -> DltSource:
    """Return the dlt source `argos`: all tables of the contract, for `pipeline.run`.

    With a range it yields exactly the submissions created in it. Without one it yields what is new
    since the last run of the same pipeline and the look-back window again; the high-water mark is
    kept in the pipeline's state. Every table merges: `submissions` by `submission_id`, all others
    as its children, so a submission that comes back replaces all its rows in one transaction.
    Everything is one load package; the commands of argos-sync load in chunks and can resume.

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
    wanted = Range(_day(start_date), _day(end_date))

    @dlt.source(name=schema_name(configured.sections), section=SOURCE)
    def package() -> DltResource:
        return dlt.resource(_rows, name=SOURCE)(configured, wanted)

    return package()


def _rows(settings: Settings, wanted: Range) -> Iterator[Any]:
    state = dlt.current.source_state(SOURCE)
    begun = _now()
    today = begun.date()
    incremental = wanted == Range()
    if incremental:
        mark = high_water_mark(state)
        wanted = nightly_range(today, mark, settings.lookback_days, settings.first_day)
    tasks = [
        # How the server reads end_date is not known here: a day more is asked for.
        Task(window.label, window.label, partial(window.query, None))
        for window in plan_windows(wanted, today)
    ]
    builder = ChunkBuilder(uuid.uuid4().hex, wanted.__contains__, settings.sections, whole=True)

    reading = Reading(
        tasks,
        settings.sections,
        wanted.__contains__,
        settings.max_concurrency,
        partial(make_client, settings),
        _now,
    )
    newest: datetime | None = None
    with feed(producer(reading, builder)) as chunks:
        for chunk in chunks:
            yield from marked(chunk.tables, settings.sections)
            moments = (progress.newest for progress in chunk.progress.values())
            newest = max(filter(None, (newest, *moments)), default=None)
    if incremental:
        raise_high_water_mark(state, newest, begun)


def _day(value: str | date | None) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _now() -> datetime:
    return datetime.now(UTC)
