"""Replace a folder of files atomically: each version is a folder, and a pointer names the newest.

The pointer is the symbolic link `latest`; where the file system has no links, the file `_latest`
has the name of the version. A reader that follows it once reads one version to the end: the version
before the newest one stays, unless it must not.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from pathlib import Path

from argos_sync.api.errors import ConfigurationError
from argos_sync.load.atomic_file import folder_mode, private_folder, write_errors
from argos_sync.load.errors import DestinationError

LATEST = "latest"
_LATEST_FILE = "_latest"
_MARK = ".argos-sync"
"""A file by which the folder is recognized, and that is locked while a version is written."""

_VERSION = re.compile(r"v(\d+)")
_OTHER_FOLDER = "name another folder"


class VersionedFolder:
    """A folder with versions, locked against other publishes."""

    def __init__(self, path: Path) -> None:
        """Take the folder, which exists; see `open_versions`."""
        self.path = path
        self.latest = self._read_pointer()
        """Folder of the newest version; None if there is none."""

    @contextmanager
    def new_version(self, mode: int, *, keep_previous: bool = True) -> Iterator[tuple[Path, Path]]:
        """Yield a folder to write files into, and the path that it will have as the newest version.

        It gets it if the block succeeds. The mode is that of files; whoever may read them may list
        the folder. Of the other versions only the previous one stays, if it may.

        Raises:
            DestinationError: The version cannot be written.
        """
        target = self.path / f"v{self._next_number()}"
        with private_folder(self.path) as private, write_errors(target):
            folder = private / "version"
            folder.mkdir(0o700)
            yield folder, target
            for file in folder.iterdir():
                file.chmod(mode)
                _flush(file)
            folder.chmod(folder_mode(mode))
            _flush(folder)
            folder.rename(target)
            _flush(self.path)
            self._point_to(target, private)
        self._remove_versions({target, self.latest if keep_previous else None})
        self.latest = target

    def _remove_versions(self, kept: AbstractSet[Path | None]) -> None:
        """Remove all versions but some; what cannot be removed now goes with the next publish."""
        for version in self._versions():
            if version not in kept:
                shutil.rmtree(version, ignore_errors=True)

    def _versions(self) -> list[Path]:
        return [path for path in self.path.iterdir() if _VERSION.fullmatch(path.name)]

    def _next_number(self) -> int:
        numbers = [int(path.name[1:]) for path in self._versions()]
        return max(numbers, default=0) + 1

    def _read_pointer(self) -> Path | None:
        name = ""
        with suppress(OSError):
            name = str((self.path / LATEST).readlink())
        with suppress(OSError):
            name = name or (self.path / _LATEST_FILE).read_text(encoding="utf-8").strip()
        version = self.path / name
        return version if _VERSION.fullmatch(name) and version.is_dir() else None

    def _point_to(self, target: Path, private: Path) -> None:
        """Let the pointer name a version, in one step."""
        try:
            (private / LATEST).symlink_to(target.name)
            (private / LATEST).replace(self.path / LATEST)
        except OSError:
            pointer = private / _LATEST_FILE
            pointer.write_text(f"{target.name}\n", encoding="utf-8")
            pointer.chmod(target.stat().st_mode & 0o666)
            _flush(pointer)
            pointer.replace(self.path / _LATEST_FILE)
        _flush(self.path)


@contextmanager
def open_versions(path: Path, mode: int = 0o600) -> Iterator[VersionedFolder]:
    """Open a folder of versions, and lock it. It is created for files of a mode if there is none.

    Raises:
        ConfigurationError: The folder above it does not exist, or it has something else in it.
        DestinationError: Another publish is writing to it, or it cannot be written to.
    """
    folder = Path(os.path.realpath(path))
    if not folder.parent.is_dir():
        raise ConfigurationError(
            f"there is no folder {folder.parent}", f"create it, or {_OTHER_FOLDER}"
        )
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is a file", "name a folder for the Parquet files")
    with write_errors(folder / _MARK):
        with suppress(FileExistsError):
            folder.mkdir()
            folder.chmod(folder_mode(mode))
        names = {entry.name for entry in folder.iterdir()}
        if _MARK not in names and names:
            raise ConfigurationError(
                f"{folder} is neither empty nor a folder that argos-sync has published into, and"
                " stays as it is",
                _OTHER_FOLDER,
            )
        lock = os.open(folder / _MARK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DestinationError(
                f"another publish is writing to {folder}",
                "wait for it, and publish again",
            ) from None
        yield VersionedFolder(folder)
    finally:
        os.close(lock)


def _flush(path: Path) -> None:
    """Have a file, or the entries of a folder, survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
