"""The paths under `/_emulator/`, with which another process controls the emulator."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from argos_sync.emulator.responses import Response, message_body, unknown_path

if TYPE_CHECKING:
    from argos_sync.emulator.behaviour import Behaviour, Faults
    from argos_sync.emulator.store import Store

PREFIX = "/_emulator/"
_BATCH = 1_000


class State(Protocol):
    """The state of an emulator that these paths read and change."""

    store: Store
    behaviour: Behaviour
    faults: Faults
    request_count: int


def read(state: State, name: str) -> Response:
    """Return the response to GET `submissions` (one JSON object a line) or GET `stats`.

    Raises:
        Refusal: The path is unknown.
    """
    if name == "submissions":
        lines = state.store.raw()
        batches = (lines[start : start + _BATCH] for start in range(0, len(lines), _BATCH))
        return Response(
            200,
            b"",
            content_type="application/x-ndjson",
            content_length=sum(map(len, lines)) + len(lines),
            rest=(b"\n".join([*batch, b""]) for batch in batches),
        )
    if name == "stats":
        return _counts(requests=state.request_count, submissions=len(state.store))
    raise unknown_path()


def change(state: State, name: str, body: bytes) -> Response:
    """Apply a POST to `add`, `replace`, `update`, `delete`, `restore`, `faults` or `behaviour`.

    The JSON body of `add` and `replace` is a submission. `update` takes `submission_id` and
    `changes`, `delete` and `restore` take `submission_id`, and the last two take the fields to
    set.

    Raises:
        Refusal: The path is unknown.
    """
    try:
        _apply(state, name, orjson.loads(body))
    except (KeyError, TypeError, ValueError) as error:
        return Response(400, message_body(f"{type(error).__name__}: {error}"))
    return _counts(submissions=len(state.store))


def _apply(state: State, name: str, content: Any) -> None:
    store = state.store
    match name:
        case "add":
            store.add(content)
        case "replace":
            store.replace(content)
        case "update":
            store.update(content["submission_id"], content["changes"])
        case "delete":
            store.delete(content["submission_id"])
        case "restore":
            store.restore(content["submission_id"])
        case "faults":
            state.faults = replace(state.faults, **content)
        case "behaviour":
            state.behaviour = replace(state.behaviour, **content)
        case _:
            raise unknown_path()


def _counts(**numbers: int) -> Response:
    return Response(200, orjson.dumps(numbers))
