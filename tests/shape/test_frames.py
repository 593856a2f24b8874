from typing import Any

import pytest

from argos_sync.shape.contract import load_contract
from argos_sync.shape.frames import Frame, as_object, build_frames, concrete_path, quote_key


def frames(*submissions: dict[str, Any]) -> dict[str, Frame]:
    """Return the frames of these submissions under the shipped contract."""
    return build_frames(submissions, load_contract())


def test_rows_have_submission_and_positions() -> None:
    """A row has its submission and its positions in all lists around it."""
    first = {"kyc": {"attempts": [{"retryCode": ["a", "b"]}, {"retryCode": "c"}]}}
    second = {"kyc": {"attempts": {"retryMsg": ["x"]}}}
    retries = frames({}, first, second)["attempt_retries"]
    assert retries.parents == [1, 1, 1, 2]
    assert retries.positions == [(0, 0), (0, 1), (1, 0), (0, 0)]
    assert retries.objects == [
        {"retryCode": "a"},
        {"retryCode": "b"},
        {"retryCode": "c"},
        {"retryMsg": "x"},
    ]


def test_every_submission_has_a_row() -> None:
    """Even an empty submission has a row."""
    result = frames({}, {})
    assert result["submissions"].parents == [0, 1]
    assert all(not frame.parents for name, frame in result.items() if name != "submissions")


@pytest.mark.parametrize("nothing", [None, "", "N/A", {}, []])
@pytest.mark.parametrize("section", ["data", "image", "kyc", "aml", "bank_verification"])
def test_absent_sections_have_no_row(section: str, nothing: Any) -> None:
    """An absent section has no row and no problem, in all forms the API uses."""
    result = frames({section: nothing})
    assert all(not frame.parents for name, frame in result.items() if name != "submissions")
    assert not any(frame.problems for frame in result.values())


@pytest.mark.parametrize("part", ["data", "image", "email", "OCR_raw", "ocr", "verification"])
def test_applicants_have_a_row_for_any_of_their_parts(part: str) -> None:
    """Any of the personal fields makes a row in applicants."""
    assert frames({}, {part: {"x": 1}})["applicants"].parents == [1]


def test_invalid_sections_go_to_the_parent() -> None:
    """A text in place of a section has no row and goes to the parent's extras."""
    result = frames({"kyc": "see attachment"}, {"aml": {"matches": "none"}})
    assert not result["kyc"].parents
    assert result["submissions"].extras == {0: {"kyc": "see attachment"}}
    assert result["aml"].extras == {0: {"aml.matches": "none"}}


def test_invalid_entries_go_to_the_parent() -> None:
    """Invalid entries go to the parent's extras, and the others keep their positions."""
    result = frames({"aml": {"matches": [None, "x", {}, {"score": 1}, 7]}})
    assert result["matches"].positions == [(3,)]
    assert result["aml"].extras == {0: {"aml.matches[1]": "x", "aml.matches[4]": 7}}
    assert result["aml"].problems == [
        (0, "aml.matches[1]", "not an object"),
        (0, "aml.matches[4]", "not an object"),
    ]


def test_a_list_of_one_object_is_the_object() -> None:
    """A list with exactly one object counts as that object, in lists too."""
    result = frames({"kyc": [{"attempts": [[{"attemptCnt": 1}], [{}, {}]]}]})
    assert result["kyc"].parents == [0]
    assert result["attempts"].objects == [{"attemptCnt": 1}]
    assert result["kyc"].extras == {0: {"kyc.attempts[1]": [{}, {}]}}


def test_parallel_lists_share_rows() -> None:
    """Lists of unequal length share rows by position; empty positions have no row."""
    kyc = {"comment": ["a", None, "c", "", "e"], "commentCode": ["1", "N/A", "3"]}
    comments = frames({"kyc": kyc})["kyc_comments"]
    assert comments.positions == [(0,), (2,), (4,)]
    assert comments.objects == [
        {"comment": "a", "commentCode": "1"},
        {"comment": "c", "commentCode": "3"},
        {"comment": "e"},
    ]


def test_one_value_is_a_list_of_one() -> None:
    """A single value or object counts as a list with one entry."""
    result = frames({"kyc": {"comment": "a", "attempts": {"attemptCnt": 1}}})
    assert result["kyc_comments"].positions == [(0,)]
    assert result["attempts"].positions == [(0,)]


@pytest.mark.parametrize("value", [None, "x", 1, [], [1], [{}, {}], [[{}]]])
def test_not_an_object(value: Any) -> None:
    """Only an object, or a list with exactly one, counts as an object."""
    assert as_object(value) is None


def test_object() -> None:
    """An object is returned unchanged, alone or from a list of one."""
    assert as_object({"a": 1}) == as_object([{"a": 1}]) == {"a": 1}


def test_paths_with_positions() -> None:
    """Each list mark in a path is replaced by its position, outermost first."""
    assert concrete_path("kyc.attempts[i].retryCode[i]", (3, 0)) == "kyc.attempts[3].retryCode[0]"
    assert concrete_path("kyc.result", ()) == "kyc.result"


@pytest.mark.parametrize(
    ("key", "step"),
    [("plain", "plain"), ("김 x", "김 x"), ("a.b", '"a.b"'), ('"a[0]', '"\\"a[0]"')],
)
def test_keys_that_look_like_paths_are_quoted(key: str, step: str) -> None:
    """A key that could be read as several path steps is quoted."""
    assert quote_key(key) == step
