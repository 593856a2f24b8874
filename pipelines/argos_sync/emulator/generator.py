"""Synthetic submissions: every documented field at realistic rates, the same for the same seed."""

from collections.abc import Iterator
from datetime import date
from typing import Any, TypedDict, Unpack

from argos_sync.emulator import mutators, sections, word_lists
from argos_sync.emulator.timestamps import DAY, HOUR, SECOND, day_start, vendor_time

_IMAGES = "https://images.example.com"
_STATUSES = ("approved",) * 80 + ("rejected",) * 10 + ("pending",) * 6 + ("incomplete",) * 4
# Every 40 submissions, these get a created_at at the edge of a day in UTC or in Korea, and
# `_TIES` get the created_at of the one before.
_CYCLE = 40
_EDGES = {3: 0, 4: DAY - 1, 5: 15 * HOUR, 6: 15 * HOUR - 1, 7: 15 * HOUR + 1}
_TIES = (9, 10)


class Options(TypedDict, total=False):
    """The options of `stream`."""

    seed: int
    start: date
    end: date
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
    messy: bool = False,
    unencodable: bool = False,
    broken: bool = False,
) -> Iterator[dict[str, Any]]:
    """Yield `count` submissions in ascending order of `created_at`, then `submission_id`.

    A submission takes about 2 KB of JSON and 7 table rows. Some share their `created_at`; some
    have one at midnight UTC, a millisecond before it, or around 15:00 UTC, when a day starts in
    Korea. The same arguments give the same submissions.

    `start` and `end` are the first and the last day (UTC) of `created_at`. `messy` varies two in
    three as real responses vary: see `mutators.MESSY`. `unencodable` puts a lone surrogate or a NUL
    character, which most databases refuse, into some. `broken` makes some impossible to load:
    without a usable `submission_id` or `created_at`, or not an object at all.

    Raises:
        ValueError: `end` is before `start`.
    """
    if end < start:
        raise ValueError(f"the last day {end} is before the first day {start}")
    dice = sections.Dice(seed)
    keys = sorted(_sort_keys(dice, count, day_start(start), day_start(end) + DAY))
    submissions = (_submission(dice, submission_id, created) for created, submission_id in keys)
    return mutators.apply_mutators(
        submissions, seed=seed, messy=messy, unencodable=unencodable, broken=broken
    )


def _sort_keys(dice: sections.Dice, count: int, start: int, end: int) -> Iterator[tuple[int, str]]:
    """Yield pairs of `created_at` and `submission_id`."""
    created = start
    for place in range(count):
        if place % _CYCLE not in _TIES:
            created = start + dice.below(end - start)
        if (edge := _EDGES.get(place % _CYCLE)) is not None:
            created += edge - created % DAY
        yield created, dice.key(20)


def _submission(dice: sections.Dice, submission_id: str, created: int) -> dict[str, Any]:
    status = dice.pick(_STATUSES)
    approved = status == "approved"
    final = approved or status == "rejected"
    korean = dice.chance(0.55)
    images = f"{_IMAGES}/{submission_id}"
    data = sections.person(dice, korean=korean, created=created)
    decided = created + 60 * SECOND + dice.below(2 * DAY)
    attempts = sections.attempts(dice, data["nationality"], created, approved, images)
    kyc: dict[str, Any] = {"result": status, "attempts": list(attempts)}
    fields: dict[str, Any] = {
        "submission_id": submission_id,
        "created_at": vendor_time(created),
        "updated_at": vendor_time(decided + dice.below(30 * DAY) if final else created),
        "userid": dice.text(f"user-{dice.below(20_000_000):08}"),
        "email": f"{data['first_name'].lower().replace(' ', '.')}{dice.below(9_999)}@example.com",
        "data": data,
        "kyc": kyc,
        "aml": sections.screening(dice, finished=approved),
        "image": {"idImage": f"{images}/id.jpg", "selfieImage": f"{images}/selfie.jpg"},
    }
    if final:
        fields["kyc_result_at"] = vendor_time(decided)
        fields["reviewer"] = dice.pick(("system", "system", "system", "agent"))
    if status == "rejected":
        reasons = [dice.pick(word_lists.REJECTIONS) for _ in range(1 + dice.below(3))]
        kyc["comment"] = [dice.text(comment) for _, comment in reasons]
        kyc["commentCode"] = [code for code, _ in reasons]
    if status == "pending" or dice.chance(0.05):
        fields["pending_at"] = vendor_time(created + SECOND + dice.below(60 * SECOND))
    if korean:
        fields["bank_verification"] = sections.bank_verification(dice)
    if dice.chance(0.2):
        fields["additional_list"] = sections.additional_answers(dice)
    return fields | _extras(dice, images, created)


def _extras(dice: sections.Dice, images: str, created: int) -> dict[str, Any]:
    """Return the fields that only some projects enable."""
    fields: dict[str, Any] = {}
    if dice.chance(0.3):
        attacks = ("Screen_play", "Paper_printed", "Replace_portraits")
        fields["id_LivenessScore"] = {attack: dice.score(0, 1, 4) for attack in attacks}
        fields["recognition_score"] = dice.score(60, 100)
        fields["argos_score"] = dice.score(0, 100)
    if dice.chance(0.1):
        fields["applicant_id"] = dice.key(16)
        fields["duplicated_information"] = dice.pick(("none", "document", "face"))
        fields["tokenId"] = dice.key(16)
    if dice.chance(0.1):
        fields["project_options"] = {"aml": True, "languages": ["ko", "en"], "retry": dice.below(4)}
        fields["projection"] = {"projectionId": dice.key(8), "projectionName": dice.text("기본")}
    if dice.chance(0.06):
        moment = created + HOUR + dice.below(DAY)
        fields["memo"] = {"text": dice.text("checked by phone"), "updated_at": vendor_time(moment)}
    if dice.chance(0.03):
        moment = created - SECOND - dice.below(60 * SECOND)
        fields["Injection_action"] = {"type": "virtual_camera", "time": vendor_time(moment)}
    if dice.chance(0.1):
        fields["OCR_raw"] = {"lines": [dice.text("성명"), "KIM"], "confidence": dice.score(0, 1, 4)}
        fields["image"] = {
            "idImage": f"{images}/id.jpg",
            "idBackImage": f"{images}/id-back.jpg",
            "selfieImage": f"{images}/selfie.jpg",
            "addressImage": f"{images}/address.jpg",
        }
    return fields
