"""Find the submissions of people by their identifiers, however these are spelled and protected."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from argos_sync.api.errors import ConfigurationError
from argos_sync.load.sql import Client, tables_exist
from argos_sync.shape.column_cipher import RevealError
from argos_sync.shape.contract import SUBMISSIONS
from argos_sync.shape.identifiers import normalize_identifier, spellings
from argos_sync.shape.privacy import PolicyError, PrivacyPolicy
from argos_sync.warehouse.rows import find_by_value, has_submissions, read_rows, read_values

_COLUMNS = {"userid": (SUBMISSIONS, "userid"), "email": ("applicants", "email")}
"""Table and column of each kind of identifier; every table has the submission id."""


def find_submissions(
    client: Client, policy: PrivacyPolicy, identifiers: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], set[str]]:
    """Return the ids of all submissions with each identifier, a pair of kind and value.

    A submission id stands for itself, in all its spellings, whether or not it is in the warehouse.

    Raises:
        ConfigurationError: The warehouse does not have the column to search.
    """
    found: dict[tuple[str, str], set[str]] = {identifier: set() for identifier in identifiers}
    values: dict[str, list[str]] = defaultdict(list)
    for kind, value in found:
        values[kind].append(value)
    for kind, wanted in values.items():
        for value, submission_id in _find(client, policy, kind, wanted):
            found[kind, value].add(submission_id)
    return found


def find_listed(
    client: Client, policy: PrivacyPolicy, is_listed: Callable[[Mapping[str, str]], bool]
) -> list[str]:
    """Return the ids of all submissions of people on the suppression list, sorted.

    Hashed and dropped identifiers cannot be compared. The submissions that were erased when
    somebody was put on the list are on it by their own ids, which are plain.

    Args:
        client: A connected warehouse.
        policy: Its privacy policy.
        is_listed: Whether a part of a submission, by the API's names, is on the list.
    """
    rows = read_rows(client, SUBMISSIONS, ("submission_id",))
    listed = {key for (key,) in rows if is_listed({"submission_id": key})}
    for kind, (table, column) in _COLUMNS.items():
        if policy.mode(table, column) in {"plain", "encrypt"} and tables_exist(client, [table]):
            listed |= {
                key
                for key, stored in read_values(client, table, column)
                if is_listed({kind: _plain_text(policy, table, column, stored)})
            }
    return sorted(listed)


def _find(
    client: Client, policy: PrivacyPolicy, kind: str, values: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Yield each value with the ids of its submissions; the column is read once for all values."""
    if kind == "submission_id":
        yield from ((value, text) for value in values for text in spellings(kind, value))
        return
    table, column = _COLUMNS[kind]
    mode = policy.mode(table, column)
    if mode == "drop" or (has_submissions(client) and not tables_exist(client, [table])):
        raise ConfigurationError(
            f"this warehouse does not store {table}.{column}, so it cannot be searched",
            "look up the submissions at ARGOS, and pass each one as --submission-id",
        )
    given: dict[str, list[str]] = defaultdict(list)
    if mode == "hash":
        for value in values:
            for text in spellings(kind, value):
                given[policy.hash_value(text)].append(value)
        rows = find_by_value(client, table, column, list(given))
    else:
        for value in values:
            given[normalize_identifier(kind, value)].append(value)
        rows = (
            (submission_id, normalize_identifier(kind, _plain_text(policy, table, column, stored)))
            for submission_id, stored in read_values(client, table, column)
        )
    for submission_id, key in rows:
        yield from ((value, submission_id) for value in given.get(key, ()))


def _plain_text(policy: PrivacyPolicy, table: str, column: str, stored: str) -> str:
    """Return a stored value without encryption; empty if it cannot be decrypted."""
    if policy.mode(table, column) != "encrypt":
        return stored
    try:
        return str(policy.reveal(table, column, stored))
    except (PolicyError, RevealError):
        return ""
