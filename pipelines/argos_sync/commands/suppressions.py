"""`suppressions`: write the suppression list of a warehouse to a file, and add a file to a list.

The file has keyed hashes, kinds and times, and nothing that identifies a person without the key.
The key is not in it. If the warehouse has a privacy key, that is where it is derived from; else it
is a secret of the warehouse, which a second file may have. Each key's entries have a tag, so that
a list that was cut or changed, or read with another key, is recognized.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.protection import (
    Protection,
    own_secrets,
    secrets_state,
    suppression_secrets,
)
from argos_sync.load.atomic_file import (
    FileType,
    atomic_replacement,
    check_output_path,
    write_errors,
)
from argos_sync.load.errors import destination_errors
from argos_sync.load.read_only import open_read_only
from argos_sync.run.context import Context
from argos_sync.run.journal import make_rows
from argos_sync.run.opening import open_run
from argos_sync.run.summary import RunSummary
from argos_sync.shape.contract import SUPPRESSIONS
from argos_sync.shape.identifiers import IDENTIFIER_KINDS
from argos_sync.shape.suppression import list_tag
from argos_sync.warehouse.rows import read_rows, read_suppression_list

_LIST, _KEYS = "argos_sync_suppression_list", "argos_sync_suppression_keys"
_VERSION = 1
_COLUMNS = ("suppression_id", "kind", "added_at", "key_id")
_HASH_DIGITS = 64

LIST_FILE = FileType("a suppression list", f'{{"{_LIST}"'.encode())
KEY_FILE = FileType("a key file of a suppression list", f'{{"{_KEYS}"'.encode())


@dataclass(frozen=True, slots=True)
class ExportedList:
    """A list that was written: its entries, and the fingerprints of the keys it was made with.

    `keys_from_privacy_key` are derived from a configured privacy key, `own_keys` are secrets of the
    warehouse.
    """

    file: Path
    entries: int
    keys_from_privacy_key: tuple[str, ...]
    own_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportedList:
    """The outcome of an import: entries that were added, and those that were on the list."""

    summary: RunSummary
    added: int
    present: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of the list: a keyed hash, what it is of, and when it was added (ISO 8601, UTC)."""

    suppression_id: str
    kind: str
    added_at: str

    def __post_init__(self) -> None:
        """Check that nothing else is in it than what belongs there."""
        int(self.suppression_id, 16)
        datetime.fromisoformat(self.added_at)
        if self.kind not in IDENTIFIER_KINDS or len(self.suppression_id) != _HASH_DIGITS:
            raise ValueError

    @property
    def parts(self) -> tuple[str, str, str]:
        """Return what the tag covers."""
        return self.suppression_id, self.kind, self.added_at


def export_suppressions(context: Context, file: Path, key_file: Path | None = None) -> ExportedList:
    """Write the suppression list of a warehouse, readable by the user alone.

    Args:
        context: The warehouse, and the privacy keys that its list was made with.
        file: File to create, or earlier list to replace.
        key_file: File for the warehouse's own secrets. Whoever has both files can test guesses of
            identifiers.

    Raises:
        ConfigurationError: A key of the list is not configured, or a file cannot be replaced.
        DestinationError: The warehouse cannot be read, or a file cannot be written.
    """
    path = check_output_path(file, LIST_FILE)
    key_path = check_output_path(key_file, KEY_FILE) if key_file is not None else None
    with open_read_only(context.target) as warehouse, destination_errors():
        hashes = read_suppression_list(warehouse.client)
        configured = Protection.configured(context.settings)
        keys = configured.with_suppression_list(*hashes, warehouse.state).suppression.keys
        rows = list(read_rows(warehouse.client, SUPPRESSIONS, _COLUMNS))
        own = {key: one for key, one in own_secrets(warehouse.state).items() if key in keys}
    entries: dict[str, list[_Entry]] = defaultdict(list)
    for suppression_id, kind, added_at, key_id in sorted(rows, key=lambda row: str(row[0])):
        entries[key_id].append(_Entry(suppression_id, kind, _utc(added_at).isoformat()))
    lists = {
        key_id: {
            "tag": list_tag(keys[key_id], (one.parts for one in listed)),
            "entries": [one.parts for one in listed],
        }
        for key_id, listed in entries.items()
    }
    _write(path, LIST_FILE, {_LIST: _VERSION, "keys": lists})
    if key_path is not None:
        _write(key_path, KEY_FILE, {_KEYS: _VERSION, "keys": own})
    derived = tuple(sorted(lists.keys() - own.keys()))
    return ExportedList(path, len(rows), derived, tuple(sorted(own)))


def import_suppressions(context: Context, file: Path, key_file: Path | None = None) -> ImportedList:
    """Add the entries of a file to the suppression list of a warehouse, which may be new.

    Nobody on it is loaded from then on, and their rows are erased when they are next fetched. The
    entries keep the time at which they were added. The API is not used.

    Raises:
        ConfigurationError: A file cannot be read, a key is not known, or the list is not complete.
        ArgosError: See `load.errors`.
    """
    lists = _read_lists(file)
    secrets = _read_secrets(key_file) if key_file is not None else {}
    with open_run(context, "suppressions", uses_api=False) as run:
        given = {key_id: bytes.fromhex(secret) for key_id, secret in secrets.items()}
        keys = given | run.protection.suppression_keys(run.warehouse.state)
        for key_id, (tag, entries) in lists.items():
            _check_list(keys, key_id, tag, entries)
        used = secrets_state({key: one for key, one in secrets.items() if key in lists})
        # Its own secrets come first: new entries are made with the first one.
        run.committer.save(suppression_secrets(run.warehouse.state, used))
        present = run.protection.suppression.hashes
        new = [
            {
                "suppression_id": one.suppression_id,
                "kind": one.kind,
                "key_id": key_id,
                "run_id": run.summary.run_id,
                "added_at": datetime.fromisoformat(one.added_at),
            }
            for key_id, (_, entries) in lists.items()
            for one in entries
            if one.suppression_id not in present
        ]
        if new:
            run.committer.commit(make_rows(SUPPRESSIONS, new))
    total = sum(len(entries) for _, entries in lists.values())
    return ImportedList(run.summary, len(new), total - len(new))


def _check_list(
    keys: Mapping[str, bytes], key_id: str, tag: str, entries: Iterable[_Entry]
) -> None:
    """Refuse entries whose key is not known, or that are not those that were exported."""
    if key_id not in keys:
        raise ConfigurationError(
            f"the list was made with the key {key_id}, which this warehouse does not have",
            "pass the file that `suppressions export --key-file` wrote as --key-file, or set"
            " sources.argos.privacy.key, or old_keys, to the privacy key of the other warehouse",
        )
    if list_tag(keys[key_id], (one.parts for one in entries)) != tag:
        raise ConfigurationError(
            f"the list is not what was exported with the key {key_id}", "export it again"
        )


def _read_lists(file: Path) -> dict[str, tuple[str, list[_Entry]]]:
    """Return tag and entries of each key of a list file."""
    try:
        keys = _read(file, _LIST)
        return {
            str(key_id): (str(one["tag"]), [_Entry(*entry) for entry in one["entries"]])
            for key_id, one in keys.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _not_readable(file, LIST_FILE) from None


def _read_secrets(file: Path) -> dict[str, str]:
    """Return the secrets of a key file, by key id."""
    try:
        return {str(key_id): bytes.fromhex(one).hex() for key_id, one in _read(file, _KEYS).items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _not_readable(file, KEY_FILE) from None


def _read(file: Path, name: str) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error.strerror}", "name a file of `suppressions export`"
        ) from None
    if document[name] != _VERSION:
        raise ValueError
    keys: dict[str, Any] = document["keys"]
    return keys


def _not_readable(file: Path, file_type: FileType) -> ConfigurationError:
    return ConfigurationError(
        f"{file} is not {file_type.name}", "name a file of `suppressions export`"
    )


def _write(path: Path, file_type: FileType, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, separators=(",", ":")) + "\n"
    with atomic_replacement(path, file_type=file_type) as new, write_errors(path):
        new.write_text(text, encoding="utf-8")


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
