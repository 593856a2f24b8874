"""Copy the warehouse for analysts into a DuckDB file, without personal data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from argos_sync.commands.publish.file import PublishedFile
from argos_sync.commands.publish.source import open_source
from argos_sync.commands.publish.tables import public_tables
from argos_sync.commands.publish.update import update_copy
from argos_sync.load.atomic_file import atomic_replacement, check_output_path
from argos_sync.load.target import Target, check_path, locate
from argos_sync.shape.contract import Table, load_contract
from argos_sync.shape.pseudonyms import Pseudonymizer
from argos_sync.warehouse import views


@dataclass(frozen=True, slots=True)
class PublishResult:
    """The contents of a copy.

    Attributes:
        file: The copy.
        rows: Rows of the copy, by table.
        views: Names of its views; those over tables that are left out are left out too.
        columns_left_out: Number of the contract's columns of these tables that are not copied.
        rewrite: Why all rows were copied; None if the earlier copy was updated.
        written: Rows that were written, by table.
    """

    file: Path
    rows: dict[str, int]
    views: tuple[str, ...]
    columns_left_out: int
    rewrite: str | None
    written: dict[str, int]


def publish(
    target: Target,
    file: Path,
    *,
    strict: bool = False,
    mode: int = 0o600,
    zone: str = views.UTC,
    pseudonymizer: Pseudonymizer | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> PublishResult:
    """Write a copy of the warehouse without personal columns, and replace an earlier copy.

    The earlier copy is replaced when the new one is complete; programs that have it open can read
    it to the end. The new one is made of the earlier one by writing what has changed, unless
    something must not stay in it, see `update`. A table or column that the warehouse does not
    have, for example because the privacy policy drops it, is created and stays empty, so queries
    keep working. Submissions that are marked as deleted are copied.

    Args:
        target: Where the warehouse is.
        file: DuckDB file to create or to replace; links are followed.
        strict: Whether columns of class `quasi` are left out too.
        mode: Permissions of a new file; a replaced file keeps its permissions.
        zone: Reporting time zone of the views, an IANA name.
        pseudonymizer: Makes the columns with pseudonyms; None leaves them out.
        clock: Returns the time, with a time zone.

    Raises:
        ConfigurationError: The file cannot be replaced or is named like the dataset, the
            destination is unknown, or the key for pseudonyms is not the warehouse's.
        DestinationError: The warehouse is empty, locked or not reachable, or the copy cannot be
            written.
    """
    output = check_output_path(file)
    location = locate(target)
    check_path(output, location.dataset)
    tables = public_tables(strict=strict, pseudonyms=pseudonymizer is not None)
    with (
        atomic_replacement(output, mode) as new_file,
        open_source(
            target, tables, new_file.parent, output, pseudonymizer, location=location
        ) as source,
    ):
        publication = source.publication(clock(), strict=strict, zone=zone)
        updated = update_copy(source, publication, new_file, output)
        if isinstance(updated, str):
            copy = PublishedFile(source.writer, new_file, output, source.dataset)
            written = source.copy_into(copy)
            copy.create_views(source.contract, zone)
            copy.record(publication)
        else:
            copy, written = updated
        result = PublishResult(
            file=output,
            rows=copy.counts(table.name for table in tables),
            views=copy.views(),
            columns_left_out=count_unpublished(tables),
            rewrite=updated if isinstance(updated, str) else None,
            written=written,
        )
        copy.close()
    return result


def count_unpublished(tables: Sequence[Table]) -> int:
    """Return how many of the contract's columns of these tables are not copied."""
    contract = load_contract()
    return sum(
        len(contract[table.name].columns_by_name.keys() - table.columns_by_name.keys())
        for table in tables
    )
