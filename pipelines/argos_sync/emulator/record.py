"""One submission as JSON: whole, one of its sections, a summary, or the stub of a deleted one."""

import base64
import json
import random
from typing import Any, Literal, NamedTuple

import orjson

from argos_sync.emulator.timestamps import FORMS, read_time

Section = Literal["kyc", "aml", "data", "others"]
"""The values of the parameter `request_type`."""

_SECTIONS = ("kyc", "aml", "data")
_ID = "submission_id"
_SUMMARY_OF = {
    "data": ("name", "gender", "nationality", "date_of_birth"),
    "kyc": ("result", "comment", "commentCode"),
    "aml": ("currentstatus",),
}
_SUMMARY = {"email", _ID, "userid", "created_at", "pending_at", "reviewer", *_SUMMARY_OF}
_STAYS = (_ID, "created_at", "data.idType", "kyc.result")
"""Fields that deletion leaves."""

LARGE = "documents"
"""Key of the text in `aml.raw_data` that `Record.with_raw_data` adds."""

DELETED = "Deleted Submission"
"""The text in a stub."""


class Record(NamedTuple):
    """One submission as JSON; `plain` if orjson reads it without loss."""

    raw: bytes
    plain: bool

    def read(self) -> Any:
        """Return the submission."""
        return orjson.loads(self.raw) if self.plain else json.loads(self.raw)

    def with_created_at(self, form: str) -> "Record":
        """Return the submission with `created_at` in one of the forms of `timestamps.FORMS`."""
        if form == "vendor":
            return self
        submission = self.read()
        moment = read_time(submission.get("created_at")) if isinstance(submission, dict) else None
        if moment is None:
            return self
        return serialize(submission | {"created_at": FORMS[form](moment)})

    def select(self, section: Section | None, *, whole: bool) -> bytes:
        """Return the JSON of one section with the id, of all `others` fields, or of all sections.

        Unless it is `whole`, only the fields that a summary has.
        """
        submission = self.read()
        if not isinstance(submission, dict):
            return self.raw
        fields = {
            name: value
            for name, value in submission.items()
            if section in (None, name if name in _SECTIONS else "others") or name == _ID
        }
        return serialize(fields if whole else _summarize(fields, section)).raw

    def with_raw_data(self, size: int) -> "Record":
        """Return the submission with a text of `size` bytes in `aml.raw_data`."""
        submission = self.read()
        aml = submission.get("aml") if isinstance(submission, dict) else None
        if not size or not isinstance(aml, dict):
            return self
        data = aml.get("raw_data")
        text = {LARGE: random_text(str(submission.get(_ID)), size)}
        aml["raw_data"] = data | text if isinstance(data, dict) else text
        return serialize(submission)


def random_text(seed: str, size: int) -> str:
    """Return a text of `size` bytes that hardly compresses; the same one for the same seed."""
    data = random.Random(seed).randbytes(size * 3 // 4 + 3)  # noqa: S311 synthetic data
    return base64.b64encode(data)[:size].decode()


def _summarize(fields: dict[str, Any], section: Section | None) -> dict[str, Any]:
    """Return the fields that a list shows of a submission; AML only where it is asked for."""
    names = _SUMMARY if section else _SUMMARY - {"aml"}
    return {
        name: {inner: value[inner] for inner in _SUMMARY_OF[name] if inner in value}
        if name in _SUMMARY_OF and isinstance(value, dict)
        else value
        for name, value in fields.items()
        if name in names
    }


def serialize(submission: Any) -> Record:
    """Serialize a submission, including numbers and characters that orjson refuses."""
    try:
        # The copy has the exact size; orjson's own bytes keep a buffer of five times the memory.
        return Record(bytes(memoryview(orjson.dumps(submission))), plain=True)
    except TypeError:
        text = json.dumps(submission, separators=(",", ":"))
        return Record(text.encode(), plain=False)


def make_stub(submission: Any, field: str) -> dict[str, Any]:
    """Return the stub of a submission, with the notice in `field`."""
    stub: dict[str, Any] = {}
    for path in _STAYS:
        _copy_field(submission, stub, path)
    notice: Any = DELETED
    for step in reversed(field.split(".")):
        notice = {step: notice}
    merged: dict[str, Any] = merge(stub, notice)
    return merged


def _copy_field(source: Any, target: dict[str, Any], path: str) -> None:
    step, _, rest = path.partition(".")
    if isinstance(source, dict) and step in source:
        if rest:
            _copy_field(source[step], target.setdefault(step, {}), rest)
        else:
            target[step] = source[step]


def merge(old: Any, new: Any) -> Any:
    """Merge objects field by field; any other new value replaces the old one."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return old | {key: merge(old.get(key), value) for key, value in new.items()}
