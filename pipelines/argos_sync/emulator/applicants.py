"""Applicants: people with names, addresses and documents that fit their country.

Some people submit more than once, from the same account or from another one.
"""

import unicodedata
from functools import lru_cache
from typing import Any, NamedTuple

from argos_sync.emulator import countries, word_lists
from argos_sync.emulator.dice import Dice
from argos_sync.emulator.timestamps import DAY, day_text

Object = dict[str, Any]

_YEAR = 365.25
_KOREANS, _RESIDENTS = 0.55, 0.67
"""Cumulative shares of Koreans and of foreigners who live in Korea; all others live abroad."""
_DOMAINS = ("example.com", "example.com", "example.org", "example.net")
_OTHER_LETTERS = str.maketrans({"ø": "o", "Ł": "L", "ł": "l", "đ": "d", "ß": "ss"})
_NOT_IN_EMAIL = str.maketrans({" ": ".", "'": "", "-": "."})
_REMEMBERED = 512
_AGE_GROUPS = ((18, "adult"), (15, "teen"), (12, "early-teen"), (0, "minor"))


class Applicant(NamedTuple):
    """A person with an account: `data` is the section, `fingerprint` of its personal details."""

    data: Object
    email: str
    userid: str
    applicant_id: str
    fingerprint: str


class People:
    """The applicants, some of whom come back."""

    def __init__(self, dice: Dice) -> None:
        """Start without earlier applicants."""
        self._dice = dice
        self._earlier: list[tuple[Applicant, bool]] = []

    def draw(self, created: int) -> tuple[Applicant, bool]:
        """Return an applicant, and whether an approved one comes back with another account."""
        dice = self._dice
        if not (dice.chance(0.05) and self._earlier):
            return _new_applicant(dice, created // DAY), False
        applicant, approved = dice.pick(self._earlier)
        applicant = applicant._replace(data=dict(applicant.data))
        if dice.chance(0.5):
            return applicant, False
        email, userid = _account(dice, applicant.data["first_name"])
        return applicant._replace(email=email, userid=userid), approved

    def remember(self, applicant: Applicant, *, approved: bool) -> None:
        """Let some applicants come back."""
        if not self._dice.chance(0.1):
            return
        # A copy, since the submission may be changed in place.
        earlier = (applicant._replace(data=dict(applicant.data)), approved)
        if len(self._earlier) < _REMEMBERED:
            self._earlier.append(earlier)
        else:
            self._earlier[self._dice.below(_REMEMBERED)] = earlier


def _new_applicant(dice: Dice, today: int) -> Applicant:
    male = dice.chance(0.5)
    birth_day = today - 6_940 - int(19_000 * dice.random() ** 1.7)
    data: Object = {
        "name": "",
        "gender": "male" if male else "female",
        "date_of_birth": day_text(birth_day),
        "age_group": "adult",
    }
    draw = dice.random()
    if draw < _KOREANS:
        data |= _korean(dice, male=male, birth=day_text(birth_day))
        _add_document(dice, data, dice.pick(countries.KOREAN_DOCUMENTS), "KOR", today)
    elif draw < _RESIDENTS:
        country = dice.pick(countries.IN_KOREA)
        data |= _names(dice, country, male=male) | _korean_address(dice)
        data |= _permit(dice, country.code, today)
        birth = day_text(birth_day)
        first_digit = 5 if birth < "2000" else 7
        data["identityNumber"] = _resident_number(dice, birth, first_digit, male=male)
        _add_document(dice, data, dice.pick(countries.RESIDENT_DOCUMENTS), "KOR", today)
    else:
        country = dice.pick(countries.ABROAD)
        data |= _names(dice, country, male=male) | _address(dice, country)
        data["identityNumber"] = dice.digits(9)
        _add_document(dice, data, dice.pick(country.documents), country.code, today)
    if dice.chance(0.2):
        _add_rare(dice, data)
    email, userid = _account(dice, data["first_name"])
    return Applicant(data, email, userid, dice.key(16), dice.key(20))


def _account(dice: Dice, first_name: str) -> tuple[str, str]:
    number = dice.below(10_000)
    email = f"{_email_name(first_name)}{number}@{_DOMAINS[number % 4]}"
    return email, f"user-{dice.digits(8)}"


@lru_cache(maxsize=1_024)
def _email_name(name: str) -> str:
    """Return a name as it stands in an e-mail address: without accents, in lower case."""
    letters = unicodedata.normalize("NFKD", name.translate(_OTHER_LETTERS))
    return letters.encode("ascii", "ignore").decode().lower().translate(_NOT_IN_EMAIL)


def _korean(dice: Dice, *, male: bool, birth: str) -> Object:
    family, family_latin = dice.pick(countries.KOREAN_FAMILIES)
    given, given_latin = dice.pick(countries.KOREAN_MEN if male else countries.KOREAN_WOMEN)
    first_digit = 1 if birth < "2000" else 3
    return {
        "name": family + given,
        "first_name": given_latin,
        "last_name": family_latin,
        "full_name": f"{family_latin} {given_latin}",
        "nationality": "KOR",
        "identityNumber": _resident_number(dice, birth, first_digit, male=male),
    } | _korean_address(dice)


def _resident_number(dice: Dice, birth: str, first_digit: int, *, male: bool) -> str:
    """Return a Korean resident registration number; its seventh digit says century and gender."""
    return f"{birth[2:4]}{birth[5:7]}{birth[8:]}-{first_digit + (not male)}{dice.digits(6)}"


def _korean_address(dice: Dice) -> Object:
    city, street, zipcode = dice.pick(countries.KOREAN_ADDRESSES)
    number = 1 + dice.below(400)
    return {
        "ip_address": f"{countries.KOREAN_IP}.{dice.below(256)}.{dice.below(256)}.7",
        "address_country": "KOR",
        "address_city": city,
        "address_street": f"{street} {number}",
        "address_zipcode": f"{zipcode}{dice.digits(3)}",
        "address_formatted": f"대한민국 {city} {street} {number}",
        "address_input": f"{city} {street} {number}",
        "address_detail": f"{1 + dice.below(30)}층 {number}호",
    }


def _names(dice: Dice, country: countries.Country, *, male: bool) -> Object:
    given = dice.pick(country.men if male else country.women)
    family = dice.pick(country.families)
    first, _, middle = given.partition(" ")
    fields = {
        "name": f"{given} {family}",
        "first_name": first,
        "last_name": family,
        "full_name": f"{given} {family}",
        "nationality": country.code,
    }
    return fields | {"mid_name": middle} if middle else fields


def _address(dice: Dice, country: countries.Country) -> Object:
    city, state, street, zipcode = dice.pick(country.addresses)
    number = 1 + dice.below(400)
    return {
        "ip_address": f"{country.ip}.{dice.below(256)}.{dice.below(256)}.7",
        "address_country": country.code,
        "address_city": city,
        "address_state": state,
        "address_street": f"{street} {number}",
        "address_street2": f"Apt {1 + number % 60}",
        "address_zipcode": zipcode + dice.digits(5 - len(zipcode)),
        "address_globalCode": f"8Q98{dice.key(4).upper()}+MP",
        "address_compoundCode": f"HXPG+MP {city}, {country.code}",
        "address_formatted": f"{street} {number}, {city}, {state}, {country.code}",
        "address_input": f"{street} {number}, {city}",
    }


def _permit(dice: Dice, nationality: str, today: int) -> Object:
    permit = dice.pick(word_lists.PERMITS)
    return {
        "typeOfPermit": permit,
        "typeOfPermitGovKor": permit,
        "expiryDateOfStayKor": day_text(today + 20 + dice.below(1_000)),
        "nationalityGovKor": nationality,
    }


def _add_document(
    dice: Dice, data: Object, document: countries.Document, issuer: str, today: int
) -> None:
    """Add a document that is valid today; some soon expire."""
    validity = int(_YEAR * (document.years or 12))
    issued = today - dice.below(validity)
    data["idType"] = document.id_type
    data["idcard_issuingCountry"] = issuer
    data["idcard_issueDate"] = day_text(issued)
    if document.years:
        data["idcard_expireDate"] = day_text(issued + validity)
    data["documentNumber"] = document.prefix + dice.digits(document.digits)


def _add_rare(dice: Dice, data: Object) -> None:
    """Add the fields that only some projects, countries or documents have."""
    data["cf1"] = dice.pick(word_lists.CHANNELS)
    if dice.chance(0.5):
        data["cf2"] = f"campaign-{dice.below(40)}"
    if dice.chance(0.3):
        data["cf3"] = f"branch-{dice.below(90)}"
    if dice.chance(0.5):
        data["phoneNumber"] = f"010-{dice.digits(4)}-{dice.digits(4)}"
    if dice.chance(0.2):
        data["full_name_en"] = data["full_name"]
        data["version"] = dice.pick(("2.4", "3.0"))
        data["privacyShield"] = "N"
    if data["nationality"] == "USA":
        data["ssnNumber"] = f"{900 + dice.below(99)}-{dice.digits(2)}-{dice.digits(4)}"
    if data["nationality"] == "MEX":
        data["curpNumber"] = dice.key(16).upper() + dice.digits(2)
    if data["idType"] == "drivers_license":
        data["serialNumber"] = dice.key(8).upper()


def fit_to_reason(dice: Dice, applicant: Applicant, reason: str, created: int) -> Applicant:
    """Return the applicant, changed so that the reason of a rejection is true."""
    data, today = applicant.data, created // DAY
    if reason == "expired_id":
        if "idcard_expireDate" not in data:
            _add_document(dice, data, countries.KOREAN_LICENSE, "KOR", today)
        expired = today - 1 - dice.below(900)
        data["idcard_issueDate"] = day_text(expired - int(10 * _YEAR))
        data["idcard_expireDate"] = day_text(expired)
        return applicant
    if reason in {"under_ageLimit", "id_info_notOfAge"}:
        days = 3_700 + dice.below(2_800)
        data["date_of_birth"] = birth = day_text(today - days)
        data["age_group"] = next(group for age, group in _AGE_GROUPS if days >= age * _YEAR)
        if data["idcard_issuingCountry"] == "KOR":
            first_digit = 3 if data["nationality"] == "KOR" else 7
            male = data["gender"] == "male"
            data["identityNumber"] = _resident_number(dice, birth, first_digit, male=male)
    elif reason == "no-date-of-birth":
        del data["date_of_birth"]
        data["age_group"] = "N/A"
    elif reason == "blacklistCountry":
        names = _names(dice, countries.IRAN, male=data["gender"] == "male")
        stays = {name: data[name] for name in ("gender", "date_of_birth", "age_group")}
        data.clear()
        data |= names | stays | _address(dice, countries.IRAN)
        _add_document(dice, data, countries.IRAN.documents[0], "IRN", today)
    else:
        return applicant
    return applicant._replace(applicant_id=dice.key(16), fingerprint=dice.key(20))
