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
        uncut             days not cut into windows yet: start, end
        windows           by window: start, end, cursor, done, rows, newest; neighbours that
                          are done as one
        cuts              windows cut so far
    views             what the views were made of, once a run has made them
    synced_from       first day the first sync asked for; null is all history
    finished          by name, backfills that ended: sections, settled (the first day that may
                      have grown since)
    privacy           what the rows are written with (`Policy.fingerprint`)
    suppression_secrets
                      by key id, secrets that the list of who must not come back was made with
                      where there was no privacy key
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast

from argos_sync.fetch.plan import Plan, TaskProgress
from argos_sync.fetch.windows import DateRange, EndDate, Window

State = dict[str, Any]

SYNC = "sync"


def high_water_mark(state: Mapping[str, Any]) -> datetime | None:
    """Return the newest `created_at` of the last finished sync, UTC."""
    return _moment(state.get("high_water_mark"))


def advance_high_water_mark(state: State, newest: datetime | None, begun: datetime) -> None:
    """Move the high-water mark to a newer `created_at`; never back.

    Nor beyond the moment the reading began: a single `created_at` in the future would otherwise
    hide all that is created until then, and rows created meanwhile may have been missed.
    """
    marks = filter(None, (high_water_mark(state), min(newest, begun) if newest else None))
    state["high_water_mark"] = _text(max(marks, default=None))


def end_date(state: Mapping[str, Any]) -> EndDate | None:
    """Return how the server reads `end_date`, when a probe has found out."""
    return cast("EndDate | None", state.get("end_date"))


def unfinished_plan(state: Mapping[str, Any], name: str, sections: Sequence[str]) -> Plan | None:
    """Return the unfinished plan of that name, unless it walks other sections than asked for."""
    stored = state.get("plans", {}).get(name)
    if stored is None or tuple(stored["sections"]) != tuple(sections):
        return None
    wanted = DateRange(*map(_day, stored["range"]))
    windows = {key: _read_window(window) for key, window in stored["windows"].items()}
    begun = datetime.fromisoformat(stored["begun"])
    uncut = Window(*map(_day, stored["uncut"])) if stored["uncut"] else None
    cuts = stored["cuts"]
    return Plan(name, stored["id"], begun, wanted, tuple(sections), uncut, windows, cuts)


def save_plan(state: State, plan: Plan) -> None:
    """Write the plan; a finished one goes, and leaves the high-water mark or a note behind."""
    plans = state.setdefault("plans", {})
    if not plan.finished:
        plans[plan.name] = {
            "id": plan.id,
            "begun": plan.begun.isoformat(),
            "sections": list(plan.sections),
            "range": [_text(plan.wanted.first), _text(plan.wanted.last)],
            "uncut": [_text(plan.uncut.start), _text(plan.uncut.end)] if plan.uncut else None,
            "windows": {k: _write_window(*found) for k, found in plan.compacted().windows.items()},
            "cuts": plan.cuts,
        }
        return
    plans.pop(plan.name, None)
    if plan.name != SYNC:
        note = {"sections": list(plan.sections), "settled": _text(plan.settled)}
        state.setdefault("finished", {})[plan.name] = note
        return
    if high_water_mark(state) is None:
        state["synced_from"] = _text(plan.wanted.first)
    advance_high_water_mark(state, plan.newest, plan.begun)


def complete_before(state: Mapping[str, Any], name: str, sections: Sequence[str]) -> date | None:
    """Return up to which day, not included, a backfill was read to its end; None if it was not."""
    note = state.get("finished", {}).get(name)
    if note is None or tuple(note["sections"]) != tuple(sections):
        return None
    return _day(note["settled"])


def first_synced_day(state: Mapping[str, Any]) -> date | None:
    """Return the first day that syncs look after; None is all history."""
    return _day(state.get("synced_from"))


def drop_cursors(state: State, submission_ids: Collection[str]) -> None:
    """Let windows begin anew whose cursor names one of these submissions."""
    for plan in state.get("plans", {}).values():
        for window in plan["windows"].values():
            if mentions_any(window["cursor"], submission_ids):
                window |= {"cursor": None, "rows": 0}


def cursors(state: Mapping[str, Any]) -> Iterator[Any]:
    """Yield where unfinished windows are to be gone on from."""
    for plan in state.get("plans", {}).values():
        for window in plan["windows"].values():
            yield window["cursor"]


def mentions_any(cursor: Any, submission_ids: Collection[str]) -> bool:
    """Whether a cursor, of whatever kind the server makes, has one of these ids in it."""
    if isinstance(cursor, str):
        return any(one in cursor for one in submission_ids)
    if isinstance(cursor, Mapping):
        return any(mentions_any(one, submission_ids) for one in (*cursor, *cursor.values()))
    if isinstance(cursor, Sequence):
        return any(mentions_any(one, submission_ids) for one in cursor)
    return str(cursor) in submission_ids


def _write_window(window: Window, progress: TaskProgress) -> State:
    return {
        "start": _text(window.start),
        "end": _text(window.end),
        "cursor": progress.cursor,
        "done": progress.done,
        "rows": progress.rows,
        "newest": _text(progress.newest),
    }


def _read_window(stored: Mapping[str, Any]) -> tuple[Window, TaskProgress]:
    window = Window(_day(stored["start"]), _day(stored["end"]))
    newest = _moment(stored["newest"])
    return window, TaskProgress(stored["cursor"], stored["done"], stored["rows"], newest)


def _text(value: date | None) -> str | None:
    return value.isoformat() if value else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
