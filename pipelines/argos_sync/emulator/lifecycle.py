"""The life of a submission: the applicant's progress, the decision, its time and its reasons.

Nothing here depends on the moment at which the submission is seen, so the same submissions can be
seen later, when more of them are decided.
"""

import sys
from typing import NamedTuple

from argos_sync.emulator import word_lists
from argos_sync.emulator.dice import Dice
from argos_sync.emulator.timestamps import DAY, HOUR, MINUTE, SECOND, weekday

_ALERTS, _LATE_ALERTS = 0.06, 0.012
"""Shares of approved submissions with an alert, and with one from monitoring."""

_FRIDAY, _SATURDAY = 4, 5

_OFFICE_HOURS = 9 * HOUR
"""Reviewers work from midnight UTC on, when it is 9:00 in Korea."""

NEVER = sys.maxsize
"""A moment that never comes, in milliseconds since 1970."""


class Life(NamedTuple):
    """How a submission ends.

    `attempts` are those with a selfie, and `passed` says whether the last of them passed.
    """

    result: str
    attempts: int = 0
    passed: bool = True
    has_id: bool = True
    reviewer: str | None = "system"
    reasons: tuple[str, ...] = ()
    is_reviewed: bool = False


_NO_ID = Life("incomplete", has_id=False, reviewer=None)
_NO_SELFIE = Life("incomplete", reviewer=None)
_TIMEOUT = Life("rejected", 1, passed=False, reasons=("timeout",))
_REJECTED = Life("rejected", 1)
_REVIEWED = Life("pending", 1, reviewer=None, is_reviewed=True)
_APPROVED = Life("approved", 1)
_LIVES = (
    (0.04, _NO_ID), (0.10, _NO_SELFIE), (0.13, _TIMEOUT), (0.175, _REJECTED), (0.27, _REVIEWED),
    (1, _APPROVED),
)  # fmt: skip
"""How submissions end, with cumulated shares."""


def draw_life(dice: Dice, *, duplicate: bool) -> Life:
    """Return the end of a submission; `duplicate` if the applicant is approved elsewhere."""
    draw = dice.random()
    life = next(life for share, life in _LIVES if draw < share)
    if not life.attempts:
        return life
    attempts = 1 + dice.chance(0.2) + dice.chance(0.05)
    if duplicate and dice.chance(0.6):
        return Life("rejected", attempts, reasons=(dice.pick(word_lists.REASONS_OF_DUPLICATES),))
    if life is _REJECTED:
        reason = dice.pick(word_lists.REASONS_OF_SYSTEM)
        passed = reason != "too_many_retry"
        return Life("rejected", attempts if passed else 3, passed, reasons=(reason,))
    if life is _REVIEWED:
        life = _draw_review(dice)
    return life._replace(attempts=attempts)


def _draw_review(dice: Dice) -> Life:
    """Return how a person decides; sometimes the applicant never sends the documents asked for."""
    if dice.chance(0.04):
        return _REVIEWED
    if dice.chance(0.75):
        return Life("approved", reviewer="agent", is_reviewed=True)
    reasons = [dice.pick(word_lists.REASONS_OF_AGENT) for _ in range(1 + dice.chance(0.25))]
    unique = tuple(dict.fromkeys(reasons))
    return Life("rejected", reviewer="agent", reasons=unique, is_reviewed=True)


def draw_decision(dice: Dice, life: Life, created: int, last: int) -> tuple[int, int]:
    """Return when a submission becomes pending and when it is decided, in ms since 1970.

    `last` is the moment of the applicant's last step. The system decides in seconds; a person
    takes hours, and longer if the applicant has to send documents.
    """
    answered = last + 2 * SECOND + dice.below(8_000)
    if life.reasons == ("timeout",):
        return NEVER, created + DAY + dice.below(20 * MINUTE)
    if not life.is_reviewed:
        return NEVER, answered
    if life.result == "pending":
        return answered, NEVER
    hours = dice.long_tail(100, 0.8) if dice.chance(0.1) else dice.long_tail(3, 1.1)
    return answered, _in_office_hours(dice, answered + int(hours * HOUR))


def draw_alert(dice: Dice, decided: int) -> tuple[int, int]:
    """Return when an approved submission gets a red flag and when it loses it, in ms since 1970.

    Few have an alert. Most alerts come from the screening at once, others from monitoring during
    the months after it. A person clears about half of them.
    """
    draw = dice.random()
    if draw > _ALERTS:
        return NEVER, NEVER
    raised = decided + (SECOND if draw > _LATE_ALERTS else dice.below(300 * DAY))
    if not dice.chance(0.55):
        return raised, NEVER
    return raised, _in_office_hours(dice, raised + int(dice.long_tail(72, 1) * HOUR))


def _in_office_hours(dice: Dice, moment: int) -> int:
    """Return the moment, or one soon after the office opens again."""
    day = weekday(moment)
    if day < _SATURDAY and moment % DAY < _OFFICE_HOURS:
        return moment
    days = {_FRIDAY: 3, _SATURDAY: 2}.get(day, 1)
    return (moment // DAY + days) * DAY + dice.below(2 * HOUR)
