"""Secrets that Docker or Kubernetes mounts as files: which are read, and which are refused."""

from pathlib import Path

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.config import load_settings, refuse_unknown_keys
from argos_sync.load.target import Target, locate

API_KEY = "api-key-of-a-file"
PRIVACY_KEY = "privacy-key-of-a-file"


def write(folder: Path, name: str, text: str) -> None:
    """Write a file as `echo` does, with a line break at its end."""
    (folder / name).write_text(f"{text}\n", encoding="utf-8")


def test_keys_are_read_without_their_line_break(mounted: Path) -> None:
    """Docker mounts a file; Kubernetes may mount a folder that has a file of the same name."""
    write(mounted, "sources--argos--api-key", API_KEY)
    name = "sources--argos--privacy--key"
    (mounted / name).mkdir()
    write(mounted / name, name, PRIVACY_KEY)
    refuse_unknown_keys()
    settings = load_settings()
    assert (settings.api_key, settings.privacy.key) == (API_KEY, PRIVACY_KEY)


def test_the_key_of_a_project_is_read(mounted: Path) -> None:
    """Its section is part of the name."""
    write(mounted, "sources--argos--japan--api-key", API_KEY)
    refuse_unknown_keys()
    assert load_settings(project="japan").api_key == API_KEY


@pytest.mark.parametrize(
    ("name", "text", "settings"),
    [
        ("credentials", "postgresql://loader:p%40ss@db.test:5432/kyc", {}),
        ("credentials--password", "p@ss", {"": "postgresql://loader@db.test:5432/kyc"}),
        (
            "credentials--password",
            "p@ss",
            {"__USERNAME": "loader", "__HOST": "db.test", "__DATABASE": "kyc"},
        ),
    ],
)
def test_credentials_of_a_destination(
    mounted: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
    text: str,
    settings: dict[str, str],
) -> None:
    """A connection URL, or a password beside the rest, which is in the environment."""
    write(mounted, f"destination--postgres--{name}", text)
    for suffix, value in settings.items():
        monkeypatch.setenv(f"DESTINATION__POSTGRES__CREDENTIALS{suffix}", value)
    client = locate(Target("postgres", "argos", str(mounted.parent))).client
    credentials = client.credentials
    read = (credentials.username, credentials.password, credentials.host, credentials.database)
    assert read == ("loader", "p@ss", "db.test", "kyc")


def test_credentials_that_are_not_text(mounted: Path) -> None:
    """The message says which."""
    (mounted / "destination--postgres--credentials").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match=r"destination\..*credentials is not UTF-8"):
        locate(Target("postgres", "argos", str(mounted.parent)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("SOURCES__ARGOS__API_KEY", "is not read; name it sources--argos--api-key"),
        ("sources-argos-api-key", "is not read; name it sources--argos--api-key"),
        ("sources--argos--api_key", "is not read; name it sources--argos--api-key"),
        ("sources.argos.privacy.key", "is not read; name it sources--argos--privacy--key"),
        (
            "sources--argos--privacy--direct",
            "is not read: only secrets are read from mounted files; set SOURCES__ARGOS__PRIVACY__",
        ),
        ("sources--argos--japan--page-size", "is not read: only secrets are read from mounted"),
        ("SOURCES__ARGOS__PAGE_SIZE", "is not a setting; docs/configuration.md lists all"),
        ("sources--argos--", "is not a setting; docs/configuration.md lists all"),
        ("sources--argos--privacy--direkt", "is not a setting; docs/configuration.md lists all"),
    ],
)
def test_a_file_that_is_not_read_is_refused(name: str, message: str, mounted: Path) -> None:
    """Otherwise the key would be missing, or names be stored in plain text."""
    write(mounted, name, "s3cret")
    with pytest.raises(ConfigurationError) as raised:
        refuse_unknown_keys()
    assert str(raised.value).startswith(f"the file {mounted / name} {message}")
    assert "s3cret" not in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_file_that_cannot_be_read_is_refused(mounted: Path) -> None:
    """Otherwise it would count as one that is not there."""
    file = mounted / "sources--argos--api-key"
    file.symlink_to(mounted / "missing")
    with pytest.raises(ConfigurationError, match=f"{file} cannot be read: No such file"):
        refuse_unknown_keys()
    file.unlink()
    file.mkdir()
    with pytest.raises(ConfigurationError, match=f"{file}/{file.name} cannot be read: No such"):
        refuse_unknown_keys()
    (file / file.name).write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match=f"{file.name} is not UTF-8"):
        refuse_unknown_keys()


@pytest.mark.parametrize(
    "name", ["kubernetes.io", "..data", "tls.crt", "sources--argos--data-writer--x", "argos"]
)
def test_other_files_are_left_alone(name: str, mounted: Path) -> None:
    """They belong to dlt, to Kubernetes or to another program."""
    write(mounted, name, "anything")
    refuse_unknown_keys()
