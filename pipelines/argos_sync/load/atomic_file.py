"""Replace a file atomically: readers see the old file or the new one, never a part of either.

The new file is written in a private folder beside the old one and takes its name once it is
complete and flushed to disk. A process that has the old file open keeps reading it, because only
the name changes. A killed process leaves such a folder behind, and the next call removes it.
"""

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

_FOLDER_PREFIX = ".argos-publish-"
_COPY_BYTES = 1 << 20
_OTHER_NAME = "name another file"
_WRITE_ERRORS = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException)
"""What DuckDB raises for lack of space, permission or memory; the last one at a commit."""


@dataclass(frozen=True, slots=True)
class FileType:
    """A type of file; a file is only replaced by one of its own type.

    The name has an article, for messages. Every file of the type has the signature at the offset.
    """

    name: str
    signature: bytes
    offset: int = 0


DUCKDB_FILE = FileType("a DuckDB file", b"DUCK", offset=8)
"""The signature is documented on DuckDB's page "Storage Versions and Format"."""


def check_output_path(file: Path, file_type: FileType = DUCKDB_FILE) -> Path:
    """Return the path to write a new file of a type to, or to replace one; links are resolved.

    Raises:
        ConfigurationError: The folder does not exist, or something else is at this path.
    """
    path = Path(os.path.realpath(file))
    if not path.parent.is_dir():
        raise ConfigurationError(
            f"there is no folder {path.parent}", f"create it, or {_OTHER_NAME}"
        )
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder", "name a file in it")
    if os.path.lexists(path) and not _is_of_type(path, file_type):
        raise ConfigurationError(f"{path} is not {file_type.name} and stays as it is", _OTHER_NAME)
    return path


def refuse_warehouse(path: Path, warehouse: Path) -> None:
    """Refuse to overwrite the DuckDB file of the warehouse, which need not exist, or its log.

    Raises:
        ConfigurationError: The path is the warehouse, under any name, or its log.
    """
    same = path.exists() and warehouse.exists() and path.samefile(warehouse)
    if same or path == log_of(Path(os.path.realpath(warehouse))):
        raise ConfigurationError(f"{path} is the warehouse itself or its log", _OTHER_NAME)


@contextmanager
def atomic_replacement(
    path: Path, mode: int = 0o600, file_type: FileType = DUCKDB_FILE
) -> Iterator[Path]:
    """Yield a path to write a new file to, and move the file to `path` if the block succeeds.

    Several processes may replace the same file at once; the last one to finish wins. A new file
    takes over the mode of the old one, and its group if the user may set it; `mode` is for a file
    that replaces none. No other user can read the new file at the yielded path.

    Raises:
        DestinationError: The file cannot be written.
    """
    with private_folder(path.parent, path) as folder:
        yield folder / "new"
        with write_errors(path):
            _replace(folder / "new", path, mode, file_type)


@contextmanager
def private_folder(parent: Path, path: Path | None = None) -> Iterator[Path]:
    """Yield a new folder that no other user can read, and remove it; errors name the path.

    A killed process leaves its folder behind, and the next call with the same parent removes it.

    Raises:
        DestinationError: The folder cannot be created.
    """
    with write_errors(path or parent / "file"):
        _remove_abandoned_folders(parent)
        folder, lock = _make_locked_folder(parent)
    try:
        yield folder
    finally:
        # What cannot be removed now is removed by the next call.
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file to a new one that no other user can read.

    File systems that can (Btrfs, XFS, NFS) share the blocks, or copy them without passing them
    through this process.
    """
    private = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with source.open("rb") as reader, os.fdopen(private, "wb") as writer:
        remaining = os.fstat(reader.fileno()).st_size
        with suppress(OSError, AttributeError):  # not on every system, nor across file systems
            while remaining > 0:
                count = os.copy_file_range(reader.fileno(), writer.fileno(), remaining)
                if not count:
                    break
                remaining -= count
        if remaining > 0:
            reader.seek(0)
            writer.seek(0)
            shutil.copyfileobj(reader, writer, _COPY_BYTES)


def folder_mode(mode: int) -> int:
    """Return the mode of a folder with files of a mode: whoever may read them may list it."""
    return mode | (mode & 0o444) >> 2


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn errors while the file is written into a DestinationError.

    Raises:
        DestinationError: There is no space, no permission, or too little memory.
    """
    try:
        yield
    except (OSError, *_WRITE_ERRORS) as error:
        raise DestinationError(
            f"the file cannot be written ({type(error).__name__})",
            f"check that {path.parent} has space and is writable; an earlier {path} is unchanged",
        ) from None


def _is_of_type(path: Path, file_type: FileType) -> bool:
    if not path.is_file():  # reading a device or a pipe may block forever
        return False
    end = file_type.offset + len(file_type.signature)
    try:
        with path.open("rb") as stream:
            return stream.read(end)[file_type.offset :] == file_type.signature
    except OSError:
        return False


def _make_locked_folder(parent: Path) -> tuple[Path, int]:
    """Create a folder whose lock is held until its descriptor is closed or the process dies."""
    while True:
        folder = Path(mkdtemp(prefix=_FOLDER_PREFIX, dir=parent))
        if (lock := _try_lock(folder)) is not None:
            return folder, lock


def _remove_abandoned_folders(parent: Path) -> None:
    """Remove this user's temporary folders that no living process has locked."""
    with suppress(PermissionError), os.scandir(parent) as entries:
        for entry in entries:
            ours = entry.name.startswith(_FOLDER_PREFIX) and entry.is_dir(follow_symlinks=False)
            if ours and entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                lock = _try_lock(Path(entry.path))
                if lock is not None:
                    shutil.rmtree(entry.path, ignore_errors=True)
                    os.close(lock)


def _try_lock(folder: Path) -> int | None:
    """Lock a folder; None if another process holds the lock or has removed the folder."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        return None
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_nlink > 0:  # else the last owner has removed it with its folder
            return lock
    os.close(lock)
    return None


def _replace(new: Path, path: Path, mode: int, file_type: FileType) -> None:
    """Set the mode of a complete file and move it to its path; both survive a power failure."""
    with new.open("rb") as stream:
        with suppress(FileNotFoundError):
            old = path.stat()
            mode = stat.S_IMODE(old.st_mode)
            with suppress(PermissionError):
                os.fchown(stream.fileno(), -1, old.st_gid)
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())
    if file_type == DUCKDB_FILE:
        # DuckDB refuses a file with another file's log ("WAL does not match database file").
        log_of(path).unlink(missing_ok=True)
    new.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def log_of(file: Path) -> Path:
    """Return the path of a DuckDB file's write-ahead log."""
    return file.with_name(f"{file.name}.wal")
