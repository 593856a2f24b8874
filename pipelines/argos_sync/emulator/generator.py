"""Synthetic submissions: every documented field at realistic rates, the same for the same seed."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import accumulate, takewhile
from typing import Any, TypedDict, Unpack

from argos_sync.emulator import mutators
from argos_sync.emulator.applicants import People
from argos_sync.emulator.dice import Dice
from argos_sync.emulator.projections import project
from argos_sync.emulator.submission import build_submission
from argos_sync.emulator.timestamps import DAY, HOUR, day_start, weekday

# Of every thousand submissions, these get a created_at at the edge of a day in UTC or in Korea, and
# `_TIES` get the created_at of the one before.
_CYCLE = 1_000
_EDGES = {3: 0, 4: DAY - 1, 5: 15 * HOUR, 6: 15 * HOUR - 1, 7: 15 * HOUR + 1}
_TIES = (9, 10)

_BY_HOUR = (6, 7, 7, 8, 7, 7, 7, 7, 8, 8, 8, 7, 7, 7, 6, 5, 3, 2, 2, 2, 2, 2, 3, 4)
"""Submissions in each hour of UTC, relative to others: most applicants are in Korea."""
_BY_WEEKDAY = (11, 11, 10, 10, 10, 7, 6)
"""Submissions on each day of the week from Monday on, relative to others."""


class Options(TypedDict, total=False):
    """The options of `stream`."""

    seed: int
    start: date
    end: date
    now: datetime | None
    projected_share: float
    messy: bool
    unencodable: bool
    broken: bool


def generate(count: int, **options: Unpack[Options]) -> list[dict[str, Any]]:
    """Return the submissions of `stream` in a list."""
    return list(stream(count, **options))


def stream(
    count: int,
    *,
    seed: int = 0,
    start: date = date(2025, 1, 1),
    end: date = date(2025, 12, 31),
    now: datetime | None = None,
    projected_share: float = 0,
    messy: bool = False,
    unencodable: bool = False,
    broken: bool = False,
) -> Iterator[dict[str, Any]]:
    """Yield `count` submissions in ascending order of `created_at`, then `submission_id`.

    A submission takes about 2 KB of JSON and 7 table rows. Some share their `created_at`; some
    have one at midnight UTC, a millisecond before it, or around 15:00 UTC, when a day starts in
    Korea. The same arguments give the same submissions.

    `start` and `end` are the first and the last day (UTC) of `created_at`. `now` is the moment at
    which the submissions are seen: by default the end of the last day, or the current time if that
    is earlier. Later ones are left out, and those of the last hours are not decided yet; the same
    submissions can be seen at several moments. `projected_share` of them, from 0 to 1, lack the
    fields that a projection hides. `messy` varies two in three as real responses vary: see
    `mutators.MESSY`. `unencodable` puts a lone surrogate or a NUL character, which most databases
    refuse, into some. `broken` makes some impossible to load: without a usable `submission_id` or
    `created_at`, or not an object at all.

    Raises:
        ValueError: `end` is before `start`.
    """
    if end < start:
        raise ValueError(f"the last day {end} is before the first day {start}")
    range_end = day_start(end) + DAY
    as_of = min(range_end, _milliseconds(datetime.now(UTC))) if now is None else _milliseconds(now)
    dice = Dice(seed)
    people = People(dice)
    keys = sorted(_sort_keys(dice, count, day_start(start), range_end))
    submissions: Iterator[Any] = (
        build_submission(dice, people, submission_id, created, as_of)
        for created, submission_id in takewhile(lambda key: key[0] < as_of, keys)
    )
    if projected_share:
        submissions = project(submissions, projected_share, seed)
    return mutators.apply_mutators(
        submissions, seed=seed, messy=messy, unencodable=unencodable, broken=broken
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000)


def _sort_keys(dice: Dice, count: int, start: int, end: int) -> Iterator[tuple[int, str]]:
    """Yield pairs of `created_at` and `submission_id`."""
    hours = range(start, end, HOUR)
    weights = [_BY_WEEKDAY[weekday(hour)] * _BY_HOUR[hour % DAY // HOUR] for hour in hours]
    created = start
    for place, hour in enumerate(dice.choices(hours, cum_weights=[*accumulate(weights)], k=count)):
        if place % _CYCLE not in _TIES:
            created = hour + dice.below(HOUR)
        if (edge := _EDGES.get(place % _CYCLE)) is not None:
            created += edge - created % DAY
        yield created, dice.key(20)
