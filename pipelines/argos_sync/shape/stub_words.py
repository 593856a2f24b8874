"""Recognize deletion stubs.

A submission that was deleted at the source still comes back, shown as "Deleted Submission": its id,
dates, ID type and status stay, and the person's data is gone (API page, "Life of a submission").
The vendor does not say which field has the words, so any text of the submission counts. Free texts
do not: people write them.
"""

from typing import Any

from argos_sync.shape.contract import load_contract

_WORDS = "deleted submission"
_WORDS_IN_JSON = _WORDS.encode()


def is_deletion_stub(item: Any, content: bytes) -> bool:
    """Return whether a submission is a deletion stub.

    Its JSON is searched first, because almost no submission has the words anywhere.
    """
    return _WORDS_IN_JSON in content.lower() and _has_words(item)


def are_the_words(text: str) -> bool:
    """Return whether a text is "Deleted Submission"."""
    return text.strip().lower() == _WORDS


def _has_words(item: Any) -> bool:
    """Return whether any text outside of free texts is "Deleted Submission"."""
    free_text = load_contract().free_text_paths
    remaining: list[tuple[tuple[str, ...], Any]] = [((), item)]
    while remaining:
        path, value = remaining.pop()
        if isinstance(value, dict):
            inner = (((*path, key), entry) for key, entry in value.items())
            remaining += [(place, entry) for place, entry in inner if place not in free_text]
        elif isinstance(value, list):
            remaining += [(path, entry) for entry in value]
        elif isinstance(value, str) and are_the_words(value):
            return True
    return False
