"""How whole submissions are read from an API whose lists may be summaries.

The vendor's page about lists shows fewer fields than its page about a single submission, and does
not say whether a list with a `request_type` has all fields of that section. `probe_completeness`
finds it out with a handful of requests, `find_reading` remembers the answer for a month, and
`ListVerifier` notices when it changes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from argos_sync.api.errors import ApiFailure
from argos_sync.api.query import REQUEST_TYPES, Query
from argos_sync.api.stats import RequestStats
from argos_sync.fetch.submission import fetch_submission, rows_by_id
from argos_sync.shape.contract import ITEM, safe_name
from argos_sync.shape.identity import read_content
from argos_sync.shape.values import is_absent

if TYPE_CHECKING:
    from argos_sync.api.client import ArgosClient

_STATE_KEY = "completeness"

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

_PROBE_DAYS = 30
PROBE_PAGE = 200
"""Rows of a list to choose samples from."""
_SAMPLES = 5
_USUAL_SHARE = 0.9
_VERIFIED_PER_PAGE = 5
_MAX_VERIFICATIONS = 3
_DECIDED = ("approved", "rejected")
_SUMMARY_PATHS = frozenset(
    {
        *(f"data.{name}" for name in ("name", "gender", "nationality", "date_of_birth")),
        *("email", "submission_id", "userid", "created_at", "pending_at", "reviewer"),
        *("kyc.result", f"kyc.comment{ITEM}", f"kyc.commentCode{ITEM}"),
        *("kyc.comment", "kyc.commentCode"),
    }
)
"""API paths that the vendor's page about lists shows: they prove nothing about a list."""


class ListsAreIncomplete(ApiFailure):
    """A list that had whole submissions has summaries now; nothing of them was loaded."""

    advice = "run again: the run finds out how to read whole submissions, and goes on"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a job reads submissions.

    Attributes:
        mode: Where whole submissions come from.
        sections: Configured `request_type`s; empty for all of them.
        usual_paths: API paths that nearly all decided submissions have; a list without them is
            verified. If empty, nothing is.
    """

    mode: ReadMode = "list"
    sections: tuple[str, ...] = ()
    usual_paths: frozenset[str] = frozenset()

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
        return Reading(self.mode, sections, frozenset(self.usual_paths))

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
        return {_STATE_KEY: answer}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], sections: Sequence[str]) -> Self | None:
        """Return the answer that was found out for these sections."""
        stored = state.get(_STATE_KEY)
        if stored is None or tuple(stored["sections"]) != tuple(sections):
            return None
        return cls(stored["mode"], tuple(stored["missing"]), tuple(stored["usual_paths"]))


@dataclass(frozen=True, slots=True)
class ReadingAnswer:
    """How to read whole submissions, and what it took to find out.

    `state` has the changes of the state, `stats` the requests, and `change` says in one line
    that the API has changed; None if it has not.
    """

    reading: Reading
    state: dict[str, Any] = field(default_factory=dict)
    stats: RequestStats = field(default_factory=RequestStats)
    change: str | None = None


async def find_reading(
    setting: Literal["auto"] | ReadMode,
    sections: Sequence[str],
    state: Mapping[str, Any],
    connect: "Callable[[int], ArgosClient]",
    today: date,
    *,
    again: bool = False,
) -> ReadingAnswer:
    """Return how to read whole submissions: as configured, or as a probe finds out.

    Args:
        setting: The setting `completeness`.
        sections: Configured `request_type`s; empty for all of them.
        state: The state, with the answer of an earlier run.
        connect: Returns a client for some page size.
        today: The UTC day.
        again: Whether to probe although there is an answer that is less than a month old.
    """
    sections = tuple(sections)
    if setting != "auto":
        return ReadingAnswer(Reading(setting, sections))
    known = Completeness.from_state(state, sections)
    if known and not again:
        checked = date.fromisoformat(state[_STATE_KEY]["checked"])
        if (today - checked).days < _PROBE_DAYS:
            return ReadingAnswer(known.reading(sections))
    async with connect(PROBE_PAGE) as client:
        answer = await probe_completeness(client, sections)
        stats = client.stats
    if answer is None:
        # There was nothing to compare. Submissions fetched by id are always whole.
        answer, changes = known or Completeness("each"), {}
    else:
        changes = answer.to_state(sections, today)
    change = f"the API has changed: {answer}" if known and known.mode != answer.mode else None
    return ReadingAnswer(answer.reading(sections), changes, stats, change)


def api_paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield the API paths of all values that are not empty; entries of a list are `[i]`.

    Names of unknown fields that may be personal are `*`.
    """
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from api_paths(entry, f"{path}.{safe_name(key)}" if path else safe_name(key))
    elif isinstance(value, list):
        for entry in value:
            yield from api_paths(entry, path + ITEM)
    elif not is_absent(value):
        yield path


async def probe_completeness(
    client: "ArgosClient", sections: Sequence[str] = ()
) -> Completeness | None:
    """Compare rows of the lists with the same submissions fetched by id, by their API paths.

    An empty field proves nothing, nor does a field that both hide. So the probe looks at several
    rows, decided ones first, because they have attempts and matches. With configured `sections`
    it compares the lists of these.

    Returns:
        None if no submission of the list has more fields than the vendor's page about lists shows.
    """
    rows = await _list_rows(client, sections)
    chosen = sorted(rows, key=lambda submission_id: _rank(rows[submission_id]))[:_SAMPLES]
    wholes: dict[str, frozenset[str]] = {}
    for submission_id in chosen:
        whole = await fetch_submission(client, submission_id, sections)
        if whole is not None:
            wholes[submission_id] = frozenset(api_paths(whole))
    if not any(paths - _SUMMARY_PATHS for paths in wholes.values()):
        return None
    missing = _missing_paths(wholes, rows)
    if not missing:
        return Completeness("sections" if sections else "list", (), _usual_paths(rows.values()))
    if not sections:
        joined = await _list_rows(client, Reading("sections").list_sections)
        if joined.keys() >= wholes.keys() and not _missing_paths(wholes, joined):
            return Completeness("sections", missing, _usual_paths(joined.values()))
    return Completeness("each", missing)


@dataclass(slots=True)
class ListVerifier:
    """Notices that a list has become a summary, before any of its rows is used.

    A few decided rows of each page are compared with the paths that nearly all have. If all
    of these rows lack one, the first is fetched by its id, at most three times per job.
    """

    reading: Reading
    _left: int = field(default=_MAX_VERIFICATIONS)

    async def verify(self, client: "ArgosClient", items: Sequence[Any]) -> None:
        """Compare a page's rows with whole submissions; deletion stubs lack fields rightly.

        Raises:
            ListsAreIncomplete: A row lacks fields that the submission has.
        """
        usual = self.reading.usual_paths
        if not usual or not self._left:
            return
        whole_rows = (item for item in items if _is_decided(item) and not read_content(item)[1])
        decided = rows_by_id(islice(whole_rows, _VERIFIED_PER_PAGE))
        missing = usual.difference(*map(api_paths, decided.values()))
        if not missing or not decided:
            return
        submission_id = next(iter(decided))
        self._left -= 1
        whole = await fetch_submission(client, submission_id, self.reading.sections)
        hidden = sorted(missing.intersection(api_paths(whole)))
        if hidden:
            raise ListsAreIncomplete(f"the lists of the API no longer have {', '.join(hidden[:3])}")


async def _list_rows(client: "ArgosClient", sections: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the rows of the first page that has any, by id; those of several sections joined."""
    joined: dict[str, dict[str, Any]] = {}
    for query in [Query(request_type=section) for section in sections] or [Query()]:
        async for page in client.first_pages(query):
            rows = rows_by_id(page.items)
            for submission_id, row in rows.items():
                joined[submission_id] = joined.get(submission_id, {}) | row
            if rows:
                break
    return joined


def _missing_paths(
    wholes: Mapping[str, frozenset[str]], rows: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the paths of whole submissions that their rows of the list lack."""
    missing = (paths.difference(api_paths(rows.get(key, {}))) for key, paths in wholes.items())
    return tuple(sorted(frozenset().union(*missing)))


def _usual_paths(rows: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Return the paths that nearly all decided ones of whole submissions have."""
    samples = [frozenset(api_paths(row)) for row in rows if _is_decided(row)]
    counts = Counter(path for sample in samples for path in sample)
    least = _USUAL_SHARE * len(samples)
    return tuple(sorted(path for path, count in counts.items() if count >= least))


def _rank(row: dict[str, Any]) -> tuple[bool, bool, int]:
    """Return the order of a row among samples: red flags, then decided ones, then long ones."""
    aml = row.get("aml")
    status = aml.get("currentstatus") if isinstance(aml, dict) else None
    return status != "Red Flag", not _is_decided(row), -len(frozenset(api_paths(row)))


def _is_decided(row: Any) -> bool:
    kyc = row.get("kyc") if isinstance(row, dict) else None
    return isinstance(kyc, dict) and str(kyc.get("result")).lower() in _DECIDED
