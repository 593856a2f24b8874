"""`forget`: find a person's submissions, erase them, and put the person on the suppression list.

This file finds the submissions; `run.erasure` erases them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.checkpoint import State
from argos_sync.fetch.protection import Protection, suppression_secrets
from argos_sync.load.errors import destination_errors
from argos_sync.load.read_only import ReadOnlyWarehouse, open_read_only
from argos_sync.load.sql import tables_exist
from argos_sync.load.target import check_writable
from argos_sync.run.context import Context
from argos_sync.run.erasure import Identifier
from argos_sync.run.journal import TableRows, make_rows
from argos_sync.run.opening import open_run
from argos_sync.run.run import Run
from argos_sync.run.summary import RunSummary
from argos_sync.shape.column_cipher import RevealError
from argos_sync.shape.contract import SUBMISSIONS, SUPPRESSIONS, load_contract
from argos_sync.shape.identifiers import normalize_identifier, spellings
from argos_sync.shape.privacy import PolicyError
from argos_sync.warehouse.rows import (
    find_by_comparison,
    find_by_value,
    has_submissions,
    read_rows,
    read_suppression_list,
)

_COLUMNS = {"userid": (SUBMISSIONS, "userid"), "email": ("applicants", "email")}
"""Table and column of each kind of identifier; every table has the submission id."""


@dataclass(frozen=True, slots=True)
class ForgetResult:
    """The outcome of an erasure, without personal data: erased rows by table."""

    summary: RunSummary
    erased: dict[str, int]
    suppressions_added: int


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
    if not all(value.strip() for _, value in identifiers) or not (identifiers or inherit_from):
        raise ConfigurationError("nobody to forget", "give --submission-id, --userid or --email")
    check_writable(context.target)
    # Before the run: a DuckDB file cannot be open for reading and for writing at the same time.
    dataset = inherit_from or context.target.dataset
    opened = open_read_only(replace(context.target, dataset=dataset))
    with opened as other, destination_errors():
        if not tables_exist(other.client, [SUBMISSIONS]):  # the name may be misspelled
            problem = f"there are no submissions in the dataset {dataset}"
            raise ConfigurationError(problem, "name one that was loaded")
        inherited, secrets = _suppressions_of(context, other) if inherit_from else ({}, {})
    with open_run(context, "forget", uses_api=False, lost_key=lost_key) as run:
        found = {id_ for kind, value in identifiers for id_ in _submissions(run, kind, value)}
        submission_ids = sorted(found)
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


def _submissions(run: Run, kind: str, value: str) -> Iterable[str]:
    """Return the ids of all submissions with an identifier, however it is spelled."""
    if kind == "submission_id":
        return spellings(kind, value)
    client, policy = run.warehouse.client, run.protection.policy
    table, column = _COLUMNS[kind]
    mode = policy.mode(table, column)
    if mode == "drop" or (has_submissions(client) and not tables_exist(client, [table])):
        raise ConfigurationError(
            f"this warehouse does not store {table}.{column}, so it cannot be searched",
            "look up the submissions at ARGOS, and pass each one as --submission-id",
        )
    if mode == "hash":
        hashes = [policy.hash_value(text) for text in spellings(kind, value)]
        return find_by_value(client, table, column, hashes)
    normalized = normalize_identifier(kind, value)

    def is_same(stored: str) -> bool:
        if mode == "encrypt":
            try:
                stored = policy.reveal(table, column, stored)
            except (PolicyError, RevealError):
                return False
        return normalize_identifier(kind, stored) == normalized

    return find_by_comparison(client, table, column, is_same)


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
