"""A new file in the place of an old one: at once, or not at all.

The new file grows in a folder of its own beside the old one, which nobody else may enter, and takes
the old one's name when it is whole and on disk. Who has the old one open keeps reading it: a name
changes, no byte. What a killed process leaves behind is such a folder, and the next one removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import duckdb

from argos_sync.api.errors import ConfigurationError
from argos_sync.load.errors import DestinationError

_PREFIX = ".argos-publish-"
_LOCK = "lock"
_NEW = "new"

_OTHER = "name another file"

_NOT_WRITTEN = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException)
"""What DuckDB raises for want of space, permission or memory; the last one at a commit."""


@dataclass(frozen=True, slots=True)
class FileType:
    """What a file is: only one of the same kind is ever replaced by it.

    Attributes:
        name: For messages, with its article.
        mark: What every file of the kind says of itself.
        at: Where in it the mark is, in bytes.
        log: What is appended to its name where more of it may be, which goes with it.
    """

    name: str
    mark: bytes
    at: int = 0
    log: str | None = None


DUCKDB_FILE = FileType("a DuckDB file", b"DUCK", at=8, log=".wal")
"""The mark is told by DuckDB's page "Storage Versions and Format"."""


def check_output_path(file: Path, kind: FileType = DUCKDB_FILE) -> Path:
    """Return where a file is to be written, links followed, if it can and may be.

    Args:
        file: Nothing, or a file of the kind, which is then to be replaced.
        kind: What is to be written.

    Raises:
        ConfigurationError: It is in no folder, or is something else than such a file.
    """
    place = Path(os.path.realpath(file))
    if not place.parent.is_dir():
        raise ConfigurationError(f"there is no folder {place.parent}", f"make it, or {_OTHER}")
    if place.is_dir():
        raise ConfigurationError(f"{place} is a folder", "name a file in it")
    if os.path.lexists(place) and not _is_one(place, kind):
        raise ConfigurationError(f"{place} is not {kind.name} and stays as it is", _OTHER)
    return place


def refuse_warehouse(place: Path, warehouse: Path) -> None:
    """Refuse to write over the warehouse, or where DuckDB would take the file for a part of it.

    Args:
        place: What `check_output_path` returned.
        warehouse: The warehouse's DuckDB file; one in a service is none and does not exist.

    Raises:
        ConfigurationError: It is the same file, by whatever name, or has its log's name.
    """
    same = place.exists() and warehouse.exists() and place.samefile(warehouse)
    if same or place in _logs_of(Path(os.path.realpath(warehouse)), DUCKDB_FILE):
        raise ConfigurationError(f"{place} is the warehouse itself or its log", _OTHER)


@contextmanager
def atomic_replacement(
    place: Path, mode: int = 0o600, kind: FileType = DUCKDB_FILE
) -> Iterator[Path]:
    """Give the path of a new file, and put the file in its place when the block has ended well.

    Several may work on the same place at once; the last one to end has it.

    Args:
        place: What `check_output_path` returned. A new file has the mode of the old one, and its group where
            the user may give it away.
        mode: Its permissions where there is no old one.
        kind: What it is.

    Yields:
        Where to write the file. Nobody else can read it there.

    Raises:
        DestinationError: It cannot be written.
    """
    with write_errors(place):
        _remove_leftovers(place.parent)
        folder, lock = _own_folder(place.parent)
    try:
        yield folder / _NEW
        with write_errors(place):
            _take_over(folder / _NEW, place, mode, kind)
    finally:
        # The next one removes what cannot be removed now.
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def write_errors(place: Path) -> Iterator[None]:
    """Turn failures to write the file into errors of our own.

    Raises:
        DestinationError: There is no space, no permission, or too little memory.
    """
    try:
        yield
    except (OSError, *_NOT_WRITTEN) as error:
        raise DestinationError(
            f"the file cannot be written ({type(error).__name__})",
            f"check that {place.parent} has space and may be written to; what was at {place} is"
            " still there",
        ) from None


def _is_one(place: Path, kind: FileType) -> bool:
    if not place.is_file():  # a device or a pipe may never answer
        return False
    try:
        with place.open("rb") as opened:
            return opened.read(kind.at + len(kind.mark))[kind.at :] == kind.mark
    except OSError:
        return False


def _own_folder(parent: Path) -> tuple[Path, int]:
    """Make a folder with a lock that is held until its descriptor is closed, or we die."""
    while True:
        folder = Path(mkdtemp(prefix=_PREFIX, dir=parent))
        lock = _locked(folder)
        if lock is not None:
            return folder, lock


def _remove_leftovers(parent: Path) -> None:
    """Remove folders of processes that are dead: ours by name and owner, with nobody's lock."""
    with suppress(PermissionError), os.scandir(parent) as entries:
        for entry in entries:
            ours = entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False)
            if ours and entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                lock = _locked(Path(entry.path))
                if lock is not None:
                    shutil.rmtree(entry.path, ignore_errors=True)
                    os.close(lock)


def _locked(folder: Path) -> int | None:
    """Take a folder's lock; None when another process has it, or has removed the folder."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    if os.fstat(lock).st_nlink == 0:  # who had it before us has removed it with the folder
        os.close(lock)
        return None
    return lock


def _take_over(new: Path, place: Path, mode: int, kind: FileType) -> None:
    """Give a finished file its mode and its name, both so that a power cut cannot undo them."""
    descriptor = os.open(new, os.O_RDONLY)
    try:
        with suppress(FileNotFoundError):
            old = place.stat()
            mode = stat.S_IMODE(old.st_mode)
            with suppress(PermissionError):
                os.fchown(descriptor, -1, old.st_gid)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    # What somebody wrote into the old file goes with it: DuckDB refuses a file whose log is
    # another's ("WAL does not match database file").
    for log in _logs_of(place, kind):
        log.unlink(missing_ok=True)
    new.replace(place)
    descriptor = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _logs_of(file: Path, kind: FileType) -> list[Path]:
    """Return where more of a file may be, which is not yet written into it."""
    return [file.with_name(f"{file.name}{kind.log}")] if kind.log else []
