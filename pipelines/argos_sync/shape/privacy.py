"""What happens to personal values before anything is written.

Every column of the contract has a privacy class. Those of class `none`, all keys among them, are
always as they came. What happens to the others is set for the class or for the column, which goes
before the class:

- `plain`: nothing.
- `hash`: a keyed hash, which tells who has the same value without telling the value.
- `encrypt`: a text that opens with the key, and only in its own column.
- `drop`: the column does not exist.

In every mode null stays null: whether there was a value can be seen. An empty text is a value.
`sealing` says what hashed and encrypted values look like.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, cast, get_args

import pyarrow as pa

from argos_sync.shape.column_cipher import Keyring, encode_array, encode_value, extract_key_id
from argos_sync.shape.columns import arrow_schema
from argos_sync.shape.contract import (
    Column,
    ColumnType,
    Contract,
    Table,
    load_contract,
    safe_name,
)

PrivacyMode = Literal["plain", "hash", "encrypt", "drop"]

_KEYED_MODES = ("hash", "encrypt")
_FINGERPRINT_FORMAT = 1
_MAX_PLACES = 3


class PolicyError(ValueError):
    """A privacy setting that cannot be; the text shows neither keys nor values.

    Attributes:
        problem: What is wrong.
        remedy: What to do about it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        """Keep the parts apart."""
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        """One line: what is wrong, then what to do."""
        return f"{self.problem}; {self.remedy}"


@dataclass(frozen=True)
class PrivacyPolicy:
    """What happens to each column; can be pickled, and then carries keys.

    Attributes:
        direct: Mode of the columns that identify a person by themselves.
        quasi: Mode of those that do together with others.
        columns: Modes of single columns by `table.column`.
        keyring: Needed when anything is hashed or encrypted.
        original: The contract as shaped rows have it.
        former: Keys of before, which only open what was written with them.

    Raises:
        PolicyError: A mode, column or table that is not known, a column that must stay as it is,
            or no key where one is needed.
    """

    direct: PrivacyMode = "plain"
    quasi: PrivacyMode = "plain"
    columns: Mapping[str, PrivacyMode] = field(default_factory=dict, hash=False)
    keyring: Keyring | None = None
    base_contract: Contract = field(default_factory=load_contract, repr=False, hash=False)
    old_keyrings: tuple[Keyring, ...] = ()

    @classmethod
    def plain(cls) -> PrivacyPolicy:
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
    ) -> PrivacyPolicy:
        """Return the policy that configuration asks for.

        Args:
            direct: `sources.argos.privacy.direct`.
            quasi: `sources.argos.privacy.quasi`.
            columns: `sources.argos.privacy.columns`, mode by `table.column`.
            key: `sources.argos.privacy.key`.
            original: The table contract; the shipped one when left out.
            old_keys: `sources.argos.privacy.old_keys`.

        Raises:
            PolicyError: What the class raises, or a key that is too short.
        """
        keyring = None if key is None else _keyring("key", key)
        former = tuple(_keyring("old_keys", one) for one in old_keys)
        return cls(
            cast("PrivacyMode", direct),
            cast("PrivacyMode", quasi),
            cast("dict[str, PrivacyMode]", dict(columns or {})),
            keyring,
            base_contract or load_contract(),
            former,
        )

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        given = {"direct": self.direct, "quasi": self.quasi}
        given |= {f"columns.{_safe_place(place)}": mode for place, mode in self.columns.items()}
        for name, mode in given.items():
            if mode not in get_args(PrivacyMode):
                known = _join_words(get_args(PrivacyMode), "or")
                raise PolicyError(f"privacy.{name} has a value that is not valid", f"use {known}")
        for place in self.columns:
            table_name, _, column_name = place.partition(".")
            table = self._table(table_name)
            if self._column(table, column_name) not in _personal_columns(table):
                fixed = f"{_safe_place(place)} is not personal and always stays as it is"
                raise PolicyError(f"privacy.columns: {fixed}", _column_advice(table))
        if self.keyring is None and any(mode in _KEYED_MODES for mode in self.modes.values()):
            remedy = "set SOURCES__ARGOS__PRIVACY__KEY, or key under [sources.argos.privacy]"
            raise PolicyError("no value for privacy.key, which hash and encrypt need", remedy)

    def mode(self, table: str, column: str) -> PrivacyMode:
        """Return what happens to a column.

        Raises:
            PolicyError: The contract has no such table or column.
        """
        self._column(self._table(table), column)
        return self.modes[f"{table}.{column}"]

    @cached_property
    def modes(self) -> dict[str, PrivacyMode]:
        """What happens to every column of every table, by `table.column`."""
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
        """Whether nothing happens to any column."""
        return all(mode == "plain" for mode in self.modes.values())

    @cached_property
    def contract(self) -> Contract:
        """The contract of protected rows: dropped columns gone, hashed and encrypted ones texts.

        It tells what is in the warehouse and nothing about the API: rows are shaped with the
        original, where no column is missing, and then protected.
        """
        if self.is_plain:
            return self.base_contract
        return Contract(
            {
                table.name: replace(table, columns=tuple(self._effective(table)))
                for table in self.base_contract.tables.values()
            }
        )

    def protect(self, table_name: str, rows: pa.Table) -> pa.Table:
        """Return shaped rows of a table as they may be written.

        It must be done once: what is protected already would be protected again.

        Args:
            table_name: Their table.
            rows: Rows with the original contract's schema.

        Returns:
            The same rows with the schema of `contract`.

        Raises:
            PolicyError: The contract has no such table.
            ValueError: The rows do not have the original contract's schema.
        """
        table = self._table(table_name)
        if not rows.schema.equals(arrow_schema(table)):
            # A column that nobody knows must not get past unprotected.
            raise ValueError(f"rows of {table_name} do not have the columns of the contract")
        if not self._changes(table):
            return rows
        effective = self.contract[table_name]
        columns = [
            self._protected(f"{table_name}.{column.name}", column.type, rows.column(column.name))
            for column in table.columns
            if column.name in effective.columns_by_name
        ]
        return pa.Table.from_arrays(columns, schema=arrow_schema(effective))

    def reveal(self, table: str, column: str, text: str) -> Any:
        """Decrypt a value of an encrypted column, whatever happens to the column today.

        Returns:
            The value as Arrow gives it to Python; that of a json column is its text.

        Raises:
            PolicyError: The contract has no such table or column, or there is no key.
            RevealError: It is hashed or not encrypted at all, encrypted with another key, changed,
                or comes from another column.
        """
        place = f"{table}.{self._column(self._table(table), column).name}"
        keyrings = {one.key_id: one for one in self.old_keyrings}
        keyring = keyrings.get(extract_key_id(text) or "") or self._keys()
        return keyring.reveal(text, place)

    def hash_value(self, value: Any, column_type: ColumnType = "text") -> str:
        """Return a value's hash, by which its rows are found in any hashed column of its type.

        Raises:
            PolicyError: There is no key.
            TypeError: It is no value of this type.
        """
        (text,) = self._keys().hash([encode_value(value, column_type)], column_type)
        return text.decode("ascii")

    def encrypt_value(self, table: str, column: str, value: Any) -> str:
        """Return a value as the column has it encrypted, by which its rows are found.

        Raises:
            PolicyError: The contract has no such table or column, or there is no key.
            TypeError: It is no value of the column's type.
        """
        column_type = self._column(self._table(table), column).type
        plain = [encode_value(value, column_type)]
        (text,) = self._keys().encrypt(plain, column_type, f"{table}.{column}")
        return text.decode("ascii")

    def fingerprint(self) -> str:
        """Return what a warehouse is written with: modes and the key's id, as one line of JSON."""
        found = {
            "format": _FINGERPRINT_FORMAT,
            "key": self.keyring.key_id if self.keyring and not self.is_plain else None,
            "modes": self.modes,
        }
        return json.dumps(found, sort_keys=True, separators=(",", ":"))

    def _protected(self, place: str, column_type: ColumnType, values: pa.ChunkedArray) -> Any:
        mode = self.modes[place]
        if mode == "plain":
            return values
        encoded = values.combine_chunks().dictionary_encode()  # each different value once
        plain = encode_array(encoded.dictionary, column_type)
        if mode == "hash":
            texts = self._keys().hash(plain, column_type)
        else:
            texts = self._keys().encrypt(plain, column_type, place)
        return pa.array(texts, pa.string()).take(encoded.indices)

    def _effective(self, table: Table) -> Iterator[Column]:
        for column in table.columns:
            mode = self.modes[f"{table.name}.{column.name}"]
            if mode != "drop":
                yield replace(column, type="text") if mode in _KEYED_MODES else column

    def _changes(self, table: Table) -> bool:
        return any(self.modes[f"{table.name}.{c.name}"] != "plain" for c in table.columns)

    def _keys(self) -> Keyring:
        if self.keyring is None:
            remedy = "set SOURCES__ARGOS__PRIVACY__KEY to the key the values were written with"
            raise PolicyError("no value for privacy.key", remedy)
        return self.keyring

    def _table(self, name: str) -> Table:
        if name not in self.base_contract.tables:
            known = _join_words(
                t.name for t in self.base_contract.tables.values() if _personal_columns(t)
            )
            raise PolicyError(
                f"there is no table {_safe_place(name)}",
                f"name columns as table.columns_by_name; tables with personal columns are {known}",
            )
        return self.base_contract[name]

    def _column(self, table: Table, name: str) -> Column:
        if name not in table.columns_by_name:
            raise PolicyError(
                f"{table.name} has no column {_safe_place(name)}", _column_advice(table)
            )
        return table.columns_by_name[name]


def describe_policy_change(stored: str, current: str) -> str | None:
    """Tell in one line what differs between two fingerprints; None when nothing does.

    Columns that only one of them knows came or went with a version, and do not count.

    Args:
        stored: The older fingerprint.
        current: The newer one.
    """
    before, after = _parse_fingerprint(stored), _parse_fingerprint(current)
    if before is None or after is None:
        return "a fingerprint was written by another version of argos-sync"
    changes: dict[tuple[str, str], list[str]] = {}
    for place, mode in sorted(after["modes"].items()):
        if before["modes"].get(place, mode) != mode:
            changes.setdefault((before["modes"][place], mode), []).append(place)
    told = [
        f"{old} became {new} for {_abbreviate(places)}" for (old, new), places in changes.items()
    ]
    old_key, new_key = (found.get("key") or "not set" for found in (before, after))
    if old_key != new_key:
        told.append(f"the key was {old_key} and is {new_key}")
    return "; ".join(told) or None


def modes_from_fingerprint(fingerprint: str) -> dict[str, str]:
    """Return the modes of a fingerprint, by `table.column`; none if another version wrote it."""
    found = _parse_fingerprint(fingerprint)
    return dict(found["modes"]) if found else {}


def _keyring(setting: str, secret: str) -> Keyring:
    try:
        return Keyring.from_secret(secret)
    except ValueError as error:
        remedy = "use a random one, such as `openssl rand -base64 32` prints"
        raise PolicyError(f"privacy.{setting} has {error}", remedy) from None


def _parse_fingerprint(fingerprint: str) -> dict[str, Any] | None:
    try:
        found = json.loads(fingerprint)
    except ValueError:
        return None
    known = isinstance(found, dict) and found.get("format") == _FINGERPRINT_FORMAT
    return found if known and isinstance(found.get("modes"), dict) else None


def _personal_columns(table: Table) -> list[Column]:
    """Return the columns a mode may be set for; never a key, whatever its class."""
    return [c for c in table.columns if c.privacy != "none" and c.name not in table.key]


def _column_advice(table: Table) -> str:
    names = [f"{table.name}.{column.name}" for column in _personal_columns(table)]
    return (
        f"use one of {_join_words(names, 'or')}"
        if names
        else f"nothing in {table.name} is personal"
    )


def _safe_place(place: str) -> str:
    """Return a name from the configuration, or stars where it could be a value gone astray."""
    return ".".join(map(safe_name, place.split(".")))


def _abbreviate(places: list[str]) -> str:
    more = len(places) - _MAX_PLACES
    return _join_words([*places[:_MAX_PLACES], *([f"{more} more"] if more > 0 else [])])


def _join_words(names: Iterable[str], word: str = "and") -> str:
    *others, last = names
    return f"{', '.join(others)} {word} {last}" if others else last
