"""Errors of the destination, without the texts of databases and of dlt.

Those texts quote values ("Could not convert string 'Kim' ..."), so our messages name the classes of
errors and never repeat their texts.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
)
from dlt.common.destination.exceptions import UnknownDestinationModule
from dlt.common.exceptions import DltException, MissingDependencyException
from dlt.destinations.exceptions import DatabaseException, DestinationConnectionError

from argos_sync.api.errors import ArgosError, ConfigurationError

__all__ = ["DatabaseException", "DestinationError", "LoadError", "destination_errors", "error_kind"]

_DUCKDB_LOCK = re.compile(r"Conflicting lock is held in .*?\(PID (\d+)\)")
_CONNECTION_KINDS = {"OperationalError", "InterfaceError"}
"""What DB-API drivers raise when there is no working connection (PEP 249)."""
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_SPACE_TEXTS = tuple(map(os.strerror, _NO_SPACE))
"""Endings of DuckDB's messages when the disk is full; PostgreSQL raises DiskFull (code 53100)."""

_UNUSABLE_PATH = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
}
"""What the system says of a path that does not exist, is no folder, or must not be written to."""
_BACKUP = (
    "restore a backup of it, or move it away and load everything again; the suppression list is"
    " lost with it, so forget again whom you have forgotten (docs/operations.md)"
)
_OTHER_LOG = (
    "put the log back that belongs to the file, or move it away if it belongs to another one;"
    " otherwise restore both from one backup (docs/operations.md)"
)
_DUCKDB_FAULTS = (
    (
        re.compile("WAL"),
        "the log {file}.wal does not fit the DuckDB file or is damaged",
        _OTHER_LOG,
    ),
    (
        re.compile("newer version|version number", re.IGNORECASE),
        "the DuckDB file {file} was written by another version of DuckDB",
        "install that version, or a later one",
    ),
    (
        re.compile("Corrupt|Could not read enough bytes|not a valid|[Ss]eriali[sz]"),
        "the DuckDB file {file} is damaged",
        _BACKUP,
    ),
    (
        re.compile("Permission denied|Read-only file system|Cannot open file|Is a directory"),
        "the DuckDB file {file} cannot be opened",
        "check that it is a file in a folder that exists, and that you may write to both",
    ),
)
"""What DuckDB says, and what we say: its own texts may quote values."""

_RUN_AGAIN = "run the command again; it resumes after the last committed chunk"
_CREDENTIALS = "set DESTINATION__<NAME>__CREDENTIALS, or [destination.<name>] in .dlt/secrets.toml"
_CONFIGURATION_ERRORS: tuple[tuple[type[Exception], str, str], ...] = (
    (ConfigFieldMissingException, "lacks credentials or a part of them", _CREDENTIALS),
    (UnknownDestinationModule, "is not one that dlt knows", "use a name like duckdb or postgres"),
    (
        MissingDependencyException,
        "needs a driver that is not installed",
        "install its extra, such as argos-sync[postgres]",
    ),
    (ConfigurationException, "has a configuration that is not valid", _CREDENTIALS),
)
"""Errors that the user can solve by a setting, most specific class first."""


class DestinationError(ArgosError):
    """The destination is locked or not reachable, or there is no space left to load."""

    exit_code = 5
    advice = (
        "check that the destination is running and has space, and that its credentials are right"
        " (DESTINATION__<NAME>__CREDENTIALS)"
    )


class LoadError(ArgosError):
    """The destination refused the rows; nothing of the chunk was committed."""

    exit_code = 1
    advice = f"{_RUN_AGAIN}. If it fails again, report the class of the error"


def error_kind(error: BaseException) -> str:
    """Return the class name of an error, or of the database driver's error inside it.

    The text of such an error may quote values, so only its class may be logged.
    """
    cause = error.dbapi_exception if isinstance(error, DatabaseException) else error
    return type(cause).__name__


def unusable_path(error: BaseException) -> DestinationError | None:
    """Return our error for a path that cannot be used; None for any other error."""
    if not isinstance(error, OSError) or error.filename is None or error.errno is None:
        return None
    if error.errno not in _UNUSABLE_PATH:
        return None
    return DestinationError(
        f"{os.fsdecode(error.filename)} cannot be used ({os.strerror(error.errno)})",
        "check that its folder exists and that you may write to it, or name another one",
    )


@contextmanager
def destination_errors(file: Path | None = None) -> Iterator[None]:
    """Turn errors of dlt and of database drivers into errors of this package.

    A DuckDB `file` is named in errors about it.

    Raises:
        ConfigurationError: The destination is unknown, or lacks credentials or its driver.
        DestinationError: The destination is locked or not reachable, or there is no space left.
        LoadError: The destination refused the rows.
        ArgosError: An error of this package that dlt had wrapped, such as one of the API.
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
            if (translated := _translate(cause, file)) is not None:
                raise translated from None
        if isinstance(error, DltException):
            classes = " from ".join(type(cause).__name__ for cause in causes)
            raise LoadError(f"loading failed ({classes})") from None
        raise


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _translate(cause: BaseException, file: Path | None) -> ArgosError | None:
    """Return our error for an exception; None if the exception alone does not tell the reason."""
    for error_class, message, remedy in _CONFIGURATION_ERRORS:
        if isinstance(cause, error_class):
            return ConfigurationError(f"the destination {message}", remedy)
    if lock := _DUCKDB_LOCK.search(str(cause)):
        return DestinationError(
            f"the DuckDB file is locked by process {lock[1]}",
            "wait for it to finish, or close the program that has the file open",
        )
    names = {base.__name__ for base in type(cause).__mro__}
    if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
        return DestinationError(
            "no space is left for the working directory",
            f"free some, or name a folder elsewhere with --pipelines-dir, and {_RUN_AGAIN}",
        )
    if "DiskFull" in names or str(cause).endswith(_NO_SPACE_TEXTS):
        return DestinationError(
            f"no space is left for the destination ({type(cause).__name__})",
            f"free some where it keeps its files, and {_RUN_AGAIN}",
        )
    fault = unusable_path(cause) or _duckdb_fault(cause, file)
    if not fault and (isinstance(cause, DestinationConnectionError) or names & _CONNECTION_KINDS):
        fault = DestinationError(f"the destination cannot be used ({type(cause).__name__})")
    return fault


def _duckdb_fault(cause: BaseException, file: Path | None) -> DestinationError | None:
    """Return our error for a DuckDB file that is damaged or cannot be opened."""
    if not isinstance(cause, duckdb.Error):
        return None
    for pattern, problem, remedy in _DUCKDB_FAULTS:
        if pattern.search(str(cause)):
            return DestinationError(problem.format(file=file or "").replace("  ", " "), remedy)
    return None
