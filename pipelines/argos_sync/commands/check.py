"""One check of `doctor`."""

from collections.abc import Callable
from dataclasses import dataclass

from argos_sync.api.errors import ArgosError


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check; the message of a failed one has a remedy."""

    name: str
    passed: bool
    message: str
    exit_code: int = 0


def run_check(name: str, run: Callable[[], str]) -> Check:
    """Return the result of a check; it passes unless the function raises an `ArgosError`."""
    try:
        return Check(name, passed=True, message=run())
    except ArgosError as error:
        return Check(name, passed=False, message=str(error), exit_code=error.exit_code)
