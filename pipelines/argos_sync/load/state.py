"""What is remembered between runs, in dlt's state of the source `argos`.

The state lands in the warehouse in the same package as the rows it speaks of. Nightly syncs and
each backfill have plans of their own, so neither overwrites the other:

    high_water_mark   newest created_at of the last finished sync, ISO 8601
    end_date          how the server reads end_date, once a probe has found out
    plans             by name ("sync", "backfill 2025-01-01 2025-12-31"), while unfinished:
        id                the run that began the plan
        begun             when it began, ISO 8601
        sections          request_types it walks
        range             first and last day kept
        windows           by window: start, end, cursor, done, rows, newest
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from argos_sync.load.chunks import Progress
from argos_sync.load.windows import EndDate, Range, Window

State = dict[str, Any]

SYNC = "sync"


@dataclass(frozen=True, slots=True)
class Plan:
    """The windows a command works through, resumable.

    Attributes:
        name: `sync` or `backfill FIRST LAST`.
        id: The run that began it.
        begun: When it began, UTC.
        wanted: Moments to keep.
        sections: `request_type`s to walk; empty for all in one.
        windows: Windows with their stored progress, by window name, oldest first.
    """

    name: str
    id: str
    begun: datetime
    wanted: Range
    sections: tuple[str, ...]
    windows: dict[str, tuple[Window, Progress]]

    @classmethod
    def new(
        cls,
        name: str,
        run_id: str,
        *,
        begun: datetime,
        wanted: Range,
        sections: Sequence[str],
        windows: Sequence[Window],
    ) -> Plan:
        """Return a plan that has not begun."""
        named = {f"{run_id}/{position}": (w, Progress()) for position, w in enumerate(windows)}
        return cls(name, run_id, begun, wanted, tuple(sections), named)

    @property
    def left(self) -> dict[str, tuple[Window, Progress]]:
        """Windows that are not done."""
        return {name: found for name, found in self.windows.items() if not found[1].done}

    def after(self, progress: Mapping[str, Progress]) -> Plan:
        """Return the plan as it stands once a chunk with that progress is loaded."""
        windows = {
            name: (window, before.then(progress[name]) if name in progress else before)
            for name, (window, before) in self.windows.items()
        }
        return replace(self, windows=windows)

    def reopened(self) -> Plan:
        """Return the plan with every window begun anew that could still grow when it was read.

        A window that reached to the day the plan began was read before that day was over.
        """
        settled = self.begun.astimezone(UTC).date() - timedelta(days=1)
        windows = {
            name: (window, before if window.end and window.end < settled else Progress())
            for name, (window, before) in self.windows.items()
        }
        return replace(self, windows=windows)

    @property
    def newest(self) -> datetime | None:
        """Latest `created_at` seen in any window."""
        moments = (progress.newest for _, progress in self.windows.values())
        return max(filter(None, moments), default=None)


def high_water_mark(state: Mapping[str, Any]) -> datetime | None:
    """Return the newest `created_at` of the last finished sync, UTC."""
    return _moment(state.get("high_water_mark"))


def raise_high_water_mark(state: State, newest: datetime | None, begun: datetime) -> None:
    """Move the high-water mark to a newer `created_at`; never back.

    Nor beyond the moment the reading began: a single `created_at` in the future would otherwise
    hide all that is created until then, and rows created meanwhile may have been missed.
    """
    marks = filter(None, (high_water_mark(state), min(newest, begun) if newest else None))
    state["high_water_mark"] = _text(max(marks, default=None))


def end_date(state: Mapping[str, Any]) -> EndDate | None:
    """Return how the server reads `end_date`, when a probe has found out."""
    return cast("EndDate | None", state.get("end_date"))


def stored_plan(state: Mapping[str, Any], name: str, sections: Sequence[str]) -> Plan | None:
    """Return the unfinished plan of that name, unless it walks other sections than asked for."""
    stored = state.get("plans", {}).get(name)
    if stored is None or tuple(stored["sections"]) != tuple(sections):
        return None
    wanted = Range(*map(_day, stored["range"]))
    windows = {key: _read_window(window) for key, window in stored["windows"].items()}
    begun = datetime.fromisoformat(stored["begun"])
    return Plan(name, stored["id"], begun, wanted, tuple(sections), windows)


def store_plan(state: State, plan: Plan) -> None:
    """Write the plan; a finished one is removed, and a finished sync moves the high-water mark."""
    plans = state.setdefault("plans", {})
    if plan.left:
        plans[plan.name] = {
            "id": plan.id,
            "begun": plan.begun.isoformat(),
            "sections": list(plan.sections),
            "range": [_text(plan.wanted.first), _text(plan.wanted.last)],
            "windows": {key: _write_window(*found) for key, found in plan.windows.items()},
        }
        return
    plans.pop(plan.name, None)
    if plan.name == SYNC:
        raise_high_water_mark(state, plan.newest, plan.begun)


def _write_window(window: Window, progress: Progress) -> State:
    return {
        "start": _text(window.start),
        "end": _text(window.end),
        "cursor": progress.cursor,
        "done": progress.done,
        "rows": progress.rows,
        "newest": _text(progress.newest),
    }


def _read_window(stored: Mapping[str, Any]) -> tuple[Window, Progress]:
    window = Window(_day(stored["start"]), _day(stored["end"]))
    newest = _moment(stored["newest"])
    return window, Progress(stored["cursor"], stored["done"], stored["rows"], newest)


def _text(value: date | None) -> str | None:
    return value.isoformat() if value else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
