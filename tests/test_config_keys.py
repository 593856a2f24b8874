"""What is configured in `sources.argos` but is no key is refused; dlt's own settings are not."""

from pathlib import Path
from typing import Any

import pytest
import tomlkit
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import ConfigTomlProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from argos_sync.api.errors import ConfigurationError
from argos_sync.config import refuse_unknown_keys

SECTION = "SOURCES__ARGOS__"


def check_toml(folder: Path, patch: pytest.MonkeyPatch, text: str) -> None:
    """Check a configuration file."""
    (folder / "config.toml").write_text(text, encoding="utf-8")
    providers = Container()[PluggableRunContext].providers
    patch.setattr(providers, "providers", [ConfigTomlProvider(str(folder))])
    refuse_unknown_keys()


@pytest.mark.parametrize(
    "name",
    [
        f"{SECTION}API_KEY",
        f"{SECTION}PRIVACY__OLD_KEYS",
        f"{SECTION}ORCHESTRATION__NIGHTLY",
        f"{SECTION}JAPAN__API_KEY",
        f"{SECTION}SOUTH_KOREA__PRIVACY__COLUMNS",
        f"{SECTION}DATA_WRITER__FILE_MAX_ITEMS",
        f"{SECTION}SCHEMA__NAMING",
        "SOURCES__DATA_WRITER__BUFFER_MAX_ITEMS",
        "SOURCES__OTHER__API_KEY",
        "DESTINATION__POSTGRES__CREDENTIALS__HOST",
        "RUNTIME__LOG_LEVEL",
        "SOURCE_ARGOS_SERVICE_HOST",
        "ARGOS_EMULATOR_API_KEY",
    ],
)
def test_a_setting_in_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, those of projects, and whatever dlt or another program reads."""
    monkeypatch.setenv(name, "1")
    refuse_unknown_keys()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("APIKEY", "API_KEY"),
        ("PAGE__SIZE", "PAGE_SIZE"),
        ("page_size", "PAGE_SIZE"),
        ("PRIVCY__DIRECT", "PRIVACY__DIRECT"),
        ("PRIVACY__COLUMNS__APPLICANTS__EMAIL", None),
        ("PRIVACY", None),
        ("JAPAN__APIKEY", "JAPAN__API_KEY"),
        ("JAPAN__ORCHESTRATION__NIGHTLY", None),
        ("ORCHESTRATION__NIGHTY", "ORCHESTRATION__NIGHTLY"),
        ("JAPAN", None),
        ("", None),
    ],
)
def test_an_unknown_variable(
    name: str, nearest: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the variable and the nearest key, but no value."""
    monkeypatch.setenv(f"{SECTION}{name}", "s3cret")
    with pytest.raises(ConfigurationError) as raised:
        refuse_unknown_keys()
    message = str(raised.value)
    assert message.startswith(f"the environment variable {SECTION}{name} is not a setting; ")
    assert "s3cret" not in message
    assert nearest is None or f"the nearest is {SECTION}{nearest}; " in message
    assert raised.value.exit_code == 2


TOML = """
[sources.argos]
page_size = 10
privacy.columns = {"applicants.email" = "drop", applicants.name = "drop"}
[sources.argos.orchestration]
nightly = "0 1 * * *"
[sources.argos.japan]
api_key = "k"
[sources.argos.japan.privacy.columns]
applicants.email = "drop"
[sources.argos.data_writer]
file_max_items = 10
[destination.postgres]
anything = 1
"""


def test_settings_in_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns are keys of their table, in a project too."""
    check_toml(tmp_path, monkeypatch, TOML)


@pytest.mark.parametrize(
    ("change", "key", "line"),
    [
        ({"page_size": "pagesize"}, "pagesize", 3),
        ({"nightly": "nighty"}, "orchestration.nighty", 6),
        ({"api_key": "page"}, "japan.page", 8),
        ({"privacy.columns": "column"}, "column.applicants.email", 4),
        ({"[sources.argos.japan]": '[sources.argos."Japan"]'}, "Japan.api_key", 8),
    ],
)
def test_an_unknown_key_in_toml(
    change: dict[str, str], key: str, line: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says in which line of which file it is."""
    text = TOML
    for before, after in change.items():
        text = text.replace(before, after)
    with pytest.raises(ConfigurationError) as raised:
        check_toml(tmp_path, monkeypatch, text)
    expected = f"sources.argos.{key} ({tmp_path}/config.toml, line {line}) is not a setting; "
    assert str(raised.value).startswith(expected)


@pytest.mark.parametrize("section", [{}, {"argos": 1}, {"argos": {}}])
def test_nothing_in_the_section(
    section: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other shapes of the file are left to dlt."""
    check_toml(tmp_path, monkeypatch, tomlkit.dumps({"sources": section}))
