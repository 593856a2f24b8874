"""Configuration: keys and defaults that users rely on, and errors that name the valid values."""

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import ConfigTomlProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from argos_sync.api.errors import ConfigurationError
from argos_sync.config import load_settings

DEFAULTS = {
    "base_url": "https://rest-api.argosidentity.com/v3",
    "page_size": 1000,
    "request_style": "query",
    "encryption": "off",
    "encryption_key": None,
    "key_derivation": "truncate",
    "lookback_days": 7,
    "sweep_days": 30,
    "open_days": 30,
    "erase_deleted_after_days": None,
    "start_date": None,
    "max_concurrency": 4,
    "max_requests_per_second": 10.0,
}
CHOICES = {
    "request_style": "query, json",
    "encryption": "off, ecb, cbc, gcm",
    "key_derivation": "truncate, sha256",
}


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Work in a folder without configuration files, and return it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults() -> None:
    """Only the API key is required; all other keys have the documented defaults."""
    settings = load_settings({"api_key": "k"})
    assert {name: settings[name] for name in DEFAULTS} == DEFAULTS
    assert (settings.privacy.direct, settings.privacy.quasi) == ("plain", "plain")
    assert settings.sections == ()


@pytest.mark.parametrize(
    ("key", "text", "name", "value"),
    [
        ("PAGE_SIZE", "20", "page_size", 20),
        ("REQUEST_STYLE", "json", "request_style", "json"),
        ("MAX_REQUESTS_PER_SECOND", "2.5", "max_requests_per_second", 2.5),
        ("REQUEST_TYPES", '["aml", "others"]', "sections", ("others", "aml")),
        ("REQUEST_TYPES", "kyc, others", "sections", ("others", "kyc")),
        ("PROJECTS", "japan, korea,japan", "project_names", ("japan", "korea")),
        ("ERASE_DELETED_AFTER_DAYS", "0", "erase_deleted_after_days", 0),
        ("START_DATE", "2024-05-03", "first_day", date(2024, 5, 3)),
        ("START_DATE", "2024-05", "first_day", date(2024, 5, 1)),
        ("START_DATE", "2024-Q2", "first_day", date(2024, 4, 1)),
        ("MAX_EMPTIED", "7.5%", "max_emptied_share", 0.075),
        ("MAX_EMPTIED", "0.1", "max_emptied_share", 0.1),
    ],
)
def test_environment_variables(
    key: str, text: str, name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each key of section sources.argos has an environment variable."""
    monkeypatch.setenv("SOURCES__ARGOS__API_KEY", "k")
    monkeypatch.setenv(f"SOURCES__ARGOS__{key}", text)
    assert getattr(load_settings(), name) == value


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "no value for sources.argos.api_key; set SOURCES__ARGOS__API_KEY"),
        ({"page_size": 0}, "sources.argos.page_size .* from 1 to 1,000,000"),
        ({"erase_deleted_after_days": -1}, "erase_deleted_after_days .* from 0 to 36,500"),
        ({"page_size": "many"}, "sources.argos.page_size .* from 1 to 1,000,000"),
        ({"request_types": "kyc,aml"}, "others is required"),
        ({"request_types": ["others", "photos"]}, "others is required"),
        ({"request_types": "[1"}, "others is required"),
        ({"start_date": "May 2024"}, "sources.argos.start_date .* 2026-01 or 2026-Q1"),
        ({"start_date": "90d"}, "sources.argos.start_date .* a fixed day"),
        ({"max_emptied": "a lot"}, "sources.argos.max_emptied .* 5% or 0.05"),
        ({"max_emptied": "101%"}, "sources.argos.max_emptied .* 5% or 0.05"),
        ({"max_emptied": 5}, "sources.argos.max_emptied .* 5% or 0.05"),
        ({"sweep_days": 1_000_000}, "sweep_days .* from 0 to 36,500"),
        ({"max_requests_per_second": float("nan")}, "max_requests_per_second .* from 0.01 to"),
        ({"lookback_days": -1}, "sources.argos.lookback_days .* from 0 to 36,500"),
        ({"privacy": {"columns": "email"}}, "sources.argos.privacy.columns .* a table or JSON"),
        ({"privacy": {"columns": "[1]"}}, "sources.argos.privacy.columns .* a table or JSON"),
    ],
)
def test_invalid_settings(settings: dict[str, Any], message: str) -> None:
    """The error names the key and the valid values, and exits with 2; it repeats no secret."""
    secret = {"api_key": "s3cret"} if settings else {}
    with pytest.raises(ConfigurationError, match=message) as raised:
        load_settings({**secret, **settings})
    assert "s3cret" not in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("place", ["explicit", "environment", "file"])
@pytest.mark.parametrize("key", CHOICES)
def test_invalid_choices(
    key: str, place: str, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a wrong choice comes from, the error lists the choices and not the value."""
    explicit = {"api_key": "k"}
    if place == "explicit":
        explicit[key] = "s3cret"
    elif place == "environment":
        monkeypatch.setenv(f"SOURCES__ARGOS__{key.upper()}", "s3cret")
    else:
        (empty_folder / "config.toml").write_text(f'[sources.argos]\n{key} = "s3cret"\n')
        providers = Container()[PluggableRunContext].providers
        monkeypatch.setattr(providers, "providers", [ConfigTomlProvider(str(empty_folder))])
    with pytest.raises(ConfigurationError) as raised:
        load_settings(explicit)
    assert str(raised.value) == (
        f"sources.argos.{key} has a value that is not valid; use one of {CHOICES[key]}"
    )
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    "columns",
    [
        {"applicants.email": "encrypt", "submissions.userid": "hash"},
        {"applicants": {"email": "encrypt"}, "submissions": {"userid": "hash"}},
        '{"applicants.email": "encrypt", "submissions.userid": "hash"}',
    ],
)
def test_privacy_modes_of_columns(columns: Any) -> None:
    """TOML names columns with or without quotes; an environment variable holds JSON."""
    settings = load_settings({"api_key": "k", "privacy": {"columns": columns}})
    assert settings.privacy.modes == {"applicants.email": "encrypt", "submissions.userid": "hash"}


def test_former_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment variable holds several former keys, separated by commas."""
    monkeypatch.setenv("SOURCES__ARGOS__API_KEY", "k")
    monkeypatch.setenv("SOURCES__ARGOS__PRIVACY__OLD_KEYS", "one, two,")
    assert load_settings().privacy.former_keys == ["one", "two"]


def test_offline_settings_need_no_api_key() -> None:
    """Commands that do not use the API, such as forget and reveal, work without its key."""
    assert load_settings(api=False).privacy.direct == "plain"


@pytest.mark.process
def test_a_source_keeps_the_defaults_of_dlt() -> None:
    """Only commands change telemetry, logging and the clean-up of load packages."""
    script = """
import dlt, argos_sync, argos_sync.config as config
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
def settings():
    runtime = Container()[PluggableRunContext].context.runtime_config
    return runtime.dlthub_telemetry, runtime.log_level, dlt.config.get("load.delete_completed_jobs")
argos_sync.argos_source(api_key="k")
print(settings()); config.add_defaults(); print(settings())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    before, after = done.stdout.split("\n")[:2]
    assert before == "(True, 'WARNING', None)"
    assert after == "(False, 'CRITICAL', True)"
