"""Read and write the Delta tables of a change log, in a folder or in object storage.

Each publish appends its rows to each table under the number of its load, in column `_load`. Its
last commit adds the number to the table `_loads`: rows of a load that is not there do not count, so
that readers never see a part of a publish.

The number is the version of `_loads` at which the publish began, by an empty commit of its own. The
last commit is made only if no other publish has begun since. So of several at once the one that
began last wins, no two share a number, and whatever has a lower number than one's own is either
visible or abandoned.

Tables are partitioned by `_load`, so that loads are removed without reading or rewriting a file and
the commit names nothing but their numbers. Delta's own way to delete rows writes the condition, and
with it the ids of erased submissions, into a log that stays. For the same reason no column has
statistics: the log of a table would keep the smallest and largest values.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.fs as pafs
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from argos_sync.api.errors import ConfigurationError
from argos_sync.load.atomic_file import folder_mode
from argos_sync.load.errors import DestinationError

LOADS = "_loads"
LOAD = "_load"

LOADS_SCHEMA = pa.schema(
    [
        (LOAD, pa.int64()),
        ("published_at", pa.timestamp("us", tz="UTC")),
        ("rewritten", pa.bool_()),
        ("dataset", pa.string()),
        ("layout", pa.string()),
        ("submissions", pa.int64()),
        ("rows", pa.int64()),
    ]
)
"""Columns of `_loads`: the number, whether the load has everything or only changes, the dataset it
was read from, a hash of all tables' columns, and how many submissions and rows it has."""

_MARK = "argos-sync change log"
"""Name that the table `_loads` has in its metadata, by which a change log is recognized."""

_SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss", "file")
_NO_STATISTICS: Mapping[str, str | None] = {"delta.dataSkippingNumIndexedCols": "0"}
_ONCE = CommitProperties(max_commit_retries=0)
"""Lets a commit fail if another one was made since the table was read; the default tries again."""

_COMPRESSED = WriterProperties(compression="ZSTD")
_OPTIONS = {"max_retries": "3", "retry_timeout": "60s", "timeout": "60s"}
"""How long object storage may fail; settings and credentials come from the environment."""

_PARTITION = re.compile(rf"(?:^|/){LOAD}=(\d+)/")
_OTHER_FOLDER = "name another folder"


class DeltaLog:
    """The Delta tables of a change log."""

    def __init__(self, url: str, mode: int = 0o600) -> None:
        """Take the path or URL of the folder; nothing is read or created.

        A local folder has files of this mode, and whoever may read them may list it.

        Raises:
            ConfigurationError: The URL has another scheme than Delta tables can have, or contains
                credentials, or the path is not that of a folder that exists or can be created.
        """
        self.url = _check_url(url)
        self._umask = 0o777 & ~folder_mode(mode)
        self.number = 0
        """Number of the load that this object writes, once `begin` has returned."""
        self._tables: dict[str, DeltaTable] = {}

    def begin(self) -> pa.Table:
        """Begin a load, and return the visible loads; create the change log if there is none.

        Raises:
            ConfigurationError: The folder has something else in it.
            DestinationError: Another publish began at the same time, or the storage fails.
        """
        with self._errors():
            if "://" not in self.url:
                Path(self.url).mkdir(exist_ok=True)
            loads = self._tables[LOADS] = self._open(LOADS) or self._create_loads()
            if loads.metadata().name != _MARK:
                raise self._foreign()
            write_deltalake(
                loads, LOADS_SCHEMA.empty_table(), mode="append", commit_properties=_ONCE
            )
            self.number = loads.version()
            return loads.to_pyarrow_table().cast(LOADS_SCHEMA)

    def rows(self, name: str) -> pads.Dataset:
        """Return the rows of a table, of all loads."""
        with self._errors():
            return self._table(name).to_pyarrow_dataset()

    def prepare(self, name: str, schema: pa.Schema) -> None:
        """Create a table, or check that rows with these columns can be appended to it.

        Raises:
            ConfigurationError: A column has another type there.
        """
        with self._errors():
            table = self._open(name)
            if table is None:
                self._tables[name] = self._create(name, schema)
                return
            types = {field.name: field.type for field in pa.schema(table.schema().to_arrow())}
            for field in schema:
                if types.get(field.name, field.type) != field.type:
                    raise ConfigurationError(
                        f"column {name}.{field.name} has another type in the change log"
                        f" {self.url}, which was written from another warehouse",
                        _OTHER_FOLDER,
                    )

    def append(self, name: str, rows: pa.RecordBatchReader) -> None:
        """Append rows to a table; new columns are added to it.

        The rows have this load's number in their column `_load`.
        """
        with self._errors():
            write_deltalake(
                self._table(name),
                rows,
                mode="append",
                schema_mode="merge",
                writer_properties=_COMPRESSED,
            )

    def commit(self, load: Mapping[str, Any], *, replaces: bool) -> None:
        """Make the load visible, instead of all others if it replaces them.

        Raises:
            DestinationError: Another publish has begun meanwhile; this load is removed.
        """
        row = pa.Table.from_pylist([{LOAD: self.number, **load}], schema=LOADS_SCHEMA)
        with self._errors():
            try:
                write_deltalake(
                    self._table(LOADS),
                    row,
                    mode="overwrite" if replaces else "append",
                    commit_properties=_ONCE,
                )
            except CommitFailedError:
                self._remove_own()
                raise

    def remove(self, kept: Collection[int]) -> int:
        """Remove all loads but these and those that have begun later, with their files.

        Files that no table refers to go, too: those of removed loads, and those that a killed
        publish has written without a commit. Return the number of files.
        """
        with self._errors():
            count = 0
            for name in self._names():
                table = self._table(name)
                table.update_incremental()
                if name == LOADS:
                    # Any other file may belong to a commit that another publish is about to make.
                    unused = table.vacuum(0, dry_run=True, enforce_retention_duration=False)
                else:
                    _remove_loads(table, self._finished(table) - set(kept))
                    unused = self._unused_files(table)
                count += self._delete(name, unused)
            return count

    def _remove_own(self) -> None:
        """Remove the rows of this load, which nobody will ever see."""
        for name in self._names():
            table = self._table(name)
            table.update_incremental()
            if name != LOADS and self.number in self._finished(table):
                _remove_loads(table, {self.number})
                own = (file for file in self._unused_files(table) if _number(file) == self.number)
                self._delete(name, own)

    def _finished(self, table: DeltaTable) -> set[int]:
        """Return the loads in a table that are not from a publish that has begun later."""
        numbers = {int(partition[LOAD]) for partition in table.partitions()}
        return {number for number in numbers if number <= self.number}

    def _unused_files(self, table: DeltaTable) -> list[str]:
        """Return the files of loads, up to this one, that the table does not refer to."""
        files = table.vacuum(0, dry_run=True, enforce_retention_duration=False, full=True)
        return [file for file in files if -1 < _number(file) <= self.number]

    def _delete(self, name: str, files: Collection[str] | Iterator[str]) -> int:
        """Delete files of a table, and the folders of a local table that are then empty."""
        handler, count = DeltaStorageHandler(f"{self.url}/{name}", dict(_OPTIONS)), 0
        for file in files:
            with suppress(FileNotFoundError):
                handler.delete_file(file)
            if "://" not in self.url:
                with suppress(OSError):
                    Path(self.url, name, file).parent.rmdir()
            count += 1
        return count

    def _names(self) -> list[str]:
        """Return the tables of the change log, those of other versions of argos-sync included."""
        return [name for name in self._entries() if self._open(name) is not None]

    def _entries(self) -> list[str]:
        """Return what is in the folder."""
        files = pafs.PyFileSystem(DeltaStorageHandler(self.url, dict(_OPTIONS)))
        with suppress(FileNotFoundError):
            entries = files.get_file_info(pafs.FileSelector("", allow_not_found=True))
            return sorted(entry.path.strip("/") for entry in entries)
        return []

    def _open(self, name: str) -> DeltaTable | None:
        """Return a table, as it was when it was first opened or last written to; None without one.

        For object storage it would take several requests to read it again.
        """
        if name not in self._tables:
            with suppress(TableNotFoundError):
                url = f"{self.url}/{name}"
                self._tables[name] = DeltaTable(url, storage_options=dict(_OPTIONS))
        return self._tables.get(name)

    def _table(self, name: str) -> DeltaTable:
        """Return a table that exists."""
        if (table := self._open(name)) is None:
            raise TableNotFoundError(name)
        return table

    def _create(self, name: str, schema: pa.Schema) -> DeltaTable:
        return DeltaTable.create(
            f"{self.url}/{name}",
            schema,
            partition_by=None if name == LOADS else [LOAD],
            name=_MARK if name == LOADS else name,
            configuration=_NO_STATISTICS,
            storage_options=dict(_OPTIONS),
        )

    def _create_loads(self) -> DeltaTable:
        # A publish that was killed as it began, or one that begins now, may have made a part of it.
        is_ours = set(self._entries()) <= {LOADS}
        try:
            if is_ours:
                return self._create(LOADS, LOADS_SCHEMA)
        except DeltaError:
            if self._open(LOADS) is None:
                raise
        if (loads := self._open(LOADS)) is None:
            raise self._foreign()
        return loads

    def _foreign(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self.url} is neither empty nor a change log of argos-sync, and stays as it is",
            _OTHER_FOLDER,
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Give new files their mode, and turn errors of the storage into errors of this package.

        The umask is that of the process: no other thread may create private files meanwhile, except
        in a private folder.

        Their texts may quote requests and responses, so only their class is shown.

        Raises:
            DestinationError: Another publish has begun, or the storage fails.
        """
        umask = os.umask(self._umask)
        try:
            yield
        except CommitFailedError:
            raise DestinationError(
                f"another publish to {self.url} has begun meanwhile, so this one has stopped",
                "let one publish at a time write there, and publish again",
            ) from None
        except BaseException as error:
            # A panic of deltalake's Rust code is no Exception, and its class cannot be imported.
            is_panic = type(error).__name__ == "PanicException"
            if not (is_panic or isinstance(error, DeltaError | OSError | pa.ArrowException)):
                raise
            raise DestinationError(
                f"the change log {self.url} cannot be read or written ({type(error).__name__})",
                f"{self._advice}; then publish again",
            ) from None
        finally:
            os.umask(umask)

    @property
    def _advice(self) -> str:
        if "://" not in self.url:
            return "check that the folder has space and is writable"
        return (
            "check its address and your rights; credentials for object storage come from the"
            " environment, such as AWS_ACCESS_KEY_ID"
        )


def _remove_loads(table: DeltaTable, numbers: Collection[int]) -> None:
    """Remove loads from a table; a commit without reading a file."""
    if numbers:
        table.delete(f"{LOAD} IN ({', '.join(map(str, sorted(numbers)))})")


def _number(file: str) -> int:
    """Return the load that a file belongs to; -1 if it is not in the folder of a load."""
    found = _PARTITION.search(file)
    return int(found[1]) if found else -1


def _check_url(url: str) -> str:
    """Return the URL or the absolute path of a folder, without a slash at its end."""
    parts = urlsplit(url)
    if "://" not in url or parts.scheme == "file":
        folder = Path(url2pathname(parts.path) if parts.scheme == "file" else url).resolve()
        if not folder.parent.is_dir():
            raise ConfigurationError(
                f"there is no folder {folder.parent}", "create it, or name another folder"
            )
        if folder.exists() and not folder.is_dir():
            raise ConfigurationError(f"{folder} is a file", "name a folder for the Delta tables")
        if re.search(r"[\[\]%\x00-\x1f]", str(folder)):  # deltalake 1.6 does not find its own files
            raise ConfigurationError(
                "the path of the change log contains [, ], % or a control character",
                "name another folder",
            )
        return str(folder)
    if parts.scheme not in _SCHEMES:
        raise ConfigurationError(
            f"a change log cannot be at a URL that begins with {parts.scheme}://",
            f"use a folder, or a URL that begins with one of {', '.join(_SCHEMES)}",
        )
    if ("@" in parts.netloc and not parts.scheme.startswith("abfs")) or parts.query:
        raise ConfigurationError(
            "the URL of the change log contains a user, a password or a query",
            "give credentials and options in the environment, such as AWS_ACCESS_KEY_ID",
        )
    if not re.fullmatch(r"[\w/.=@~-]*", f"{parts.netloc}{parts.path}", re.ASCII):
        # deltalake 1.6 encodes some of them twice, and then does not find its own files.
        raise ConfigurationError(
            "the URL of the change log contains other characters than letters, digits and -_=.~",
            "use a plain name for the folder",
        )
    return url.rstrip("/")
