"""`forget`: find a person's submissions, erase them, and put the person on the suppression list.

This file finds the submissions; `run.erasure` erases them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.checkpoint import State
from argos_sync.fetch.protection import Protection, suppression_secrets
from argos_sync.load.errors import destination_errors
from argos_sync.load.read_only import ReadOnlyWarehouse, open_read_only
from argos_sync.load.sql import Client, tables_exist
from argos_sync.load.target import check_writable
from argos_sync.run.context import Context
from argos_sync.run.erasure import Identifier, quarantined_objects_of, rows_to_erase
from argos_sync.run.journal import TableRows, make_rows
from argos_sync.run.opening import open_run, warehouse_protection
from argos_sync.run.summary import RunSummary
from argos_sync.shape.contract import SUBMISSIONS, SUPPRESSIONS, load_contract
from argos_sync.warehouse.identifiers import find_listed, find_submissions
from argos_sync.warehouse.rows import read_rows, read_suppression_list


@dataclass(frozen=True, slots=True)
class ForgetResult:
    """The outcome of an erasure, without personal data: erased rows by table."""

    summary: RunSummary
    erased: dict[str, int]
    suppressions_added: int


@dataclass(frozen=True, slots=True)
class ErasurePreview:
    """What an erasure would do: rows to erase by table, without personal data.

    `unknown` are the positions of identifiers of which neither the warehouse nor its suppression
    list knows anything.
    """

    rows: dict[str, int]
    unknown: tuple[int, ...]


def listed_people(context: Context, lost_key: str | None = None) -> list[Identifier]:
    """Return the submissions that a warehouse has of people on its suppression list.

    A restored backup has some: `forget` erases them, as if each had been named. See there for the
    errors.
    """
    with _open_protected(context, lost_key) as (client, protection):
        matches = protection.suppression.matches
        ids = find_listed(client, protection.policy, matches)
    return [("submission_id", key) for key in ids]


def preview_erasure(
    context: Context, identifiers: Sequence[Identifier], lost_key: str | None = None
) -> ErasurePreview:
    """Return what `forget` would erase; the warehouse is only read.

    An identifier that is on the suppression list is known: its rows may be gone, and an erasure
    that has failed can be repeated. See `forget` for the arguments and errors.
    """
    require_identifiers(identifiers)
    with _open_protected(context, lost_key) as (client, protection):
        found = find_submissions(client, protection.policy, identifiers)
        ids = sorted(set().union(*found.values()))
        erased = rows_to_erase(client, protection.policy, ids, identifiers)
        rows = {
            table: [key for (key,) in read_rows(client, table, (column,), keys)]
            for table, (column, keys) in erased.items()
        }
        stored = {key for keys in rows.values() for key in keys}
        unknown = [
            number
            for number, (kind, value) in enumerate(identifiers)
            if not stored & found[kind, value]
            and not protection.suppression.matches({kind: value})
            and not any(quarantined_objects_of(client, protection.policy, [(kind, value)]))
        ]
    return ErasurePreview({table: len(keys) for table, keys in rows.items()}, tuple(unknown))


def require_identifiers(identifiers: Sequence[Identifier]) -> None:
    """Refuse an empty list of identifiers, and an empty one in it: a script may have lost them.

    Raises:
        ConfigurationError: Nobody would be forgotten.
    """
    if not identifiers or not all(value.strip() for _, value in identifiers):
        raise ConfigurationError(
            "nobody to forget", "give --submission-id, --userid, --email or --from-file"
        )


def forget(
    context: Context,
    identifiers: Sequence[Identifier],
    inherit_from: str | None = None,
    lost_key: str | None = None,
) -> ForgetResult:
    """Erase a person's submissions, and add the person to the suppression list.

    The suppression list is committed first: if the erasure fails, no run loads the person again,
    and repeating the command erases the rest. If identifiers are hashed, rows are found by the
    given spelling and by likely ones (`shape.identifiers`); rows with another spelling are erased
    when they are fetched again, because the suppression list matches every spelling. A DuckDB file
    is rewritten, so its free blocks do not keep erased values; other databases free theirs by their
    own means, such as PostgreSQL's VACUUM. The API is not used.

    All submissions with a user id or address are erased, and later ones are not loaded. The
    suppression list of `inherit_from`, another dataset of the same destination, is copied before a
    new dataset is loaded. Once the person is on the list, its entries that were made with a
    `lost_key`, which no run can recognize anybody by, are removed.

    Raises:
        ConfigurationError: No identifier is given, the warehouse does not have the column to search
            for it, or a dataset has no submissions.
        ArgosError: See `api.errors`, `load.errors`.
    """
    if identifiers or not inherit_from:
        require_identifiers(identifiers)
    check_writable(context.target)
    # Before the run: a DuckDB file cannot be open for reading and for writing at the same time.
    dataset = inherit_from or context.target.dataset
    opened = open_read_only(replace(context.target, dataset=dataset))
    with opened as other, destination_errors():
        _require_submissions(other.client, dataset)
        inherited, secrets = _suppressions_of(context, other) if inherit_from else ({}, {})
    with open_run(context, "forget", uses_api=False, lost_key=lost_key) as run:
        found = find_submissions(run.warehouse.client, run.protection.policy, identifiers)
        submission_ids = sorted(set().union(*found.values()))
        ids = [("submission_id", key) for key in submission_ids]
        run.committer.save(suppression_secrets(run.warehouse.state, secrets))
        inherited_count = sum(rows.num_rows for rows in inherited.values())
        if inherited:
            run.committer.commit(inherited)
        suppressions = run.eraser.suppression_rows([*identifiers, *ids])
        new_count = sum(rows.num_rows for rows in suppressions.values())
        erased = run.eraser.erase(submission_ids, suppressions, identifiers) if identifiers else {}
        if lost_key is not None:
            run.eraser.discard_suppressions(lost_key)
    return ForgetResult(run.summary, erased, inherited_count + new_count)


@contextmanager
def _open_protected(
    context: Context, lost_key: str | None = None
) -> Iterator[tuple[Client, Protection]]:
    """Open a loaded warehouse for reading, with its privacy policy and its suppression list."""
    check_writable(context.target)
    with open_read_only(context.target) as warehouse, destination_errors():
        _require_submissions(warehouse.client, context.target.dataset)
        configured = Protection.configured(context.settings)
        yield (
            warehouse.client,
            warehouse_protection(configured, warehouse.client, warehouse.state, lost_key),
        )


def _require_submissions(client: Client, dataset: str) -> None:
    """Refuse a dataset that was never loaded: its name may be misspelled."""
    if not tables_exist(client, [SUBMISSIONS]):
        problem = f"there are no submissions in the dataset {dataset}"
        raise ConfigurationError(problem, "name one that was loaded")


def _suppressions_of(context: Context, other: ReadOnlyWarehouse) -> tuple[TableRows, State]:
    """Return the suppression list of another dataset, and the secrets it was hashed with.

    Raises:
        ConfigurationError: A key of the list is not configured.
    """
    configured = Protection.configured(context.settings)
    configured.with_suppression_list(*read_suppression_list(other.client), other.state)
    columns = [column.name for column in load_contract()[SUPPRESSIONS].columns]
    rows = read_rows(other.client, SUPPRESSIONS, columns)
    entries = [dict(zip(columns, row, strict=True)) for row in rows]
    return make_rows(SUPPRESSIONS, entries) if entries else {}, suppression_secrets(other.state)
