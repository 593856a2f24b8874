"""Configuration, read dlt's own way: environment, `.dlt/config.toml`, `.dlt/secrets.toml`.

Section `sources.argos`; the names and defaults of its keys are what users rely on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, TypeVar, get_args, get_origin

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
    ConfigValueCannotBeCoercedException,
)
from dlt.common.configuration.providers import CustomLoaderDocProvider
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.configuration.utils import get_resolved_traces
from dlt.common.runtime.telemetry import stop_telemetry
from dlt.common.typing import TSecretStrValue

from argos_sync.api.errors import ConfigurationError

SECTIONS = ("sources", "argos")
REQUEST_TYPES = ("others", "kyc", "aml", "data")
"""The sections of a submission; `others` is first because it carries `created_at`."""

_PROJECT = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = ("orchestration",)
"""Sections below `sources.argos` that are no project's, beside those that are named like keys."""

_Spec = TypeVar("_Spec", bound=BaseConfiguration)

_MINIMUM = {
    "page_size": 1,
    "lookback_days": 0,
    "sweep_days": 0,
    "max_concurrency": 1,
    "max_requests_per_second": 0.01,
    "max_age_hours": 0,
    "retry_seconds": 0,
}
_DEFAULTS = {
    # dlt puts Ctrl-C off while it normalizes and loads, and forgets one that comes at the end. An
    # interrupted run leaves the warehouse as a killed one does, so nothing has to be put off.
    "runtime": {"dlthub_telemetry": False, "log_level": "CRITICAL", "intercept_signals": False},
    # A trace has the last hundred steps with their schemas, and all of it is written to a file with
    # each of them: a long backfill held more and more.
    "enable_runtime_trace": False,
    # Loaded packages are full of personal data, and dlt keeps them unless told otherwise.
    # The same goes for the staging tables that a load leaves behind.
    "load": {"delete_completed_jobs": True, "truncate_staging_dataset": True},
    "destination": {"duckdb": {"credentials": "duckdb:///kyc.duckdb"}},
}
_PROVIDER = "argos-sync defaults"
_COMPARE = (
    "compare .dlt/config.toml, .dlt/secrets.toml and SOURCES__ARGOS__... with docs/configuration.md"
)


@configspec
class Privacy(BaseConfiguration):
    """What happens to personal values before anything is written."""

    direct: str = "plain"
    quasi: str = "plain"
    columns: Any | None = None
    key: TSecretStrValue | None = None
    old_keys: TSecretStrValue | None = None

    @property
    def modes(self) -> dict[str, str]:
        """Modes of single columns by `table.columns_by_name`; from a table of TOML, or from JSON."""
        given = self.columns or {}
        found = json.loads(given) if isinstance(given, str) else given
        return {
            place: mode
            for table, modes in found.items()
            # TOML reads a name without quotes, applicants.email, as a table in a table.
            for place, mode in (
                {f"{table}.{column}": mode for column, mode in modes.items()}
                if isinstance(modes, Mapping)
                else {table: modes}
            ).items()
        }

    @property
    def former_keys(self) -> list[str]:
        """Keys that are no longer used; in the environment with commas between them."""
        return [key.strip() for key in (self.old_keys or "").split(",") if key.strip()]


@configspec
class Settings(BaseConfiguration):
    """The keys of section `sources.argos`; build it with `load_settings`, which checks them."""

    api_key: TSecretStrValue = None  # type: ignore[assignment] # how dlt marks a required key
    base_url: str = "https://rest-api.argosidentity.com/v3"
    allow_insecure_http: bool = False
    page_size: int = 500
    request_style: Literal["query", "json"] = "query"
    request_types: Any | None = None
    encryption: Literal["off", "ecb", "cbc", "gcm"] = "off"
    encryption_key: TSecretStrValue | None = None
    key_derivation: Literal["truncate", "sha256"] = "truncate"
    lookback_days: int = 7
    sweep_days: int = 30
    start_date: str | None = None
    max_concurrency: int = 4
    max_requests_per_second: float = 10.0
    projects: Any | None = None
    projects_dataset: str = "argos_projects"
    privacy: Privacy = None  # type: ignore[assignment] # dlt resolves it

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that get a walk each, `others` first; empty: one request brings all."""
        return tuple(sorted(set(_listed(self.request_types)), key=_position))

    @property
    def project_names(self) -> tuple[str, ...]:
        """Names of the projects that are seen as one."""
        return tuple(dict.fromkeys(_listed(self.projects)))

    @property
    def first_day(self) -> date | None:
        """Where the first sync begins; None is all history."""
        return date.fromisoformat(self.start_date) if self.start_date else None


@configspec
class Orchestration(BaseConfiguration):
    """The keys of section `sources.argos.orchestration`: what a command line would say.

    The first two are called as dlt calls them, for dlt also looks for the bare name of a key.
    """

    destination_name: str = "duckdb"
    dataset_name: str = "argos"
    pipelines_dir: str | None = None
    nightly: str = "0 3 * * *"
    weekly: str = "0 5 * * 0"
    morning: str = "0 9 * * *"
    max_age_hours: float = 26.0
    retry_seconds: float = 60.0
    executor: str | None = None
    start_date: str | None = None


@configspec
class _Local(Settings):
    api_key: TSecretStrValue | None = None  # type: ignore[assignment] # the API is not asked


@configspec
class _Runtime(BaseConfiguration):
    """What argos-sync reads of dlt's section `runtime`."""

    slack_incoming_webhook_url: TSecretStrValue | None = None


@configspec
class _Sweep(BaseConfiguration):
    sweep_days: int = Settings.sweep_days


def load_settings(
    overrides: Mapping[str, Any] | None = None, *, api: bool = True, project: str | None = None
) -> Settings:
    """Read and check the configuration.

    Args:
        overrides: Values that go before every configuration source.
        api: Whether the API will be asked, which takes a key.
        project: One of several ARGOS projects, whose section goes before `sources.argos`. Its API
            key must be its own: another's would bring another project's people.

    Raises:
        ConfigurationError: A required key is missing, or a value is not among the valid ones.
    """
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    if api and project and "api_key" not in given:
        given["api_key"] = _own_key(project)
    settings = _read(Settings() if api else _Local(), given, sections_of(project))
    _check(settings)
    return settings


def sections_of(project: str | None) -> tuple[str, ...]:
    """Return where the configuration of a project stands; what it lacks is taken from above.

    Args:
        project: Its name; None when there is but one project.

    Raises:
        ConfigurationError: It cannot be a name.
    """
    if project is None:
        return SECTIONS
    if not _PROJECT.fullmatch(project) or project in _TAKEN or project in Settings():
        raise ConfigurationError(
            "the name of the project cannot be a section of the configuration",
            "use small letters, digits and _, beginning with a letter, and no name of a key",
        )
    return (*SECTIONS, project)


def dataset_of(project: str | None) -> str:
    """Return the dataset that a project has when none is named."""
    return "_".join([SECTIONS[-1], *([project] if project else [])])


def _own_key(project: str) -> Any:
    """Return the API key that stands in the section of a project itself."""
    sections = sections_of(project)
    for provider in Container()[PluggableRunContext].providers.providers:
        value, _ = provider.get_value("api_key", TSecretStrValue, "", *sections)
        if value is not None:
            return value
    name = project.upper()
    raise ConfigurationError(
        f"no value for sources.argos.{project}.api_key",
        f"set SOURCES__ARGOS__{name}__API_KEY, or api_key under [sources.argos.{project}] in"
        " .dlt/secrets.toml",
    )


def sweep_days(project: str | None = None) -> int:
    """Read `sources.argos.sweep_days` alone, for who only looks and may have no API key.

    Args:
        project: See `load_settings`.

    Raises:
        ConfigurationError: The value is not valid.
    """
    days = _read(_Sweep(), sections=sections_of(project)).sweep_days
    _check_least("sweep_days", days)
    return days


def webhook_url() -> str | None:
    """Read `runtime.slack_incoming_webhook_url`: who is told of failures and news; a secret."""
    return _read(_Runtime(), sections=("runtime",)).slack_incoming_webhook_url


def load_orchestration() -> Orchestration:
    """Read what a scheduler needs to know before it runs anything; takes no API key.

    `start_date` is the one of the section around it, where dlt looks next.

    Raises:
        ConfigurationError: A value is not valid.
    """
    read = _read(Orchestration(), sections=(*SECTIONS, "orchestration"))
    _check_least("max_age_hours", read.max_age_hours)
    _check_least("retry_seconds", read.retry_seconds)
    _check_day(read.start_date)
    return read


def add_defaults() -> None:
    """Tell dlt what argos-sync wants where no other configuration source says anything.

    For runs of the argos-sync command; a pipeline of somebody else's keeps its own defaults.
    """
    context = Container()[PluggableRunContext]
    if _PROVIDER not in context.providers:
        # dlt asks providers in order, so the last one only fills gaps.
        context.providers.add_provider(CustomLoaderDocProvider(_PROVIDER, lambda: _DEFAULTS))
        # dlt read its runtime section when it was imported, before these defaults were there.
        stop_telemetry()
        context.context.initialize_runtime()
    # Of this thread alone: the list of all values that were looked up ends with a trace only.
    get_resolved_traces().logging_enabled = False


def _read(
    spec: _Spec, given: Mapping[str, Any] | None = None, sections: tuple[str, ...] = SECTIONS
) -> _Spec:
    """Fill in a specification from the configuration, or tell what is wrong with it."""
    try:
        return resolve_configuration(spec, sections=sections, explicit_value=given)
    except ConfigFieldMissingException as error:
        missing = ", ".join(f"sources.argos.{name}" for name in error.fields)
        raise ConfigurationError(
            f"no value for {missing}",
            "set SOURCES__ARGOS__API_KEY, or api_key under [sources.argos] in .dlt/secrets.toml",
        ) from None
    except ConfigValueCannotBeCoercedException as error:
        if get_origin(error.hint) is Literal:
            choices = ", ".join(get_args(error.hint))
            raise _not_valid(error.field_name, f"one of {choices}") from None
        raise _wrong_type(error.field_name) from None
    except ConfigurationException as error:
        # The text of dlt's error repeats the value, which may be a key in the wrong place.
        raise ConfigurationError(
            f"the configuration cannot be read ({type(error).__name__})", _COMPARE
        ) from None


def _wrong_type(name: str) -> ConfigurationError:
    return ConfigurationError(f"sources.argos.{name} has a value of the wrong type", _COMPARE)


def _listed(wanted: Any) -> list[str]:
    """Return the entries of a list: TOML's, JSON's, or words with commas between them."""
    wanted = wanted or ()
    if isinstance(wanted, str):
        wanted = json.loads(wanted) if wanted.startswith("[") else wanted.split(",")
    return [str.strip(one) for one in wanted]


def _check(settings: Settings) -> None:
    for name in _MINIMUM:
        if name in settings:
            _check_least(name, getattr(settings, name))
    _check_day(settings.start_date)
    try:
        sections = settings.sections
        readable = not sections or "others" in sections
    except (ValueError, TypeError):
        readable = False
    if not readable:
        choice = "a list out of kyc, aml, data, others; others is required, it carries created_at"
        raise _not_valid("request_types", choice)
    try:
        names = [sections_of(project)[-1] for project in settings.project_names]
    except (ValueError, TypeError, ConfigurationError):
        raise _not_valid("projects", "a list of names of projects, such as japan,korea") from None
    if settings.projects_dataset in {dataset_of(None), *map(dataset_of, names)}:
        raise _not_valid("projects_dataset", "the name of a dataset that no project has")
    try:
        _ = settings.privacy.modes
    except (ValueError, TypeError, AttributeError):
        wanted = 'a table or JSON, such as {"applicants.email": "encrypt"}'
        raise _not_valid("privacy.columns", wanted) from None


def _check_day(text: str | None) -> None:
    try:
        _ = date.fromisoformat(text) if text else None
    except ValueError:
        raise _not_valid("start_date", "a day as YYYY-MM-DD") from None


def _check_least(name: str, value: Any) -> None:
    if not isinstance(value, int | float) or value < _MINIMUM[name]:
        raise _not_valid(name, f"a number of at least {_MINIMUM[name]}")


def _position(section: str) -> int:
    return REQUEST_TYPES.index(section)


def _not_valid(name: str, valid: str) -> ConfigurationError:
    return ConfigurationError(f"sources.argos.{name} has a value that is not valid", f"use {valid}")
