"""The plan of a command: its windows, and how far each of them has been read.

Plans are immutable values. Every chunk carries the plan as it will be once the chunk is loaded, and
`checkpoint` stores it in the same load package, so an interrupted run can be resumed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Self

from argos_sync.fetch.task import Cursor
from argos_sync.fetch.windows import (
    DailyVolume,
    DateRange,
    Window,
    add_days,
    day_of,
    next_window,
    padded_window,
)

EMPTIED = "emptied"
"""State of a day in the ledger whose submissions must be read again; see `LedgerEntry`."""


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """How far a task has been read: the submissions (`rows`) and their newest `created_at`, UTC.

    A task resumes at its cursor; None is the beginning. With a `gap` the API could not return a
    submission after the cursor.
    """

    cursor: Cursor | None = None
    done: bool = False
    rows: int = 0
    newest: datetime | None = None
    gap: bool = False

    @property
    def state(self) -> str:
        """Return the state for the ledger: `done`, `gap` or `running`."""
        if self.done:
            return "done"
        return "gap" if self.gap else "running"

    def advanced_by(self, step: Self) -> Self:
        """Return the progress after another step; a step without a cursor keeps the last one."""
        return replace(
            self,
            cursor=self.cursor if step.cursor is None else step.cursor,
            done=step.done,
            rows=self.rows + step.rows,
            newest=max(filter(None, (self.newest, step.newest)), default=None),
            gap=(self.gap or step.gap) and not step.done,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The windows a command reads, with their progress.

    Windows are cut one by one while others are being read, because only then it is known how many
    submissions a day brings.

    Attributes:
        name: `sync` or `backfill FIRST LAST`.
        id: Id of the run that started the plan.
        started_at: When that run started, UTC.
        days: Days of `created_at` to keep, UTC.
        sections: `request_type`s to read; empty reads all of them in one request.
        uncut: Days that are not cut into windows yet; None if there are none.
        windows: Windows with their progress, by window name, oldest first.
        window_count: Windows cut so far; the number of the next one.
    """

    name: str
    id: str
    started_at: datetime
    days: DateRange
    sections: tuple[str, ...] = ()
    uncut: Window | None = None
    windows: dict[str, tuple[Window, TaskProgress]] = field(default_factory=dict)
    window_count: int = 0

    @classmethod
    def new(
        cls, name: str, run_id: str, started_at: datetime, days: DateRange, sections: Sequence[str]
    ) -> Self:
        """Return a plan of which nothing has been read."""
        return cls(name, run_id, started_at, days, tuple(sections), padded_window(days))

    @property
    def unfinished(self) -> dict[str, tuple[Window, TaskProgress]]:
        """Return the windows that still have pages to read."""
        return {
            name: (window, progress)
            for name, (window, progress) in self.windows.items()
            if not progress.done
        }

    @property
    def finished(self) -> bool:
        """Whether all days have been cut into windows and read."""
        return self.uncut is None and not self.unfinished

    @property
    def lacks_only_gaps(self) -> bool:
        """Whether everything has been read but submissions that the API could not return."""
        return self.uncut is None and all(progress.gap for _, progress in self.unfinished.values())

    @property
    def share_read(self) -> float | None:
        """Return the share of the days that has been read, 0 to 1; None if the days have no end.

        It is estimated for a window that is partly read: as if its days brought as many submissions
        as those of the finished windows.
        """
        total = _days(padded_window(self.days))
        unread = [self.uncut] if self.uncut else []
        unread += [window for window, _ in self.unfinished.values()]
        lengths = [_days(window) for window in unread]
        if total is None or None in lengths:
            return None
        days_left = float(sum(filter(None, lengths)))
        finished = sum(progress.rows for _, progress in self.windows.values() if progress.done)
        daily = finished / max(total - days_left, 1)
        if daily:
            for window, progress in self.unfinished.values():
                days_left -= min(progress.rows / daily, _days(window) or 0)
        return max(0.0, 1 - days_left / total)

    @property
    def newest(self) -> datetime | None:
        """Return the latest `created_at` read in any window."""
        moments = (progress.newest for _, progress in self.windows.values())
        return max(filter(None, moments), default=None)

    def with_next_window(self, volume: DailyVolume, workers: int, page_size: int) -> Self:
        """Return the plan with the next window cut off the remaining days."""
        if self.uncut is None:
            return self
        window, rest = next_window(self.uncut, volume, self.started_day, workers, page_size)
        return replace(self, uncut=rest).with_window(window)

    def with_progress(self, name: str, progress: TaskProgress) -> Self:
        """Return the plan with the progress of a window replaced."""
        window, _ = self.windows[name]
        return replace(self, windows=self.windows | {name: (window, progress)})

    def with_window(self, window: Window) -> Self:
        """Return the plan with an unread window added."""
        added = {f"{self.id}/{self.window_count}": (window, TaskProgress())}
        return replace(self, windows=self.windows | added, window_count=self.window_count + 1)

    def with_gaps_of(self, earlier: Self) -> Self:
        """Return the plan with the windows of an earlier one that have gaps, to try them again."""
        gaps = {
            name: (window, replace(progress, gap=False))
            for name, (window, progress) in earlier.unfinished.items()
            if progress.gap
        }
        if not gaps:
            return self
        starts = (self.days.first, earlier.days.first)
        first = None if None in starts else min(filter(None, starts))
        days = replace(self.days, first=first)
        return replace(self, days=days, windows=gaps | self.windows)

    def reopened(self) -> Self:
        """Return the plan with recent days to be read again: they may have grown.

        A window that reaches up to the day the plan started was read before that day was over. It
        is split: its settled days stay done, the days after them become a window of their own.
        """
        plan = replace(self, windows={})
        unsettled: list[Window] = []
        for name, (window, progress) in self.windows.items():
            if window.end and window.end < self.settled_day:
                plan.windows[name] = (window, progress)
            elif progress.done and (window.start is None or window.start < self.settled_day):
                settled = replace(window, end=add_days(self.settled_day, -1))
                plan.windows[name] = (settled, progress)
                unsettled.append(replace(window, start=self.settled_day))
            else:
                plan.windows[name] = (window, TaskProgress())
        for window in unsettled:
            plan = plan.with_window(window)
        return plan

    def compacted(self) -> Self:
        """Return the plan with adjacent finished windows merged, to keep the state small."""
        merged: dict[str, tuple[Window, TaskProgress]] = {}
        last = ""
        for name, (window, progress) in self.windows.items():
            if merged and progress.done:
                earlier, earlier_progress = merged[last]
                adjacent = earlier.end is not None and window.start == add_days(earlier.end, 1)
                if earlier_progress.done and adjacent:
                    both = replace(earlier, end=window.end)
                    merged[last] = (both, earlier_progress.advanced_by(progress))
                    continue
            merged[name], last = (window, progress), name
        return replace(self, windows=merged)

    @property
    def started_day(self) -> date:
        """Return the UTC day on which the plan started."""
        return day_of(self.started_at)

    @property
    def settled_day(self) -> date:
        """Return the first day that, in some time zone, was not over when the plan started."""
        return add_days(self.started_day, -1)


def _days(window: Window | None) -> int | None:
    """Return the number of days of a window; None if it has no end."""
    if window is None or window.start is None or window.end is None:
        return None
    return (window.end - window.start).days + 1


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The progress of one window, for the ledger of the run.

    An `emptied` one is a day whose submissions must be read again: some lacked a section, or too
    many were missing.
    """

    name: str
    window: Window
    progress: TaskProgress
    emptied: bool = False

    @property
    def state(self) -> str:
        """Return the state for the ledger: that of the progress, or `emptied`."""
        return EMPTIED if self.emptied else self.progress.state
