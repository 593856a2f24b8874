"""`backfill`: load exactly the submissions of a range of days."""

from datetime import date

from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.checkpoint import complete_before, read_days, unfinished_plan
from argos_sync.fetch.windows import DateRange
from argos_sync.run.context import Context
from argos_sync.run.jobs import new_plan, run_plan, today
from argos_sync.run.opening import open_run
from argos_sync.run.summary import RunSummary
from argos_sync.run.upkeep import daily_volume
from argos_sync.warehouse.section_content import emptied_windows
from argos_sync.warehouse.submissions import stored_days


def backfill(
    context: Context, first: date, last: date, workers: int | None = None, *, force: bool = False
) -> RunSummary:
    """Load exactly the submissions created between two UTC days, both included.

    An interrupted backfill of the same range is resumed. If the range was finished before, only the
    days that were not over at that time are fetched, unless submissions of the range came back
    without a section (`run.content_guard`), or `force` is set: then all rows of what is fetched are
    replaced, too. `workers` windows are read at once; None is `max_concurrency`. The high-water
    mark of `sync` does not move.

    Raises:
        ConfigurationError: The range ends before it begins.
        ArgosError: See `api.errors`, `load.errors`.
    """
    check_range(first, last)
    name, sections = f"backfill {first} {last}", context.settings.sections
    with open_run(context, "backfill", days=DateRange(first, last)) as run:
        run.rewrites_unchanged = force
        state = {} if force else run.warehouse.state
        days = DateRange(first, last)
        emptied = emptied_windows(run.warehouse.client).values()
        is_whole = not any(days.has_day(day) for day in emptied)
        complete = complete_before(state, name, sections) if is_whole else None
        if complete is not None and complete > today(run):
            complete = None  # the clock of that backfill was wrong
        if complete is not None and complete > last:
            run.summary.note = f"{first} to {last} was finished before; --force reads it again"
            return run.summary
        unfinished = unfinished_plan(state, name, sections)
        days = DateRange(max(first, complete) if complete else first, last)
        plan = unfinished.reopened() if unfinished else new_plan(run, name, days)
        stored = stored_days(run.warehouse.client)
        volume = daily_volume(stored, today(run), read_days(run.warehouse.state))
        run_plan(run, plan, workers, volume=volume)
        if unfinished is None:
            run.coverage.complete = [days]
    return run.summary


def check_range(first: date, last: date) -> None:
    """Raise a `ConfigurationError` for a range that ends before it begins."""
    if last < first:
        raise ConfigurationError(
            f"the range ends on {last}, before it begins on {first}", "swap --from and --to"
        )
