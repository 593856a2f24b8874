"""What dlt says of a destination that is not configured completely, without any value."""

from collections.abc import Iterator, Mapping, Sequence

from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
    LookupTrace,
    LookupTraces,
)
from dlt.common.configuration.specs.exceptions import NativeValueError
from dlt.common.destination.exceptions import UnknownDestinationModule
from dlt.common.exceptions import MissingDependencyException

from argos_sync.api.errors import ConfigurationError
from argos_sync.load.destinations.support import ACCEPTED

_CREDENTIALS = "set DESTINATION__<NAME>__CREDENTIALS, or [destination.<name>] in .dlt/secrets.toml"


def configuration_fault(error: BaseException) -> ConfigurationError | None:
    """Return our error for one of dlt that a setting or an extra solves; None for others."""
    if isinstance(error, ConfigFieldMissingException):
        return _missing_settings(error)
    if isinstance(error, UnknownDestinationModule):
        return ConfigurationError(
            "the destination is not one that dlt knows", "use a name like duckdb or postgres"
        )
    if isinstance(error, MissingDependencyException):
        return ConfigurationError(
            "the destination needs a driver that is not installed",
            f"run pip install {' '.join(map(_requirement, error.dependencies))}",
        )
    if isinstance(error, NativeValueError):
        return ConfigurationError(
            "the destination's credentials are not in the form of an address",
            "write them as in docs/destinations.md, such as postgresql://USER:PASSWORD@HOST/NAME",
        )
    if isinstance(error, ConfigurationException):
        return ConfigurationError(
            "the destination has a configuration that is not valid", _CREDENTIALS
        )
    return None


def _missing_settings(error: ConfigFieldMissingException) -> ConfigurationError:
    """Name the settings that are missing: their keys have no values."""
    paths = list(_missing_paths(error.traces))
    names = ", ".join(path[-1] for path in paths)
    variables = ", ".join("__".join(path).upper() for path in paths)
    section = ".".join(paths[0][:-1])
    return ConfigurationError(
        f"the destination's configuration lacks {names}",
        f"set {variables}, or {names} under [{section}] in .dlt/secrets.toml; docs/destinations.md"
        " has an example",
    )


def _missing_paths(traces: Mapping[str, Sequence[object]]) -> Iterator[tuple[str, ...]]:
    """Yield the sections and name of each missing setting.

    dlt records the sections in which it looked for each; the longest path is the most specific one.
    Of alternative sets of credentials the first is named.
    """
    for name, places in traces.items():
        nested = [place for place in places if isinstance(place, LookupTraces)]
        if nested:
            yield from _missing_paths(nested[0].traces)
            continue
        sections = [tuple(place.sections) for place in places if isinstance(place, LookupTrace)]
        yield (*max(sections, key=len, default=("destination", "<name>")), name)


def _requirement(dependency: str) -> str:
    """Return what to install for a requirement of dlt's, by our extra where there is one."""
    extra = dependency.partition("[")[2].rstrip("]")
    accepted = ACCEPTED.get(extra)
    return f"'argos-sync[{extra}]'" if accepted and accepted.extra else f"'{dependency}'"
