from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.contract import Contract, load_contract
from argos_sync.shape.tables import Issue, shape_submissions
from oracle import absent, flatten, quarantined
from shape.api_fields import FIELDS, submission_with
from shape.shaped_rows import ADDED_COLUMNS, FETCHED_AT, comparable, shape_all, shape_one

NINE = datetime(2026, 1, 5, 9, 0, 0, 123_000, tzinfo=UTC)

# The field table


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_of_the_api_has_a_column(path: str) -> None:
    """A documented field goes to typed columns, and none of it to `_extra`."""
    shaped = shape_all([submission_with({path: FIELDS[path]})])
    assert shaped.extras == {}
    assert shaped.issues == []
    typed = [
        value
        for rows in shaped.tables.values()
        for row in rows
        for name, value in row.items()
        if name not in ADDED_COLUMNS and not name.endswith("_index")
    ]
    for leaf in leaf_values(path, FIELDS[path]):
        assert any(equals_sample(value, leaf) for value in typed)


def test_all_fields_of_the_api_at_once() -> None:
    """A submission with all documented fields fills every column without an issue."""
    shaped = shape_all([submission_with(FIELDS)])
    assert shaped.extras == {}
    assert shaped.issues == []
    for table, rows in shaped.tables.items():
        for column in load_contract()[table].api_columns:
            assert any(row[column.name] is not None for row in rows), (table, column.name)
        assert comparable(rows) == comparable(flatten([submission_with(FIELDS)])[table])


def test_every_column_is_a_field_of_the_api() -> None:
    """The contract reads only paths that the API's pages name."""
    paths = {c.path for table in load_contract().api_tables for c in table.api_columns}
    assert paths <= set(FIELDS)


def leaf_values(path: str, sample: Any) -> list[Any]:
    """Return the values that need a column each; a JSON column takes its sample whole."""
    columns = {c.path: c for table in load_contract().api_tables for c in table.api_columns}
    if path in columns and columns[path].type == "json":
        return [sample]
    if isinstance(sample, dict):
        return list(sample.values())
    if isinstance(sample, list):
        return [leaf for entry in sample for leaf in leaf_values("", entry)]
    return [sample]


def equals_sample(value: Any, sample: Any) -> bool:
    """Return whether a column's value equals the API page's sample."""
    if isinstance(value, datetime):
        return value == NINE and bool(sample == "2026-01-05-09-00-00-123")
    if isinstance(value, date):
        return bool(value.isoformat() == sample)
    return type(value) is type(sample) and bool(value == sample)


# Every row


def test_empty_page_has_no_tables() -> None:
    """A page without submissions has no tables: an empty Arrow table can stop a load."""
    assert shape_submissions([], [], FETCHED_AT).tables == {}


def test_tables_without_rows_are_left_out() -> None:
    """Only tables with rows are returned, with the contract's exact schema."""
    page = [{"submission_id": "s1", "created_at": "2026-01-05", "aml": {"currentstatus": "x"}}]
    tables = shape_submissions(page, ["h"], FETCHED_AT).tables
    assert set(tables) == {"submissions", "aml"}
    assert all(
        rows.schema.equals(arrow_schema(load_contract()[name])) for name, rows in tables.items()
    )


def test_added_columns() -> None:
    """A submission has its fetch time, its hash and no deletion time."""
    row = shape_submissions(
        [{"submission_id": "s1", "created_at": "2026-01-05"}], ["hash"], FETCHED_AT
    ).tables["submissions"]
    columns = ["_synced_at", "_changed_at", "_content_hash", "_deleted_at"]
    assert row.select(columns).to_pylist() == [
        {
            "_synced_at": FETCHED_AT,
            "_changed_at": FETCHED_AT,
            "_content_hash": "hash",
            "_deleted_at": None,
        }
    ]


def test_rows_have_the_id_of_their_submission() -> None:
    """Rows of several submissions differ by id and position."""
    page: list[dict[str, Any]] = [
        {"submission_id": "a", "created_at": "2026-01-05", "aml": {"matches": [{}, {"score": 1}]}},
        {"submission_id": 17, "created_at": "2026-01-05"},
        {
            "submission_id": "c",
            "created_at": "2026-01-05",
            "aml": {"matches": [{"score": "2", "risk_icons": ["PEP", "", "SAN"]}, {"score": 3}]},
        },
    ]
    shaped = shape_all(page)
    assert shaped.rows("submissions", "submission_id") == ["a", "17", "c"]
    assert shaped.rows("matches", "submission_id", "match_index", "score") == [
        ("a", 1, 1.0),
        ("c", 0, 2.0),
        ("c", 1, 3.0),
    ]
    icons = ("submission_id", "match_index", "icon_index", "risk_icon")
    assert shaped.rows("match_risk_icons", *icons) == [("c", 0, 0, "PEP"), ("c", 0, 2, "SAN")]


# Values without a column


def test_unknown_fields_go_to_extra() -> None:
    """An unknown field goes whole to `_extra` in the row of its object."""
    shaped = shape_one(
        newField=1,
        data={"newField": 2},
        image={"newField": [3]},
        memo={"newField": None},
        id_LivenessScore={"newField": {}},
        kyc={
            "newField": {"deep": [4]},
            "attempts": [{}, {"newField": 5, "liveness": {"newField": 6}}],
        },
        aml={"newField": True, "matches": [{"newField": "N/A"}]},
        bank_verification={"newField": ""},
        additional_list=[{"newField": []}],
    )
    assert shaped.extras == {
        "submissions": [
            {"newField": 1, "memo.newField": None, "id_LivenessScore.newField": {}},
        ],
        "applicants": [{"data.newField": 2, "image.newField": [3]}],
        "kyc": [{"kyc.newField": {"deep": [4]}}],
        "attempts": [{"kyc.attempts[1].newField": 5, "kyc.attempts[1].liveness.newField": 6}],
        "aml": [{"aml.newField": True}],
        "matches": [{"aml.matches[0].newField": "N/A"}],
        "bank_verification": [{"bank_verification.newField": ""}],
        "additional_answers": [{"additional_list[0].newField": []}],
    }
    assert {issue.problem for issue in shaped.issues} == {"unknown field"}
    assert sorted(issue.path for issue in shaped.issues) == sorted(
        path for extras in shaped.extras.values() for extra in extras for path in extra
    )


def test_values_that_do_not_fit_go_to_extra() -> None:
    """A value of the wrong type is null in its column and unchanged in `_extra`."""
    shaped = shape_one(
        argos_score="high",
        updated_at="yesterday",
        data={"name": {"ko": "김"}, "date_of_birth": "31/12/2020", "gender": "male"},
        kyc={"result": ["a", "b"], "attempts": [{"attemptCnt": 1.5, "liveness": {"score": True}}]},
        bank_verification={"retry_count": 2**63, "result": "fail"},
    )
    assert shaped.extras == {
        "submissions": [{"argos_score": "high", "updated_at": "yesterday"}],
        "applicants": [{"data.name": {"ko": "김"}, "data.date_of_birth": "31/12/2020"}],
        "kyc": [{"kyc.result": ["a", "b"]}],
        "attempts": [{"kyc.attempts[0].attemptCnt": 1.5, "kyc.attempts[0].liveness.score": True}],
        "bank_verification": [{"bank_verification.retry_count": 2**63}],
    }
    assert shaped.rows("applicants", "name", "date_of_birth", "gender") == [(None, None, "male")]
    assert shaped.row("bank_verification")["result"] == "fail"


def test_issues_say_where_and_why() -> None:
    """Each value in `_extra` has one issue with table, path and problem."""
    shaped = shape_one(
        argos_score="high", data={"date_of_birth": "2023-02-30"}, kyc="x", newField=1
    )
    assert sorted(shaped.issues, key=lambda issue: issue.path) == [
        Issue("s1", "submissions", "argos_score", "not a number but a text"),
        Issue("s1", "applicants", "data.date_of_birth", "not a day of the calendar"),
        Issue("s1", "submissions", "kyc", "not an object"),
        Issue("s1", "submissions", "newField", "unknown field"),
    ]


def test_issues_never_contain_a_value() -> None:
    """The issues contain no values and no field names that may be personal."""
    secret = "kim.minjun@example.com"
    shaped = shape_one(
        **{secret: secret},
        email={secret: secret},
        argos_score=secret,
        updated_at=secret,
        data={secret: 1, "date_of_birth": secret, "name": [secret]},
        kyc={"attempts": [secret, {"liveness": secret, secret: secret}], "result": [secret]},
        aml=secret,
    )
    assert len(shaped.issues) == 12
    assert secret not in repr(shaped.issues)
    assert ("submissions", "*", "unknown field") in shaped.problems
    assert ("applicants", "data.*", "unknown field") in shaped.problems
    assert ("attempts", "kyc.attempts[1].*", "unknown field") in shaped.problems


@pytest.mark.parametrize(
    ("fields", "table", "extra"),
    [
        ({"data": "x"}, "applicants", {"data": "x"}),
        ({"image": ["x"]}, "applicants", {"image": ["x"]}),
        ({"kyc": "x"}, "submissions", {"kyc": "x"}),
        ({"kyc": [{"a": 1}, {}]}, "submissions", {"kyc": [{"a": 1}, {}]}),
        ({"kyc": {"attempts": 5}}, "kyc", {"kyc.attempts": 5}),
        ({"kyc": {"attempts": [None, 5]}}, "kyc", {"kyc.attempts[1]": 5}),
        ({"aml": {"matches": ["", "x"]}}, "aml", {"aml.matches[1]": "x"}),
        ({"additional_list": "x"}, "submissions", {"additional_list": "x"}),
        ({"memo": "x"}, "submissions", {"memo": "x"}),
        ({"projection": [1]}, "submissions", {"projection": [1]}),
        (
            {"kyc": {"attempts": [{}, {"liveness": 0}]}},
            "attempts",
            {"kyc.attempts[1].liveness": 0},
        ),
        ({"kyc": {"comment": {"ko": "x"}}}, "kyc_comments", {"kyc.comment[0]": {"ko": "x"}}),
        ({"kyc": {"commentCode": ["", ["x"]]}}, "kyc_comments", {"kyc.commentCode[1]": ["x"]}),
        (
            {"kyc": {"attempts": [{"retryMsg": [{"a": 1}]}]}},
            "attempt_retries",
            {"kyc.attempts[0].retryMsg[0]": {"a": 1}},
        ),
        (
            {"aml": {"matches": {"risk_icons": ["", {"a": 1}]}}},
            "match_risk_icons",
            {"aml.matches[0].risk_icons[1]": {"a": 1}},
        ),
    ],
)
def test_misplaced_values_go_to_the_nearest_row(
    fields: dict[str, Any], table: str, extra: dict[str, Any]
) -> None:
    """A value in place of a section or list goes to `_extra` under its concrete path."""
    shaped = shape_one(**fields)
    assert shaped.extras == {table: [extra]}
    assert [(issue.table_name, issue.path) for issue in shaped.issues] == [(table, *extra)]


def test_names_with_dots_do_not_hide_other_fields() -> None:
    """The field `memo.newField` and the field `newField` of the memo are both kept."""
    shaped = shape_one(**{"memo.newField": 1, "memo": {"newField": 2, "text": "a"}, "memo.text": 3})
    assert shaped.row_extra("submissions") == {
        '"memo.newField"': 1,
        "memo.newField": 2,
        '"memo.text"': 3,
    }
    assert shaped.row("submissions")["memo_text"] == "a"


def test_extra_can_be_stored_everywhere() -> None:
    """NUL and lone surrogates become readable escapes, in names too."""
    shaped = shape_one(
        **{"nul\0name": ["\udfff"]}, memo={"text": "nul \0 here"}, OCR_raw={"\0": "\ud800"}
    )
    assert shaped.row_extra("submissions") == {
        "nul\\u0000name": ["\\udfff"],
        "memo.text": "nul \\u0000 here",
    }
    assert shaped.row("applicants")["ocr_raw"] == {"\\u0000": "\\ud800"}


def test_empty_sections_in_a_list_of_one() -> None:
    """A list with one empty object is a section without values."""
    shaped = shape_one(kyc=[{}])
    assert shaped.rows("kyc", "result", "_extra") == [(None, None)]
    assert shaped.issues == []


def test_another_contract() -> None:
    """With a contract of fewer tables, the rest goes to `_extra`."""
    submissions = load_contract()["submissions"]
    page = [{"submission_id": "s1", "created_at": "2026-01-05", "aml": {"currentstatus": "x"}}]
    shaped = shape_submissions(page, ["h"], FETCHED_AT, Contract({"submissions": submissions}))
    assert isinstance(shaped.tables["submissions"], pa.Table)
    assert shaped.tables["submissions"]["_extra"].to_pylist() == ['{"aml":{"currentstatus":"x"}}']


# The oracle


def test_oracle() -> None:
    """The oracle of the property tests returns the expected rows of a small example."""
    item = {
        "submission_id": 7,
        "created_at": "2026-01-05-09-00-00-123",
        "kyc": {"result": "N/A", "comment": "why", "commentCode": ["", "R2"], "attempts": "x"},
    }
    tables = flatten([item, "no submission"])
    assert tables["submissions"][0]["submission_id"] == "7"
    assert tables["submissions"][0]["created_at"] == NINE
    assert tables["kyc"] == [
        {"submission_id": "7", "result": None, "_extra": {"kyc.attempts": "x"}},
    ]
    first = {"submission_id": "7", "comment_index": 0, "comment": "why", "comment_code": None}
    second = {"submission_id": "7", "comment_index": 1, "comment": None, "comment_code": "R2"}
    assert tables["kyc_comments"] == [{**first, "_extra": None}, {**second, "_extra": None}]
    assert tables["applicants"] == tables["aml"] == tables["attempts"] == []
    assert quarantined([item, "no submission", {"submission_id": "x"}]) == [
        "no submission",
        {"submission_id": "x"},
    ]
    assert absent("N/A")
    assert not absent(0)
