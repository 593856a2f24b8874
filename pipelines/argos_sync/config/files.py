"""Say where one of dlt's TOML files cannot be read, or has a key.

No message repeats the content of a line: it may be a secret.
"""

import re
import tomllib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from argos_sync.api.errors import ConfigurationError

_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")
_HEADER = re.compile(r"\s*\[\s*(?P<name>[^\[\]]+?)\s*\]\s*(#.*)?")
_KEY = re.compile(r"\s*(?P<name>[^=#\[]+?)\s*=")


def place_of(key: Sequence[str], files: Iterable[Path]) -> str:
    """Return the file and the line, from 1, in which a key is set; only the file without a line."""
    names = []
    for file in files:
        with suppress(ConfigurationError):
            if line := _line_of(key, _text(file)):
                return f"{_name(file)}, line {line}"
        names.append(_name(file))
    return " or ".join(names)


def _line_of(key: Sequence[str], text: str) -> int | None:
    """Return the line where a key, or a table in one line that has it, is set."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.fullmatch(line):
            table = _parts(header["name"])
        elif match := _KEY.match(line):
            place = (*table, *_parts(match["name"]))
            if tuple(key[: len(place)]) == place:
                return number
    return None


def unreadable(paths: Iterable[Path]) -> ConfigurationError:
    """Return the error about the first of these files that is not TOML."""
    for path in paths:
        if not path.is_file():
            continue
        try:
            tomllib.loads(_text(path))
        except tomllib.TOMLDecodeError as error:
            place = _PLACE.search(str(error))
            line = int(place[1]) if place else len(_text(path).splitlines())
            column = f", column {place[2]}" if place else ""
            return ConfigurationError(
                f"{_name(path)} is not TOML: line {line}{column}",
                'put texts into quotes, as in api_key = "…", and close every quote and bracket',
            )
        except ConfigurationError as error:
            return error
    return ConfigurationError("a TOML file of the configuration cannot be read", "check .dlt/")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{_name(path)} cannot be read: {error.strerror}", "give this user the right to read it"
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{_name(path)} is not UTF-8", "save it as UTF-8") from None


def _name(path: Path) -> str:
    """Return a path as a message shows it: relative to the working directory if it is in it."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else path)


def _parts(name: str) -> tuple[str, ...]:
    """Return the parts of a dotted key, without quotes and blanks."""
    return tuple(part.strip().strip("\"'") for part in name.split("."))
