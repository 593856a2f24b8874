"""What a command works through, and how far it has come: values that travel with each chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial

from argos_sync.fetch.reader import Cursor, Task, TaskPage
from argos_sync.fetch.windows import (
    DailyVolume,
    DateRange,
    EndDate,
    Window,
    add_days,
    next_window,
    padded_window,
)


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """How far a task has come once the chunk is loaded.

    Attributes:
        cursor: Where to go on.
        done: Whether there is nothing left to read.
        rows: Submissions loaded of it.
        newest: Latest `created_at` among them, UTC.
    """

    cursor: Cursor | None = None
    done: bool = False
    rows: int = 0
    newest: datetime | None = None

    def then(self, now: TaskProgress) -> TaskProgress:
        """Return how far the task has come after some more of it; a missing cursor keeps this."""
        return TaskProgress(
            cursor=self.cursor if now.cursor is None else now.cursor,
            done=now.done,
            rows=self.rows + now.rows,
            newest=max(filter(None, (self.newest, now.newest)), default=None),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The windows a command works through, resumable; cut while it is worked on.

    Attributes:
        name: `sync` or `backfill FIRST LAST`.
        id: The run that began it.
        begun: When it began, UTC.
        wanted: Days to keep.
        sections: `request_type`s to walk; empty for all in one.
        uncut: Days that are not cut into windows yet.
        windows: Windows with their progress, by window name, oldest first.
        cuts: Windows cut so far, which numbers the next.
    """

    name: str
    id: str
    begun: datetime
    wanted: DateRange
    sections: tuple[str, ...] = ()
    uncut: Window | None = None
    windows: dict[str, tuple[Window, TaskProgress]] = field(default_factory=dict)
    cuts: int = 0

    @classmethod
    def new(
        cls, name: str, run_id: str, *, begun: datetime, wanted: DateRange, sections: Sequence[str]
    ) -> Plan:
        """Return a plan that has not begun."""
        return cls(name, run_id, begun, wanted, tuple(sections), padded_window(wanted))

    @property
    def left(self) -> dict[str, tuple[Window, TaskProgress]]:
        """Windows that are not done."""
        return {name: found for name, found in self.windows.items() if not found[1].done}

    @property
    def finished(self) -> bool:
        """Whether nothing is left to cut or to read."""
        return self.uncut is None and not self.left

    @property
    def newest(self) -> datetime | None:
        """Latest `created_at` seen in any window."""
        moments = (progress.newest for _, progress in self.windows.values())
        return max(filter(None, moments), default=None)

    def cut(self, pace: DailyVolume, workers: int, page_size: int) -> Plan:
        """Return the plan with one more window, and fewer days uncut."""
        if self.uncut is None:
            return self
        today = self.begun.astimezone(UTC).date()
        window, rest = next_window(self.uncut, pace, today, workers, page_size)
        return replace(self, uncut=rest).with_window(window)

    def after(self, name: str, progress: TaskProgress) -> Plan:
        """Return the plan once a window has come so far."""
        window, _ = self.windows[name]
        return replace(self, windows=self.windows | {name: (window, progress)})

    def reopened(self) -> Plan:
        """Return the plan with the days begun anew that could still grow when they were read.

        A window that reached to the day the plan began was read before that day was over.
        """
        plan = replace(self, windows={})
        again: list[Window] = []
        for name, (window, progress) in self.windows.items():
            if window.end and window.end < self.settled:
                plan.windows[name] = (window, progress)
            elif progress.done and (window.start is None or window.start < self.settled):
                before = replace(window, end=add_days(self.settled, -1))
                plan.windows[name] = (before, progress)
                again.append(replace(window, start=self.settled))
            else:
                plan.windows[name] = (window, TaskProgress())
        for window in again:
            plan = plan.with_window(window)
        return plan

    def compacted(self) -> Plan:
        """Return the plan with neighbouring windows that are done as one, to be stored small."""
        kept: list[tuple[str, Window, TaskProgress]] = []
        for name, (window, progress) in self.windows.items():
            if kept and progress.done and kept[-1][2].done and _touch(kept[-1][1], window):
                first, before, so_far = kept[-1]
                kept[-1] = (first, replace(before, end=window.end), so_far.then(progress))
            else:
                kept.append((name, window, progress))
        return replace(self, windows={name: (window, done) for name, window, done in kept})

    @property
    def settled(self) -> date:
        """First day, of any time zone, that may not have been over when the plan began."""
        return add_days(self.begun.astimezone(UTC).date(), -1)

    def with_window(self, window: Window) -> Plan:
        """Return the plan with another window."""
        named = {f"{self.id}/{self.cuts}": (window, TaskProgress())}
        return replace(self, windows=self.windows | named, cuts=self.cuts + 1)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """How far a window has come: a row of the ledger.

    Attributes:
        name: The window's name.
        window: Its days.
        progress: How far it has come.
    """

    name: str
    window: Window
    progress: TaskProgress


@dataclass(slots=True)
class WorkQueue:
    """What to read: first the windows of a plan, cut as they are asked for, then further tasks.

    Attributes:
        plan: As it stands once all pages noted so far are loaded; None when there is none.
        further: Tasks that need no place to go on from.
        end_date: How the server reads `end_date`.
        workers: Tasks read at once.
        page_size: Submissions a request brings.
        pace: What days bring, for cutting.
    """

    plan: Plan | None = None
    further: Sequence[Task] = ()
    end_date: EndDate | None = None
    workers: int = 1
    page_size: int = 500
    pace: DailyVolume = field(default_factory=DailyVolume)
    _steps: dict[str, LedgerEntry] = field(default_factory=dict)
    _before: dict[str, TaskProgress] = field(default_factory=dict)

    @property
    def is_one_window(self) -> bool:
        """Whether no other window begins where one ends, so that asking a day more costs least."""
        if self.plan is None:
            return True
        cut = self.plan.cut(self.pace, self.workers, self.page_size)
        return cut.uncut is None and len(cut.left) <= 1

    def tasks(self) -> Iterator[Task]:
        """Yield tasks; what is noted meanwhile counts for those that follow."""
        if self.plan is not None:
            for name, (window, progress) in self.plan.left.items():
                yield self._task(self.plan, name, window, progress)
            while self.plan.uncut is not None:
                self.plan = self.plan.cut(self.pace, self.workers, self.page_size)
                name, (window, progress) = list(self.plan.windows.items())[-1]
                yield self._task(self.plan, name, window, progress)
        yield from self.further

    def note(self, page: TaskPage, now: TaskProgress) -> None:
        """Add a page's progress to that of its task."""
        name, window = page.task.name, page.task.window
        progress = self._progress(name).then(now)
        if self.plan is not None and name in self.plan.windows:
            self.plan = self.plan.after(name, progress)
        else:
            self._before[name] = progress
        if window is not None:
            self._steps[name] = LedgerEntry(name, window, progress)
            if progress.done:
                self.pace = self.pace.after(window, progress.rows)

    def take(self) -> tuple[LedgerEntry, ...]:
        """Return the windows that came on since the last call."""
        steps = tuple(self._steps.values())
        self._steps = {}
        return steps

    def _progress(self, name: str) -> TaskProgress:
        if self.plan is not None and name in self.plan.windows:
            return self.plan.windows[name][1]
        return self._before.get(name, TaskProgress())

    def _task(self, plan: Plan, name: str, window: Window, progress: TaskProgress) -> Task:
        query = partial(window.query, self.end_date)
        return Task(name, window.label, query, progress.cursor, plan.wanted, window)


def _touch(one: Window, following: Window) -> bool:
    """Whether one window begins where another ends."""
    return one.end is not None and following.start == add_days(one.end, 1)
