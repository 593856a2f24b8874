"""Synthetic submissions as an analyst sees them: rates, times, and values that fit."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from statistics import median, quantiles
from typing import Any

import pytest

from argos_sync.emulator import generate
from argos_sync.emulator.timestamps import DAY, HOUR, MINUTE, day_start, read_time, weekday
from argos_sync.emulator.word_lists import REASONS

Submissions = list[dict[str, Any]]

FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)
RETRY_CODES = {"liveness_error", "face_compare_underscore"}
RISK_ICONS = {"PEP", "SAN", "REL", "RRE", "POI", "INS", "DD", "PEP-LINKED", "PEP-FORMER"}


@pytest.fixture(scope="module")
def year() -> Submissions:
    """Return 4,000 submissions of 2025, as they are at its end."""
    return generate(4_000, start=FIRST, end=LAST)


def moments(value: Any) -> Iterable[int]:
    """Yield all times in a value, but not its dates."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from moments(inner)
    elif isinstance(value, str) and re.fullmatch(r"\d{4}(-\d\d){5}-\d{3}", value):
        moment = read_time(value)
        assert moment is not None
        yield moment


def at(submission: dict[str, Any], name: str) -> int:
    """Return a time of a submission."""
    moment = read_time(submission[name])
    assert moment is not None
    return moment


def hours_to_decision(submissions: Submissions, reviewer: str) -> list[float]:
    """Return how long the decisions of a reviewer took."""
    return [
        (at(one, "kyc_result_at") - at(one, "created_at")) / HOUR
        for one in submissions
        if one.get("reviewer") == reviewer and one["kyc"].get("commentCode") != ["timeout"]
    ]


def share(submissions: Submissions, total: Sequence[Any]) -> float:
    """Return the share of some submissions among all."""
    return len(submissions) / len(total)


def test_funnel(year: Submissions) -> None:
    """Some leave before each step, most are approved, and only a few are still pending."""
    results = Counter(one["kyc"]["result"] for one in year)
    assert 0.72 < results["approved"] / 4_000 < 0.82
    assert 0.08 < results["rejected"] / 4_000 < 0.15
    assert 0.001 < results["pending"] / 4_000 < 0.02
    incomplete = [one for one in year if one["kyc"]["result"] == "incomplete"]
    without_id = [one for one in incomplete if "image" not in one]
    without_selfie = [one for one in incomplete if "selfieImage" not in one.get("image", ())]
    assert 0.02 < share(without_id, year) < share(without_selfie, year) < 0.15
    assert not any("name" in one["data"] for one in without_id)
    attempts = Counter(len(one["kyc"]["attempts"]) for one in year)
    assert attempts[1] > attempts[2] > attempts[3] > 20
    assert attempts[0] == len(without_id)


def test_drop_offs_time_out(year: Submissions) -> None:
    """A submission left after a selfie is rejected a day later; one left before it never is."""
    late = [one for one in year if one["kyc"].get("commentCode") == ["timeout"]]
    assert 0.01 < share(late, year) < 0.05
    for one in late:
        assert DAY <= at(one, "kyc_result_at") - at(one, "created_at") < DAY + HOUR
        assert "selfieImage" in one["image"]
    left = [one for one in year if one["kyc"]["result"] == "incomplete"]
    assert min(at(one, "created_at") for one in left) < day_start(date(2025, 1, 10))


def test_decisions(year: Submissions) -> None:
    """The system decides in about a minute; people take hours, with a long tail."""
    system, people = (hours_to_decision(year, name) for name in ("system", "agent"))
    assert median(system) < 2 / 60
    assert max(system) < 0.5
    assert 1 < median(people) < 24
    assert quantiles(people, n=20)[-1] > 48
    decided = [one for one in year if one.get("reviewer") == "agent"]
    assert all(at(one, "pending_at") < at(one, "kyc_result_at") for one in decided)
    assert {weekday(at(one, "kyc_result_at")) for one in decided} == set(range(5))
    assert max(at(one, "kyc_result_at") % DAY for one in decided) < 9 * HOUR


def test_order_of_times(year: Submissions) -> None:
    """Nothing happens before the submission, after its last change, or in the future."""
    end = day_start(LAST) + DAY
    for one in year:
        times = [*moments(one)]
        assert min(times) == at(one, "created_at")
        assert max(times) == at(one, "updated_at") <= end
        assert ("kyc_result_at" in one) == (one["kyc"]["result"] in {"approved", "rejected"})
        assert ("reviewer" in one) == ("kyc_result_at" in one)


def test_nothing_is_later_than_now() -> None:
    """Without a moment, a range that has not ended is seen as of now."""
    today = datetime.now(UTC).date()
    submissions = generate(300, start=today, end=today + timedelta(days=1))
    now = datetime.now(UTC).timestamp() * 1_000
    assert all(moment <= now for one in submissions for moment in moments(one))


def test_the_same_submissions_later() -> None:
    """Later, the same submissions are there, more of them decided, and some alerts cleared."""
    noon = datetime(2025, 6, 30, 12, tzinfo=UTC)
    before, after = (
        generate(5_000, start=date(2025, 5, 1), end=LAST, now=noon + timedelta(days=days))
        for days in (0, 180)
    )
    assert len(before) < len(after)
    changes: Counter[Any] = Counter()
    for one, later in zip(before, after, strict=False):
        for name in ("submission_id", "created_at", "userid", "email"):
            assert one[name] == later[name]
        if one["updated_at"] == later["updated_at"]:
            assert one == later
        changes["result", one["kyc"]["result"], later["kyc"]["result"]] += 1
        changes["aml", one["aml"]["currentstatus"], later["aml"]["currentstatus"]] += 1
    assert changes["result", "pending", "approved"]
    assert changes["aml", "Red Flag", "Not Screened"]
    assert changes["aml", "Not Screened", "Red Flag"]
    assert not changes["result", "approved", "pending"]


def test_a_session_in_progress() -> None:
    """At any moment the applicants of the last minutes have not finished."""
    start = datetime(2025, 3, 3, 0, 20, tzinfo=UTC)
    day = start.date()
    results: Counter[str] = Counter()
    for minutes in range(0, 60, 5):
        now = start + timedelta(minutes=minutes)
        recent = generate(3_000, start=day, end=day, now=now)[-2:]
        assert all(moment <= now.timestamp() * 1_000 for one in recent for moment in moments(one))
        results.update(one["kyc"]["result"] for one in recent)
    assert results["incomplete"] > results["approved"]


def test_screening(year: Submissions) -> None:
    """Only approved submissions have a red flag, at a believable rate; some are cleared."""
    flagged = [one for one in year if one["aml"]["currentstatus"] == "Red Flag"]
    assert {one["aml"]["currentstatus"] for one in year} == {"Not Screened", "Red Flag"}
    assert {one["kyc"]["result"] for one in flagged} == {"approved"}
    assert 0.005 < share(flagged, year) < 0.04
    for one in year:
        aml = one["aml"]
        assert ("matches" in aml) == (aml["currentstatus"] == "Red Flag")
        levels = [match["risk_level"] for match in aml.get("matches", ())]
        highest = max(levels, key=("LOW", "MEDIUM", "HIGH").index, default="NOT SCREENED")
        assert aml["risk_level_summary"].upper() == highest
    assert {len(one["aml"]["matches"]) for one in flagged} == {1, 2, 3, 4, 5}
    cleared = [one for one in year if one["aml"].get("raw_data", {}).get("decision") == "cleared"]
    assert 0.3 < len(cleared) / len(cleared + flagged) < 0.7


def test_codes(year: Submissions) -> None:
    """Reasons, retries, icons and age groups are the vendor's, and most of them occur."""
    reasons = {code for one in year for code in one["kyc"].get("commentCode", ())}
    assert reasons <= set(REASONS)
    assert len(reasons) > 18
    for one in year:
        kyc = one["kyc"]
        assert kyc.get("comment", []) == [REASONS[code] for code in kyc.get("commentCode", ())]
    attempts = [attempt for one in year for attempt in one["kyc"]["attempts"]]
    assert {code for one in attempts for code in one.get("retryCode", ())} == RETRY_CODES
    matches = [match for one in year for match in one["aml"].get("matches", ())]
    assert {icon for match in matches for icon in match["risk_icons"]} == RISK_ICONS
    groups = Counter(one["data"].get("age_group") for one in year)
    assert set(groups) <= {"adult", "teen", "early-teen", "minor", "N/A", None}
    assert len(groups) > 3
    assert groups["adult"] > 0.9 * 4_000


def test_reasons_are_true(year: Submissions) -> None:
    """An expired ID has expired, a minor is young, and used up retries are three attempts."""
    seen: Counter[str] = Counter()
    for one in year:
        codes, data = one["kyc"].get("commentCode", ()), one["data"]
        seen.update(codes)
        day = one["created_at"][:10]
        if "date_of_birth" in data:
            adult = data["date_of_birth"] < f"{int(day[:4]) - 18}{day[4:]}"
            assert adult == (data["age_group"] == "adult")
        assert ("expired_id" in codes) <= (data.get("idcard_expireDate", "9") < day)
        assert ("under_ageLimit" in codes) <= (data.get("age_group") != "adult")
        assert ("blacklistCountry" in codes) == (data.get("nationality") == "IRN")
        assert ("too_many_retry" in codes) <= (len(one["kyc"]["attempts"]) == 3)
    assert min(seen[code] for code in ("expired_id", "under_ageLimit", "blacklistCountry")) > 2


def test_documents_fit_their_country(year: Submissions) -> None:
    """A document's country, type and number belong together; some documents soon expire."""
    people = [one["data"] for one in year if "name" in one["data"]]
    for data in people:
        korean = data["nationality"] == "KOR"
        resident = data["idType"] == "alien_registration_card"
        assert resident == ("typeOfPermit" in data)
        assert data["idcard_issuingCountry"] == ("KOR" if resident else data["nationality"])
        assert (data["address_country"] == "KOR") == (korean or resident)
        if korean and data["idType"] == "identity_card":
            assert "idcard_expireDate" not in data
        if korean:
            birth = data.get("date_of_birth", "").replace("-", "")[2:]
            assert data["identityNumber"].startswith(birth)
            assert int(data["identityNumber"][7]) % 2 == (data["gender"] == "male")
    left = [
        date.fromisoformat(data["idcard_expireDate"]) - LAST
        for data in people
        if "idcard_expireDate" in data
    ]
    assert sum(timedelta(0) <= days < timedelta(days=90) for days in left) > 20
    assert sum(days < timedelta(0) for days in left) > 20


def test_people_come_back(year: Submissions) -> None:
    """Some people submit again; equal fingerprints mean equal personal details."""
    by_fingerprint: dict[str, Submissions] = {}
    for one in year:
        if "duplicated_information" in one:
            by_fingerprint.setdefault(one["duplicated_information"], []).append(one)
    again = [group for group in by_fingerprint.values() if len(group) > 1]
    assert 50 < len(again) < 400
    for group in again:
        names = ("name", "gender", "nationality", "date_of_birth")
        assert len({tuple(one["data"].get(name) for name in names) for one in group}) == 1
        assert len({one["applicant_id"] for one in group if "applicant_id" in one}) <= 1
    assert any(len({one["email"] for one in group}) > 1 for group in again)
    assert any(len({one["userid"] for one in group}) == 1 for group in again)
    approved = [one for one in year if one["kyc"]["result"] == "approved"]
    assert all(("applicant_id" in one) == (one["kyc"]["result"] == "approved") for one in year)
    assert len({one["applicant_id"] for one in approved}) < len(approved)
    duplicates = [
        one for one in year if any("duplicate" in c for c in one["kyc"].get("commentCode", ()))
    ]
    assert duplicates
    assert all(len(by_fingerprint[one["duplicated_information"]]) > 1 for one in duplicates)


def test_rhythm(year: Submissions) -> None:
    """There are fewer submissions at the weekend, and in the Korean night."""
    created = [at(one, "created_at") for one in year]
    days = Counter(weekday(moment) for moment in created)
    assert max(days[5], days[6]) < 0.8 * min(days[day] for day in range(5))
    hours = Counter(moment % DAY // HOUR for moment in created)
    assert sum(hours[hour] for hour in range(17, 22)) < 0.5 * sum(hours[h] for h in range(5))
    assert len({moment // MINUTE for moment in created}) > 3_900


def test_projections() -> None:
    """A share of submissions has a projection and lacks fields; all others stay the same."""
    plain, projected = generate(500), generate(500, projected_share=0.1)
    assert projected == generate(500, projected_share=0.1)
    changed = [(one, two) for one, two in zip(plain, projected, strict=True) if one != two]
    assert 30 < len(changed) < 70
    names = Counter(two["projection"]["projectionName"] for _, two in changed)
    assert set(names) == {"names_only", "without_contact", "without_matches"}
    for one, two in changed:
        if two["projection"]["projectionName"] == "names_only":
            assert not {"image", "ocr", "OCR_raw"} & set(two)
            assert "identityNumber" not in two["data"]
            assert two["data"].get("name") == one["data"].get("name")
        if two["projection"]["projectionName"] == "without_matches":
            assert "matches" not in two["aml"]
            assert not any("selfieImage" in attempt for attempt in two["kyc"]["attempts"])
