"""`argos_source`: the same tables in a dlt pipeline of your own."""

import asyncio
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from argos_sync.api.errors import ConfigurationError
from argos_sync.config import Settings, load_settings
from argos_sync.fetch.checkpoint import State, advance_high_water_mark, high_water_mark
from argos_sync.fetch.clock import utc_now
from argos_sync.fetch.job import FetchJob, client_options
from argos_sync.fetch.ledger import Plan
from argos_sync.fetch.list_probe import ListsAreIncomplete, find_reading
from argos_sync.fetch.project import project_changes, project_fingerprint
from argos_sync.fetch.protection import Protection
from argos_sync.fetch.thread import fetch_in_thread
from argos_sync.fetch.windows import DateRange, nightly_range
from argos_sync.fetch.work_queue import WorkQueue
from argos_sync.load.dataset_name import check_active_pipeline
from argos_sync.load.source import SOURCE, DltSource, make_source
from argos_sync.process import collect_garbage_rarely
from argos_sync.shape.contract import CHANGES, CHECKS, ERASURES, HISTORY, REVEALS, SUPPRESSIONS
from argos_sync.shape.days import ACCEPTED, parse_days

_LISTS_ADVICE = "run again; if it fails again, set sources.argos.completeness to each"

_COMMANDS_ONLY = (HISTORY, CHANGES, SUPPRESSIONS, ERASURES, REVEALS, CHECKS)
"""Tables that only the commands fill: their rows depend on what the warehouse already has."""


def argos_source(
    start_date: str | date | None = None,
    end_date: str | date | None = None,
    *,
    new_key: bool = False,
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
        start_date: First day (UTC): a date, or a text in any form that `--from` takes, such as
            `2026-01-05`, `2026-01`, `2026-Q1`, `90d` or `yesterday`.
        end_date: Last day (UTC), included, in the same forms; today if only `start_date` is given.
        new_key: Whether the API key may be another than that of the pipeline's earlier runs: a new
            one of the same project.
        settings: Values for keys of section `sources.argos`, such as `api_key` or `base_url`, that
            override dlt's configuration.

    Raises:
        ConfigurationError: A required key is missing, or a value or a day is invalid.
        ArgosError: While the pipeline runs: the API failed, the API key has changed without
            `new_key`, the commands keep the dataset, or the destination would change its name;
            nothing of the run is loaded.
    """
    configured = load_settings(settings)
    protection = Protection.configured(configured)
    days = _day_range(start_date, end_date, today=datetime.now(UTC).date())

    def generate(state: State) -> Iterator[Mapping[str, pa.Table]]:
        check_active_pipeline()
        return _rows(configured, protection, days, state, new_key=new_key)

    return make_source(
        generate,
        configured.sections,
        protection.policy.contract,
        _COMMANDS_ONLY,
    )


def _rows(
    settings: Settings,
    protection: Protection,
    days: DateRange,
    state: State,
    *,
    new_key: bool = False,
) -> Iterator[Mapping[str, pa.Table]]:
    started_at = utc_now()
    project = _project(settings, state, new_key=new_key)
    incremental = days == DateRange()
    if incremental:
        mark = high_water_mark(state)
        days = nightly_range(started_at.date(), mark, settings.lookback_days, settings.first_day)
    protection.check(state, has_rows=bool(state))
    state |= protection.state_changes(state) | project
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
            again=True,  # a failed run keeps no state, so the next one could not know better
        )
    )
    state |= answer.state
    job = FetchJob(run_id, queue, answer.reading, client, utc_now, protection, single_package=True)
    newest: datetime | None = None
    with collect_garbage_rarely(), fetch_in_thread(job) as chunks:
        try:
            for chunk in chunks:
                yield chunk.tables
                newest = chunk.plan.newest if chunk.plan else None
        except ListsAreIncomplete as error:
            # Rows that were yielded cannot be taken back, so nothing is read in another way now.
            raise ListsAreIncomplete(error.message, _LISTS_ADVICE) from None
    if incremental:
        advance_high_water_mark(state, newest, started_at)


def _project(settings: Settings, state: State, *, new_key: bool) -> State:
    """Return the changes of the state that remember the API key.

    The commands find out whether another key is of the same project, from the warehouse's rows.

    Raises:
        ConfigurationError: It is another key than before.
    """
    changes, known = project_changes(state, settings.api_key), project_fingerprint(state)
    if changes and known and not new_key:
        raise ConfigurationError(
            f"the API key is not the one of this pipeline's earlier runs (key fingerprint {known}),"
            " and two projects must not be mixed",
            "use a pipeline and a dataset of its own for another project; for a new key of the same"
            " project, call argos_source(new_key=True) once",
        )
    return changes


def _day_range(
    start_date: str | date | None = None, end_date: str | date | None = None, *, today: date
) -> DateRange:
    """Return the days of the source's arguments."""
    first, _ = _parse_argument("start_date", start_date, today)
    _, last = _parse_argument("end_date", end_date, today)
    if first and first > today:
        raise ConfigurationError(
            f"start_date {start_date} of argos_source is in the future: today is {today} in UTC",
            "give an earlier day",
        )
    if first and last and last < first:
        raise ConfigurationError(
            f"end_date {end_date} of argos_source is before start_date {start_date}", "swap them"
        )
    return DateRange(first, last)


def _parse_argument(
    name: str, value: str | date | None, today: date
) -> tuple[date | None, date | None]:
    """Return the first and the last day of an argument; None for both if it is not given."""
    if not isinstance(value, str):
        return value, value
    try:
        return parse_days(value, today)
    except ValueError:
        raise ConfigurationError(
            f"{name} of argos_source is not a day", f"give a date, or {ACCEPTED}"
        ) from None
