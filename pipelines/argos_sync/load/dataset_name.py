"""Check what a destination makes of a dataset's name, and whether it is taken.

dlt normalizes the name before it creates a schema: `KYC` becomes `kyc`, and both `한국` and `일본`
become `x`. A name that keeps its letters and digits has a schema of its own; the others might share
one, and two projects' people would be mixed in it.
"""

import re
from contextlib import suppress

import dlt
from dlt.destinations.exceptions import DestinationConnectionError
from dlt.destinations.job_client_impl import SqlJobClientBase

from argos_sync.api.errors import ConfigurationError
from argos_sync.load.sql import tables_exist
from argos_sync.load.staging import staged_dataset, staging_layout
from argos_sync.shape.contract import SUPPRESSIONS

_SEPARATORS = re.compile(r"[\s_.-]+", re.ASCII)
_LONGEST_STAGING_SUFFIX = len(staging_layout("99991231_99991231") % "")
_RESERVED = {
    "duckdb": re.compile("temp|system|information_schema|pg_catalog"),
    "postgres": re.compile("information_schema|pg_.*"),
}
"""Names of schemas that a database keeps for itself, by dialect."""
_ACCEPTED = "use letters a to z, digits and single _ in its name"


def check_dataset_name(name: str, client: SqlJobClientBase) -> str:
    """Return the name by which the destination tells a dataset from others.

    Args:
        name: The name as it was given.
        client: dlt's client for the dataset, not connected.

    Raises:
        ConfigurationError: The name would lose more than letter case and separators, the schema or
            its staging datasets would be cut off, it is the name of a staging dataset, or the
            database has reserved it.
    """
    capabilities, spelled = client.capabilities, str(client.sql_client.dataset_name)
    longest = capabilities.max_identifier_length
    if longest and max(_bytes(name), _bytes(spelled)) > longest - _LONGEST_STAGING_SUFFIX:
        raise ConfigurationError(
            "the dataset's name is so long that the destination would cut off the name of its"
            " staging dataset",
            f"give it a name of at most {longest - _LONGEST_STAGING_SUFFIX} bytes",
        )
    if _letters(name) != _letters(spelled):
        raise ConfigurationError(
            f"the destination would call the dataset {spelled}, and others may get the same name",
            _ACCEPTED,
        )
    if (staged := staged_dataset(spelled)) is not None:
        raise ConfigurationError(
            f"{spelled} is the name of the staging dataset of {staged}, which is emptied again and"
            " again",
            f"{_ACCEPTED} that does not end with _staging",
        )
    reserved = _RESERVED.get(capabilities.sqlglot_dialect or "")
    if reserved and reserved.fullmatch(spelled.lower()):
        raise ConfigurationError(
            f"{spelled} is a schema that the database keeps for itself",
            "give the dataset another name, such as argos",
        )
    is_case_sensitive = capabilities.generates_case_sensitive_identifiers()
    return spelled if is_case_sensitive else spelled.lower()


def check_active_pipeline() -> None:
    """Check the dataset of the pipeline that is running, if it loads into SQL tables.

    Raises:
        ConfigurationError: The commands keep this dataset: rows that come in another way would be
            those of forgotten people, too. Or see `check_dataset_name`.
    """
    pipeline = dlt.current.pipeline()
    if pipeline.destination is None or not pipeline.dataset_name:
        return
    client = pipeline.destination_client()
    if not (isinstance(client, SqlJobClientBase) and client.sql_client.dataset_name):
        return
    check_dataset_name(pipeline.dataset_name, client)
    # To extract needs no destination, and to load fails with dlt's own error.
    with suppress(DestinationConnectionError), client.sql_client:
        if tables_exist(client.sql_client, [SUPPRESSIONS]):
            raise ConfigurationError(
                f"the dataset {pipeline.dataset_name} is one that the commands of argos-sync keep,"
                " and this source does not know whom they have forgotten",
                "give the pipeline a dataset of its own, or run argos-sync sync instead",
            )


def _bytes(name: str) -> int:
    return len(name.strip().encode())


def _letters(name: str) -> str:
    """Return a name without letter case and separators."""
    return _SEPARATORS.sub("", name).casefold()
