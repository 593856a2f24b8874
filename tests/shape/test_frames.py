from typing import Any

import pytest

from argos_sync.shape.contract import load_contract
from argos_sync.shape.frames import Frame, as_object, build_frames, concrete_path, quote_key


def frames(*submissions: dict[str, Any]) -> dict[str, Frame]:
    """Return the frames of these submissions under the shipped contract."""
    return build_frames(submissions, load_contract())


def test_rows_know_their_submission_and_positions() -> None:
    """A row carries the submission it is from and its positions in all lists around it."""
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


def test_every_submission_has_a_row_of_its_own() -> None:
    """Even a submission with nothing in it is a submission."""
    found = frames({}, {})
    assert found["submissions"].parents == [0, 1]
    assert all(not frame.parents for name, frame in found.items() if name != "submissions")


@pytest.mark.parametrize("nothing", [None, "", "N/A", {}, []])
@pytest.mark.parametrize("section", ["data", "image", "kyc", "aml", "bank_verification"])
def test_absent_sections_have_no_row(section: str, nothing: Any) -> None:
    """A section that is absent in any of the API's ways gives no row and no complaint."""
    found = frames({section: nothing})
    assert all(not frame.parents for name, frame in found.items() if name != "submissions")
    assert not any(frame.problems for frame in found.values())


@pytest.mark.parametrize("part", ["data", "image", "email", "OCR_raw"])
def test_applicants_have_a_row_for_any_of_their_parts(part: str) -> None:
    """A person is known by any of the four fields that tell something of them."""
    assert frames({}, {part: {"x": 1}})["applicants"].parents == [1]


def test_sections_that_are_no_object_are_kept_by_the_parent() -> None:
    """A text in place of a section gives no row and stays in the row above."""
    found = frames({"kyc": "see attachment"}, {"aml": {"matches": "none"}})
    assert not found["kyc"].parents
    assert found["submissions"].extras == {0: {"kyc": "see attachment"}}
    assert found["aml"].extras == {0: {"aml.matches": "none"}}


def test_entries_that_are_no_object_are_kept_with_their_position() -> None:
    """Odd entries of a list stay in the row above, and the others keep their positions."""
    found = frames({"aml": {"matches": [None, "x", {}, {"score": 1}, 7]}})
    assert found["matches"].positions == [(3,)]
    assert found["aml"].extras == {0: {"aml.matches[1]": "x", "aml.matches[4]": 7}}
    assert found["aml"].problems == [
        (0, "aml.matches[1]", "not an object"),
        (0, "aml.matches[4]", "not an object"),
    ]


def test_a_list_of_one_object_is_the_object() -> None:
    """Where an object is expected, a list with exactly one stands for it, in lists too."""
    found = frames({"kyc": [{"attempts": [[{"attemptCnt": 1}], [{}, {}]]}]})
    assert found["kyc"].parents == [0]
    assert found["attempts"].objects == [{"attemptCnt": 1}]
    assert found["kyc"].extras == {0: {"kyc.attempts[1]": [{}, {}]}}


def test_parallel_lists_go_side_by_side() -> None:
    """Lists of unequal length pair up to the longer; positions without anything are left out."""
    kyc = {"comment": ["a", None, "c", "", "e"], "commentCode": ["1", "N/A", "3"]}
    comments = frames({"kyc": kyc})["kyc_comments"]
    assert comments.positions == [(0,), (2,), (4,)]
    assert comments.objects == [
        {"comment": "a", "commentCode": "1"},
        {"comment": "c", "commentCode": "3"},
        {"comment": "e"},
    ]


def test_one_value_is_a_list_of_one() -> None:
    """A single reason is the first of a list, a single object the first of a list of objects."""
    found = frames({"kyc": {"comment": "a", "attempts": {"attemptCnt": 1}}})
    assert found["kyc_comments"].positions == [(0,)]
    assert found["attempts"].positions == [(0,)]


@pytest.mark.parametrize("value", [None, "x", 1, [], [1], [{}, {}], [[{}]]])
def test_no_object(value: Any) -> None:
    """Only an object, or a list of exactly one, is an object."""
    assert as_object(value) is None


def test_object() -> None:
    """An object is itself, alone or in a list of one."""
    assert as_object({"a": 1}) == as_object([{"a": 1}]) == {"a": 1}


def test_paths_with_positions() -> None:
    """Each mark of a list is replaced by the position it stands for, outermost first."""
    assert concrete_path("kyc.attempts[i].retryCode[i]", (3, 0)) == "kyc.attempts[3].retryCode[0]"
    assert concrete_path("kyc.result", ()) == "kyc.result"


@pytest.mark.parametrize(
    ("key", "step"),
    [("plain", "plain"), ("김 x", "김 x"), ("a.b", '"a.b"'), ('"a[0]', '"\\"a[0]"')],
)
def test_keys_that_look_like_paths_are_quoted(key: str, step: str) -> None:
    """A field's name that would read as several steps is told apart from them."""
    assert quote_key(key) == step
