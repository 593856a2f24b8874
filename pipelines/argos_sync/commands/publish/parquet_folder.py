"""`publish --format parquet`: a folder of Parquet files, one a table, for any engine to read.

The rows come from the same copy that `publish` writes for analysts, so the same columns are left
out. Each publish writes a version of the folder, see `versioned_folder`. Files of tables that have
not changed are shared by versions. If something must not stay in the version before, it goes.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.publish.erased_rows import (
    GONE,
    LOST_VALUES,
    emptied_values_query,
    missing_rows_query,
)
from argos_sync.commands.publish.file import PublishedFile
from argos_sync.commands.publish.publication import PUBLICATION, Publication
from argos_sync.commands.publish.source import copied_tables
from argos_sync.commands.publish.tables import public_tables
from argos_sync.load.atomic_file import copy_file, private_folder, write_errors
from argos_sync.load.dialects import quote_literal, quote_name
from argos_sync.load.errors import DestinationError
from argos_sync.load.target import Target, locate
from argos_sync.load.versioned_folder import open_versions
from argos_sync.shape.pseudonyms import Pseudonymizer
from argos_sync.warehouse import views

VIEWS_FILE = "views.sql"
_COPY = "parquet-copy.duckdb"


@dataclass(frozen=True, slots=True)
class ParquetResult:
    """What a publish wrote.

    Attributes:
        folder: The folder.
        version: Folder of the new version.
        rows: Rows, by table.
        views: Names of the views in `views.sql`.
        written: Tables whose files are new; all others are those of the version before.
        removed: Why the version before was removed; None if it stays, or if there is none.
    """

    folder: Path
    version: Path
    rows: dict[str, int]
    views: tuple[str, ...]
    written: tuple[str, ...]
    removed: str | None


def publish_parquet(
    target: Target,
    folder: str,
    *,
    strict: bool = False,
    mode: int = 0o600,
    zone: str = views.UTC,
    pseudonymizer: Pseudonymizer | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ParquetResult:
    """Write a version of a folder of Parquet files.

    Args:
        target: Where the warehouse is.
        folder: Path of the folder, which is created if there is none.
        strict: Whether columns of class `quasi` are left out too.
        mode: Permissions of the files.
        zone: Reporting time zone of the views, an IANA name.
        pseudonymizer: Makes the columns with pseudonyms; None leaves them out.
        clock: Returns the time, with a time zone.

    Raises:
        ConfigurationError: The folder has something else in it, the destination is unknown, or the
            key for pseudonyms is not the warehouse's.
        DestinationError: The warehouse is empty, locked or not reachable, another publish is
            writing to the folder, or it cannot be written to.
    """
    if "://" in folder:
        raise ConfigurationError(
            "Parquet files are written into a folder, and --to is a URL",
            "name a folder, or use --format delta for object storage",
        )
    tables = public_tables(strict=strict, pseudonyms=pseudonymizer is not None)
    working = locate(target).working.parent
    with write_errors(working):
        working.mkdir(parents=True, exist_ok=True)
    with (
        open_versions(Path(folder), mode) as versions,
        private_folder(working) as private,
        copied_tables(target, tables, private / _COPY, pseudonymizer) as (copy, source),
    ):
        queries = copy.create_views(source.contract, zone)
        publication = source.publication(clock(), strict=strict, zone=zone)
        copy.record(publication)
        comparison = _Comparison(copy, versions.latest, publication)
        reason = comparison.reason_to_remove()
        written = []
        with versions.new_version(mode, keep_previous=reason is None) as (new, version):
            for name in (*source.contract.tables, PUBLICATION):
                file = new / _file_name(name)
                if not comparison.share(name, file):
                    copy.export(name, file, versions.path / _file_name(name))
                    written.append(name)
            script = "".join(_statements(version, publication, queries))
            (new / VIEWS_FILE).write_text(script, encoding="utf-8")
        rows = {table.name: copy.count(table.name) for table in tables}
    return ParquetResult(
        versions.path, version, rows, tuple(sorted(queries)), tuple(written), reason
    )


class _Comparison:
    """The differences between a copy and the files of the version before."""

    def __init__(self, copy: PublishedFile, version: Path | None, publication: Publication) -> None:
        """Compare all tables, unless the version before has others, or there is none."""
        self._copy, self._version = copy, version
        self._tables = {table.name: table for table in publication.tables}
        self._unchanged: set[str] = set()
        self._is_comparable = version is not None and self._layout() == publication.layout
        if self._is_comparable:
            self._unchanged = {name for name in self._tables if self._is_unchanged(name)}

    def reason_to_remove(self) -> str | None:
        """Return why the version before must not stay; None if it may, or if there is none."""
        if self._version is None:
            return None
        if not self._is_comparable:
            return "its tables, views or options are others"
        changed = [self._tables[name] for name in self._tables.keys() - self._unchanged]
        for reason, find in ((GONE, missing_rows_query), (LOST_VALUES, emptied_values_query)):
            for table in changed:
                query = find(table, self._before(table.name), self._copy.qualified(table.name))
                if query and self._copy.run(query):
                    return reason
        return None

    def share(self, name: str, file: Path) -> bool:
        """Let a new file be that of the version before, if the table has not changed."""
        if self._version is None or name not in self._unchanged:
            return False
        before = self._version / _file_name(name)
        try:
            os.link(before, file)
        except OSError:  # a file system without hard links
            copy_file(before, file)
        return True

    def _layout(self) -> str | None:
        """Return the layout of the version before; None if it cannot be read."""
        try:
            ((layout,),) = self._copy.run(f"SELECT layout FROM {self._before(PUBLICATION)}")  # noqa: S608 names only
        except (duckdb.Error, DestinationError, ValueError):
            return None
        return str(layout)

    def _is_unchanged(self, name: str) -> bool:
        """Return whether a table has the same rows; their order does not matter."""
        names = ", ".join(quote_name(column.name) for column in self._tables[name].columns)
        sums = "SELECT COUNT(*), SUM(CAST(hash({}) AS HUGEINT)) FROM {}"
        try:
            before = self._copy.run(sums.format(names, self._before(name)))
        except (duckdb.Error, DestinationError):  # the file is missing, or damaged
            self._is_comparable = False
            return False
        return before == self._copy.run(sums.format(names, self._copy.qualified(name)))

    def _before(self, name: str) -> str:
        path = (self._version or Path()) / _file_name(name)
        return f"read_parquet({quote_literal(str(path))})"


def _file_name(table: str) -> str:
    return f"{table}.parquet"


def _statements(
    version: Path, publication: Publication, queries: Mapping[str, str]
) -> Iterator[str]:
    """Yield the lines of the script that makes the tables and views of a version in DuckDB."""
    schema = quote_name(publication.dataset)
    yield f"CREATE SCHEMA IF NOT EXISTS {schema};\nUSE {schema};\n"
    comments = {table.name: table.comment for table in publication.tables}
    for name in (*comments, PUBLICATION):
        file = quote_literal(str(version / _file_name(name)))
        yield f"CREATE OR REPLACE VIEW {quote_name(name)} AS SELECT * FROM read_parquet({file});\n"  # noqa: S608 names only
        if name in comments:
            yield f"COMMENT ON VIEW {quote_name(name)} IS {quote_literal(comments[name])};\n"
    for name, query in queries.items():
        yield f"CREATE OR REPLACE VIEW {quote_name(name)} AS {query};\n"
