"""The ways real answers differ from the vendor's page, as a table of small named mutators."""

from __future__ import annotations

import random
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple

from argos_sync.emulator.timestamps import read_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MISSING: Any = object()
_SEOUL = timezone(timedelta(hours=9))
_FIXED = ("submission_id", "created_at")
_BROKEN_EVERY = 12


class Mutator(NamedTuple):
    """One irregularity: what it is called, where it occurs, what it makes of a value.

    A path's step `*` is every item of a list. Without paths it occurs anywhere but in the
    `submission_id` and `created_at` a submission is known by. `change` gets `MISSING` for what is
    not there and returns `MISSING` to remove.
    """

    name: str
    paths: tuple[str, ...]
    change: Callable[[Any, random.Random], Any]


def _always(value: Any) -> Callable[[Any, random.Random], Any]:
    return lambda _value, _rng: deepcopy(value)


def _instead(value: Any) -> Callable[[Any, random.Random], Any]:
    return lambda old, _rng: old if old is MISSING else deepcopy(value)


def _remove(_value: Any, _rng: random.Random) -> Any:
    return MISSING


def _iso(value: Any, rng: random.Random) -> Any:
    """The same instant in one of the spellings of ISO 8601."""
    moment = read_time(value)
    if moment is None:
        return value
    seconds, milli = divmod(moment, 1_000)
    utc = datetime.fromtimestamp(seconds, UTC)
    fraction = rng.choice((f".{milli:03}", f".{milli:03}000", f".{milli:03}000000"))
    if rng.random() < 0.3:  # noqa: PLR2004 the odds
        fraction = f".{milli:03}".rstrip("0").rstrip(".")
    zone, offset = rng.choice(
        ((UTC, "Z"), (UTC, "+00:00"), (UTC, "+0000"), (UTC, ""), (_SEOUL, "+09:00"))
    )
    separator = rng.choice("TT ")
    return f"{utc.astimezone(zone):%Y-%m-%d{separator}%H:%M:%S}{fraction}{offset}"


def _text(value: Any, _rng: random.Random) -> Any:
    return str(value) if isinstance(value, int | float) else value


def _float(value: Any, _rng: random.Random) -> Any:
    return float(value) if isinstance(value, int) else value


def _first(value: Any, _rng: random.Random) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _uneven(value: Any, rng: random.Random) -> Any:
    return [*value, None, "extra"][: rng.randint(0, 4)] if isinstance(value, list) else value


def _odd_unknown(value: Any, rng: random.Random) -> Any:
    return rng.choice((value, 7, "new", True, {"deep": {"er": [1, "2"]}}, [1, {"two": 2}, None]))


_PARALLEL = (
    "kyc.comment",
    "kyc.commentCode",
    "kyc.attempts.*.retryMsg",
    "kyc.attempts.*.retryCode",
)
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
_LEVELS = (
    "newField", "data.newField", "kyc.newField", "kyc.attempts.*.newField",
    "kyc.attempts.*.liveness.newField", "aml.newField", "aml.matches.*.newField",
    "additional_list.*.newField", "bank_verification.newField", "image.newField",
)  # fmt: skip

MESSY = (
    Mutator("created_at in ISO 8601", ("created_at",), _iso),
    Mutator("other times in ISO 8601", _TIMES, _iso),
    Mutator("list of reasons as one string", _PARALLEL, _first),
    Mutator("parallel lists of unequal length", _PARALLEL, _uneven),
    Mutator("score as text", _SCORES, _text),
    Mutator("count as text", _COUNTS, _text),
    Mutator("count as float", _COUNTS, _float),
    Mutator("one object for a list", ("kyc.attempts", "aml.matches", "additional_list"), _first),
    Mutator("one value for a list", ("aml.matches.*.risk_icons",), _first),
    Mutator("section is null", _SECTIONS, _instead(None)),
    Mutator("section is text", _SECTIONS, _instead("see attachment")),
    Mutator("anything is null", (), _always(None)),
    Mutator("anything is an empty object", (), _always({})),
    Mutator("anything is an empty string", (), _always("")),
    Mutator("anything is N/A", (), _always("N/A")),
    Mutator("anything is missing", (), _remove),
    Mutator("unknown field", _LEVELS, _odd_unknown),
    Mutator("date in another order", _DATES, _instead("31/12/2020")),
    Mutator("date that does not exist", _DATES, _instead("2023-02-30")),
    Mutator("time that is none", _TIMES, _instead("yesterday")),
    Mutator("score that is none", _SCORES, _instead("abc")),
    Mutator("count with a fraction", _COUNTS, _instead(1.5)),
    Mutator("count too large", _COUNTS, _instead(10**30)),
    Mutator("count beyond 64 bits", _COUNTS, _instead(2**63)),
    Mutator("score too large", _SCORES, _instead(1e308)),
    Mutator("number for a text", ("data.name", "userid", "email", "data.cf1"), _instead(42)),
    Mutator("boolean for a number", _COUNTS + _SCORES, _instead(True)),
    Mutator("object for a text", ("data.name", "email", "reviewer"), _instead({"ko": "김"})),
    Mutator("list for a text", ("data.address_city", "kyc.result"), _instead(["a", "b"])),
    Mutator("nulls inside a list", ("kyc.attempts", "aml.matches"), _instead([None, "x", {}])),
)

UNENCODABLE = (
    Mutator("lone surrogate", ("data.name", "memo.text", "email"), _instead("half \ud800 pair")),
    Mutator("lone surrogate in an unknown field", ("newField",), _always(["\udfff"])),
    Mutator("NUL character", ("data.name", "kyc.comment", "userid"), _instead("nul \x00 here")),
)

BROKEN = (
    Mutator("no submission_id", ("submission_id",), _remove),
    Mutator("empty submission_id", ("submission_id",), _always("")),
    Mutator("submission_id is N/A", ("submission_id",), _always("N/A")),
    Mutator("submission_id is null", ("submission_id",), _always(None)),
    Mutator("unreadable created_at", ("created_at",), _always("last week")),
    Mutator("no created_at", ("created_at",), _remove),
)
_NO_OBJECTS: tuple[Any, ...] = ("not an object", None, [])


def bend(
    submissions: Iterable[dict[str, Any]],
    *,
    seed: int,
    messy: bool,
    unencodable: bool,
    broken: bool,
) -> Iterator[dict[str, Any]]:
    """Passes submissions on, two in three of them with one to three irregularities.

    The mutators take turns, so that a hundred submissions show every one of them.

    Args:
        submissions: They are changed in place.
        seed: Same seed, same changes.
        messy: Use the mutators of `MESSY`.
        unencodable: Use the mutators of `UNENCODABLE`.
        broken: Make every twelfth unusable in one of the ways of `BROKEN`, or no object at all.
    """
    rng = random.Random(seed)  # noqa: S311 synthetic data, not secrets
    table = MESSY * messy + UNENCODABLE * unencodable
    turns = cycle(table)
    spoils = cycle((*BROKEN, *_NO_OBJECTS))
    for place, submission in enumerate(submissions, start=1):
        if table and place % 3:
            for _ in range(rng.randint(1, 3)):
                mutate(submission, next(turns), rng)
        yield (
            _spoil(submission, next(spoils)) if broken and not place % _BROKEN_EVERY else submission
        )


def mutate(submission: dict[str, Any], mutator: Mutator, rng: random.Random) -> None:
    """Applies one mutator to one to three of its places in `submission`."""
    paths = mutator.paths or _everywhere(submission)
    for path in rng.sample(paths, min(len(paths), rng.randint(1, 3))):
        _change(submission, path.split("."), mutator.change, rng)


def _spoil(submission: dict[str, Any], how: Any) -> Any:
    if not isinstance(how, Mutator):
        return how
    mutate(submission, how, random.Random(0))  # noqa: S311 synthetic data, not secrets
    return submission


def _everywhere(submission: dict[str, Any]) -> tuple[str, ...]:
    """The paths of all fields in all objects of a submission."""

    def walk(value: Any, prefix: str) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield f"{prefix}{key}"
                yield from walk(inner, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield from walk(value[0] if value else None, f"{prefix}*.")

    return tuple(path for path in walk(submission, "") if path not in _FIXED)


def _change(
    value: Any,
    steps: list[str],
    change: Callable[[Any, random.Random], Any],
    rng: random.Random,
) -> None:
    """Follows a path as far as the value goes along with it."""
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
