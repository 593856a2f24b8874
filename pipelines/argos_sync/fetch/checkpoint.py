"""The checkpoint: the state that is kept between runs, and resumes an interrupted one.

It is dlt's state of the source `argos`. Every chunk commits it in the same load package as its
rows. The nightly sync and each backfill have plans of their own, so they do not overwrite each
other:

    high_water_mark   newest created_at of the last finished sync, ISO 8601
    end_date          how the server reads end_date, once a probe has found it out
    plans             unfinished plans by name ("sync", "backfill 2025-01-01 2025-12-31"):
        id                id of the run that started the plan
        begun             when it started, ISO 8601
        sections          request_types it reads
        range             first and last day to keep
        uncut             days that are not cut into windows yet: start, end
        windows           windows by name: start, end, cursor, done, rows, newest, gap; adjacent
                          finished windows are merged
        cuts              windows cut so far
    completeness      how whole submissions are read, once a probe has found it out: mode, missing,
                      usual_paths, sections, checked (the day)
    drift             the usual shape of new submissions (`warehouse.drift`)
    layout            version of the warehouse's layout (`run.migrations`)
    lake_cleanup      whether an erasure still has to be finished in the files of a DuckLake
    longest_text      bytes of the longest text that was loaded, if any was unusually long
    views             fingerprint of the analyst views, once a run has created them
    synced_before     first day that the last finished sync did not read to its end
    synced_from       first day that the first sync asked for; null is all history
    finished          finished backfills by name: sections, settled (all days before it are
                      complete)
    project           fingerprint of the API key, and the secret it was made with (`project`)
    privacy           the privacy policy of all rows (`PrivacyPolicy.fingerprint`)
    suppression_secrets
                      secrets of the suppression list by key id, if it was started without a
                      privacy key
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast

from argos_sync.api.page_key import decode_page_key
from argos_sync.fetch.ledger import Plan, TaskProgress
from argos_sync.fetch.windows import DateRange, EndDate, Window, add_days

State = dict[str, Any]

SYNC = "sync"
LONGEST_TEXT = "longest_text"

LAYOUT = "layout"


def high_water_mark(state: Mapping[str, Any]) -> datetime | None:
    """Return the newest `created_at` of the last finished sync, UTC."""
    return _moment(state.get("high_water_mark"))


def advance_high_water_mark(state: State, newest: datetime | None, started_at: datetime) -> None:
    """Move the high-water mark forward to the newest `created_at`.

    It never moves beyond the start of the run: a single `created_at` in the future would hide all
    submissions created until then, and those created during the run may have been missed.
    """
    marks = filter(None, (high_water_mark(state), min(newest, started_at) if newest else None))
    state["high_water_mark"] = _text(max(marks, default=None))


def end_date(state: Mapping[str, Any]) -> EndDate | None:
    """Return how the server reads `end_date`; None before a probe."""
    return cast("EndDate | None", state.get("end_date"))


def unfinished_plan(state: Mapping[str, Any], name: str, sections: Sequence[str]) -> Plan | None:
    """Return the unfinished plan of a name; None if it reads other sections."""
    stored = state.get("plans", {}).get(name)
    if stored is None or tuple(stored["sections"]) != tuple(sections):
        return None
    return Plan(
        name,
        stored["id"],
        datetime.fromisoformat(stored["begun"]),
        DateRange(*map(_day, stored["range"])),
        tuple(sections),
        Window(*map(_day, stored["uncut"])) if stored["uncut"] else None,
        {key: _read_window(window) for key, window in stored["windows"].items()},
        stored["cuts"],
    )


def save_plan(state: State, plan: Plan) -> None:
    """Save an unfinished plan, or replace a finished one by its result.

    A finished sync advances the high-water mark; a finished backfill is noted as finished. So does
    a sync of which only gaps are left: the next one tries those again.
    """
    plans = state.setdefault("plans", {})
    if plan.name == SYNC and plan.lacks_only_gaps:
        if high_water_mark(state) is None:
            state["synced_from"] = _text(plan.days.first)
        advance_high_water_mark(state, plan.newest, plan.started_at)
        state["synced_before"] = _text(plan.settled_day)
    if not plan.finished:
        plans[plan.name] = {
            "id": plan.id,
            "begun": plan.started_at.isoformat(),
            "sections": list(plan.sections),
            "range": [_text(plan.days.first), _text(plan.days.last)],
            "uncut": [_text(plan.uncut.start), _text(plan.uncut.end)] if plan.uncut else None,
            "windows": {
                key: _write_window(window, progress)
                for key, (window, progress) in plan.compacted().windows.items()
            },
            "cuts": plan.window_count,
        }
        return
    plans.pop(plan.name, None)
    if plan.name != SYNC:
        note = {"sections": list(plan.sections), "settled": _text(plan.settled_day)}
        state.setdefault("finished", {})[plan.name] = note


def complete_before(state: Mapping[str, Any], name: str, sections: Sequence[str]) -> date | None:
    """Return the first day that a finished backfill has to read again.

    All days before it are complete. None means that the backfill has not finished.
    """
    note = state.get("finished", {}).get(name)
    if note is None or tuple(note["sections"]) != tuple(sections):
        return None
    return _day(note["settled"])


def first_synced_day(state: Mapping[str, Any]) -> date | None:
    """Return the first day that syncs keep up to date; None is all history."""
    return _day(state.get("synced_from"))


def read_days(state: Mapping[str, Any]) -> DateRange | None:
    """Return the days that syncs have read to their end; None before the first sync."""
    unread = _day(state.get("synced_before"))
    return DateRange(first_synced_day(state), add_days(unread, -1)) if unread else None


def drop_cursors(state: State, submission_ids: Collection[str]) -> None:
    """Restart the windows whose cursor names one of these submissions."""
    for plan in state.get("plans", {}).values():
        for window in plan["windows"].values():
            if mentions_any(window["cursor"], submission_ids):
                window |= {"cursor": None, "rows": 0}


def cursors(state: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the cursors of all windows."""
    for plan in state.get("plans", {}).values():
        for window in plan["windows"].values():
            yield window["cursor"]


def mentions_any(cursor: Any, submission_ids: Collection[str]) -> bool:
    """Whether a cursor, whose format only the server knows, contains one of these ids."""
    if isinstance(cursor, str):
        if any(submission_id in cursor for submission_id in submission_ids):
            return True
        decoded = decode_page_key(cursor)  # base64 hides an id, JSON its characters beyond ASCII
        return decoded != cursor and mentions_any(decoded, submission_ids)
    if isinstance(cursor, Mapping):
        return any(mentions_any(part, submission_ids) for part in (*cursor, *cursor.values()))
    if isinstance(cursor, Sequence):
        return any(mentions_any(part, submission_ids) for part in cursor)
    return str(cursor) in submission_ids


def _write_window(window: Window, progress: TaskProgress) -> State:
    return {
        "start": _text(window.start),
        "end": _text(window.end),
        "cursor": progress.cursor,
        "done": progress.done,
        "rows": progress.rows,
        "newest": _text(progress.newest),
        "gap": progress.gap,
    }


def _read_window(stored: Mapping[str, Any]) -> tuple[Window, TaskProgress]:
    window = Window(_day(stored["start"]), _day(stored["end"]))
    newest = _moment(stored["newest"])
    gap = stored.get("gap", False)
    return window, TaskProgress(stored["cursor"], stored["done"], stored["rows"], newest, gap)


def _text(value: date | None) -> str | None:
    return value.isoformat() if value else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
