"""The sections of a synthetic submission, each with realistic values and rates."""

import random
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from argos_sync.emulator import word_lists
from argos_sync.emulator.timestamps import DAY, HOUR, SECOND, day_text, vendor_time

T = TypeVar("T")
Object = dict[str, Any]

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ORDINALS = ("1st", "2nd", "3rd")


class Dice(random.Random):
    """Draw random values fast: 50,000 submissions take millions of draws."""

    def chance(self, share: float) -> bool:
        """Return True in a `share` of the calls, from 0 to 1."""
        return self.random() < share

    def below(self, limit: int) -> int:
        """Return an integer from 0 to `limit` - 1."""
        return int(self.random() * limit)

    def pick(self, words: Sequence[T]) -> T:
        """Return one of `words`."""
        return words[int(self.random() * len(words))]

    def score(self, low: float, high: float, digits: int = 2) -> float:
        """Return a score from `low` to `high`."""
        return round(low + self.random() * (high - low), digits)

    def key(self, length: int) -> str:
        """Return a random text of letters and digits."""
        draw = self.random
        return "".join([_ALPHABET[int(draw() * 62)] for _ in range(length)])

    def text(self, ordinary: str) -> str:
        """Return `ordinary`, or rarely a string that breaks careless code."""
        return self.pick(word_lists.HOSTILE) if self.chance(0.006) else ordinary


def person(dice: Dice, *, korean: bool, created: int) -> Object:
    """Return the `data` section: the applicant, the document and the address."""
    today = created // DAY
    birth_day = today - 6_600 - dice.below(20_000)
    issue_day = today - dice.below(3_000)
    fields: Object = {
        "gender": dice.pick(("male", "female")),
        "date_of_birth": day_text(birth_day),
        "age_group": word_lists.AGE_GROUPS[min((today - birth_day) // 3_653 - 1, 5)],
        "ip_address": f"{1 + dice.below(222)}.{dice.below(256)}.{dice.below(256)}.7",
        "idType": dice.pick(word_lists.ID_TYPES),
        "idcard_issueDate": day_text(issue_day),
        "idcard_expireDate": day_text(issue_day + 3_652),
        "documentNumber": f"M{dice.below(100_000_000):08}",
    }
    fields |= _korean(dice, birth_day) if korean else _foreign(dice, today)
    for name in ("cf1", "cf2", "cf3"):
        if dice.chance(0.2):
            fields[name] = dice.text(f"branch-{dice.below(90)}")
    return fields


def _korean(dice: Dice, birth_day: int) -> Object:
    family, family_latin = dice.pick(word_lists.KOREAN_SURNAMES)
    given, given_latin = dice.pick(word_lists.KOREAN_GIVEN)
    city, street = dice.pick(word_lists.KOREAN_CITIES)
    number = dice.below(900)
    birth = day_text(birth_day)
    return {
        "name": dice.text(family + given),
        "first_name": given_latin,
        "last_name": family_latin,
        "full_name": f"{family_latin} {given_latin}",
        "nationality": "KOR",
        "idcard_issuingCountry": "KOR",
        "identityNumber": f"{birth[2:4]}{birth[5:7]}{birth[8:]}-{dice.below(10_000_000):07}",
        "address_country": "KOR",
        "address_city": city,
        "address_street": f"{street} {number}",
        "address_zipcode": f"{dice.below(64_000):05}",
        "address_formatted": f"대한민국 {city} {street} {number}",
        "address_input": dice.text(f"{city} {street} {number}"),
        "address_detail": f"{dice.below(40)}층 {dice.below(30)}호",
    }


def _foreign(dice: Dice, today: int) -> Object:
    given = dice.pick(word_lists.GIVEN)
    family = dice.pick(word_lists.SURNAMES)
    country = dice.pick(word_lists.COUNTRIES)
    city, state, street = dice.pick(word_lists.CITIES)
    fields: Object = {
        "name": dice.text(f"{given} {family}"),
        "first_name": given,
        "last_name": family,
        "full_name": f"{given} {family}",
        "nationality": country,
        "idcard_issuingCountry": country,
        "identityNumber": dice.key(9).upper(),
        "address_country": country,
        "address_city": city,
        "address_state": state,
        "address_street": street,
        "address_street2": dice.text(f"Apt {dice.below(99)}"),
        "address_zipcode": f"{dice.below(100_000):05}",
        "address_globalCode": f"8Q98{dice.key(4).upper()}+MP",
        "address_compoundCode": f"HXPG+MP {city}, {country}",
        "address_formatted": f"{street}, {city}, {state}, {country}",
        "address_input": dice.text(f"{street}, {city}"),
    }
    if dice.chance(0.2):
        permit = dice.pick(word_lists.PERMITS)
        fields |= {
            "typeOfPermit": permit,
            "typeOfPermitGovKor": permit,
            "expiryDateOfStayKor": day_text(today + dice.below(1_000)),
            "nationalityGovKor": country,
        }
    return fields


def attempts(dice: Dice, country: str, created: int, passed: bool, images: str) -> Iterator[Object]:
    """Yield one to three `kyc.attempts`; only the last one passes, if `passed`."""
    total = 1 + dice.chance(0.28) + dice.chance(0.1)
    for number in range(total):
        start = created - (total - number) * HOUR
        success = passed and number == total - 1
        yield _attempt(dice, number, country, start, passed=success, images=images)


def _attempt(
    dice: Dice, number: int, country: str, start: int, *, passed: bool, images: str
) -> Object:
    liveness = dice.score(80, 99.9) if passed else dice.score(5, 80)
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
        "selfieImage": f"{images}/selfie-{number}.jpg",
        "step1Time1st": vendor_time(start),
        "step2Time1st": vendor_time(start + 30 * SECOND + dice.below(30_000)),
    }
    if country in word_lists.NORTH_AMERICA:
        fields["idBarcodeResult"] = "success" if passed else "fail"
    if dice.chance(0.3):
        fields["verification"] = {"source": "gov", "matched": passed, "code": dice.below(100)}
        fields["verificationParams"] = {"issueDate": True, "fields": ["name", "documentNumber"]}
    if not passed:
        fields["errorCode"], fields["errorMsg"] = dice.pick(word_lists.RETRIES)
        if dice.chance(0.6):
            _retry(dice, fields, start)
    return fields


def _retry(dice: Dice, attempt: Object, start: int) -> None:
    """Add the retries within one attempt: parallel lists, and the times of each."""
    reasons = [dice.pick(word_lists.RETRIES) for _ in range(1 + dice.below(2))]
    attempt["retryCode"] = [code for code, _ in reasons]
    attempt["retryMsg"] = [dice.text(message) for _, message in reasons]
    for step, place in enumerate(_ORDINALS[1 : 1 + len(reasons)], start=1):
        attempt[f"step1Time{place}"] = vendor_time(start + step * 120 * SECOND)
        attempt[f"step2Time{place}"] = vendor_time(start + step * 150 * SECOND)


def screening(dice: Dice, *, finished: bool) -> Object:
    """Return the `aml` section: `Not Screened`, which no match says too, or at times a red flag."""
    unmatched: Object = {"risk_level_summary": "Not Screened", "currentstatus": "Not Screened"}
    if not finished or dice.chance(0.25):
        return unmatched
    if not dice.chance(0.06):
        return unmatched | {"raw_data": {"total": 0}}
    level = dice.pick(("High", "Medium", "Low"))
    matches = [
        {
            "risk_level": level.upper(),
            "argos_number": f"ARG-{dice.below(1_000_000):06}",
            "resource_id": dice.key(24),
            "score": dice.score(0.5, 1, 4),
            "risk_icons": [dice.pick(word_lists.RISK_ICONS) for _ in range(dice.below(4))],
        }
        for _ in range(1 + dice.below(5))
    ]
    return {
        "risk_level_summary": level,
        "currentstatus": "Red Flag",
        "raw_data": {"total": len(matches), "sources": ["OFAC", "UN"], "note": dice.text("hit")},
        "matches": matches,
    }


def bank_verification(dice: Dice) -> Object:
    """Return the `bank_verification` section of a Korean applicant."""
    return {
        "result": "success" if dice.chance(0.93) else "fail",
        "type": dice.pick(("occupancy", "nameCheck")),
        "bank_code": dice.pick(word_lists.BANKS),
        "account_number": f"{dice.below(10**12):012}",
        "retry_count": dice.below(3),
    }


def additional_answers(dice: Dice) -> list[Object]:
    """Return the `additional_list`: one to four answers to the project's own questions."""
    first = dice.below(len(word_lists.QUESTIONS))
    return [
        {"answer": question, "inputValue": dice.text(dice.pick(choices)), "blockType": kind}
        for question, kind, choices in word_lists.QUESTIONS[first:]
    ]
