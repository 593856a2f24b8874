"""Find keys in section `sources.argos` that nothing reads: dlt ignores them without a word.

They may be in the environment, in TOML files, in a vault, or names of mounted files.

A mistyped `privacy.direct` would store people's names in plain text.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dlt.common.configuration.specs.base_configuration import is_secret_hint

from argos_sync.api.errors import ConfigurationError
from argos_sync.config.files import place_of
from argos_sync.config.providers import documents, mounted_secrets, require_readable
from argos_sync.config.settings import (
    ORCHESTRATION,
    PLAIN_NAME,
    SECTIONS,
    Orchestration,
    Privacy,
    Settings,
)

Key = tuple[str, ...]
"""A key below `sources.argos`, by its sections and its name."""

_PREFIX = "__".join((*SECTIONS, "")).upper()
_LIKE_PREFIX = re.compile(r"SOURCES?_+ARGOS_+(?P<name>.+)", re.IGNORECASE)
"""What was probably meant as a key of this section, such as SOURCES_ARGOS_API_KEY."""

_MOUNTED_PREFIX = _PREFIX.lower().replace("_", "-")
_LIKE_MOUNTED = re.compile(r"SOURCES?[-_.]+ARGOS[-_.]+(?P<name>.+)", re.IGNORECASE)
"""What was probably meant as the file of a key of this section, such as SOURCES__ARGOS__API_KEY."""

_SECTIONS_OF_DLT = frozenset(
    {"data_writer", "destination", "extract", "load", "normalize", "schema"}
)
"""Sections that dlt reads in the section of any source."""

_COLUMNS = ("privacy", "columns")
"""The key that is a table in TOML, with columns as keys, and JSON in the environment."""

_SIMILAR = 0.6


@dataclass(frozen=True, slots=True)
class _Found:
    """A key that was found: where, and how it is written there."""

    path: Key
    place: str
    in_environment: bool = False


def refuse_unknown_keys() -> None:
    """Refuse what is configured in `sources.argos` but is not a key, wherever it is configured.

    A section with the name of a project has the keys of `sources.argos`. What dlt itself reads in a
    section of a source is left to it.

    Raises:
        ConfigurationError: There is such a key, a mounted file is not read, or a TOML file or a
            vault cannot be read.
    """
    for file in mounted_secrets():
        _refuse_mounted_file(file)
    for found in (*_environment_keys(os.environ), *_document_keys()):
        nearest = _nearest(found.path)
        if found.in_environment:
            known = f"{_PREFIX}{'__'.join(nearest).upper()}" if nearest else ""
        else:
            known = ".".join((*SECTIONS, *nearest)) if nearest else ""
        did_you_mean = f"the nearest is {known}; " if known else ""
        raise ConfigurationError(
            f"{found.place} is not a setting",
            f"{did_you_mean}docs/configuration.md lists all",
        )


def setting_keys() -> frozenset[Key]:
    """Return all keys below `sources.argos` outside of the sections of projects."""
    return frozenset(
        {
            *_project_keys(),
            *((ORCHESTRATION, name) for name in Orchestration().get_resolvable_fields()),
        }
    )


def _project_keys() -> Iterator[Key]:
    """Yield the keys that `sources.argos` and the section of a project have."""
    for name in Settings().get_resolvable_fields():
        if name == "privacy":
            yield from (("privacy", key) for key in Privacy().get_resolvable_fields())
        else:
            yield (name,)


def _is_known(path: Key) -> bool:
    if path in setting_keys():
        return True
    section, rest = path[0], path[1:]
    if not rest:
        return False
    if section in _SECTIONS_OF_DLT:
        return True
    return _may_be_project(section) and rest in set(_project_keys())


def _may_be_project(section: str) -> bool:
    is_section_of_ours = section in {"privacy", ORCHESTRATION}
    return bool(PLAIN_NAME.fullmatch(section)) and not is_section_of_ours


def _environment_keys(environment: Iterable[str]) -> Iterator[_Found]:
    """Yield the variables that are not keys but look like some."""
    for name in sorted(environment):
        place = f"the environment variable {name}"
        if name.startswith(_PREFIX):
            path = tuple(name.removeprefix(_PREFIX).lower().split("__"))
            if name != name.upper() or not _is_known(path):
                yield _Found(path, place, in_environment=True)
        elif match := _LIKE_PREFIX.fullmatch(name):
            path = tuple(match["name"].lower().split("__"))
            if _plain(path) in {_plain(one) for one in setting_keys()}:
                yield _Found(path, place, in_environment=True)


def _refuse_mounted_file(file: Path) -> None:
    """Refuse a mounted file that is meant as a key of this section, but is not read.

    dlt reads `sources.argos.api_key` from the file `sources--argos--api-key`, and only secrets.
    """
    match = _LIKE_MOUNTED.fullmatch(file.name)
    if match is None:
        return
    path = tuple(
        part.replace("-", "_") for part in re.split("--|__|[.]", match["name"].lower()) if part
    )
    if path and path[0] in _SECTIONS_OF_DLT:
        return
    secret_names = {_plain(one): _mounted_name(one) for one in setting_keys() if _is_secret(one)}
    if file.name == _mounted_name(path) and _is_known(path):
        if not _is_secret(path):
            raise ConfigurationError(
                f"the file {file} is not read: only secrets are read from mounted files",
                f"set {_PREFIX}{'__'.join(path).upper()}, or the key in .dlt/config.toml",
            )
        require_readable(file)
    elif _plain(path) in secret_names:
        raise ConfigurationError(
            f"the file {file} is not read", f"name it {secret_names[_plain(path)]}"
        )
    elif file.name.startswith(_MOUNTED_PREFIX) or _plain(path) in map(_plain, setting_keys()):
        raise ConfigurationError(
            f"the file {file} is not a setting", "docs/configuration.md lists all"
        )


def _mounted_name(path: Key) -> str:
    """Return the name of the file that dlt reads a secret from."""
    return _MOUNTED_PREFIX + "--".join(path).replace("_", "-")


def _is_secret(path: Key) -> bool:
    """Return whether a known key is a secret, which dlt looks up in mounted files."""
    spec = Privacy() if path[-2:-1] == ("privacy",) else Settings()
    hint = spec.get_resolvable_fields().get(path[-1])
    return hint is not None and is_secret_hint(hint)


def _document_keys() -> Iterator[_Found]:
    """Yield the keys of TOML files and vaults that are none of ours."""
    for document in documents(SECTIONS):
        section: Any = document.content
        for name in SECTIONS:
            section = section.get(name) if isinstance(section, Mapping) else None
        if not isinstance(section, Mapping):
            continue
        for path in _leaves(section):
            columns = path[:2] == _COLUMNS or path[1:3] == _COLUMNS
            if not columns and not _is_known(path):
                key = (*SECTIONS, *path)
                place = document.name or place_of(key, document.files)
                yield _Found(path, f"{'.'.join(key)} ({place})")


def _leaves(section: Mapping[str, Any], path: Key = ()) -> Iterator[Key]:
    """Yield the path of each value that is not a table."""
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name)


def _nearest(path: Key) -> Key | None:
    """Return the known key that is spelled most like a path; None if none is similar."""
    candidates: Sequence[Key] = sorted(setting_keys())
    if len(path) > 1 and _may_be_project(path[0]):
        candidates = [*candidates, *((path[0], *key) for key in sorted(_project_keys()))]
    by_text = {_plain(key): key for key in reversed(candidates)}
    similar = get_close_matches(_plain(path), by_text, n=1, cutoff=_SIMILAR)
    return by_text[similar[0]] if similar else None


def _plain(path: Key) -> str:
    """Return a path as one name, in which a wrong separator makes no difference."""
    return re.sub(r"_+", "_", "_".join(path).lower().replace("-", "_"))
