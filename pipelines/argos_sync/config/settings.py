"""Define the keys of section `sources.argos`, whose names and defaults are public; read and check.

`load_settings` reads
what commands need, `load_orchestration` what a scheduler needs. A message about a wrong value gives
the key and the valid values, but never the value: it may be a secret in the wrong place.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from typing import Any, Literal, TypeVar, get_args, get_origin

import pendulum
from dlt.common.configuration import configspec, exceptions, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.typing import TSecretStrValue

from argos_sync.api.errors import ConfigurationError
from argos_sync.api.query import REQUEST_TYPES
from argos_sync.config.providers import config_providers, vault_names
from argos_sync.shape.days import FIXED, parse_fixed_day
from argos_sync.shape.values import parse_share

SECTIONS = ("sources", "argos")

PLAIN_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
"""Names that no destination spells in another way: `a__b` and `a_b` may be the same dataset."""

ORCHESTRATION = "orchestration"

_Spec = TypeVar("_Spec", bound=BaseConfiguration)

_CENTURY = 36_500
_RANGES = {
    "page_size": (1, 1_000_000),
    "lookback_days": (0, _CENTURY),
    "sweep_days": (0, _CENTURY),
    "open_days": (0, _CENTURY),
    "erase_deleted_after_days": (0, _CENTURY),
    "max_concurrency": (1, 1_000),
    "max_requests_per_second": (0.01, 1_000_000),
    "max_requests_per_day": (1, 1_000_000_000),
    "max_age_hours": (0, 24 * _CENTURY),
    "retry_seconds": (0, 86_400),
    "lease_seconds": (1, 86_400),
}
"""The least and the greatest value. Dates end with the year 9999, and days cannot be subtracted
from them without end."""
_FORMATS: dict[str, tuple[Callable[[str], object], str]] = {
    "start_date": (parse_fixed_day, f"a fixed day, such as {FIXED}"),
    "reporting_time_zone": (pendulum.timezone, "the name of a time zone, such as Asia/Seoul"),
    "max_emptied": (parse_share, "a share such as 5% or 0.05"),
}
_REMEDY = (
    "compare .dlt/config.toml, .dlt/secrets.toml and SOURCES__ARGOS__... with docs/configuration.md"
)


@configspec
class Privacy(BaseConfiguration):
    """Keys of section `sources.argos.privacy`: how personal values are protected before writing."""

    direct: str = "plain"
    quasi: str = "plain"
    columns: Any | None = None
    key: TSecretStrValue | None = None
    old_keys: TSecretStrValue | None = None

    @property
    def modes(self) -> dict[str, str]:
        """Return the modes of single columns by `table.column`, from a TOML table or JSON text."""
        setting = self.columns or {}
        columns = json.loads(setting) if isinstance(setting, str) else setting
        modes: dict[str, str] = {}
        for name, value in columns.items():
            # TOML reads a name without quotes, applicants.email, as a table in a table.
            if isinstance(value, Mapping):
                modes |= {f"{name}.{column}": mode for column, mode in value.items()}
            else:
                modes[name] = value
        return modes

    @property
    def former_keys(self) -> list[str]:
        """Return the keys that are no longer used; the setting separates them by commas."""
        return [key.strip() for key in (self.old_keys or "").split(",") if key.strip()]


@configspec
class Freshness(BaseConfiguration):
    """Settings of read-only commands: how old rows may become, and which days they show."""

    sweep_days: int = 30
    open_days: int = 30
    reporting_time_zone: str = "UTC"


@configspec
class Settings(Freshness):
    """Keys of section `sources.argos`; create it by `load_settings`, which checks the values."""

    api_key: TSecretStrValue = None  # type: ignore[assignment] # how dlt marks a required key
    base_url: str = "https://rest-api.argosidentity.com/v3"
    allow_insecure_http: bool = False
    page_size: int = 1000
    request_style: Literal["query", "json"] = "query"
    request_types: Any | None = None
    completeness: Literal["auto", "list", "sections", "each"] = "auto"
    encryption: Literal["off", "ecb", "cbc", "gcm"] = "off"
    encryption_key: TSecretStrValue | None = None
    key_derivation: Literal["truncate", "sha256"] = "truncate"
    lookback_days: int = 7
    max_emptied: str = "5%"
    erase_deleted_after_days: int | None = None
    start_date: str | None = None
    max_concurrency: int = 4
    max_requests_per_second: float = 10.0
    max_requests_per_day: int | None = None
    projects: Any | None = None
    projects_dataset: str = "argos_projects"
    run_lock: Literal["auto", "lease"] = "auto"
    lease_seconds: int = 120
    privacy: Privacy = None  # type: ignore[assignment] # dlt resolves it

    @property
    def sections(self) -> tuple[str, ...]:
        """Return the sections to read one by one, or nothing to read all in one request.

        `others` is first because it has `created_at`.
        """
        sections = sorted(set(_parse_list(self.request_types)), key=REQUEST_TYPES.index)
        return tuple(sorted(sections, key=lambda section: section != "others"))

    @property
    def project_names(self) -> tuple[str, ...]:
        """Return the names of the projects that the views of all projects combine."""
        return tuple(dict.fromkeys(_parse_list(self.projects)))

    @property
    def max_emptied_share(self) -> float:
        """Return the largest share of submissions that may lose a section, from 0 to 1."""
        return parse_share(self.max_emptied or Settings.max_emptied)

    @property
    def first_day(self) -> date | None:
        """Return the first day of the first sync; None means all history."""
        return _first_day(self.start_date)


@configspec
class Orchestration(BaseConfiguration):
    """Keys of section `sources.argos.orchestration`: options and schedules of an orchestrator.

    The first two have the names that dlt uses, because dlt also looks up a key without sections.
    """

    destination_name: str = "duckdb"
    dataset_name: str = "argos"
    allow_untried: bool = False
    pipelines_dir: str | None = None
    nightly: str = "0 3 * * *"
    weekly: str = "0 5 * * 0"
    morning: str = "0 9 * * *"
    max_age_hours: float = 26.0
    retry_seconds: float = 60.0
    executor: str | None = None
    publish_to: str = "analysts.duckdb"
    publish_strict: bool = False
    publish_pseudonyms: bool = False
    report_out: str = "report.html"
    start_date: str | None = None

    @property
    def first_day(self) -> date | None:
        """Return the first day of the first sync, where partitions begin; None if it is not set."""
        return _first_day(self.start_date)


@configspec
class _OfflineSettings(Settings):
    """Settings of commands that do not use the API: the key is optional."""

    api_key: TSecretStrValue | None = None  # type: ignore[assignment] # widens the type


@configspec
class _ApiKey(BaseConfiguration):
    """The key that `Settings` requires."""

    api_key: TSecretStrValue | None = None


@configspec
class _Runtime(BaseConfiguration):
    """Keys that argos-sync reads from dlt's section `runtime`."""

    slack_incoming_webhook_url: TSecretStrValue | None = None


def load_settings(
    overrides: Mapping[str, Any] | None = None, *, api: bool = True, project: str | None = None
) -> Settings:
    """Read and check the configuration.

    Args:
        overrides: Values that override every configuration source; None overrides nothing.
        api: Whether the API will be used, which requires an API key.
        project: One of several ARGOS projects; its section overrides `sources.argos`. The API key
            must be in that section: the key of another project would load another project's people.

    Raises:
        ConfigurationError: A required key is missing, or a value is invalid.
    """
    explicit = {key: value for key, value in (overrides or {}).items() if value is not None}
    if api and project and "api_key" not in explicit:
        explicit["api_key"] = _require_project_api_key(project)
    settings = _read(Settings() if api else _OfflineSettings(), explicit, sections_of(project))
    _check_lists(settings)
    return settings


def sections_of(project: str | None) -> tuple[str, ...]:
    """Return the configuration sections of a project; outer sections fill in missing keys.

    Raises:
        ConfigurationError: The name is invalid.
    """
    if project is None:
        return SECTIONS
    is_section = PLAIN_NAME.fullmatch(project) and project != ORCHESTRATION
    if not is_section or project in Settings():
        raise ConfigurationError(
            "the name of the project cannot be a section of the configuration",
            "use lower-case letters, digits and single _, begin with a letter, and avoid names of"
            " keys",
        )
    return (*SECTIONS, project)


def dataset_of(project: str | None) -> str:
    """Return the default dataset of a project."""
    return f"argos_{project}" if project else "argos"


def configured_api_key(project: str | None = None) -> str | None:
    """Return the API key, a secret; None if there is none, which read-only commands allow.

    Raises:
        ConfigurationError: The key cannot be read, or the name of the project is invalid.
    """
    return _project_api_key(project) if project else _read(_ApiKey()).api_key


def _project_api_key(project: str) -> str | None:
    """Return the API key from the project's own section, without looking at outer sections."""
    sections = sections_of(project)
    for provider in config_providers():
        value, _ = provider.get_value("api_key", TSecretStrValue, "", *sections)
        if value is not None:
            return str(value)
    return None


def _require_project_api_key(project: str) -> str:
    if (api_key := _project_api_key(project)) is not None:
        return api_key
    raise ConfigurationError(
        f"no value for sources.argos.{project}.api_key",
        f"set SOURCES__ARGOS__{project.upper()}__API_KEY, or api_key under"
        f" [sources.argos.{project}] in .dlt/secrets.toml{_no_value_in_vaults()}",
    )


def _no_value_in_vaults() -> str:
    """Return the end of a message about a key that no vault had; dlt ignores refusals."""
    names = " or ".join(vault_names())
    return f"; {names} has none, or does not let this account read it" if names else ""


def freshness_settings(project: str | None = None) -> Freshness:
    """Read what read-only commands need, without an API key.

    Raises:
        ConfigurationError: A value is invalid.
    """
    return _read(Freshness(), sections=sections_of(project))


def webhook_url() -> str | None:
    """Read `runtime.slack_incoming_webhook_url`, a secret: where to send notifications."""
    return _read(_Runtime(), sections=("runtime",)).slack_incoming_webhook_url


def load_orchestration() -> Orchestration:
    """Read what an orchestrator needs before it runs anything, without an API key.

    `start_date` comes from the outer section, `sources.argos`, which dlt looks up next.

    Raises:
        ConfigurationError: A value is invalid.
    """
    return _read(Orchestration(), sections=(*SECTIONS, ORCHESTRATION))


def _check_range(name: str, value: Any, least: float, greatest: float) -> None:
    """Refuse a value that is not a number of a range."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and least <= value <= greatest):
        raise _invalid_value(name, f"a number from {least} to {greatest:,}")


def _read(
    spec: _Spec, explicit: Mapping[str, Any] | None = None, sections: tuple[str, ...] = SECTIONS
) -> _Spec:
    """Resolve a specification and check its values; turn dlt's errors into ones without values."""
    config_providers()
    try:
        settings = resolve_configuration(spec, sections=sections, explicit_value=explicit)
    except exceptions.ConfigFieldMissingException as error:
        missing = ", ".join(f"sources.argos.{name}" for name in error.fields)
        raise ConfigurationError(
            f"no value for {missing}",
            "set SOURCES__ARGOS__API_KEY, or api_key under [sources.argos] in .dlt/secrets.toml"
            + _no_value_in_vaults(),
        ) from None
    except exceptions.ConfigValueCannotBeCoercedException as error:
        if get_origin(error.hint) is Literal:
            raise _invalid_choice(error.field_name, error.hint) from None
        raise ConfigurationError(
            f"sources.argos.{error.field_name} has a value of the wrong type", _REMEDY
        ) from None
    except exceptions.ConfigurationException as error:
        # dlt's message repeats the value, which may be a key in the wrong place.
        raise ConfigurationError(
            f"the configuration cannot be read ({type(error).__name__})", _REMEDY
        ) from None
    # dlt checks the types of configured values, but not those of explicit ones.
    for name, hint in settings.get_resolvable_fields().items():
        value = getattr(settings, name)
        if get_origin(hint) is Literal and value not in get_args(hint):
            raise _invalid_choice(name, hint)
        if name in _RANGES and value is not None:
            _check_range(name, value, *_RANGES[name])
        if name in _FORMATS and value:
            parse, valid = _FORMATS[name]
            try:
                parse(value)
            except (ValueError, TypeError, AttributeError):
                raise _invalid_value(name, valid) from None
    return settings


def _first_day(start_date: str | None) -> date | None:
    """Return the day of the setting `start_date`, which has been checked."""
    return parse_fixed_day(start_date) if start_date else None


def _parse_list(setting: Any) -> list[str]:
    """Return the entries of a list setting: a TOML list, JSON text, or text with commas."""
    entries = setting or ()
    if isinstance(entries, str):
        entries = json.loads(entries) if entries.startswith("[") else entries.split(",")
    return [str.strip(entry) for entry in entries]


def _check_lists(settings: Settings) -> None:
    """Check the settings that are lists or tables."""
    valid = False
    with suppress(ValueError, TypeError):
        valid = not settings.sections or "others" in settings.sections
    if not valid:
        choices = "a list of kyc, aml, data and others; others is required, it has created_at"
        raise _invalid_value("request_types", choices)
    try:
        names = [sections_of(project)[-1] for project in settings.project_names]
    except (ValueError, TypeError, ConfigurationError):
        raise _invalid_value("projects", "a list of project names, such as japan,korea") from None
    views_dataset = settings.projects_dataset
    is_plain = PLAIN_NAME.fullmatch(views_dataset) and not views_dataset.endswith("_staging")
    if not is_plain or views_dataset in {dataset_of(None), *map(dataset_of, names)}:
        choices = "a dataset name that no project uses, of lower-case letters, digits, single _"
        raise _invalid_value("projects_dataset", choices)
    try:
        _ = settings.privacy.modes
    except (ValueError, TypeError, AttributeError):
        example = 'a table or JSON, such as {"applicants.email": "encrypt"}'
        raise _invalid_value("privacy.columns", example) from None


def _invalid_choice(name: str, hint: Any) -> ConfigurationError:
    return _invalid_value(name, f"one of {', '.join(get_args(hint))}")


def _invalid_value(name: str, valid: str) -> ConfigurationError:
    return ConfigurationError(f"sources.argos.{name} has a value that is not valid", f"use {valid}")
