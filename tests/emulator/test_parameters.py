from collections.abc import Callable
from typing import Any, get_args

import httpx
import pytest

from argos_sync.api.crypto import Envelope
from argos_sync.emulator_options import ErrorCode
from whole_lists import Behaviour, Emulator

Get = Callable[..., httpx.Response]
Walk = Callable[..., list[str]]

KEY = "k" * 40


def test_default_page(get: Get, emulator: Emulator) -> None:
    """Without parameters, the page holds the first 50 rows and the key of the last one."""
    page = get().json()
    assert [one["submission_id"] for one in page["Items"]] == emulator.store.ids()[:50]
    last = page["Items"][-1]
    assert page["nextpageKey"] == {"id": last["submission_id"], "created_at": last["created_at"]}


def test_items_are_served_as_stored(get: Get, emulator: Emulator) -> None:
    """A page returns the submissions unchanged."""
    assert get(count=200).json()["Items"] == emulator.store.all()


@pytest.mark.parametrize("style", ["query", "json"])
def test_filters(get: Get, submissions: list[dict[str, Any]], style: str) -> None:
    """Id, user and email filter the rows, in the URL query and in the body."""
    target = submissions[17]
    for name in ("submission_id", "userid", "email"):
        parameters = {name: target[name]}
        response = get(**parameters) if style == "query" else get(json=parameters)
        rows = response.json()["Items"]
        assert rows == [one for one in submissions if one[name] == target[name]]
        assert target in rows
    assert get(submission_id="nobody").json() == {"Items": []}
    assert get(submission_id=target["submission_id"], userid="nobody").json() == {"Items": []}


def test_days(walk_ids: Walk, submissions: list[dict[str, Any]]) -> None:
    """Both days are included by default, and either may be absent."""

    def within(first: str, last: str) -> list[str]:
        return [
            one["submission_id"] for one in submissions if first <= one["created_at"][:10] <= last
        ]

    assert walk_ids(start_date="2025-01-02", end_date="2025-01-03") == within(
        "2025-01-02", "2025-01-03"
    )
    assert walk_ids(start_date="2025-01-06") == within("2025-01-06", "9")
    assert walk_ids(end_date="2025-01-02") == within("0", "2025-01-02")
    assert walk_ids(start_date="2025-01-03", end_date="2025-01-02") == []


@pytest.mark.parametrize("section", ["kyc", "aml", "data"])
def test_one_section(get: Get, submissions: list[dict[str, Any]], section: str) -> None:
    """A section is returned with the id and nothing else."""
    for row, submission in zip(
        get(request_type=section).json()["Items"], submissions, strict=False
    ):
        assert row == {"submission_id": submission["submission_id"], section: submission[section]}


def test_other_sections(get: Get, submissions: list[dict[str, Any]]) -> None:
    """`others` returns all fields except the three sections."""
    for row, submission in zip(
        get(request_type="others").json()["Items"], submissions, strict=False
    ):
        assert row == {k: v for k, v in submission.items() if k not in {"kyc", "aml", "data"}}


def test_sections_of_odd_items(get: Get, emulator: Emulator) -> None:
    """An absent section stays absent, and an item that is not an object stays unchanged."""
    for submission_id in emulator.store.ids():
        emulator.store.delete(submission_id)
    for item in ({"submission_id": "A", "created_at": "2025-01-01T00:00:00Z"}, ["odd"]):
        emulator.store.add(item)
    assert get(request_type="kyc").json() == {"Items": [{"submission_id": "A"}, ["odd"]]}


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ({"colour": "red"}, "invalid_parameter", "Invalid parameter: colour"),
        ({"request_type": "all"}, "invalid_parameter", "Invalid parameter: request_type"),
        ({"request_type": ["kyc"]}, "invalid_parameter", "Invalid parameter: request_type"),
        ({"count": 2_001}, "invalid_parameter", "Invalid parameter: count"),
        ({"count": 0}, "invalid_format", "Invalid format: count"),
        ({"count": -5}, "invalid_format", "Invalid format: count"),
        ({"count": "ten"}, "invalid_format", "Invalid format: count"),
        ({"count": "1.5"}, "invalid_format", "Invalid format: count"),
        ({"count": True}, "invalid_format", "Invalid format: count"),
        ({"count": "٣"}, "invalid_format", "Invalid format: count"),
        ({"start_date": "05/01/2026"}, "invalid_format", "Invalid format: start_date"),
        ({"start_date": "20260105"}, "invalid_format", "Invalid format: start_date"),
        ({"end_date": "2026-02-30"}, "invalid_format", "Invalid format: end_date"),
        ({"userid": ""}, "invalid_format", "Invalid format: userid"),
        ({"email": 5}, "invalid_format", "Invalid format: email"),
        (
            {"nextpage_id": "x", "nextpage_date": "soon"},
            "invalid_format",
            "Invalid format: nextpage_date",
        ),
        ({"nextpage_id": "x"}, "missing_data", "Required input data is missing"),
        (
            {"nextpage_date": "2026-01-05-09-00-00-123"},
            "missing_data",
            "Required input data is missing",
        ),
    ],
)
def test_invalid_parameters(get: Get, parameters: dict[str, Any], code: str, message: str) -> None:
    """An invalid parameter is refused with its documented code and its name."""
    response = get(json=parameters)
    assert response.status_code == 400
    assert response.json() == {"errorCode": code, "message": message}


def test_null_counts_as_absent(get: Get) -> None:
    """A parameter that is null in the body counts as absent."""
    assert get(json={"userid": None, "count": "3"}).json() == get(count=3).json()


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff"])
def test_unreadable_bodies(get: Get, content: bytes) -> None:
    """A body that is not a JSON object is an invalid payload."""
    response = get(content=content)
    assert response.status_code == 400
    assert response.json() == {"errorCode": "invalid_payload", "message": "Invalid payload"}


@pytest.mark.parametrize("code", get_args(ErrorCode))
def test_every_documented_error_can_be_forced(get: Get, emulator: Emulator, code: Any) -> None:
    """`force_error` returns each of the seven codes."""
    emulator.behaviour = Behaviour(force_error=code)
    response = get()
    assert response.status_code == 400
    assert response.json()["errorCode"] == code


def test_keys_and_addresses(get: Get, emulator: Emulator) -> None:
    """A missing key, a wrong key and a wrong address get the gateway's 403."""
    assert get(key="").status_code == 403
    assert get(key="anything").status_code == 200
    emulator.behaviour = Behaviour(api_key=KEY)
    assert get(key="anything").json() == {"message": "Forbidden"}
    assert get().status_code == 200
    emulator.behaviour = Behaviour(ip_denied=True)
    response = get()
    assert response.status_code == 403
    assert response.json() == {
        "Message": "User is not authorized to access this resource with an explicit deny"
    }


def test_request_styles(get: Get, emulator: Emulator) -> None:
    """Parameters in the wrong place are refused, never ignored."""
    emulator.behaviour = Behaviour(request_style="query")
    assert get(count=1).status_code == 200
    assert get(json={"count": 1}).json()["errorCode"] == "invalid_payload"
    emulator.behaviour = Behaviour(request_style="json")
    assert get(count=1).json()["errorCode"] == "invalid_payload"
    assert get(json={"count": 1}).status_code == 200
    assert get().status_code == 200


@pytest.mark.parametrize("mode", ["ecb", "cbc", "gcm"])
@pytest.mark.parametrize("derivation", ["truncate", "sha256"])
@pytest.mark.parametrize("dedicated", [None, "s" * 33])
def test_encryption(
    get: Get, emulator: Emulator, mode: Any, derivation: Any, dedicated: str | None
) -> None:
    """Requests and responses are encrypted with the API key or a dedicated key."""
    emulator.behaviour = Behaviour(
        encryption=mode, key_derivation=derivation, encryption_key=dedicated
    )
    envelope = Envelope(mode, dedicated or KEY, derivation)
    response = get(json={"body": envelope.encrypt(b'{"count": 3}')}).json()
    assert set(response) == {"isEncrypted", "data"}
    assert response["isEncrypted"] is True
    emulator.behaviour = Behaviour()
    assert envelope.decrypt(response["data"]) == get(count=3).content
    assert emulator.requests[0].parameters == {"count": 3}


def test_undecryptable_requests(get: Get, emulator: Emulator) -> None:
    """A plain request, a wrong or short key, and encrypted nonsense are invalid payloads."""
    emulator.behaviour = Behaviour(encryption="gcm")
    wrong = Envelope("gcm", "w" * 40)
    nonsense = Envelope("gcm", KEY).encrypt(b"[]")
    for arguments in (
        {"count": 1},
        {"json": {"count": 1}},
        {"json": {"body": 5}},
        {"json": {"body": wrong.encrypt(b"{}")}},
        {"json": {"body": nonsense}},
        {"json": {"body": "x"}, "key": "short"},
    ):
        response = get(**arguments)
        assert response.status_code == 400
        assert response.json()["errorCode"] == "invalid_payload"
    emulator.behaviour = Behaviour()
    assert get(json={"body": nonsense}).json()["message"] == "Invalid parameter: body"
