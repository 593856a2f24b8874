"""The sections of a synthetic submission, each with realistic values and rates."""

from typing import Any

from argos_sync.emulator import word_lists
from argos_sync.emulator.countries import NORTH_AMERICA
from argos_sync.emulator.dice import Dice
from argos_sync.emulator.timestamps import SECOND, vendor_time

Object = dict[str, Any]

_ORDINALS = ("1st", "2nd", "3rd")
_LEVELS = ("LOW", "MEDIUM", "HIGH")


def attempts(
    dice: Dice, number: int, country: str, created: int, *, passed: bool, images: str
) -> tuple[list[Object], int]:
    """Return the `kyc.attempts`, and the moment of the applicant's last step.

    All attempts fail, except the last one if `passed`.
    """
    result = []
    moment = created
    for count in range(1, number + 1):
        success = passed and count == number
        attempt, moment = _attempt(dice, count, country, moment, passed=success)
        attempt["selfieImage"] = f"{images}/selfie-{count}.jpg"
        result.append(attempt)
        if not success:
            moment += 10 * SECOND + dice.below(60_000)
    return result, moment


def attempt_without_selfie(created: int) -> Object:
    """Return the attempt of an applicant who left after the first step."""
    return {"attemptCnt": 1, "step1Time1st": vendor_time(created)}


def _attempt(
    dice: Dice, number: int, country: str, start: int, *, passed: bool
) -> tuple[Object, int]:
    """Return an attempt and the moment of its last step."""
    liveness = dice.score(80, 99.9) if passed else dice.score(5, 80)
    end = start + 15 * SECOND + dice.below(40_000)
    fields: Object = {
        "attemptCnt": number,
        "verificationResult": "success" if passed else "fail",
        "faceSimilarityScore": dice.score(75, 99.9) if passed else dice.score(10, 75),
        "livenessScore": liveness,
        "liveness": {
            "score": liveness,
            "probability": dice.score(0, 1, 4),
            "quality": dice.score(40, 99),
        },
        "step1Time1st": vendor_time(start),
        "step2Time1st": vendor_time(end),
    }
    if country in NORTH_AMERICA:
        fields["idBarcodeResult"] = "success" if passed else "fail"
    if dice.chance(0.2):
        fields["verification"] = {"source": "issuer", "matched": passed, "code": dice.below(9)}
        fields["verificationParams"] = {"issueDate": True, "fields": ["name", "documentNumber"]}
    if not passed:
        end = _add_failure(dice, fields, end)
    return fields, end


def _add_failure(dice: Dice, attempt: Object, end: int) -> int:
    """Add why a failed attempt failed, and its retries; return the moment of its last step."""
    reasons = [dice.pick(word_lists.RETRIES)]
    attempt["errorCode"], attempt["errorMsg"] = reasons[0]
    while len(reasons) < len(_ORDINALS) and dice.chance(0.35):
        place = _ORDINALS[len(reasons)]
        start, end = end + 5 * SECOND, end + 25 * SECOND + dice.below(40_000)
        attempt[f"step1Time{place}"] = vendor_time(start)
        attempt[f"step2Time{place}"] = vendor_time(end)
        reasons.append(dice.pick(word_lists.RETRIES))
    attempt["retryCode"] = [code for code, _ in reasons]
    attempt["retryMsg"] = [message for _, message in reasons]
    return end


def red_flag(dice: Dice) -> Object:
    """Return the `aml` section of a submission with one to five matches."""
    hits = [dice.pick(word_lists.HITS) for _ in range(1 + int(5 * dice.random() ** 2))]
    matches = [
        {
            "risk_level": level,
            "argos_number": f"ARG-{dice.digits(6)}",
            "resource_id": dice.key(24),
            "score": dice.score(0.6, 1, 4),
            "risk_icons": list(icons),
        }
        for level, icons in hits
    ]
    highest = max((level for level, _ in hits), key=_LEVELS.index)
    return {
        "risk_level_summary": highest.capitalize(),
        "currentstatus": "Red Flag",
        "raw_data": {"total": len(matches), "sources": ["OFAC", "UN"], "note": "name and year"},
        "matches": matches,
    }


def bank_verification(dice: Dice) -> Object:
    """Return the `bank_verification` section of a Korean applicant."""
    return {
        "result": "success" if dice.chance(0.93) else "fail",
        "type": dice.pick(("occupancy", "occupancy", "nameCheck")),
        "bank_code": dice.pick(word_lists.BANKS),
        "account_number": dice.digits(12),
        "retry_count": dice.below(3),
    }


def additional_answers(dice: Dice) -> list[Object]:
    """Return the `additional_list`: one to four answers to the project's own questions."""
    first = dice.below(len(word_lists.QUESTIONS))
    return [
        {"answer": question, "inputValue": dice.pick(choices), "blockType": kind}
        for question, kind, choices in word_lists.QUESTIONS[first:]
    ]


_OCR_FIELDS = {
    "birthDate": "date_of_birth",
    "expireDate": "idcard_expireDate",
    "firstName": "first_name",
    "fullName": "full_name",
    "identityNumber": "identityNumber",
    "lastName": "last_name",
    "nationality": "nationality",
}


def ocr(data: Object) -> Object:
    """Return the texts of the ID."""
    return {name: data[field] for name, field in _OCR_FIELDS.items() if field in data}


def raw_ocr(dice: Dice, data: Object) -> Object:
    """Return the texts of the ID with the recognition's certainty and the place of each."""
    fields: Object = {"rotate": {"value": "0"}}
    for name in ("full_name", "documentNumber", "idcard_issueDate"):
        fields[name] = {
            "value": data[name],
            "score": 80 + dice.below(20),
            "accepted": True,
            "coordinates": {"x": dice.below(900), "y": dice.below(600)},
        }
    return fields


def verification(dice: Dice, age: int) -> Object:
    """Return the estimates of the applicant's age by faces and documents."""
    selfie, document = age - 4 + dice.below(9), age - 6 + dice.below(9)
    return {
        "faceAge": [
            {
                "usedValues": {
                    "originalSelfieLow": selfie - 4,
                    "originalSelfieMedian": selfie,
                    "originalSelfieHigh": selfie + 4,
                    "selfieMedian": selfie,
                    "idMedian": document,
                    "idHigh": document + 5,
                    "birthDateAge": age,
                }
            }
        ]
    }
