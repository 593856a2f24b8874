"""Configuration: the keys and defaults users rely on, and clear words for what is wrong."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.config import load_settings

DEFAULTS = {
    "base_url": "https://rest-api.argosidentity.com/v3",
    "page_size": 500,
    "request_style": "query",
    "encryption": "off",
    "encryption_key": None,
    "key_derivation": "truncate",
    "lookback_days": 7,
    "sweep_days": 30,
    "start_date": None,
    "max_concurrency": 4,
    "max_requests_per_second": 10.0,
}


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing but what the test sets."""
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_the_documented_ones() -> None:
    """Only the API key has to be given."""
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
        ("START_DATE", "2024-05-01", "first_day", date(2024, 5, 1)),
    ],
)
def test_the_environment_is_read(
    key: str, text: str, name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each key of section sources.argos has its variable."""
    monkeypatch.setenv("SOURCES__ARGOS__API_KEY", "k")
    monkeypatch.setenv(f"SOURCES__ARGOS__{key}", text)
    assert getattr(load_settings(), name) == value


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "no value for sources.argos.api_key; set SOURCES__ARGOS__API_KEY"),
        ({"page_size": 0}, "sources.argos.page_size .* at least 1"),
        ({"page_size": "many"}, "sources.argos.page_size .* at least 1"),
        ({"request_style": "xml"}, "sources.argos.request_style .* query, json"),
        ({"encryption": "rot13"}, "sources.argos.encryption .* off, ecb, cbc, gcm"),
        ({"key_derivation": "md5"}, "sources.argos.key_derivation .* truncate, sha256"),
        ({"request_types": "kyc,aml"}, "others is required"),
        ({"request_types": ["others", "photos"]}, "others is required"),
        ({"request_types": "[1"}, "others is required"),
        ({"start_date": "May 2024"}, "sources.argos.start_date .* YYYY-MM-DD"),
        ({"lookback_days": -1}, "sources.argos.lookback_days .* at least 0"),
        ({"privacy": {"columns": "email"}}, "sources.argos.privacy.columns .* a table or JSON"),
        ({"privacy": {"columns": "[1]"}}, "sources.argos.privacy.columns .* a table or JSON"),
    ],
)
def test_what_is_wrong_is_named_with_the_way_out(given: dict[str, Any], said: str) -> None:
    """The key and the valid values are told; the value is not, it may be a secret misplaced."""
    secret = {} if not given else {"api_key": "s3cret"}
    with pytest.raises(ConfigurationError, match=said) as raised:
        load_settings({**secret, **given})
    assert "s3cret" not in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    "columns",
    [
        {"applicants.email": "encrypt", "submissions.userid": "hash"},
        {"applicants": {"email": "encrypt"}, "submissions": {"userid": "hash"}},
        '{"applicants.email": "encrypt", "submissions.userid": "hash"}',
    ],
)
def test_columns_have_modes_of_their_own(columns: Any) -> None:
    """In TOML with quotes or without, and as JSON, which an environment variable can hold."""
    settings = load_settings({"api_key": "k", "privacy": {"columns": columns}})
    assert settings.privacy.modes == {"applicants.email": "encrypt", "submissions.userid": "hash"}


def test_former_keys_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment variable holds several, with commas between them."""
    monkeypatch.setenv("SOURCES__ARGOS__API_KEY", "k")
    monkeypatch.setenv("SOURCES__ARGOS__PRIVACY__OLD_KEYS", "one, two,")
    assert load_settings().privacy.former_keys == ["one", "two"]


def test_without_the_api_no_key_of_it_is_needed() -> None:
    """Who forgets or reveals need not be able to read the API."""
    assert load_settings(api=False).privacy.direct == "plain"


def test_dlt_keeps_its_own_defaults_where_argos_sync_is_only_a_source() -> None:
    """Only the command changes telemetry, logging and the clean-up of packages."""
    script = """
import dlt, argos_sync, argos_sync.config as config
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
def seen():
    runtime = Container()[PluggableRunContext].context.runtime_config
    return runtime.dlthub_telemetry, runtime.log_level, dlt.config.get("load.delete_completed_jobs")
argos_sync.argos_source(api_key="k")
print(seen()); config.add_defaults(); print(seen())
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, after = ran.stdout.split("\n")[:2]
    assert before == "(True, 'WARNING', None)"
    assert after == "(False, 'CRITICAL', True)"
