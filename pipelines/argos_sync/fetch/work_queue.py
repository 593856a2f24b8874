"""The work queue: turns a plan into tasks, and records how far each task has been read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from argos_sync.fetch.ledger import LedgerEntry, Plan, TaskProgress
from argos_sync.fetch.task import Task, TaskPage
from argos_sync.fetch.windows import DailyVolume, EndDate, Window


@dataclass(slots=True)
class WorkQueue:
    """The tasks of a fetch job: the windows of a plan first, then further tasks.

    Windows are cut when a worker asks for the next task, by the volume of the windows read so far.
    Further tasks are short, so they are not resumable. `workers` tasks are read at once, with
    `page_size` submissions per request.

    The plan is as it will be once all recorded pages are loaded; without one only further tasks are
    read. While it is unknown how the server reads `end_date`, that is None.
    """

    plan: Plan | None = None
    extra_tasks: Sequence[Task] = ()
    end_date: EndDate | None = None
    workers: int = 1
    page_size: int = 1000
    volume: DailyVolume = field(default_factory=DailyVolume)
    _ledger: dict[str, LedgerEntry] = field(default_factory=dict)
    _extra_progress: dict[str, TaskProgress] = field(default_factory=dict)

    @property
    def is_one_window(self) -> bool:
        """Whether a single window covers all remaining days.

        While `end_date` is unknown every window asks for one more day. That is hardly worth a probe
        for a single window.
        """
        if self.plan is None:
            return True
        cut = self.plan.with_next_window(self.volume, self.workers, self.page_size)
        return cut.uncut is None and len(cut.unfinished) <= 1

    @property
    def has_lists(self) -> bool:
        """Whether any task reads a list; the others fetch single submissions by id."""
        queries = (task.query for task in self.extra_tasks)
        return self.plan is not None or any(query.submission_id is None for query in queries)

    def tasks(self) -> Iterator[Task]:
        """Yield tasks lazily, so that recorded pages decide the size of later windows."""
        if self.plan is not None:
            for name in self.plan.unfinished:
                yield self._task(self.plan, name)
            while self.plan.uncut is not None:
                self.plan = self.plan.with_next_window(self.volume, self.workers, self.page_size)
                yield self._task(self.plan, next(reversed(self.plan.windows)))
        yield from self.extra_tasks

    def unread(self) -> list[Window]:
        """Return the days of the plan that have not been read completely, as windows."""
        if self.plan is None:
            return []
        unfinished = [window for window, _ in self.plan.unfinished.values()]
        return [*unfinished, self.plan.uncut] if self.plan.uncut else unfinished

    def record(self, page: TaskPage, step: TaskProgress) -> None:
        """Add what a page brings to its task: a cursor, and the submissions taken from it."""
        name, window = page.task.name, page.task.window
        if self.plan is not None and name in self.plan.windows:
            progress = self.plan.windows[name][1].advanced_by(step)
            self.plan = self.plan.with_progress(name, progress)
            if window is not None and progress.done:
                self.volume = self.volume.after(window, progress.rows, self.plan.started_day)
        else:
            progress = self._extra_progress.get(name, TaskProgress()).advanced_by(step)
            self._extra_progress[name] = progress
        if window is not None:
            self._ledger[name] = LedgerEntry(name, window, progress)

    def take_ledger(self) -> tuple[LedgerEntry, ...]:
        """Return the windows that have advanced since the last call."""
        entries = tuple(self._ledger.values())
        self._ledger = {}
        return entries

    def _task(self, plan: Plan, name: str) -> Task:
        window, progress = plan.windows[name]
        query = window.query(self.end_date)
        return Task(name, window.label, query, progress.cursor, plan.days, window)
