"""Compare identifiers of a person that can be spelled in several ways.

Unicode has two forms of most accented letters and of Hangul: composed (NFC) and decomposed (NFD),
which look the same. The domain of an e-mail address can also be written in ASCII (punycode, RFC
3492), and mail systems ignore its letter case. Rows keep the spelling of the source.
"""

import unicodedata
from collections.abc import Iterator

IDENTIFIER_KINDS = ("submission_id", "userid", "email")
"""Keys of the API that identify a person's submissions."""

_ASCII_LABEL = "xn--"
"""Start of a label of a domain that stands for a text outside of ASCII."""


def normalize_identifier(kind: str, value: str) -> str:
    """Return the text that all spellings of an identifier have in common.

    `kind` is one of `IDENTIFIER_KINDS`. Only addresses are compared without letter case and
    surrounding blanks, and with their domain in Unicode.
    """
    if kind != "email":
        return _composed(value)
    return _composed(_with_unicode_domain(_composed(value.strip())).casefold())


def spellings(kind: str, value: str) -> tuple[str, ...]:
    """Return the spellings of an identifier that a source is likely to have, the given one first.

    They are for lookups of exact values, by the API and among hashed values.
    """
    texts = [value]
    if kind == "email":
        for text in (value.strip(), value.strip().lower(), value.strip().casefold()):
            texts += [text, _with_unicode_domain(text), _with_ascii_domain(text)]
    forms = [form for text in texts for form in _unicode_forms(text)]
    return tuple(dict.fromkeys(filter(None, forms))) or (value,)


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _unicode_forms(text: str) -> Iterator[str]:
    yield text
    if not text.isascii():
        yield unicodedata.normalize("NFC", text)
        yield unicodedata.normalize("NFD", text)


def _with_unicode_domain(address: str) -> str:
    name, at, domain = address.rpartition("@")
    return f"{name}{at}{'.'.join(map(_unicode_label, _labels(domain)))}" if at else address


def _with_ascii_domain(address: str) -> str:
    name, at, domain = address.rpartition("@")
    return f"{name}{at}{'.'.join(map(_ascii_label, _labels(domain)))}" if at else address


def _labels(domain: str) -> list[str]:
    """Return the labels of a domain in small letters, without variants such as full-width ones."""
    lowered = domain.lower()
    if not lowered.isascii():
        lowered = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", lowered).lower())
    return lowered.replace("\u3002", ".").split(".")


def _unicode_label(label: str) -> str:
    if not label.startswith(_ASCII_LABEL):
        return label
    try:
        decoded = label.removeprefix(_ASCII_LABEL).encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return label
    return unicodedata.normalize("NFC", decoded)


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label
    try:
        return _ASCII_LABEL + label.encode("punycode").decode("ascii")
    except UnicodeError:
        return label
