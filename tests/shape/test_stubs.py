"""Deletion stubs: how they are recognized, and what their rows have."""

from typing import Any

import pytest

from argos_sync.shape.contract import load_contract
from argos_sync.shape.identity import content_hash, read_content
from argos_sync.shape.stubs import shape_stubs
from shape.api_fields import FIELDS, TIME, submission_with
from shape.shaped_rows import FETCHED_AT
from support import Rows

WORDS = "Deleted Submission"


def is_stub(fields: dict[str, Any]) -> bool:
    """Return whether a submission with these fields is a deletion stub."""
    return read_content({"submission_id": "s1", "created_at": TIME} | fields)[1]


def stub_rows(*stubs: dict[str, Any]) -> dict[str, Rows]:
    """Return the rows of deletion stubs by table, without null values."""
    tables = shape_stubs(stubs, [content_hash(stub) for stub in stubs], FETCHED_AT)
    return {
        name: [{k: v for k, v in row.items() if v is not None} for row in rows.to_pylist()]
        for name, rows in tables.items()
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"status": WORDS},
        {"userid": " deleted SUBMISSION\n"},
        {"data": {"name": WORDS}},
        {"data": [{"name": WORDS}]},
        {"kyc": {"result": WORDS}},
        {"kyc": {"commentCode": ["other", WORDS]}},
        {"aml": {"matches": [{"risk_icons": [WORDS]}]}},
        {"new": {"deep": [{"er": WORDS}]}},
        {"userid": WORDS, "newField": "\ud800"},
        {"kyc.comment": WORDS},
    ],
)
def test_the_words_in_any_text_make_a_stub(fields: dict[str, Any]) -> None:
    """The vendor does not say which field has them, and it may be a new one."""
    assert is_stub(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"userid": f"{WORDS}s"},
        {"userid": "Deleted  Submission"},
        {WORDS: "u1"},
        {"kyc": {"comment": WORDS}},
        {"kyc": {"comment": [WORDS]}},
        {"kyc": {"attempts": [{"retryMsg": [WORDS], "errorMsg": WORDS}]}},
        {"kyc": {"attempts": {"retryMsg": WORDS}}},
        {"memo": {"text": WORDS}},
        {"data": {"cf1": WORDS, "cf2": WORDS, "cf3": WORDS, "address_input": WORDS}},
        {"additional_list": [{"answer": WORDS, "inputValue": WORDS}]},
        {"OCR_raw": {"lines": [WORDS]}},
    ],
)
def test_other_texts_and_free_texts_make_no_stub(fields: dict[str, Any]) -> None:
    """A person may write these words in a free text."""
    assert not is_stub(fields)


def test_every_field_but_free_texts_can_make_a_stub() -> None:
    """A new column is searched, unless its line in schemas/ says that it is free text."""
    columns = [c for table in load_contract().api_tables for c in table.columns if c.path]
    for column in columns:
        if column.name not in ("submission_id", "created_at"):
            stub = submission_with({str(column.path): WORDS})
            assert read_content(stub)[1] is not column.free_text, column.path


def test_a_stub_has_the_hash_of_its_content() -> None:
    """It is unchanged when it comes again."""
    stub = submission_with({"userid": WORDS})
    assert read_content(stub, b"key") == (content_hash(stub, b"key"), True)


def test_the_rows_of_a_stub() -> None:
    """Only what is not personal is left, and `submissions` has a row in any case."""
    bare = {"submission_id": "s1", "created_at": TIME, "status": WORDS}
    usual = submission_with(
        {
            "data.name": WORDS,
            "data.idType": "passport",
            "userid": "u1",
            "reviewer": WORDS,
            "kyc.result": "approved",
            "kyc.comment[i]": "looks like Kim",
            "kyc.attempts[i].retryCode[i]": "L02",
            "kyc.attempts[i].selfieImage": "https://images.example.com/selfie.jpg",
            "aml.matches[i].resource_id": "RES-1",
            "argos_score": "of Kim",
        }
    )
    rows = stub_rows(bare, usual)
    created = rows["submissions"][0]["created_at"]
    times = dict.fromkeys(("_synced_at", "_changed_at", "_deleted_at"), FETCHED_AT)
    assert rows == {
        "submissions": [
            {"submission_id": "s1", "created_at": created, "_content_hash": content_hash(bare)}
            | times,
            {"submission_id": "sub-1", "created_at": created, "_content_hash": content_hash(usual)}
            | times,
        ],
        "applicants": [{"submission_id": "sub-1", "id_type": "passport"}],
        "kyc": [{"submission_id": "sub-1", "result": "approved"}],
        # An attempt has nothing left of its own, but its retries need it as their parent.
        "attempts": [{"submission_id": "sub-1", "attempt_index": 0}],
        "attempt_retries": [
            {"submission_id": "sub-1", "attempt_index": 0, "retry_index": 0, "retry_code": "L02"}
        ],
    }


def test_no_column_of_a_stub_is_personal() -> None:
    """Whatever field of the API it still has."""
    classes = {
        (table.name, column.name): column.privacy
        for table in load_contract().api_tables
        for column in table.columns
    }
    tables = stub_rows(submission_with(FIELDS | {"status": WORDS}))
    left = {(name, column) for name, rows in tables.items() for row in rows for column in row}
    assert {classes[place] for place in left} == {"none"}
    assert len(tables) == len(load_contract().api_tables)
