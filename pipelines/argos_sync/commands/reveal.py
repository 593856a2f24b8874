"""Reveal: decrypt one submission for one person, who is put on record first."""

from __future__ import annotations

import os
import pwd
import socket
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.protection import Protection, stored_modes
from argos_sync.load.errors import destination_errors
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.sql import Client
from argos_sync.run.context import Context
from argos_sync.run.journal import make_rows
from argos_sync.shape.column_cipher import RevealError
from argos_sync.shape.contract import REVEALS, load_contract
from argos_sync.shape.privacy import PolicyError, PrivacyPolicy
from argos_sync.warehouse.rows import read_rows, stored_submissions


@dataclass(frozen=True, slots=True)
class RevealedValue:
    """One value, decrypted.

    Attributes:
        table: Where it stands.
        positions: Which row of the submission it stands in: the key's indexes.
        column: In which column.
        value: As the column would have it if it were not encrypted.
    """

    table: str
    positions: tuple[int, ...]
    column: str
    value: Any


def reveal(
    context: Context, submission_id: str, columns: Sequence[str] = ()
) -> list[RevealedValue]:
    """Decrypt what a warehouse keeps encrypted of a submission.

    Who asked, when and for what is committed to `sync_reveals` before anything is returned: as
    the operating system names them, which is as far as it can be trusted.

    Args:
        context: Settings and target; the API is not asked.
        submission_id: The submission.
        columns: As `table.columns_by_name`; none means all that are encrypted.

    Raises:
        ConfigurationError: There is no such submission, a column is not encrypted, or the key is
            not the one the values were written with.
        ArgosError: See `load.failures`.
    """
    settings = context.settings
    policy = Protection.configured(settings).policy
    opened = open_warehouse(context.target, settings.sections, "reveal", policy.contract)
    with opened as warehouse, destination_errors():
        client = warehouse.client
        places = _encrypted(stored_modes(warehouse.state), columns)
        if not stored_submissions(client, [submission_id]):
            remedy = "look for it in submissions.submission_id"
            raise ConfigurationError("the warehouse has no submission with that id", remedy)
        found = list(_decrypted(client, policy, submission_id, places))
        row = {
            "reveal_id": uuid.uuid4().hex,
            "revealed_at": context.clock(),
            "revealed_by": f"{_user()}@{socket.gethostname()}",
            "submission_id": submission_id,
            "columns_shown": ", ".join(sorted({f"{one.table}.{one.column}" for one in found})),
        }
        warehouse.load(make_rows(REVEALS, [row]))
    return found


def _user() -> str:
    """Return who runs this, whatever the environment says; a number where that has no name."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _encrypted(modes: dict[str, str], columns: Sequence[str]) -> list[tuple[str, str]]:
    """Return table and column of what is wanted and encrypted."""
    encrypted = [
        place
        for place, mode in modes.items()
        # What is in quarantine belongs to no submission.
        if mode == "encrypt"
        and "submission_id" in load_contract()[place.partition(".")[0]].columns_by_name
    ]
    for place in columns:
        if place not in encrypted:
            raise ConfigurationError(
                "a column of --columns is not encrypted in this warehouse",
                f"use one of {', '.join(encrypted)}" if encrypted else "read it with SQL",
            )
    return [(table, name) for table, _, name in (p.partition(".") for p in columns or encrypted)]


def _decrypted(
    client: Client, policy: PrivacyPolicy, submission_id: str, places: Sequence[tuple[str, str]]
) -> Iterator[RevealedValue]:
    for table, column in places:
        index = load_contract()[table].index_columns
        for _, *positions, text in read_rows(
            client, table, ("submission_id", *index, column), [submission_id]
        ):
            if text is not None:
                value = _opened(policy, table, column, text)
                yield RevealedValue(table, tuple(positions), column, value)


def _opened(policy: PrivacyPolicy, table: str, column: str, text: str) -> Any:
    try:
        return policy.reveal(table, column, text)
    except PolicyError as error:
        raise ConfigurationError(error.problem, error.remedy) from None
    except RevealError as error:
        raise ConfigurationError(
            str(error),
            "set sources.argos.privacy.key, or old_keys, to the key it was written with",
        ) from None
