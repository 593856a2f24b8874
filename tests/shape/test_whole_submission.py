"""A submission in the form in which the API's page about one submission shows it."""

from typing import Any

from oracle import flatten
from shape.shaped_rows import comparable, shape_all

WHOLE: dict[str, Any] = {
    "data": {
        "age_group": "N/A",
        "first_name": "Ara",
        "last_name": "Han",
        "full_name": "Han Ara",
        "gender": "female",
        "nationality": "CAN",
        "date_of_birth": "1988-07-09",
        "address_city": "Busan",
        "address_country": "KOR",
        "address_state": "Busan",
        "address_street": "2 Example-ro",
        "address_street2": "3F",
        "address_zipcode": "11111",
        "cf1": "b",
        "ip_address": "192.0.2.20",
        "idcard_issuingCountry": "CAN",
        "idcard_issueDate": "2020-01-02",
        "idType": "drivers_license",
        "documentNumber": "D0000002",
        "typeOfPermit": "F-4",
        "typeOfPermitGovKor": "F-4",
        "expiryDateOfStayKor": "2028-05-31",
        "nationalityGovKor": "Canadian",
    },
    "email": "han@example.com",
    "submission_id": "s2",
    "userid": "u2",
    "duplicated_information": "a1b2",
    "created_at": "2026-04-05-06-07-08-009",
    "updated_at": "2026-04-05-07-00-00-000",
    "kyc_result_at": "2026-04-05-06-30-00-000",
    "reviewer": "agent",
    "recognition_score": "0.91",
    "argos_score": "64",
    "image": {
        "idImage": "https://images.example/5?sig=y",
        "idBackImage": "https://images.example/6?sig=y",
        "selfieImage": "https://images.example/7?sig=y",
        "addressImage": "https://images.example/8?sig=y",
    },
    "kyc": {
        "result": "rejected",
        "comment": ["too many tries"],
        "commentCode": ["too_many_retry"],
        "attempts": [
            {"attemptCnt": 1, "retryMsg": ["not alive"], "retryCode": ["liveness_error"]},
            {
                "attemptCnt": 2,
                "livenessScore": 97,
                "retryMsg": ["another face"],
                "retryCode": ["face_compare_underscore"],
            },
        ],
    },
    "projection": {"projectionId": "p2", "projectionName": "no_aml"},
    "OCR_raw": {
        "rotate": {"value": "90"},
        "address": {
            "value": "2 Example-ro",
            "score": 88,
            "accepted": False,
            "coordinates": {"x": 3, "y": 4},
        },
    },
    "ocr": {
        "birthDate": "1988-07-09",
        "expireDate": "2030-01-02",
        "firstName": "Ara",
        "fullName": "Han Ara",
        "identityNumber": "000000-0000001",
        "lastName": "Han",
        "nationality": "CAN",
    },
    "verification": {"faceAge": [{"usedValues": {"idMedian": 30, "selfieMedian": 36}}]},
}


def test_a_whole_submission_fits_its_columns() -> None:
    """Every field has a column: nothing is left for `_extra`, and the oracle agrees."""
    shaped = shape_all([WHOLE])
    assert (shaped.extras, shaped.issues) == ({}, [])
    expected = flatten([WHOLE])
    assert {name: comparable(rows) for name, rows in shaped.items} == {
        name: comparable(rows) for name, rows in expected.items()
    }
    assert shaped.row("applicants")["ocr"] == WHOLE["ocr"]
    assert shaped.row("applicants")["verification"] == WHOLE["verification"]
