"""What one read works through, kept where the pages arrive: tasks out, progress in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from argos_sync.fetch.plan import Plan, TaskProgress
from argos_sync.fetch.reader import Task, TaskPage
from argos_sync.fetch.windows import DailyVolume, EndDate, Window


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
