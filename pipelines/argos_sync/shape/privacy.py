"""Protect personal values before anything is written.

Every column of the contract has a privacy class. Columns of class `none`, which include all keys,
are never changed. The mode of the others is set for their class or for a single column, and the
column's setting takes precedence:

- `plain`: the value is unchanged.
- `hash`: a keyed hash, which shows which rows have the same value but not the value.
- `encrypt`: a text that decrypts with the key, and only in its own column.
- `drop`: the column does not exist.

Null stays null in every mode, so a reader sees whether there is a value; an empty text is a value.
`column_cipher` defines the format of hashed and encrypted values.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Literal, Self, cast, get_args

import pyarrow as pa

from argos_sync.api.errors import ConfigurationError
from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.column_cipher import Keyring, encode_array, encode_value, extract_key_id
from argos_sync.shape.contract import Column, ColumnType, Contract, Table, load_contract, safe_name

PrivacyMode = Literal["plain", "hash", "encrypt", "drop"]

_KEYED_MODES = ("hash", "encrypt")
_FINGERPRINT_FORMAT = 1
_MAX_PLACES = 3
_SIMILAR = 0.6


class PolicyError(ConfigurationError):
    """A privacy setting is not valid; the text shows neither keys nor values."""


@dataclass(frozen=True)
class PrivacyPolicy:
    """Define the mode of each column and protect rows accordingly.

    Columns of class `direct` identify a person by themselves, those of class `quasi` in combination
    with others. `columns` has the modes of single columns, by `table.column`; `old_keyrings` has
    earlier keys, which decrypt the values that were encrypted with them. A policy can be pickled;
    the pickle contains the keys.

    Raises:
        PolicyError: A mode, column or table is unknown, a column cannot be changed, or the key is
            missing.
    """

    direct: PrivacyMode = "plain"
    quasi: PrivacyMode = "plain"
    columns: Mapping[str, PrivacyMode] = field(default_factory=dict, hash=False)
    keyring: Keyring | None = None
    base_contract: Contract = field(default_factory=load_contract, repr=False, hash=False)
    old_keyrings: tuple[Keyring, ...] = ()

    @classmethod
    def plain(cls) -> Self:
        """Return the policy that changes nothing."""
        return cls()

    @classmethod
    def from_settings(
        cls,
        direct: str = "plain",
        quasi: str = "plain",
        columns: Mapping[str, str] | None = None,
        key: str | None = None,
        *,
        base_contract: Contract | None = None,
        old_keys: Iterable[str] = (),
    ) -> Self:
        """Return the policy that the keys of section `sources.argos.privacy` ask for.

        Raises:
            PolicyError: A setting is not valid, or a key is too short.
        """
        return cls(
            cast("PrivacyMode", direct),
            cast("PrivacyMode", quasi),
            cast("dict[str, PrivacyMode]", dict(columns or {})),
            None if key is None else _keyring("key", key),
            base_contract or load_contract(),
            tuple(_keyring("old_keys", one) for one in old_keys),
        )

    def __post_init__(self) -> None:
        """Validate the settings."""
        settings = {"direct": self.direct, "quasi": self.quasi}
        settings |= {f"columns.{_safe_place(place)}": mode for place, mode in self.columns.items()}
        for name, mode in settings.items():
            if mode not in get_args(PrivacyMode):
                valid = _join_words(get_args(PrivacyMode), "or")
                raise PolicyError(f"privacy.{name} has a value that is not valid", f"use {valid}")
        for place in self.columns:
            self._require_personal_column(place)
        if self.keyring is None and any(mode in _KEYED_MODES for mode in self.modes.values()):
            remedy = "set SOURCES__ARGOS__PRIVACY__KEY, or key under [sources.argos.privacy]"
            raise PolicyError("no value for privacy.key, which hash and encrypt need", remedy)

    def mode(self, table: str, column: str) -> PrivacyMode:
        """Return the mode of a column.

        Raises:
            PolicyError: The contract does not have the table or the column.
        """
        self._require_column(table, column)
        return self.modes[f"{table}.{column}"]

    @cached_property
    def modes(self) -> dict[str, PrivacyMode]:
        """Return the mode of every column of every table, by `table.column`."""
        classes: dict[str, PrivacyMode] = {"direct": self.direct, "quasi": self.quasi}
        modes: dict[str, PrivacyMode] = {}
        for table in self.base_contract.tables.values():
            modes |= dict.fromkeys((f"{table.name}.{c.name}" for c in table.columns), "plain")
            for column in _personal_columns(table):
                place = f"{table.name}.{column.name}"
                modes[place] = self.columns.get(place, classes[column.privacy])
        return modes

    @cached_property
    def is_plain(self) -> bool:
        """Return whether no column is changed."""
        return all(mode == "plain" for mode in self.modes.values())

    @cached_property
    def contract(self) -> Contract:
        """Return the contract of protected rows.

        It lacks the dropped columns, and hashed and encrypted columns are text. It describes the
        warehouse, not the API: rows are shaped with `base_contract` and then protected.
        """
        if self.is_plain:
            return self.base_contract
        tables = {}
        for name, table in self.base_contract.tables.items():
            columns = tuple(
                replace(column, type="text") if mode in _KEYED_MODES else column
                for column in table.columns
                if (mode := self.modes[f"{name}.{column.name}"]) != "drop"
            )
            tables[name] = replace(table, columns=columns)
        return Contract(tables)

    def protect(self, table_name: str, rows: pa.Table) -> pa.Table:
        """Return shaped rows in the form in which they may be written: the schema of `contract`.

        Call it once for each row: a second call would protect the values again.

        Raises:
            PolicyError: The contract does not have the table.
            ValueError: The rows do not have the schema of `base_contract`.
        """
        table = self._require_table(table_name)
        if not rows.schema.equals(arrow_schema(table)):
            # An unknown column must not be written unprotected.
            raise ValueError(f"rows of {table_name} do not have the columns of the contract")
        if all(self.modes[f"{table_name}.{column.name}"] == "plain" for column in table.columns):
            return rows
        effective = self.contract[table_name]
        columns = [
            self._protect_column(f"{table_name}.{name}", column.type, rows.column(name))
            for name, column in table.columns_by_name.items()
            if name in effective.columns_by_name
        ]
        return pa.Table.from_arrays(columns, schema=arrow_schema(effective))

    def reveal(self, table: str, column: str, text: str) -> Any:
        """Decrypt a value of an encrypted column, whatever the column's current mode.

        The result is the value as Arrow returns it in Python; a json value is text.

        Raises:
            PolicyError: The contract does not have the table or the column, or there is no key.
            RevealError: The value is hashed or not encrypted, was encrypted with another key, was
                changed, or comes from another column.
        """
        self._require_column(table, column)
        keyrings = {one.key_id: one for one in self.old_keyrings}
        keyring = keyrings.get(extract_key_id(text) or "") or self._require_keyring()
        return keyring.reveal(text, f"{table}.{column}")

    def hash_value(self, value: Any, column_type: ColumnType = "text") -> str:
        """Return the hash of a value, to find its rows in any hashed column of its type.

        Raises:
            PolicyError: There is no key.
            TypeError: `value` does not have this type.
        """
        (text,) = self._require_keyring().hash([encode_value(value, column_type)], column_type)
        return text.decode("ascii")

    def encrypt_value(self, table: str, column: str, value: Any) -> str:
        """Return the ciphertext of a value, to find its rows in an encrypted column.

        Raises:
            PolicyError: The contract does not have the table or the column, or there is no key.
            TypeError: `value` does not have the column's type.
        """
        column_type = self._require_column(table, column).type
        plain = [encode_value(value, column_type)]
        (text,) = self._require_keyring().encrypt(plain, column_type, f"{table}.{column}")
        return text.decode("ascii")

    def fingerprint(self) -> str:
        """Return the modes and the key id as one line of JSON, to detect a change of policy."""
        content = {
            "format": _FINGERPRINT_FORMAT,
            "key": self.keyring.key_id if self.keyring and not self.is_plain else None,
            "modes": self.modes,
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    def _protect_column(self, place: str, column_type: ColumnType, values: pa.ChunkedArray) -> Any:
        mode = self.modes[place]
        if mode == "plain":
            return values
        encoded = values.combine_chunks().dictionary_encode()  # process each distinct value once
        plain = encode_array(encoded.dictionary, column_type)
        if mode == "hash":
            texts = self._require_keyring().hash(plain, column_type)
        else:
            texts = self._require_keyring().encrypt(plain, column_type, place)
        return pa.array(texts, pa.string()).take(encoded.indices)

    def _require_keyring(self) -> Keyring:
        if self.keyring is None:
            remedy = "set SOURCES__ARGOS__PRIVACY__KEY to the key the values were written with"
            raise PolicyError("no value for privacy.key", remedy)
        return self.keyring

    def _require_personal_column(self, place: str) -> None:
        """Refuse what is not a personal column; name the nearest one if it does not exist."""
        table_name, _, column_name = place.partition(".")
        try:
            table = self._require_table(table_name)
            column = self._require_column(table_name, column_name)
        except PolicyError as error:
            nearest = self._nearest_column(place)
            did_you_mean = f"did you mean {nearest}? Otherwise " if nearest else ""
            raise PolicyError(error.message, f"{did_you_mean}{error.remedy}") from None
        if column not in _personal_columns(table):
            problem = f"{_safe_place(place)} is not personal and is never changed"
            raise PolicyError(f"privacy.columns: {problem}", _column_advice(table))

    def _nearest_column(self, place: str) -> str | None:
        """Return the personal column that is spelled most like a name; its table may be missing."""
        table_name, dot, column_name = place.partition(".")
        tables = self.base_contract.tables
        places = {
            f"{name}.{column.name}": column.name
            for name, table in tables.items()
            for column in _personal_columns(table)
            if name == table_name or table_name not in tables
        }
        if table_name in tables or not dot:
            by_text = {column: place for place, column in reversed(places.items())}
        else:
            by_text = {place: place for place in places}
        written = column_name if table_name in tables else place
        similar = get_close_matches(written, by_text, 1, _SIMILAR)
        return by_text[similar[0]] if similar else None

    def _require_table(self, name: str) -> Table:
        if name not in self.base_contract.tables:
            personal = filter(_personal_columns, self.base_contract.tables.values())
            names = _join_words(table.name for table in personal)
            remedy = f"name columns as table.column; tables with personal columns are {names}"
            raise PolicyError(f"there is no table {_safe_place(name)}", remedy)
        return self.base_contract[name]

    def _require_column(self, table_name: str, name: str) -> Column:
        table = self._require_table(table_name)
        if name not in table.columns_by_name:
            problem = f"{table_name} has no column {_safe_place(name)}"
            raise PolicyError(problem, _column_advice(table))
        return table.columns_by_name[name]


def describe_policy_change(stored: str, current: str) -> str | None:
    """Describe in one line how two fingerprints differ; None if they do not.

    Columns that only one fingerprint has were added or removed by a release, and do not count.
    """
    before, after = _parse_fingerprint(stored), _parse_fingerprint(current)
    if not before or not after:
        return "a fingerprint was written by another version of argos-sync"
    changes: dict[tuple[str, str], list[str]] = {}
    for place, mode in sorted(after["modes"].items()):
        if before["modes"].get(place, mode) != mode:
            changes.setdefault((before["modes"][place], mode), []).append(place)
    parts = []
    for (old, new), places in changes.items():
        more = len(places) - _MAX_PLACES
        named = places[:_MAX_PLACES] + ([f"{more} more"] if more > 0 else [])
        parts.append(f"{old} became {new} for {_join_words(named)}")
    old_key, new_key = (each.get("key") or "not set" for each in (before, after))
    if old_key != new_key:
        parts.append(f"the key was {old_key} and is {new_key}")
    return "; ".join(parts) or None


def modes_from_fingerprint(fingerprint: str) -> dict[str, str]:
    """Return the modes of a fingerprint by `table.column`; empty if its format is unknown."""
    return dict(_parse_fingerprint(fingerprint).get("modes", {}))


def _keyring(setting: str, secret: str) -> Keyring:
    try:
        return Keyring.from_secret(secret)
    except ValueError as error:
        remedy = "use a random key, for example from `openssl rand -base64 32`"
        raise PolicyError(f"privacy.{setting} has {error}", remedy) from None


def _parse_fingerprint(fingerprint: str) -> dict[str, Any]:
    """Return the content of a fingerprint; empty if another version wrote it."""
    with suppress(ValueError):
        content = json.loads(fingerprint)
        has_format = isinstance(content, dict) and content.get("format") == _FINGERPRINT_FORMAT
        if has_format and isinstance(content.get("modes"), dict):
            return dict(content)
    return {}


def _personal_columns(table: Table) -> list[Column]:
    """Return the columns whose mode can be set: never a key, whatever its class."""
    return [c for c in table.columns if c.privacy != "none" and c.name not in table.key]


def _column_advice(table: Table) -> str:
    names = [f"{table.name}.{column.name}" for column in _personal_columns(table)]
    if not names:
        return f"nothing in {table.name} is personal"
    return f"use one of {_join_words(names, 'or')}"


def _safe_place(place: str) -> str:
    """Return a name from the configuration, with stars for parts that may be a misplaced value."""
    return ".".join(map(safe_name, place.split(".")))


def _join_words(names: Iterable[str], word: str = "and") -> str:
    *others, last = names
    return f"{', '.join(others)} {word} {last}" if others else last
