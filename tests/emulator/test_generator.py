from __future__ import annotations

import random
from collections import Counter
from datetime import date
from typing import Any

import orjson
import pytest

from argos_sync.emulator import Store, generate, stream
from argos_sync.emulator.mutators import BROKEN, MESSY, MISSING, UNENCODABLE, Mutator, mutate
from argos_sync.emulator.timestamps import DAY, HOUR, day_start, read_time, vendor_time
from argos_sync.emulator.word_lists import HOSTILE

SEED_FIELDS = """
data.name data.gender data.nationality data.date_of_birth data.ip_address data.idType
data.idcard_issuingCountry data.idcard_issueDate data.idcard_expireDate data.identityNumber
data.documentNumber data.address_city data.address_country data.address_state data.address_street
data.address_zipcode data.address_globalCode data.address_compoundCode data.address_formatted
data.address_input data.address_detail data.cf1 data.cf2 data.cf3 email reviewer submission_id
applicant_id created_at kyc_result_at updated_at pending_at userid additional_list.answer
additional_list.inputValue additional_list.blockType kyc.result kyc.comment kyc.commentCode
kyc.attempts.attemptCnt kyc.attempts.idBarcodeResult kyc.attempts.verificationResult
kyc.attempts.verification kyc.attempts.verificationParams kyc.attempts.errorCode
kyc.attempts.errorMsg kyc.attempts.step1Time1st kyc.attempts.step1Time2nd
kyc.attempts.step1Time3rd kyc.attempts.step2Time1st kyc.attempts.step2Time2nd
kyc.attempts.step2Time3rd kyc.attempts.retryMsg kyc.attempts.retryCode
kyc.attempts.faceSimilarityScore kyc.attempts.selfieImage kyc.attempts.livenessScore
kyc.attempts.liveness.score kyc.attempts.liveness.probability kyc.attempts.liveness.quality
aml.raw_data aml.risk_level_summary aml.currentstatus aml.matches.risk_level
aml.matches.argos_number aml.matches.resource_id aml.matches.score aml.matches.risk_icons
bank_verification.result bank_verification.type bank_verification.bank_code
bank_verification.account_number bank_verification.retry_count id_LivenessScore.Screen_play
id_LivenessScore.Paper_printed id_LivenessScore.Replace_portraits Injection_action.type
Injection_action.time tokenId
""".split()  # noqa: SIM905 a list would take a line a field
NEWER_FIELDS = """
data.first_name data.last_name data.full_name data.age_group data.address_street2
data.typeOfPermit data.typeOfPermitGovKor data.expiryDateOfStayKor data.nationalityGovKor
duplicated_information recognition_score argos_score project_options projection.projectionId
projection.projectionName image.idImage image.idBackImage image.selfieImage image.addressImage
memo.text memo.updated_at OCR_raw
""".split()  # noqa: SIM905 a list would take a line a field


@pytest.fixture(scope="module")
def plain() -> list[dict[str, Any]]:
    """Four thousand plain submissions of a year."""
    return generate(4_000)


def fields(value: Any, prefix: str = "") -> set[str]:
    """The paths of all fields, lists passed through."""
    if isinstance(value, dict):
        return {
            path
            for key, inner in value.items()
            for path in ({prefix + key} | fields(inner, f"{prefix}{key}."))
        }
    if isinstance(value, list):
        return {path for item in value for path in fields(item, prefix)}
    return set()


def usable(item: Any) -> bool:
    """Whether a submission has an id and a readable created_at."""
    return (
        isinstance(item, dict)
        and item.get("submission_id") not in (None, "", "N/A")
        and read_time(item.get("created_at")) is not None
    )


def test_every_documented_field_occurs(plain: list[dict[str, Any]]) -> None:
    """No field of the vendor's pages is missing from the synthetic data."""
    assert not {*SEED_FIELDS, *NEWER_FIELDS} - fields(plain)


def test_the_same_seed_makes_the_same_data(plain: list[dict[str, Any]]) -> None:
    """Data depends on the arguments only."""
    assert generate(4_000) == plain
    assert list(stream(50, seed=3, messy=True)) == generate(50, seed=3, messy=True)
    assert generate(50, seed=3) != generate(50, seed=4)


def test_submissions_ascend_and_stay_in_their_range() -> None:
    """Rows come by created_at, then id, within both days, both included."""
    made = generate(500, start=date(2024, 2, 28), end=date(2024, 2, 29))
    keys = [(read_time(one["created_at"]), one["submission_id"]) for one in made]
    assert keys == sorted(keys)
    assert {one["created_at"][:10] for one in made} == {"2024-02-28", "2024-02-29"}
    assert len({one["submission_id"] for one in made}) == 500


def test_an_empty_range_is_refused() -> None:
    """The last day may not lie before the first, and that is said before anything is made."""
    with pytest.raises(ValueError, match="2024-12-31, lies before the first, 2025-01-01"):
        stream(1, end=date(2024, 12, 31))


def test_ties_and_edges_of_days_occur() -> None:
    """Even forty submissions hold a tie, both ends of a UTC day and the start of a Korean one."""
    moments = [read_time(one["created_at"]) or 0 for one in generate(40)]
    assert max(Counter(moments).values()) >= 3
    assert {0, DAY - 1, 15 * HOUR, 15 * HOUR - 1} <= {moment % DAY for moment in moments}


def test_the_numbers_are_realistic(plain: list[dict[str, Any]]) -> None:
    """About 2 KB each, mostly approved, one to three attempts, few red flags."""
    statuses = Counter(one["kyc"]["result"] for one in plain)
    assert set(statuses) == {"approved", "rejected", "pending", "incomplete"}
    assert statuses["approved"] > 3_000
    assert {len(one["kyc"]["attempts"]) for one in plain} == {1, 2, 3}
    flagged = [one["aml"] for one in plain if one["aml"]["currentstatus"] == "Red Flag"]
    assert 50 < len(flagged) < 400
    assert {len(aml["matches"]) for aml in flagged} == {1, 2, 3, 4, 5}
    assert 1_700 < len(orjson.dumps(plain)) / len(plain) < 2_400


def test_times_follow_one_another(plain: list[dict[str, Any]]) -> None:
    """Nothing is decided, changed or pending before it was submitted."""
    for one in plain:
        created = read_time(one["created_at"])
        assert created is not None
        assert (read_time(one["updated_at"]) or 0) >= created
        for name in ("kyc_result_at", "pending_at"):
            assert name not in one or (read_time(one[name]) or 0) > created
        assert ("kyc_result_at" in one) == (one["kyc"]["result"] in {"approved", "rejected"})


def test_hostile_strings_occur(plain: list[dict[str, Any]]) -> None:
    """Every string that breaks careless code is somewhere in the data."""
    names = {one["data"]["name"] for one in generate(4_000, seed=9)}
    names |= {one["userid"] for one in plain} | {one["data"]["address_input"] for one in plain}
    assert len(names & set(HOSTILE)) > len(HOSTILE) * 0.8


def test_messy_keeps_ids_and_instants(plain: list[dict[str, Any]]) -> None:
    """Irregular data is the same data: same ids at the same instants, otherwise mostly bent."""
    messy = generate(4_000, messy=True)
    for straight, bent in zip(plain, messy, strict=True):
        assert bent["submission_id"] == straight["submission_id"]
        assert read_time(bent["created_at"]) == read_time(straight["created_at"])
    changed = sum(bent != straight for straight, bent in zip(plain, messy, strict=True))
    assert changed > 2_000
    spellings = [one["created_at"] for one in messy if "T" in one["created_at"]]
    assert any(text.endswith("Z") for text in spellings)
    assert any(text.endswith("+09:00") for text in spellings)


@pytest.mark.parametrize("mutator", MESSY + UNENCODABLE + BROKEN, ids=lambda one: one.name)
def test_every_mutator_changes_something(mutator: Mutator) -> None:
    """Each row of the table bends some submission."""
    rng = random.Random(0)  # noqa: S311 test data
    assert any(repr(_mutated(one, mutator, rng)) != repr(one) for one in generate(300))


def _mutated(submission: dict[str, Any], mutator: Mutator, rng: random.Random) -> dict[str, Any]:
    copy = orjson.loads(orjson.dumps(submission))
    mutate(copy, mutator, rng)
    return dict(copy)


def test_mutators_leave_other_shapes_alone() -> None:
    """A mutator that meets what an earlier one left behind passes over it."""
    rng = random.Random(0)  # noqa: S311 test data
    ruin = {"submission_id": "A", "created_at": "never", "kyc": None, "aml": {"matches": 3}}
    for mutator in (*MESSY, *UNENCODABLE):
        for _ in range(20):
            copy = dict(ruin)
            mutate(copy, mutator, rng)
            assert copy["submission_id"] == "A"
            assert MISSING not in copy.values()


def test_unencodable_needs_another_encoder() -> None:
    """Lone surrogates are only there when asked for, and the store can hold them."""
    orjson.dumps([one for one in generate(300, messy=True) if _small(one)])
    made = generate(60, unencodable=True)
    with pytest.raises(TypeError):
        orjson.dumps(made)
    assert Store(made).all() == made


def _small(value: Any) -> bool:
    return str(10**30) not in str(value)


def test_broken_items_are_few_and_of_every_kind() -> None:
    """One in twelve cannot be loaded; the rest are as without."""
    straight, made = generate(240), generate(240, broken=True)
    bad = [one for one in made if not usable(one)]
    assert len(bad) == 20
    assert {type(one) for one in bad} == {dict, str, list, type(None)}
    assert [one for one in made if usable(one)] == [
        one for place, one in enumerate(straight, start=1) if place % 12
    ]


def test_no_mutable_value_is_shared() -> None:
    """Changing one submission in place changes no other."""
    made = generate(400, messy=True)
    before = [str(one) for one in made[1:]]
    for value in made[0].values():
        if isinstance(value, dict):
            value["changed"] = True
    assert [str(one) for one in made[1:]] == before


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-05-09-00-00-123", 1_767_603_600_123),
        ("2026-01-05T09:00:00.123Z", 1_767_603_600_123),
        ("2026-01-05T18:00:00.123+09:00", 1_767_603_600_123),
        ("2026-01-05 09:00:00", 1_767_603_600_000),
        ("2026-01-05T09:00:00.1", 1_767_603_600_100),
        ("1969-12-31-23-59-59-999", -1),
        ("2026-13-05-09-00-00-123", None),
        ("yesterday", None),
        (5, None),
        (None, None),
    ],
)
def test_times_are_read(text: object, moment: int | None) -> None:
    """The vendor's form and ISO 8601 are understood, anything else is not."""
    assert read_time(text) == moment


def test_times_are_written() -> None:
    """Writing and reading a moment gives the moment."""
    assert vendor_time(day_start(date(2026, 1, 5)) + 9 * HOUR + 123) == "2026-01-05-09-00-00-123"
    for moment in (0, -1, DAY - 1, 1_767_603_600_123):
        assert read_time(vendor_time(moment)) == moment
