"""Replace identifiers of people by keyed hashes that join, and that nobody can turn back.

A pseudonym is `p1.<key id>.<base64url>`: the first 16 bytes of an HMAC-SHA-256, with a key of its
own, of the kind of identifier and of the hash that `column_cipher` has for the identifier. So it
depends neither on the mode that the identifier is stored with, nor on its spelling, as far as
`identifiers` compares spellings, nor on table and warehouse; only on the privacy key. A hashed
identifier has a spelling that nobody can see: spelled in two ways, it has two pseudonyms.

Equal texts of two kinds have different pseudonyms. An empty text has none.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from argos_sync.shape.column_cipher import Keyring, extract_hash, extract_key_id, to_base64url
from argos_sync.shape.contract import SUBMISSIONS, Column
from argos_sync.shape.identifiers import normalize_identifier

_PREFIX = "p1"
_LABEL = b"argos-sync pseudonym 1"
_BYTES = 16

StoredMode = Literal["plain", "hash", "encrypt"]


class PseudonymError(ValueError):
    """A stored identifier cannot be read with the configured keys; the message shows no value."""


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """A column with pseudonyms, the column of the same table that it is made of, and its kind.

    Only the kind `email` is compared without letter case, see `normalize_identifier`.
    """

    name: str
    source: str
    kind: str
    meaning: str

    @property
    def column(self) -> Column:
        """Return the column, whose values are personal although they show nothing."""
        return Column(self.name, "text", "quasi", f"Pseudonym of {self.meaning}")


PSEUDONYMS: Mapping[str, Sequence[Pseudonym]] = {
    SUBMISSIONS: (
        Pseudonym("person_key", "applicant_id", "applicant", "the person, from applicant_id"),
        Pseudonym("user_key", "userid", "user", "the customer's user, from userid"),
        Pseudonym(
            "details_key",
            "duplicated_information",
            "details",
            "name, birth date, gender and nationality, from duplicated_information",
        ),
    ),
    "applicants": (
        Pseudonym("email_key", "email", "email", "the e-mail address, from email"),
        Pseudonym("phone_key", "phone_number", "phone", "the phone number, from phone_number"),
        Pseudonym("document_key", "document_number", "document", "the ID, from document_number"),
        Pseudonym(
            "identity_key",
            "identity_number",
            "identity",
            "the identification number, from identity_number",
        ),
        Pseudonym("ip_key", "ip_address", "ip", "the IP address, from ip_address"),
    ),
    "bank_verification": (
        Pseudonym("account_key", "account_number", "account", "the bank account"),
    ),
}
"""The columns with pseudonyms, by table. The API has no identifier of a device but its address."""

SUBSTITUTES: Mapping[tuple[str, str], str] = {
    (table, one.source): one.name for table, columns in PSEUDONYMS.items() for one in columns
}
"""The column with pseudonyms by table and by the column that it is made of."""


@dataclass(frozen=True)
class Pseudonymizer:
    """Makes pseudonyms of stored identifiers; it contains keys.

    `modes` has the privacy mode of columns by `table.column`, and `old_keyrings` former keys, which
    only decrypt.
    """

    keyring: Keyring
    old_keyrings: tuple[Keyring, ...] = ()
    modes: Mapping[str, str] = field(default_factory=dict)

    def replace(self, table: str, pseudonym: Pseudonym, stored: pa.Array) -> pa.Array:
        """Return the pseudonyms of stored texts; NULL stays NULL.

        Raises:
            PseudonymError: A text was hashed or encrypted with a key that is not configured.
        """
        encoded = stored.dictionary_encode()  # process each distinct value once
        place = f"{table}.{pseudonym.source}"
        hashes = self._hashes(place, pseudonym.kind, encoded.dictionary.to_pylist())
        return pa.array(self._make(pseudonym.kind, hashes), pa.string()).take(encoded.indices)

    def of_text(self, kind: str, text: str) -> str | None:
        """Return the pseudonym of an identifier, to look somebody up in a published copy."""
        (pseudonym,) = self._make(kind, self._hashes("", kind, [text]))
        return pseudonym

    def _hashes(self, place: str, kind: str, stored: Sequence[str]) -> list[bytes]:
        """Return the hashes that the identifiers have, or would have, in a hashed column."""
        mode = self.modes.get(place, "plain")
        if mode == "hash":
            for text in stored:
                self._check_key(place, extract_key_id(text))
            return [extract_hash(text) for text in stored]
        plain = [self._reveal(place, text) for text in stored] if mode == "encrypt" else stored
        texts = [normalize_identifier(kind, text) for text in plain]
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        return [extract_hash(one.decode("ascii")) for one in self.keyring.hash(encoded, "text")]

    def _make(self, kind: str, hashes: Sequence[bytes]) -> list[str | None]:
        (nothing,) = self.keyring.hash([b""], "text")
        empty, label = extract_hash(nothing.decode("ascii")), b"\0".join([_LABEL, kind.encode()])
        key = self.keyring.pseudonym_key
        digests = [hmac.digest(key, b"\0".join([label, one]), "sha256")[:_BYTES] for one in hashes]
        texts = to_base64url(f"{_PREFIX}.{self.keyring.key_id}.", digests)
        pairs = zip(hashes, texts, strict=True)
        return [None if one == empty else text.decode("ascii") for one, text in pairs]

    def _reveal(self, place: str, text: str) -> str:
        keyrings = {one.key_id: one for one in (*self.old_keyrings, self.keyring)}
        keyring = keyrings.get(extract_key_id(text) or "", self.keyring)
        try:
            return str(keyring.reveal(text, place))
        except ValueError as error:
            raise PseudonymError(str(error)) from None

    def _check_key(self, place: str, key_id: str | None) -> None:
        if key_id != self.keyring.key_id:
            raise PseudonymError(
                f"a value of {place} is hashed with the key {key_id or 'of another form'}, and the"
                f" configured key is {self.keyring.key_id}"
            )
