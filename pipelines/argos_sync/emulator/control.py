"""The paths under `/_emulator/`: what a test in another process steers the emulator with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from argos_sync.emulator.responses import Answer, message, not_found

if TYPE_CHECKING:
    from argos_sync.emulator.emulator import Emulator

PREFIX = "/_emulator/"
_BATCH = 1_000


def read(emulator: Emulator, name: str) -> Answer:
    """GET: `submissions`, one a line, or `stats`.

    Raises:
        Refusal: There is no such path.
    """
    if name == "submissions":
        lines = emulator.store.raw()
        batches = (lines[start : start + _BATCH] for start in range(0, len(lines), _BATCH))
        return Answer(
            200,
            b"",
            content_type="application/x-ndjson",
            length=sum(map(len, lines)) + len(lines),
            rest=(b"\n".join([*batch, b""]) for batch in batches),
        )
    if name == "stats":
        return _done(requests=emulator.request_count, submissions=len(emulator.store))
    raise not_found()


def change(emulator: Emulator, name: str, body: bytes) -> Answer:
    """POST: `add`, `replace`, `update`, `delete`, `restore`, `faults` or `behaviour`.

    `add` and `replace` take a submission, `update` takes `submission_id` and `changes`, `delete`
    and `restore` take `submission_id`, the last two the fields to set.

    Raises:
        Refusal: There is no such path.
    """
    try:
        _change(emulator, name, orjson.loads(body))
    except (KeyError, TypeError, ValueError) as problem:
        return Answer(400, message(f"{type(problem).__name__}: {problem}"))
    return _done(submissions=len(emulator.store))


def _change(emulator: Emulator, name: str, given: Any) -> None:
    store = emulator.store
    match name:
        case "add":
            store.add(given)
        case "replace":
            store.replace(given)
        case "update":
            store.update(given["submission_id"], given["changes"])
        case "delete":
            store.delete(given["submission_id"])
        case "restore":
            store.restore(given["submission_id"])
        case "faults":
            emulator.faults = replace(emulator.faults, **given)
        case "behaviour":
            emulator.behaviour = replace(emulator.behaviour, **given)
        case _:
            raise not_found()


def _done(**facts: int) -> Answer:
    return Answer(200, orjson.dumps(facts))
