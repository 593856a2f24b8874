"""Where a command loads to: destination, dataset, and dlt's working directory for them."""

import re
import tempfile
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import cast

import dlt
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.destinations.job_client_impl import SqlJobClientBase

from argos_sync.api.errors import ConfigurationError
from argos_sync.config import add_defaults
from argos_sync.load.dataset_name import check_dataset_name
from argos_sync.load.destinations.duckdb import duckdb_file
from argos_sync.load.destinations.factory import DUCKDB, check_destination, make_destination
from argos_sync.load.errors import destination_errors
from argos_sync.load.partitions import pipeline_name
from argos_sync.load.source import SOURCE
from argos_sync.load.sql import Client
from argos_sync.load.staging import staging_layout


@dataclass(frozen=True, slots=True)
class Target:
    """Where a run loads to.

    The destination is a name that dlt knows, or `module.factory`; the dataset is a schema in it. A
    DuckDB `file` overrides the configured one. `pipelines_dir` is the parent folder of the working
    directories; None uses dlt's default. `allow_untried` lets runs write to a destination that no
    test has run on.
    """

    destination: str = DUCKDB
    dataset: str = SOURCE
    pipelines_dir: str | None = None
    file: str | None = None
    allow_untried: bool = False


def make_pipeline(
    target: Target, working: Path, partition: str | None = None, run_token: str | None = None
) -> dlt.Pipeline:
    """Return dlt's pipeline of a partition or of all other runs, not connected.

    With a token of the run, rows are staged in a dataset that is the run's own.
    """
    layout = staging_layout(run_token) if run_token else None
    return dlt.pipeline(
        pipeline_name(partition),
        destination=make_destination(target.destination, target.file, layout),
        dataset_name=target.dataset,
        pipelines_dir=str(working),
    )


def check_writable(target: Target) -> None:
    """Check that runs may write to the destination; nothing is configured, connected or created.

    Raises:
        ConfigurationError: The destination is unknown, refused, or tried and not allowed.
    """
    with destination_errors():
        check_destination(target.destination, allow_untried=target.allow_untried)


@dataclass(frozen=True, slots=True)
class Location:
    """A warehouse's own names, the same for every spelling of a target.

    `dataset` is the name by which the destination tells its schemas apart, and `working` is the
    working directory that belongs to this warehouse alone. `storage` is dlt's client for whole
    tables, not connected; it takes a while to configure another one.
    """

    dataset: str
    working: Path
    storage: SqlJobClientBase = field(compare=False)

    @property
    def client(self) -> Client:
        """Return the client for SQL, not connected."""
        return self.storage.sql_client


def locate(target: Target) -> Location:
    """Return the names of the warehouse, as the destination spells them; nothing is created.

    dlt keeps schemas and load packages in the working directory, and those of one warehouse must
    never reach another. It is therefore named after a hash of the dataset and the destination's
    address: the file, or dlt's own text of it, which contains no credentials.

    Raises:
        ConfigurationError: The dataset has no name or one that the destination would change, the
            destination is refused, or the DuckDB file is named like the dataset.
    """
    add_defaults()
    if not target.dataset.strip():
        raise ConfigurationError(
            "the dataset has no name", "give --dataset a name, or leave it out"
        )
    base = Path(target.pipelines_dir or get_dlt_pipelines_dir()).resolve()
    # dlt creates a folder for a pipeline, which a name that is refused must not leave behind.
    with destination_errors(), tempfile.TemporaryDirectory() as folder:
        pipeline = make_pipeline(target, Path(folder))
        client = cast("SqlJobClientBase", pipeline.destination_client())
    dataset = check_dataset_name(str(pipeline.dataset_name), client)
    if (file := duckdb_file(client.sql_client)) is not None:
        # What follows a question mark in the address of the file is not part of its path.
        check_path(Path(target.file or file), dataset)
        address = f"{DUCKDB} duckdb:///{file.resolve()}"
    else:
        address = f"{pipeline.destination.destination_type} {client.config}"
    digest = blake2b(f"{address} {dataset}".encode(), digest_size=8)
    return Location(dataset, base / digest.hexdigest(), client)


def working_dir(target: Target) -> Path:
    """Return the working directory that belongs to this warehouse alone; see `locate`."""
    return locate(target).working


def check_path(file: Path, dataset: str) -> None:
    """Refuse a DuckDB file that is named like its dataset, or has a path that DuckDB misreads.

    DuckDB names the catalog after the file, so `argos.submissions` in `argos.duckdb` could mean a
    schema or a catalog; every client refuses it ("Ambiguous reference to catalog or schema").
    DuckDB 2.0 puts the name of the write-ahead log before a question mark, and takes a backslash
    for a separator.

    Raises:
        ConfigurationError: Their names are the same, apart from case, or the path has one of these
            characters.
    """
    catalog = file.name.partition(".")[0]
    if catalog.lower() == dataset.lower():
        other = "warehouse.duckdb" if catalog.lower() == "kyc" else "kyc.duckdb"
        raise ConfigurationError(
            f"the DuckDB file {file.name} is named like its dataset, which makes"
            f" {dataset}.submissions ambiguous in every DuckDB client",
            f"rename the file, for example to {other}, or choose another dataset than {dataset}",
        )
    if re.search(r"[?\\]", str(file.resolve())):
        raise ConfigurationError(
            f"DuckDB cannot write {file.resolve()}, because its path has a ? or a backslash",
            "name a file in another folder",
        )
