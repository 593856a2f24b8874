"""Describe why a command fails: an exit code, what happened, and what to do."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a command ends with another exit code than 0.

    Attributes:
        exit_status: The exit code.
        error: The class of the error, or a word for an outcome such as `Stale`.
        message: What happened and where, in one line.
        remedy: What to do about it.
    """

    exit_status: int
    error: str
    message: str
    remedy: str

    def __str__(self) -> str:
        """Return one line: what happened, then what to do."""
        return f"{self.message}; {self.remedy}"

    def as_json(self) -> dict[str, Any]:
        """Return the entries that the JSON of a failed command has."""
        return asdict(self)
