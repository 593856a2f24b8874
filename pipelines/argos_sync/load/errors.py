"""What can go wrong with the destination, told without any of the destination's own words.

Texts of databases and of dlt quote values ("Could not convert string 'Kim' ..."), so only the
kinds of errors are repeated, never their texts.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
)
from dlt.common.destination.exceptions import UnknownDestinationModule
from dlt.common.exceptions import DltException, MissingDependencyException
from dlt.destinations.exceptions import DatabaseException, DestinationConnectionError

from argos_sync.api.errors import ArgosError, ConfigurationError

__all__ = ["DatabaseException", "DestinationError", "LoadError", "destination_errors", "error_kind"]

_LOCK = re.compile(r"Conflicting lock is held in .*?\(PID (\d+)\)")
_CONNECTION_KINDS = {"OperationalError", "InterfaceError"}
"""What DB-API drivers raise when there is no working connection (PEP 249)."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_TEXTS = tuple(map(os.strerror, _FULL))
"""What DuckDB's errors end with; those of PostgreSQL are of the kind DiskFull (its code 53100)."""

_AGAIN = "run the command again; it goes on from the last committed chunk"
_CREDENTIALS = "set DESTINATION__<NAME>__CREDENTIALS, or [destination.<name>] in .dlt/secrets.toml"
_CONFIGURATION: tuple[tuple[type[Exception], str, str], ...] = (
    (ConfigFieldMissingException, "lacks credentials or a part of them", _CREDENTIALS),
    (UnknownDestinationModule, "is not one that dlt knows", "use a name like duckdb or postgres"),
    (
        MissingDependencyException,
        "needs a driver that is not installed",
        "install its extra, such as argos-sync[postgres]",
    ),
    (ConfigurationException, "has a configuration that is not valid", _CREDENTIALS),
)
"""Kinds of errors that a setting cures, most special first."""


class DestinationError(ArgosError):
    """The destination is locked, cannot be reached, or has no space; or the way to it has none."""

    exit_code = 5
    advice = (
        "check that the destination runs, has space, and that its credentials are right"
        " (DESTINATION__<NAME>__CREDENTIALS)"
    )


class LoadError(ArgosError):
    """The destination refused what was to be loaded; nothing of the chunk was committed."""

    exit_code = 1
    advice = f"{_AGAIN}. If it fails again, report the kind of the error"


def error_kind(error: BaseException) -> str:
    """Return the class name of an error, or of the database driver's error inside it.

    The text of such an error may quote values, so only its kind may be logged.
    """
    cause = error.dbapi_exception if isinstance(error, DatabaseException) else error
    return type(cause).__name__


@contextmanager
def destination_errors() -> Iterator[None]:
    """Turn failures of dlt and of database drivers inside the block into errors of our own.

    Raises:
        ConfigurationError: The destination is unknown, or lacks credentials or its driver.
        DestinationError: It is locked, cannot be reached, or there is no space left.
        LoadError: It refused the rows.
        ArgosError: One that dlt had wrapped, such as a failure of the API while extracting.
    """
    try:
        yield
    except ArgosError:
        raise
    except Exception as error:
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, ArgosError | KeyboardInterrupt):
                raise cause from None
        for cause in reversed(causes):
            if (told := _told(cause)) is not None:
                raise told from None
        if isinstance(error, DltException):
            kinds = " from ".join(type(cause).__name__ for cause in causes)
            raise LoadError(f"loading failed ({kinds})") from None
        raise


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _told(cause: BaseException) -> ArgosError | None:
    """Return the error that an inner exception amounts to, if it says so by itself."""
    for kind, message, remedy in _CONFIGURATION:
        if isinstance(cause, kind):
            return ConfigurationError(f"the destination {message}", remedy)
    if lock := _LOCK.search(str(cause)):
        return DestinationError(
            f"the destination is locked by process {lock[1]}",
            "wait until that process has ended, or close the program that has the file open",
        )
    kinds = {kind.__name__ for kind in type(cause).__mro__}
    if isinstance(cause, OSError) and cause.errno in _FULL:
        return DestinationError(
            "no space is left for the working directory",
            f"free some, or name a folder elsewhere with --pipelines-dir, and {_AGAIN}",
        )
    if "DiskFull" in kinds or str(cause).endswith(_FULL_TEXTS):
        return DestinationError(
            f"no space is left for the destination ({type(cause).__name__})",
            f"free some where it keeps its files, and {_AGAIN}",
        )
    if isinstance(cause, DestinationConnectionError) or kinds & _CONNECTION_KINDS:
        return DestinationError(f"the destination cannot be used ({type(cause).__name__})")
    return None
