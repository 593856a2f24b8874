"""How whole submissions are read from an API whose lists may be summaries.

The vendor's page about lists shows fewer fields than its page about a single submission, and does
not say whether a list with a `request_type` has all fields of that section. `list_probe` finds it
out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Self, get_args

from argos_sync.api.query import REQUEST_TYPES

STATE_KEY = "completeness"

ReadMode = Literal["list", "sections", "each"]
"""Where whole submissions come from: a list, the lists of all four sections, or one request each.

With configured `request_types`, `list` and `sections` are the same: the lists of these sections.
"""

READ_MODES: Sequence[ReadMode] = get_args(ReadMode)
"""The modes, from the fewest to the most requests. A later one is whole where an earlier one is."""

DESCRIPTIONS: Mapping[ReadMode, str] = {
    "list": "lists have whole submissions",
    "sections": "a list is a summary, and the lists of the four sections are whole",
    "each": "lists are summaries, so every submission is fetched by its id",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How a job reads submissions.

    Attributes:
        mode: Where whole submissions come from.
        sections: Configured `request_type`s; empty for all of them.
        usual_paths: API paths that nearly all decided submissions have; a list without them is
            verified.
        is_verified: Whether rows of lists are compared with whole submissions.
        sampled_on: The day if one row is compared whatever it has; it chooses which.
    """

    mode: ReadMode = "list"
    sections: tuple[str, ...] = ()
    usual_paths: frozenset[str] = frozenset()
    is_verified: bool = False
    sampled_on: date | None = None

    @property
    def list_sections(self) -> tuple[str, ...]:
        """Return the `request_type`s whose lists are read side by side; empty for one list."""
        if self.sections or self.mode != "sections":
            return self.sections
        return ("others", *(name for name in REQUEST_TYPES if name != "others"))

    def submissions_per_request(self, page_size: int) -> int:
        """Return how many submissions of a list cost as much as one request by id."""
        if self.mode == "each":
            return 1
        by_id = max(1, len(self.sections))
        return max(1, page_size * by_id // max(1, len(self.list_sections)))


@dataclass(frozen=True, slots=True)
class Completeness:
    """What a probe found out: the mode, paths that lists lack, and paths of most submissions."""

    mode: ReadMode
    missing: tuple[str, ...] = ()
    usual_paths: tuple[str, ...] = ()

    def reading(self, sections: tuple[str, ...]) -> Reading:
        """Return how to read these sections."""
        return Reading(self.mode, sections, frozenset(self.usual_paths), is_verified=True)

    def __str__(self) -> str:
        """Return one line for people."""
        lacks = f" (lists lack {', '.join(self.missing[:3])})" if self.missing else ""
        return DESCRIPTIONS[self.mode] + lacks

    def to_state(self, sections: Sequence[str], today: date) -> dict[str, Any]:
        """Return the answer for the state (`checkpoint`)."""
        answer = {
            "mode": self.mode,
            "missing": list(self.missing),
            "usual_paths": list(self.usual_paths),
            "sections": list(sections),
            "checked": today.isoformat(),
        }
        return {STATE_KEY: answer}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], sections: Sequence[str]) -> Self | None:
        """Return the answer that was found out for these sections."""
        stored = state.get(STATE_KEY)
        if stored is None or tuple(stored["sections"]) != tuple(sections):
            return None
        return cls(stored["mode"], tuple(stored["missing"]), tuple(stored["usual_paths"]))
