"""Submissions whose sections have lost their content, as if the store behind one had failed."""

from collections.abc import Collection
from typing import Any
from zlib import crc32

from argos_sync.emulator.parameters import Query
from argos_sync.emulator.record import Record, serialize
from argos_sync.emulator_options import Behaviour

_STANDS_FOR: dict[str, Any] = {"null": None, "object": {}, "list": []}
_SECTIONS = ("kyc", "aml", "data")
_HOLDERS = {"attempts": "kyc", "matches": "aml"}
_IDENTITY = ("submission_id", "created_at")


def empty_sections(records: list[Record], query: Query, behaviour: Behaviour) -> list[Record]:
    """Return the rows of a page without the content of the sections in `behaviour.empty`.

    Where the content of a whole section is missing, a walk of that section does not list the
    submission.
    """
    if not behaviour.empty:
        return records
    is_left_out = behaviour.empty_as == "missing" and query.request_type in behaviour.empty
    # A submission without `created_at` would not be a submission any more.
    is_left_out = is_left_out and query.request_type != "others"
    rows = []
    for record in records:
        submission = record.read()
        if not isinstance(submission, dict) or not _is_chosen(submission, behaviour.empty_share):
            rows.append(record)
        elif not is_left_out:
            rows.append(serialize(_empty(submission, behaviour.empty, behaviour.empty_as)))
    return rows


def _is_chosen(submission: dict[str, Any], share: float) -> bool:
    return crc32(str(submission.get("submission_id")).encode()) < share * 2**32


def _empty(submission: dict[str, Any], sections: Collection[str], form: str) -> dict[str, Any]:
    """Return a submission in which empty sections are missing, or have another form."""
    rest = dict(submission)
    for section in sections:
        if section in _HOLDERS:
            holder = rest.get(_HOLDERS[section])
            if isinstance(holder, dict) and holder.get(section):
                rest[_HOLDERS[section]] = _replace(holder, section, form)
        elif section == "others":
            kept = (*_IDENTITY, *_SECTIONS)
            for name in [name for name in rest if name not in kept]:
                rest = _replace(rest, name, form)
        elif section in rest:
            rest = _replace(rest, section, form)
    return rest


def _replace(fields: dict[str, Any], name: str, form: str) -> dict[str, Any]:
    if form == "missing":
        return {key: value for key, value in fields.items() if key != name}
    return fields | {name: _STANDS_FOR[form]}
