"""Read the identifiers of people from options and from a file, for `argos-sync forget`.

The file has one identifier a line: `userid: …`, `email: …`, or a submission id. No message repeats
one; a line is named by its number.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

FORMAT = "`userid: …`, `email: …` or a submission id"

_KINDS = {
    "userid": "userid",
    "email": "email",
    "submission_id": "submission_id",
    "submission-id": "submission_id",
}
_MOST_NAMED = 5
"""Places that a message names one by one."""


@dataclass(frozen=True, slots=True)
class GivenIdentifier:
    """An identifier, and the place where it was given, such as `--userid` or `line 3`."""

    kind: str
    value: str
    place: str


def collect_identifiers(
    submission_ids: Sequence[str], userid: str | None, email: str | None, file: Path | None
) -> list[GivenIdentifier]:
    """Return the identifiers of all options and of the lines of a file, each once.

    Raises:
        typer.BadParameter: The file cannot be read, or a line is not an identifier.
    """
    given = [GivenIdentifier("submission_id", one, "--submission-id") for one in submission_ids]
    given += [GivenIdentifier("userid", userid, "--userid")] if userid is not None else []
    given += [GivenIdentifier("email", email, "--email")] if email is not None else []
    given += parse_identifiers(_read(file)) if file is not None else []
    return list({(one.kind, one.value): one for one in reversed(given)}.values())[::-1]


def parse_identifiers(text: str) -> list[GivenIdentifier]:
    """Return the identifiers of a file's lines; lines that begin with `#` are comments.

    Raises:
        typer.BadParameter: A line is not an identifier.
    """
    given: list[GivenIdentifier] = []
    wrong: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        stripped, place = line.strip(), f"line {number}"
        if not stripped or stripped.startswith("#"):
            continue
        if identifier := _parse_line(stripped):
            given.append(GivenIdentifier(*identifier, place))
        else:
            wrong.append(place)
    if wrong:
        raise typer.BadParameter(f"--from-file, {join_places(wrong)}: give {FORMAT}")
    return given


def join_places(places: Sequence[str]) -> str:
    """Return the places for a message: the first few, and the number of the others."""
    shown, others = places[:_MOST_NAMED], len(places) - _MOST_NAMED
    return ", ".join(dict.fromkeys(shown)) + (f" and {others} more" if others > 0 else "")


def _parse_line(line: str) -> tuple[str, str] | None:
    """Return kind and value of a line; None for a bare address and for an unknown kind."""
    name, colon, value = line.partition(":")
    if colon:
        kind = _KINDS.get(name.strip().lower())
        return (kind, value.strip()) if kind and value.strip() else None
    return None if "@" in line or len(line.split()) > 1 else ("submission_id", line)


def _read(file: Path) -> str:
    """Return the text of a file, or of stdin for `-`."""
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise typer.BadParameter(f"--from-file cannot be read: {reason}") from None
