"""Synthetic submissions: every field the API documents, realistic odds, deterministic by seed."""

from __future__ import annotations

import random
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any

from argos_sync.emulator import mutators, sections, word_lists
from argos_sync.emulator.timestamps import DAY, HOUR, SECOND, day_start, vendor_time

if TYPE_CHECKING:
    from collections.abc import Iterator

_IMAGES = "https://images.example.com"
_STATUSES = ("approved",) * 80 + ("rejected",) * 10 + ("pending",) * 6 + ("incomplete",) * 4
# Places in every run of 40 whose created_at is moved to an instant where windows go wrong.
_EDGES = {3: 0, 4: DAY - 1, 5: 15 * HOUR, 6: 15 * HOUR - 1, 7: 15 * HOUR + 1}
_TIES = (9, 10)
_CYCLE = 40


def generate(
    count: int,
    *,
    seed: int = 0,
    start: date = date(2025, 1, 1),
    end: date = date(2025, 12, 31),
    messy: bool = False,
    unencodable: bool = False,
    broken: bool = False,
) -> list[dict[str, Any]]:
    """Makes `count` submissions in ascending order of `created_at`, then `submission_id`.

    About 2 KB of JSON and 7 table rows each. Some share their `created_at`, some were made exactly
    at midnight UTC, a millisecond before it, or around 15:00 UTC, when a day begins in Korea.

    Args:
        count: How many.
        seed: Same seed, same other arguments, same submissions.
        start: The first day (UTC) of `created_at`.
        end: The last day (UTC) of `created_at`, included.
        messy: Bend two in three of them in the ways the API's answers vary: see `mutators.MESSY`.
        unencodable: Give some a lone surrogate or a NUL character, which most stores refuse.
        broken: Spoil a few so that they cannot be loaded: no usable `submission_id` or
            `created_at`, or no object at all.

    Raises:
        ValueError: `end` lies before `start`.
    """
    return list(
        stream(
            count,
            seed=seed,
            start=start,
            end=end,
            messy=messy,
            unencodable=unencodable,
            broken=broken,
        )
    )


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
    """Yields what `generate` lists, one by one: a million of them need no more memory than one."""
    if end < start:
        raise ValueError(f"the last day, {end}, lies before the first, {start}")
    made = _plain(count, seed=seed, start=day_start(start), end=day_start(end) + DAY)
    return mutators.bend(made, seed=seed, messy=messy, unencodable=unencodable, broken=broken)


def _plain(count: int, *, seed: int, start: int, end: int) -> Iterator[dict[str, Any]]:
    rng = random.Random(seed)  # noqa: S311 synthetic data, not secrets
    dice = sections.Dice(rng)
    for created, submission_id in sorted(islice(_births(dice, start, end), count)):
        yield _submission(dice, submission_id, created)


def _births(dice: sections.Dice, start: int, end: int) -> Iterator[tuple[int, str]]:
    """Yields endless pairs of `created_at` and `submission_id`."""
    place, created = 0, start
    while True:
        if place % _CYCLE not in _TIES:
            created = start + dice.below(end - start)
        if (edge := _EDGES.get(place % _CYCLE)) is not None:
            created += edge - created % DAY
        yield created, dice.key(20)
        place += 1


def _submission(dice: sections.Dice, submission_id: str, created: int) -> dict[str, Any]:
    status = dice.pick(_STATUSES)
    final = status in {"approved", "rejected"}
    korean = dice.chance(0.55)
    images = f"{_IMAGES}/{submission_id}"
    data = sections.person(dice, korean=korean, created=created)
    decided = created + 60 * SECOND + dice.below(2 * DAY)
    kyc: dict[str, Any] = {
        "result": status,
        "attempts": sections.attempts(
            dice,
            country=data["nationality"],
            created=created,
            passed=status == "approved",
            images=images,
        ),
    }
    found: dict[str, Any] = {
        "submission_id": submission_id,
        "created_at": vendor_time(created),
        "updated_at": vendor_time(decided + dice.below(30 * DAY) if final else created),
        "userid": dice.text(f"user-{dice.below(20_000_000):08}"),
        "email": f"{data['first_name'].lower().replace(' ', '.')}{dice.below(9_999)}@example.com",
        "data": data,
        "kyc": kyc,
        "aml": sections.screening(dice, finished=status == "approved"),
        "image": {"idImage": f"{images}/id.jpg", "selfieImage": f"{images}/selfie.jpg"},
    }
    if final:
        found["kyc_result_at"] = vendor_time(decided)
        found["reviewer"] = dice.pick(("system", "system", "system", "agent"))
    if status == "rejected":
        reasons = [dice.pick(word_lists.REJECTIONS) for _ in range(1 + dice.below(3))]
        kyc["comment"] = [dice.text(comment) for _, comment in reasons]
        kyc["commentCode"] = [code for code, _ in reasons]
    if status == "pending" or dice.chance(0.05):
        found["pending_at"] = vendor_time(created + SECOND + dice.below(60 * SECOND))
    if korean:
        found["bank_verification"] = sections.bank(dice)
    if dice.chance(0.2):
        found["additional_list"] = sections.answers(dice)
    return found | _extras(dice, images, created)


def _extras(dice: sections.Dice, images: str, created: int) -> dict[str, Any]:
    """What only some projects switch on."""
    found: dict[str, Any] = {}
    if dice.chance(0.3):
        found["id_LivenessScore"] = {
            "Screen_play": dice.score(0, 1, 4),
            "Paper_printed": dice.score(0, 1, 4),
            "Replace_portraits": dice.score(0, 1, 4),
        }
        found["recognition_score"] = dice.score(60, 100)
        found["argos_score"] = dice.score(0, 100)
    if dice.chance(0.1):
        found["applicant_id"] = dice.key(16)
        found["duplicated_information"] = dice.pick(("none", "document", "face"))
        found["tokenId"] = dice.key(16)
    if dice.chance(0.1):
        found["project_options"] = {"aml": True, "languages": ["ko", "en"], "retry": dice.below(4)}
        found["projection"] = {"projectionId": dice.key(8), "projectionName": dice.text("기본")}
    if dice.chance(0.06):
        moment = created + HOUR + dice.below(DAY)
        found["memo"] = {"text": dice.text("checked by phone"), "updated_at": vendor_time(moment)}
    if dice.chance(0.03):
        moment = created - SECOND - dice.below(60 * SECOND)
        found["Injection_action"] = {"type": "virtual_camera", "time": vendor_time(moment)}
    if dice.chance(0.1):
        found["OCR_raw"] = {"lines": [dice.text("성명"), "KIM"], "confidence": dice.score(0, 1, 4)}
        found["image"] = {
            "idImage": f"{images}/id.jpg",
            "idBackImage": f"{images}/id-back.jpg",
            "selfieImage": f"{images}/selfie.jpg",
            "addressImage": f"{images}/address.jpg",
        }
    return found
