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
data.mid_name data.full_name_en data.phoneNumber data.ssnNumber data.serialNumber data.curpNumber
data.privacyShield data.version duplicated_information custom_duplicated_information
recognition_score argos_score project_options projection.projectionId projection.projectionName
image.idImage image.idBackImage image.selfieImage image.addressImage memo.text memo.updated_at
review.result OCR_raw.full_name.coordinates ocr.fullName verification.faceAge
""".split()  # noqa: SIM905 a list would take a line a field


@pytest.fixture(scope="module")
def plain() -> list[dict[str, Any]]:
    """Return 4,000 plain submissions of one year."""
    return generate(4_000)


def fields(value: Any, prefix: str = "") -> set[str]:
    """Return the paths of all fields, without the positions in lists."""
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
    """Return whether a submission has an id and a readable created_at."""
    return (
        isinstance(item, dict)
        and item.get("submission_id") not in (None, "", "N/A")
        and read_time(item.get("created_at")) is not None
    )


def test_every_documented_field_occurs() -> None:
    """The synthetic data contains every field of the vendor's documentation."""
    occurring = fields(generate(4_000, projected_share=0.02))
    assert not {*SEED_FIELDS, *NEWER_FIELDS} - occurring


def test_same_seed_same_data() -> None:
    """The data depends only on the arguments."""
    assert generate(500) == generate(500)
    assert list(stream(50, seed=3, messy=True)) == generate(50, seed=3, messy=True)
    assert generate(50, seed=3) != generate(50, seed=4)


def test_order_and_range() -> None:
    """Submissions are sorted by created_at, then id, from the first day to the last."""
    submissions = generate(500, start=date(2024, 2, 28), end=date(2024, 2, 29))
    keys = [(read_time(one["created_at"]), one["submission_id"]) for one in submissions]
    assert keys == sorted(keys)
    assert {one["created_at"][:10] for one in submissions} == {"2024-02-28", "2024-02-29"}
    assert len({one["submission_id"] for one in submissions}) == 500


def test_end_before_start() -> None:
    """A last day before the first is refused before the first submission is asked for."""
    with pytest.raises(
        ValueError, match="the last day 2024-12-31 is before the first day 2025-01-01"
    ):
        stream(1, end=date(2024, 12, 31))


def test_ties_and_edges_of_days() -> None:
    """Forty submissions contain a tie, both ends of a UTC day and the start of a Korean day."""
    moments = [read_time(one["created_at"]) or 0 for one in generate(40)]
    assert max(Counter(moments).values()) >= 3
    assert {0, DAY - 1, 15 * HOUR, 15 * HOUR - 1} <= {moment % DAY for moment in moments}


def test_hostile_strings() -> None:
    """Most of the strings that break careless code occur in messy data."""
    values = [
        str(value)
        for one in generate(4_000, messy=True)
        if isinstance(one.get("data"), dict)
        for value in (one.get("userid"), *one["data"].values())
    ]
    assert len(set(values) & set(HOSTILE)) > len(HOSTILE) * 0.8


def test_messy_keeps_ids_and_instants() -> None:
    """Messy data has the ids and instants of the plain data; most of the rest differs."""
    plain, messy = generate(1_000), generate(1_000, messy=True)
    for before, after in zip(plain, messy, strict=True):
        assert after["submission_id"] == before["submission_id"]
        assert read_time(after["created_at"]) == read_time(before["created_at"])
    changed = sum(after != before for before, after in zip(plain, messy, strict=True))
    assert changed > 500
    spellings = [one["created_at"] for one in messy if "T" in one["created_at"]]
    assert any(text.endswith("Z") for text in spellings)
    assert any(text.endswith("+09:00") for text in spellings)


@pytest.mark.parametrize("mutator", MESSY + UNENCODABLE + BROKEN, ids=lambda one: one.name)
def test_every_mutator_changes_something(mutator: Mutator) -> None:
    """Each mutator changes at least one of 300 submissions."""
    rng = random.Random(0)  # noqa: S311 test data
    assert any(repr(mutated_copy(one, mutator, rng)) != repr(one) for one in generate(300))


def mutated_copy(
    submission: dict[str, Any], mutator: Mutator, rng: random.Random
) -> dict[str, Any]:
    """Return a mutated copy of a submission."""
    copy = orjson.loads(orjson.dumps(submission))
    mutate(copy, mutator, rng)
    return dict(copy)


def test_mutators_ignore_other_shapes() -> None:
    """A mutator ignores a submission whose shape an earlier mutator has changed."""
    rng = random.Random(0)  # noqa: S311 test data
    damaged = {"submission_id": "A", "created_at": "never", "kyc": None, "aml": {"matches": 3}}
    for mutator in (*MESSY, *UNENCODABLE):
        for _ in range(20):
            copy = dict(damaged)
            mutate(copy, mutator, rng)
            assert copy["submission_id"] == "A"
            assert MISSING not in copy.values()


def test_unencodable_needs_another_encoder() -> None:
    """Lone surrogates occur only with `unencodable`, and a store can hold them."""
    orjson.dumps([one for one in generate(300, messy=True) if str(10**30) not in str(one)])
    submissions = generate(60, unencodable=True)
    with pytest.raises(TypeError):
        orjson.dumps(submissions)
    assert Store(submissions).all() == submissions


def test_broken_items() -> None:
    """One item in twelve is unusable; all others stay as they are."""
    plain, items = generate(240), generate(240, broken=True)
    bad = [one for one in items if not usable(one)]
    assert len(bad) == 20
    assert {type(one) for one in bad} == {dict, str, list, type(None)}
    assert [one for one in items if usable(one)] == [
        one for place, one in enumerate(plain, start=1) if place % 12
    ]


def test_submissions_share_no_values() -> None:
    """Changing one submission in place changes no other one."""
    submissions = generate(400, messy=True)
    before = [str(one) for one in submissions[1:]]
    for value in submissions[0].values():
        if isinstance(value, dict):
            value["changed"] = True
    assert [str(one) for one in submissions[1:]] == before


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
def test_read_time(text: object, moment: int | None) -> None:
    """The vendor's format and ISO 8601 are read; anything else gives None."""
    assert read_time(text) == moment


def test_vendor_time() -> None:
    """A time that was written reads back as the same time."""
    assert vendor_time(day_start(date(2026, 1, 5)) + 9 * HOUR + 123) == "2026-01-05-09-00-00-123"
    for moment in (0, -1, DAY - 1, 1_767_603_600_123):
        assert read_time(vendor_time(moment)) == moment
