"""Mutators: the ways in which real responses differ from the vendor's documentation."""

import random
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from itertools import cycle
from typing import Any, NamedTuple

from argos_sync.emulator.timestamps import read_time
from argos_sync.emulator.word_lists import HOSTILE

Change = Callable[[Any, random.Random], Any]
"""Returns the new value of a field for its old one; `MISSING` stands for a field that is absent."""

MISSING: Any = object()
_SEOUL = timezone(timedelta(hours=9))
_IDENTITY = ("submission_id", "created_at")
_BROKEN_CYCLE = 12
_SHORT_FRACTIONS = 0.3
"""Share of ISO times whose fraction of a second has no trailing zeros."""


class Mutator(NamedTuple):
    """One kind of irregularity.

    A step `*` in one of its paths stands for every item of a list. Without paths, it occurs
    anywhere but in `submission_id` and `created_at`.
    """

    name: str
    paths: tuple[str, ...]
    change: Change


def _set(value: Any) -> Change:
    return lambda _value, _rng: deepcopy(value)


def _replace(value: Any) -> Change:
    return lambda old, _rng: old if old is MISSING else deepcopy(value)


def _remove(_value: Any, _rng: random.Random) -> Any:
    return MISSING


def _to_iso(value: Any, rng: random.Random) -> Any:
    """Write the same instant in one of the forms of ISO 8601."""
    moment = read_time(value)
    if moment is None:
        return value
    seconds, milli = divmod(moment, 1_000)
    utc = datetime.fromtimestamp(seconds, UTC)
    fraction = rng.choice((f".{milli:03}", f".{milli:03}000", f".{milli:03}000000"))
    if rng.random() < _SHORT_FRACTIONS:
        fraction = f".{milli:03}".rstrip("0").rstrip(".")
    zone, offset = rng.choice(
        ((UTC, "Z"), (UTC, "+00:00"), (UTC, "+0000"), (UTC, ""), (_SEOUL, "+09:00"))
    )
    separator = rng.choice("TT ")
    return f"{utc.astimezone(zone):%Y-%m-%d{separator}%H:%M:%S}{fraction}{offset}"


def _to_text(value: Any, _rng: random.Random) -> Any:
    return str(value) if isinstance(value, int | float) else value


def _to_float(value: Any, _rng: random.Random) -> Any:
    return float(value) if isinstance(value, int) else value


def _first(value: Any, _rng: random.Random) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _change_length(value: Any, rng: random.Random) -> Any:
    return [*value, None, "extra"][: rng.randint(0, 4)] if isinstance(value, list) else value


def _any_type(value: Any, rng: random.Random) -> Any:
    return rng.choice((value, 7, "new", True, {"deep": {"er": [1, "2"]}}, [1, {"two": 2}, None]))


def _hostile(old: Any, rng: random.Random) -> Any:
    return old if old is MISSING else rng.choice(HOSTILE)


_PARALLEL = (
    "kyc.comment", "kyc.commentCode", "kyc.attempts.*.retryMsg", "kyc.attempts.*.retryCode",
)  # fmt: skip
_SCORES = (
    "kyc.attempts.*.faceSimilarityScore", "kyc.attempts.*.livenessScore",
    "kyc.attempts.*.liveness.quality", "aml.matches.*.score", "recognition_score",
    "id_LivenessScore.Screen_play",
)  # fmt: skip
_COUNTS = ("kyc.attempts.*.attemptCnt", "bank_verification.retry_count")
_TIMES = (
    "updated_at", "kyc_result_at", "pending_at", "memo.updated_at", "Injection_action.time",
    "kyc.attempts.*.step1Time1st",
)  # fmt: skip
_DATES = ("data.date_of_birth", "data.idcard_issueDate", "data.idcard_expireDate")
_SECTIONS = ("data", "kyc", "aml", "kyc.attempts", "aml.matches", "image", "bank_verification")
_TEXTS = (
    "data.name", "data.address_input", "data.cf1", "userid", "memo.text",
    "additional_list.*.inputValue", "kyc.attempts.*.errorMsg",
)  # fmt: skip
_LEVELS = (
    "newField", "data.newField", "kyc.newField", "kyc.attempts.*.newField",
    "kyc.attempts.*.liveness.newField", "aml.newField", "aml.matches.*.newField",
    "additional_list.*.newField", "bank_verification.newField", "image.newField",
)  # fmt: skip

MESSY = (
    Mutator("created_at in ISO 8601", ("created_at",), _to_iso),
    Mutator("other times in ISO 8601", _TIMES, _to_iso),
    Mutator("list of reasons as one string", _PARALLEL, _first),
    Mutator("parallel lists of unequal length", _PARALLEL, _change_length),
    Mutator("score as text", _SCORES, _to_text),
    Mutator("count as text", _COUNTS, _to_text),
    Mutator("count as float", _COUNTS, _to_float),
    Mutator("object instead of a list", ("kyc.attempts", "aml.matches", "additional_list"), _first),
    Mutator("value instead of a list", ("aml.matches.*.risk_icons",), _first),
    Mutator("section is null", _SECTIONS, _replace(None)),
    Mutator("section is text", _SECTIONS, _replace("see attachment")),
    Mutator("anything is null", (), _set(None)),
    Mutator("anything is an empty object", (), _set({})),
    Mutator("anything is an empty string", (), _set("")),
    Mutator("anything is N/A", (), _set("N/A")),
    Mutator("anything is missing", (), _remove),
    Mutator("unknown field", _LEVELS, _any_type),
    Mutator("date in another format", _DATES, _replace("31/12/2020")),
    Mutator("date that does not exist", _DATES, _replace("2023-02-30")),
    Mutator("unreadable time", _TIMES, _replace("yesterday")),
    Mutator("unreadable score", _SCORES, _replace("abc")),
    Mutator("count with a fraction", _COUNTS, _replace(1.5)),
    Mutator("count too large", _COUNTS, _replace(10**30)),
    Mutator("count beyond 64 bits", _COUNTS, _replace(2**63)),
    Mutator("score too large", _SCORES, _replace(1e308)),
    Mutator("number instead of text", ("data.name", "userid", "email", "data.cf1"), _replace(42)),
    Mutator("boolean instead of a number", _COUNTS + _SCORES, _replace(True)),
    Mutator("object instead of text", ("data.name", "email", "reviewer"), _replace({"ko": "김"})),
    Mutator("list instead of text", ("data.address_city", "kyc.result"), _replace(["a", "b"])),
    Mutator("hostile text", _TEXTS, _hostile),
    Mutator("nulls inside a list", ("kyc.attempts", "aml.matches"), _replace([None, "x", {}])),
)

UNENCODABLE = (
    Mutator("lone surrogate", ("data.name", "memo.text", "email"), _replace("half \ud800 pair")),
    Mutator("lone surrogate in an unknown field", ("newField",), _set(["\udfff"])),
    Mutator("NUL character", ("data.name", "kyc.comment", "userid"), _replace("nul \x00 here")),
)

BROKEN = (
    Mutator("no submission_id", ("submission_id",), _remove),
    Mutator("empty submission_id", ("submission_id",), _set("")),
    Mutator("submission_id is N/A", ("submission_id",), _set("N/A")),
    Mutator("submission_id is null", ("submission_id",), _set(None)),
    Mutator("unreadable created_at", ("created_at",), _set("last week")),
    Mutator("no created_at", ("created_at",), _remove),
)
_NOT_OBJECTS: tuple[Any, ...] = ("not an object", None, [])


def apply_mutators(
    submissions: Iterable[dict[str, Any]], seed: int, messy: bool, unencodable: bool, broken: bool
) -> Iterator[dict[str, Any]]:
    """Yield submissions, changed in place: two in three with one to three irregularities.

    The mutators in `MESSY` and `UNENCODABLE` take turns, so a hundred submissions show all of
    them. `broken` makes every twelfth one impossible to load, by a mutator in `BROKEN` or by
    replacing it with a value that is not an object.
    """
    rng = random.Random(seed)  # noqa: S311 synthetic data, not secrets
    table = MESSY * messy + UNENCODABLE * unencodable
    turns = cycle(table)
    breakages = cycle((*BROKEN, *_NOT_OBJECTS))
    for place, submission in enumerate(submissions, start=1):
        if table and place % 3:
            for _ in range(rng.randint(1, 3)):
                mutate(submission, next(turns), rng)
        if broken and not place % _BROKEN_CYCLE:
            yield _break(submission, next(breakages))
        else:
            yield submission


def mutate(submission: dict[str, Any], mutator: Mutator, rng: random.Random) -> None:
    """Apply a mutator to one to three of its paths in `submission`."""
    paths = mutator.paths or [path for path in _paths(submission, "") if path not in _IDENTITY]
    for path in rng.sample(paths, min(len(paths), rng.randint(1, 3))):
        _change(submission, path.split("."), mutator.change, rng)


def _break(submission: dict[str, Any], breakage: Any) -> Any:
    if not isinstance(breakage, Mutator):
        return breakage
    mutate(submission, breakage, random.Random(0))  # noqa: S311 synthetic data, not secrets
    return submission


def _paths(value: Any, prefix: str) -> Iterator[str]:
    """Yield the paths of all fields in all objects of a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{prefix}{key}"
            yield from _paths(inner, f"{prefix}{key}.")
    elif isinstance(value, list):
        yield from _paths(value[0] if value else None, f"{prefix}*.")


def _change(value: Any, steps: list[str], change: Change, rng: random.Random) -> None:
    """Change the fields at a path, if the value has that path."""
    step, *rest = steps
    if step == "*" and isinstance(value, list):
        for item in value:
            _change(item, rest, change, rng)
    elif isinstance(value, dict):
        if rest:
            _change(value.get(step), rest, change, rng)
        elif (new := change(value.get(step, MISSING), rng)) is not MISSING:
            value[step] = new
        else:
            value.pop(step, None)
