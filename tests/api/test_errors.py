"""The exception tree: groups, exit codes and one line of advice for each class."""

import copy
import pickle

import pytest

from argos_sync.api import errors
from argos_sync.api.errors import ArgosError


def _subclasses(kind: type[ArgosError]) -> list[type[ArgosError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _subclasses(child))]


# Other rooms add branches of their own.
TREE = [kind for kind in _subclasses(ArgosError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", TREE)
def test_text_is_one_line(kind: type[ArgosError]) -> None:
    """An error reads as what happened, then what to do, on one line."""
    error = kind("something happened")
    assert str(error) == f"something happened; {kind.advice}"
    assert "\n" not in str(error)


def test_remedies_differ() -> None:
    """No two classes share a remedy, except groups that are never raised themselves."""
    groups = {errors.RetriableFailure}
    advice = [kind.advice for kind in TREE if kind not in groups]
    assert len(set(advice)) == len(advice)


@pytest.mark.parametrize(
    ("group", "exit_code"),
    [(errors.ConfigurationError, 2), (errors.AccessDenied, 3), (errors.ApiFailure, 4)],
)
def test_exit_codes_follow_groups(group: type[ArgosError], exit_code: int) -> None:
    """All classes of a group have the group's exit code."""
    assert {kind.exit_code for kind in _subclasses(group) if kind in TREE} == {exit_code}


def test_own_remedy_wins() -> None:
    """A remedy passed to the constructor replaces the class's advice."""
    assert str(errors.ConfigurationError("x is 3", "set x to 4")) == "x is 3; set x to 4"


def test_message_shows_attempts() -> None:
    """A failure after several attempts shows their number."""
    error = errors.BadGateway("HTTP 502")
    error.attempts = 6
    assert str(error) == f"HTTP 502 (6 attempts); {error.remedy}"


@pytest.mark.parametrize("clone", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301 - its own bytes
def test_errors_survive_pickling(clone: object) -> None:
    """Copying and pickling keep all attributes of an error."""
    assert callable(clone)
    error = errors.RateLimited("HTTP 429", "wait", retry_after=3.0)
    other = clone(error)
    assert type(other) is errors.RateLimited
    assert (str(other), other.retry_after, other.attempts) == ("HTTP 429; wait", 3.0, 1)


def test_docstring_names_all_errors() -> None:
    """The tree in the module's docstring names every class."""
    assert [k.__name__ for k in TREE if k.__name__ not in str(errors.__doc__)] == []
