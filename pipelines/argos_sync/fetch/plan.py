"""What a command works through, and how far it has come: values that travel with each chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from argos_sync.fetch.windows import (
    DailyVolume,
    DateRange,
    Window,
    add_days,
    next_window,
    padded_window,
)

Cursor = dict[str, Any]
"""Per section (or "" for all of them in one walk) the `nextpageKey` to go on from, as JSON. A
section that is not in it has been read to its end."""


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


def _touch(one: Window, following: Window) -> bool:
    """Whether one window begins where another ends."""
    return one.end is not None and following.start == add_days(one.end, 1)
