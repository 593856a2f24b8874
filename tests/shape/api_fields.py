"""List every documented field of the API with a sample value.

Paths are written as the page writes them, `[i]` marking the entries of a list. A sample of an
object or a list shows that the page documents one there.
"""

from copy import deepcopy
from typing import Any

TIME = "2026-01-05-09-00-00-123"

DOCUMENTED: dict[str, Any] = {
    "data": {"name": "Kim Minjun"},
    "data.name": "Kim Minjun",
    "data.gender": "male",
    "data.nationality": "KOR",
    "data.date_of_birth": "1990-02-28",
    "data.ip_address": "192.0.2.17",
    "data.idType": "passport",
    "data.idcard_issuingCountry": "KOR",
    "data.idcard_issueDate": "2019-03-01",
    "data.idcard_expireDate": "2029-03-01",
    "data.identityNumber": "900228-1234567",
    "data.documentNumber": "M12345678",
    "data.address_city": "Seoul",
    "data.address_country": "South Korea",
    "data.address_state": "Gangnam-gu",
    "data.address_street": "Teheran-ro 1",
    "data.address_zipcode": "06130",
    "data.address_globalCode": "8Q98HXPG+MP",
    "data.address_compoundCode": "HXPG+MP Seoul, South Korea",
    "data.address_formatted": "1 Teheran-ro, Seoul",
    "data.address_input": "Teheran ro 1",
    "data.address_detail": "3rd floor",
    "data.cf1": "one",
    "data.cf2": "two",
    "data.cf3": "three",
    "email": "kim@example.com",
    "reviewer": "agent",
    "submission_id": "sub-1",
    "applicant_id": "app-1",
    "created_at": TIME,
    "kyc_result_at": TIME,
    "updated_at": TIME,
    "pending_at": TIME,
    "userid": "user-1",
    "additional_list": [{"answer": "Occupation"}],
    "additional_list[i].answer": "Occupation",
    "additional_list[i].inputValue": "Baker",
    "additional_list[i].blockType": "shortText",
    "kyc": {"result": "approved"},
    "kyc.result": "rejected",
    "kyc.comment": "Blurred image",
    "kyc.commentCode": "expired_id",
    "kyc.attempts[i].attemptCnt": 2,
    "kyc.attempts[i].idBarcodeResult": "match",
    "kyc.attempts[i].verificationResult": "success",
    "kyc.attempts[i].verification": {"source": "registry", "codes": [1, "2"]},
    "kyc.attempts[i].verificationParams": {"serial": "A1"},
    "kyc.attempts[i].errorCode": "E100",
    "kyc.attempts[i].errorMsg": "No face",
    "kyc.attempts[i].step1Time1st": TIME,
    "kyc.attempts[i].step1Time2nd": TIME,
    "kyc.attempts[i].step1Time3rd": TIME,
    "kyc.attempts[i].step2Time1st": TIME,
    "kyc.attempts[i].step2Time2nd": TIME,
    "kyc.attempts[i].step2Time3rd": TIME,
    "kyc.attempts[i].retryMsg": "Eyes closed",
    "kyc.attempts[i].retryCode": "liveness_error",
    "kyc.attempts[i].faceSimilarityScore": 97.25,
    "kyc.attempts[i].selfieImage": "https://images.example.com/selfie.jpg",
    "kyc.attempts[i].livenessScore": 0.875,
    "kyc.attempts[i].liveness": {"score": 0.5},
    "kyc.attempts[i].liveness.score": 0.75,
    "kyc.attempts[i].liveness.probability": 0.625,
    "kyc.attempts[i].liveness.quality": 0.25,
    "aml": {"currentstatus": "Not Screened"},
    "aml.raw_data": {"hits": [{"name": "KIM"}]},
    "aml.risk_level_summary": "High",
    "aml.currentstatus": "Red Flag",
    "aml.matches": [{"risk_level": "HIGH"}],
    "aml.matches[i].risk_level": "MEDIUM",
    "aml.matches[i].argos_number": "AN-1",
    "aml.matches[i].resource_id": "RES-1",
    "aml.matches[i].score": 88.5,
    "aml.matches[i].risk_icons": ["PEP", "SAN"],
    "bank_verification": {"result": "success"},
    "bank_verification.result": "fail",
    "bank_verification.type": "nameCheck",
    "bank_verification.bank_code": "088",
    "bank_verification.account_number": "110-123-456789",
    "bank_verification.retry_count": 3,
    "id_LivenessScore": {"Screen_play": 0.5},
    "id_LivenessScore.Screen_play": 0.125,
    "id_LivenessScore.Paper_printed": 0.25,
    "id_LivenessScore.Replace_portraits": 0.375,
    "Injection_action": {"type": "virtual_camera"},
    "Injection_action.type": "virtual_camera",
    "Injection_action.time": TIME,
    "tokenId": "tok-1",
}
"""Section 5-2 of the API page, without `nextpageKey`, which is not part of a submission."""

NEWER: dict[str, Any] = {
    "data.first_name": "Minjun",
    "data.mid_name": "Lee",
    "data.last_name": "Kim",
    "data.full_name": "Kim Minjun",
    "data.full_name_en": "Minjun Kim",
    "data.age_group": "adult",
    "data.phoneNumber": "010-0000-0000",
    "data.serialNumber": "SN-1",
    "data.ssnNumber": "000-00-0001",
    "data.curpNumber": "XEXX010101HNEXXXA4",
    "data.privacyShield": "masked",
    "data.version": "2",
    "data.address_street2": "Building B",
    "data.typeOfPermit": "F-4",
    "data.typeOfPermitGovKor": "F-4-1",
    "data.expiryDateOfStayKor": "2027-12-31",
    "data.nationalityGovKor": "USA",
    "duplicated_information": "f1f2f3",
    "custom_duplicated_information": "c1c2c3",
    "recognition_score": 91.5,
    "argos_score": 55.5,
    "project_options": {"aml": True, "languages": ["ko", "en"]},
    "projection": {"projectionId": "p-1"},
    "projection.projectionId": "p-1",
    "projection.projectionName": "Main",
    "image": {"idImage": "https://images.example.com/id.jpg"},
    "image.idImage": "https://images.example.com/id.jpg",
    "image.idBackImage": "https://images.example.com/back.jpg",
    "image.selfieImage": "https://images.example.com/selfie.jpg",
    "image.addressImage": "https://images.example.com/address.jpg",
    "memo": {"text": "checked by phone"},
    "memo.text": "checked by phone",
    "memo.updated_at": TIME,
    "review": {"result": "approved", "steps": [{"by": "agent"}]},
    "ocr": {"fullName": "Kim Minjun", "birthDate": "1990-02-28"},
    "verification": {"faceAge": [{"usedValues": {"selfieMedian": 33}}]},
    "OCR_raw": {"lines": ["KIM", {"confidence": 0.5}]},
    # The table says string, but newer examples show parallel lists.
    "kyc.comment[i]": "Blurred image",
    "kyc.commentCode[i]": "expired_id",
    "kyc.attempts[i].retryMsg[i]": "Eyes closed",
    "kyc.attempts[i].retryCode[i]": "liveness_error",
    "aml.matches[i].risk_icons[i]": "PEP",
}
"""Fields that only newer pages of the vendor show."""

FIELDS = DOCUMENTED | NEWER


def submission_with(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a submission with an identity and these fields."""
    submission: dict[str, Any] = {"submission_id": "sub-1", "created_at": TIME}
    for path, value in fields.items():
        _put(submission, path.split("."), deepcopy(value))  # the samples stay as they are
    return submission


def _put(target: dict[str, Any], steps: list[str], value: Any) -> None:
    step, *rest = steps
    name = step.removesuffix("[i]")
    if not rest:
        target[name] = value if name == step else [value]
    elif name == step:
        _put(target.setdefault(name, {}), rest, value)
    else:
        _put(target.setdefault(name, [{}])[0], rest, value)
