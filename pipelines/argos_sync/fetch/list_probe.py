"""Find out how whole submissions are read, and notice when that changes.

`probe_completeness` compares rows of lists with the same submissions fetched by id, `find_reading`
remembers the answer for a month, and `ListVerifier` looks at some rows of every run.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

from argos_sync.api.errors import ApiFailure, IncompleteWalk
from argos_sync.api.query import Query
from argos_sync.api.stats import RequestStats
from argos_sync.fetch.completeness import STATE_KEY, Completeness, Reading, ReadMode
from argos_sync.fetch.submission import fetch_submission, rows_by_id
from argos_sync.fetch.windows import DateRange, day_of, padded_window
from argos_sync.shape.contract import ITEM, safe_name
from argos_sync.shape.identity import Identity, identify, read_content
from argos_sync.shape.values import is_absent

if TYPE_CHECKING:
    from argos_sync.api.client import ArgosClient

_PROBE_DAYS = 30
PROBE_PAGE = 200
"""Rows of a list to choose samples from."""
_ENOUGH_ROWS = 50
"""So many rows are enough, if pages are shorter."""
_BEST_SAMPLES = 5
_OTHER_SAMPLES = 10
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


@dataclass(frozen=True, slots=True)
class Suspect:
    """A submission of which a list lacks something, and its UTC day of `created_at`."""

    submission_id: str
    day: date


class ListsAreIncomplete(ApiFailure):
    """A list whose rows counted as whole lacks something of one; nothing of its page was loaded."""

    advice = "run again: the run finds out how to read whole submissions, and goes on"

    def __init__(
        self, message: str, remedy: str | None = None, *, suspect: Suspect | None = None
    ) -> None:
        """Store the submission, which the next probe compares."""
        super().__init__(message, remedy)
        self.suspect = suspect


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
    suspects: Sequence[Suspect] = (),
) -> ReadingAnswer:
    """Return how to read whole submissions: as configured, or as a probe finds out.

    An answer is kept for a month, unless no decided submission was among the rows, so that changes
    of the lists would not be noticed.

    Args:
        setting: The setting `completeness`.
        sections: Configured `request_type`s; empty for all of them.
        state: The state, with the answer of an earlier run.
        connect: Returns a client for some page size.
        today: The UTC day.
        again: Whether to probe although there is an answer.
        suspects: Submissions to compare, too; with any, there is a probe as well.
    """
    sections = tuple(sections)
    if setting != "auto":
        return ReadingAnswer(Reading(setting, sections))
    known = Completeness.from_state(state, sections)
    if known and not (again or suspects) and (known.mode == "each" or known.usual_paths):
        checked = date.fromisoformat(state[STATE_KEY]["checked"])
        if (today - checked).days < _PROBE_DAYS:
            return ReadingAnswer(known.reading(sections))
    async with connect(PROBE_PAGE) as client:
        answer = await probe_completeness(client, sections, suspects)
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
    client: "ArgosClient", sections: Sequence[str] = (), suspects: Sequence[Suspect] = ()
) -> Completeness | None:
    """Compare rows of the lists with the same submissions fetched by id, by their API paths.

    An empty field proves nothing, nor does a field that both hide. So the probe looks at decided
    rows first, because they have attempts and matches, and at some others. With configured
    `sections` it compares the lists of these.

    Args:
        client: A client with pages of `PROBE_PAGE` rows.
        sections: Configured `request_type`s; empty for all of them.
        suspects: Submissions to compare as well.

    Returns:
        None if no submission of the list has more fields than the vendor's page about lists shows.
    """
    rows = await _list_rows(client, sections)
    compared = rows | await _rows_of(client, sections, suspects)
    # One that was not found may be on a later page: it proves nothing.
    found = (one.submission_id for one in suspects if one.submission_id in compared)
    chosen = [*_choose_samples(rows, sections), *found]
    wholes: dict[str, Counter[str]] = {}
    for submission_id in dict.fromkeys(chosen):
        whole = await _fetch_sample(client, submission_id, sections)
        if whole is not None:
            wholes[submission_id] = Counter(api_paths(whole))
    if not any(paths.keys() - _SUMMARY_PATHS for paths in wholes.values()):
        return None
    missing = _missing_paths(wholes, compared)
    if not missing:
        usual = _usual_paths(rows.values(), sections)
        return Completeness("sections" if sections else "list", (), usual)
    if not sections:
        all_sections = Reading("sections").list_sections
        joined = await _list_rows(client, all_sections, rows)
        compared = joined | await _rows_of(client, all_sections, suspects)
        if compared.keys() >= wholes.keys() and not _missing_paths(wholes, compared):
            return Completeness("sections", missing, _usual_paths(joined.values(), sections))
    return Completeness("each", missing)


@dataclass(slots=True)
class ListVerifier:
    """Notices that a list is a summary, before any row of its page is used.

    A suspect is fetched by its id, at most three times per job: a row with a red flag and without
    matches, or the first decided row if a few of them all lack a path that nearly all have. Of a
    job that is to be sampled, one more row is.
    """

    reading: Reading
    _left: int = field(default=_MAX_VERIFICATIONS)
    _has_sample: bool = field(default=False)
    _sampling: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def verify(self, client: "ArgosClient", items: Sequence[Any]) -> None:
        """Compare a page's rows with whole submissions; deletion stubs lack fields rightly.

        Raises:
            ListsAreIncomplete: A row lacks something that the submission has.
        """
        if not self.reading.is_verified:
            return
        if self._left and (rows := self._without_usual(items) or _flags_without_matches(items)):
            self._left -= 1
            await self._compare(client, rows)
        if self.reading.sampled_on:
            async with self._sampling:  # the pages of other tasks wait for it
                if not self._has_sample and (rows := self._sample(items)):
                    await self._compare(client, rows)
                    self._has_sample = True

    async def _compare(self, client: "ArgosClient", rows: Mapping[str, dict[str, Any]]) -> None:
        """Compare the first of some rows with the submission."""
        submission_id, row = next(iter(rows.items()))
        whole = await _fetch_sample(client, submission_id, self.reading.sections)
        hidden = sorted(Counter(api_paths(whole)) - Counter(api_paths(row)))
        if hidden:
            identity = identify(whole)
            raise ListsAreIncomplete(
                f"the lists of the API lack {', '.join(hidden[:3])}",
                suspect=Suspect(submission_id, day_of(identity.created_at))
                if isinstance(identity, Identity)
                else None,
            )

    def _without_usual(self, items: Iterable[Any]) -> dict[str, dict[str, Any]]:
        """Return a few decided rows if all of them lack a usual path."""
        sections = self.reading.sections
        decided = (item for item in items if _is_decided(item, sections) and _is_whole(item))
        rows = rows_by_id(islice(decided, _VERIFIED_PER_PAGE))
        missing = self.reading.usual_paths.difference(*map(api_paths, rows.values()))
        return rows if missing else {}

    def _sample(self, items: Iterable[Any]) -> dict[str, dict[str, Any]]:
        """Return one row, another one each day."""
        rows = rows_by_id(item for item in items if _is_whole(item))
        drawn = sorted(rows, key=lambda key: crc32(f"{key} {self.reading.sampled_on}".encode()))
        return {key: rows[key] for key in drawn[:1]}


async def _fetch_sample(
    client: "ArgosClient", submission_id: str, sections: Sequence[str]
) -> dict[str, Any] | None:
    """Fetch one submission; None if the API cannot return it."""
    try:
        return await fetch_submission(client, submission_id, sections)
    except IncompleteWalk:
        return None


async def _list_rows(
    client: "ArgosClient",
    sections: Sequence[str],
    wanted: Collection[str] = (),
    window: Query | None = None,
) -> dict[str, dict[str, Any]]:
    """Return rows of the first pages by id, those of several sections joined.

    Args:
        client: The client.
        sections: The `request_type`s of the lists; empty for the list of whole submissions.
        wanted: Ids of the rows; without any, the first rows of the first list.
        window: Days of the lists; None for all.
    """
    window = window or Query()
    joined: dict[str, dict[str, Any]] = {}
    for query in [replace(window, request_type=one) for one in sections] or [window]:
        seen: set[str] = set()
        try:
            async for page in client.first_pages(query):
                for submission_id, row in rows_by_id(page.items).items():
                    if not wanted or submission_id in wanted:
                        joined[submission_id] = joined.get(submission_id, {}) | row
                        seen.add(submission_id)
                if len(seen) >= (len(wanted) or _ENOUGH_ROWS):
                    break
        except IncompleteWalk:
            if not seen:
                raise
        # Pages of other lists may have other rows.
        wanted = wanted or seen
    return joined


async def _rows_of(
    client: "ArgosClient", sections: Sequence[str], suspects: Iterable[Suspect]
) -> dict[str, dict[str, Any]]:
    """Return the rows of suspects, which may be far from the first pages."""
    rows: dict[str, dict[str, Any]] = {}
    for one in suspects:
        window = padded_window(DateRange(one.day, one.day)).query(None)
        rows |= await _list_rows(client, sections, {one.submission_id}, window)
    return rows


def _choose_samples(rows: Mapping[str, dict[str, Any]], sections: Sequence[str]) -> list[str]:
    """Return the ids of the rows that show most, and of some between all others."""
    ranked = sorted(rows, key=lambda submission_id: _rank(rows[submission_id], sections))
    best, others = ranked[:_BEST_SAMPLES], ranked[_BEST_SAMPLES:]
    step = max(1, len(others) // _OTHER_SAMPLES)
    return best + others[::step][:_OTHER_SAMPLES]


def _missing_paths(wholes: Mapping[str, Counter[str]], rows: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the paths of which whole submissions have more values than their rows of the list."""
    missing = (paths - Counter(api_paths(rows.get(key, {}))) for key, paths in wholes.items())
    return tuple(sorted(frozenset().union(*missing)))


def _usual_paths(rows: Iterable[dict[str, Any]], sections: Sequence[str]) -> tuple[str, ...]:
    """Return the paths that nearly all decided ones of whole submissions have."""
    samples = [frozenset(api_paths(row)) for row in rows if _is_decided(row, sections)]
    counts = Counter(path for sample in samples for path in sample)
    least = _USUAL_SHARE * len(samples)
    return tuple(sorted(path for path, count in counts.items() if count >= least))


def _rank(row: dict[str, Any], sections: Sequence[str]) -> tuple[bool, bool, int]:
    """Return the order of a row among samples: red flags, then decided ones, then long ones."""
    return not _has_red_flag(row), not _is_decided(row, sections), -len(frozenset(api_paths(row)))


def _is_decided(row: Any, sections: Sequence[str]) -> bool:
    """Whether a submission is decided; each may be if the section that says so is not read."""
    if sections and "kyc" not in sections:
        return isinstance(row, dict)
    kyc = row.get("kyc") if isinstance(row, dict) else None
    return isinstance(kyc, dict) and str(kyc.get("result")).lower() in _DECIDED


def _is_whole(item: Any) -> bool:
    """Whether a row is no deletion stub."""
    return not read_content(item)[1]


def _has_red_flag(row: Any) -> bool:
    aml = row.get("aml") if isinstance(row, dict) else None
    return isinstance(aml, dict) and aml.get("currentstatus") == "Red Flag"


def _flags_without_matches(items: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Return the first row with a red flag and without the matches that a flag is raised for."""
    flags = (
        item
        for item in items
        if _has_red_flag(item) and not item["aml"].get("matches") and _is_whole(item)
    )
    return rows_by_id(islice(flags, 1))
