"""Errors of the destination, without the texts of databases and of dlt.

Those texts quote values ("Could not convert string 'Kim' ..."), so our messages name classes and
SQLSTATEs of errors and never repeat their texts. What a database server reports is judged by its
SQLSTATE and by whether the driver was connecting (`sqlstate`); missing settings are in
`configuration_errors`, and files of DuckDB here.
"""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
from dlt.common.exceptions import DltException
from dlt.destinations.exceptions import DatabaseException, DestinationConnectionError
from dlt.pipeline.exceptions import PipelineStepFailed

from argos_sync.api.errors import ArgosError, ConfigurationError
from argos_sync.load.configuration_errors import configuration_fault
from argos_sync.load.sqlstate import (
    LOST_CONNECTION,
    RUN_AGAIN,
    Fault,
    connection_fault,
    driver_error,
    is_disconnected,
    server_fault,
    sqlstate,
)

__all__ = ["DatabaseException", "DestinationError", "LoadError", "destination_errors", "error_kind"]

_DUCKDB_LOCK = re.compile(r"Conflicting lock is held in .*?\(PID (\d+)\)")
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_SPACE_TEXTS = tuple(map(os.strerror, _NO_SPACE))
"""Endings of DuckDB's messages when the disk is full."""

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
        re.compile(r"(?P<extension>[a-z_]+)\.duckdb_extension"),
        "DuckDB's extension {extension} is not installed",
        "for DuckLake run pip install 'argos-sync[ducklake]'; or, online, INSTALL {extension}",
    ),
    (
        re.compile("Transaction conflict|Failed to commit DuckLake transaction"),
        "another program has changed the DuckLake at the same time",
        RUN_AGAIN,
    ),
    (
        re.compile("Existing DuckLake at .* does not exist|probe DuckLake metadata", re.DOTALL),
        "there is no DuckLake yet, or its catalog cannot be opened",
        "load something first, or check destination.ducklake.credentials.catalog",
    ),
    (
        re.compile("does not match existing data path"),
        "the files of the DuckLake are elsewhere than its configuration says",
        "correct the bucket_url of destination.ducklake.credentials.storage",
    ),
    (
        re.compile("connect to Postgres"),
        "the PostgreSQL of the DuckLake's catalog is not reachable, or refuses the login",
        "check that it runs, and destination.ducklake.credentials.catalog",
    ),
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


_DUCKDB_KINDS = (
    (
        duckdb.OutOfMemoryException,
        "DuckDB has no memory left",
        "raise memory_limit in destination.<name>.credentials.global_config, or free memory",
    ),
    (
        duckdb.HTTPException,
        "the storage of the DuckLake refuses a request",
        "check destination.ducklake.credentials.storage: its address, keys and region",
    ),
    (
        duckdb.OperationalError,
        "the destination cannot be used",
        f"check its disk and its memory, and {RUN_AGAIN}",
    ),
)
"""What the other errors of DuckDB's operation say, by class: a base class comes last."""


class DestinationError(ArgosError):
    """The destination is locked or not reachable, or there is no space left to load."""

    exit_code = 5
    advice = (
        "check that the destination is running and has space, and that its credentials are right"
        " (DESTINATION__<NAME>__CREDENTIALS)"
    )


class MissingFileError(DestinationError):
    """There is no DuckDB file, so nothing was loaded yet."""


class LoadError(ArgosError):
    """The destination refused the rows; nothing of the chunk was committed."""

    exit_code = 1
    advice = f"{RUN_AGAIN}. If it fails again, report the class and the SQLSTATE"


def error_kind(error: BaseException) -> str:
    """Return the class name of an error, or of the database driver's error inside it.

    The text of such an error may quote values, so only its class may be logged.
    """
    return type(driver_error(error)).__name__


def is_out_of_space(error: BaseException) -> bool:
    """Whether the message of an error of DuckDB ends with the system's words for a full disk."""
    return str(driver_error(error)).endswith(_NO_SPACE_TEXTS)


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
        ConfigurationError: The destination is unknown, or lacks credentials, its driver, a database
            or a privilege.
        DestinationError: The destination is locked or not reachable, or there is no space left.
        LoadError: The destination refused the rows or a statement.
        ArgosError: An error of this package that dlt had wrapped, such as one of the API.
    """
    try:
        yield
    except ArgosError:
        raise
    except Exception as error:
        causes = list(causes_of(error))
        for cause in causes:
            if isinstance(cause, ArgosError | KeyboardInterrupt):
                raise cause from None
        is_statement = any(isinstance(cause, DatabaseException) for cause in causes)
        for cause in reversed(causes):
            translated = _translate(cause, file) or _server_error(cause, is_statement)
            if translated is not None:
                raise translated from None
        if isinstance(error, DltException):
            raise _refusal(causes) from None
        raise


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what caused it, what caused that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _translate(cause: BaseException, file: Path | None) -> ArgosError | None:
    """Return our error for an exception of dlt, the system or DuckDB, if it tells the reason."""
    if (fault := configuration_fault(cause)) is not None:
        return fault
    if lock := _DUCKDB_LOCK.search(str(cause)):
        return DestinationError(
            f"the DuckDB file is locked by process {lock[1]}",
            "wait for it to finish, or close the program that has the file open",
        )
    if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
        return DestinationError(
            "no space is left for the working directory",
            f"free some, or name a folder elsewhere with --pipelines-dir, and {RUN_AGAIN}",
        )
    if is_out_of_space(cause):
        return DestinationError(
            f"no space is left for the destination ({type(cause).__name__})",
            f"free some where it keeps its files, and {RUN_AGAIN}",
        )
    return unusable_path(cause) or _duckdb_error(cause, file)


def _duckdb_error(cause: BaseException, file: Path | None) -> DestinationError | None:
    """Return our error for a DuckDB file or extension that cannot be used.

    DuckDB raises its OperationalError for files, memory and conflicts, never for SQL.
    """
    if not isinstance(cause, duckdb.Error):
        return None
    for pattern, problem, remedy in _DUCKDB_FAULTS:
        if found := pattern.search(str(cause)):
            names = {"file": file or "", **found.groupdict()}
            text = problem.format(**names).replace("  ", " ")
            return DestinationError(text, remedy.format(**names))
    for kind, problem, remedy in _DUCKDB_KINDS:
        if isinstance(cause, kind):
            return DestinationError(f"{problem} ({type(cause).__name__})", remedy)
    return None


def _server_error(cause: BaseException, is_statement: bool) -> ArgosError | None:
    """Return our error if a server says that it fails, or that a setting of it is wrong.

    Without a SQLSTATE the connection has failed: while connecting, unless it was for a statement.
    """
    fault: Fault | None = server_fault(cause)
    if fault is None and isinstance(cause, DestinationConnectionError):
        fault = connection_fault(cause.inner_exc)
    elif fault is None and is_disconnected(cause):
        fault = LOST_CONNECTION if is_statement else connection_fault(cause)
    if fault is None or fault.kind == "statement":
        return None
    error = DestinationError if fault.kind == "outage" else ConfigurationError
    return error(f"{fault.problem} ({_description(cause)})", fault.remedy)


def _refusal(causes: Sequence[BaseException]) -> LoadError:
    """Return our error for a statement or rows that the destination refuses."""
    classes = " from ".join(type(cause).__name__ for cause in causes)
    code = next(filter(None, map(sqlstate, causes)), None)
    fault = next(filter(None, map(server_fault, causes)), None)
    is_load = any(isinstance(cause, PipelineStepFailed) for cause in causes)
    problem = "loading failed" if is_load else "the destination refused a statement"
    if fault is not None:
        problem = f"{problem}: {fault.problem}"
    suffix = f", SQLSTATE {code}" if code else ""
    return LoadError(f"{problem} ({classes}{suffix})", fault.remedy if fault else None)


def _description(error: BaseException) -> str:
    """Return the class of an error, with its SQLSTATE if it has one."""
    code = sqlstate(error)
    return f"{type(error).__name__}, SQLSTATE {code}" if code else type(error).__name__
