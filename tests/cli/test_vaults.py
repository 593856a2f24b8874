"""Secrets in vaults: dlt's providers for Google and AWS ask servers, that for Airflow variables."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cli.command import Command
from cli.conftest import KEY
from cli.vaults import TOKEN, Vault
from whole_lists import Emulator

pytestmark = pytest.mark.process

PRIVACY_KEY = "cHJpdmFjeS1rZXktb2YtYS12YXVsdC0wMTIzNDU2Nzg="
SOURCE = f"""
[sources.argos]
api_key = "{KEY}"
[sources.argos.privacy]
key = "{PRIVACY_KEY}"
"""
DESTINATION = """
[destination.duckdb]
credentials = "duckdb:///vault.duckdb"
"""
NAMES = {"google": "Google Secrets", "amazon": "AWS Secrets Manager"}
FRAGMENTS = {
    "google": ("sources-argos", "destination-duckdb"),
    "amazon": ("dlt/sources/argos", "dlt/destination/duckdb"),
}
"""The names of the secrets that hold the settings of the source and of the destination."""


@pytest.fixture
def command(argos_sync: Command, api: Emulator) -> Command:
    """Return the command with an API, which encrypts names, but without keys."""
    argos_sync.settings |= {
        "SOURCES__ARGOS__BASE_URL": api.base_url,
        "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
        "SOURCES__ARGOS__PRIVACY__DIRECT": "encrypt",
    }
    argos_sync.private |= {PRIVACY_KEY, TOKEN, "PRIVATE KEY"}
    return argos_sync


@pytest.fixture(params=FRAGMENTS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return which vault is used."""
    name: str = request.param
    return name


@pytest.fixture
def vault(kind: str, command: Command) -> Iterator[Vault]:
    """Run a vault with all secrets, which the command is configured for."""
    source, destination = FRAGMENTS[kind]
    with Vault(command.folder, {source: SOURCE, destination: DESTINATION}) as vault:
        command.settings |= getattr(vault, kind)
        yield vault


@pytest.mark.parametrize("kind", ["amazon"], indirect=True)
def test_doctor_has_its_secrets_from_a_vault(vault: Vault, command: Command) -> None:
    """The API's key and the destination; no secret is asked for twice."""
    checks = command("doctor").stdout
    assert "the API accepts the key" in checks
    assert "vault.duckdb does not exist yet" in checks
    assert len(vault.requested) == len(set(vault.requested)) < 20


@pytest.mark.parametrize("kind", ["google"], indirect=True)
def test_a_sync_has_its_secrets_from_a_vault(
    vault: Vault, command: Command, submissions: list[dict[str, Any]]
) -> None:
    """The API's key, the privacy key and the destination; no secret is asked for twice."""
    assert command.json("sync")["submissions_new"] == len(submissions)
    assert len(vault.requested) == len(set(vault.requested)) < 20
    query = "SELECT submission_id, name FROM applicants WHERE name IS NOT NULL ORDER BY 1 LIMIT 1"
    ((submission_id, encrypted),) = command.rows(query, file="vault")
    (name,) = [one["data"]["name"] for one in submissions if one["submission_id"] == submission_id]
    assert encrypted.startswith("e1.")
    command.private.clear()  # `reveal` is asked for a name
    options = ("--submission-id", submission_id, "--columns", "applicants.name")
    assert name in command("reveal", *options).stdout


def test_a_mistyped_key_in_a_vault_is_refused(vault: Vault, command: Command, kind: str) -> None:
    """Otherwise names would be stored in plain text."""
    del command.settings["SOURCES__ARGOS__PRIVACY__DIRECT"]
    vault.secrets[FRAGMENTS[kind][0]] = f'{SOURCE}direkt = "encrypt"'
    message = command.error_line("sync", code=2)
    assert message.startswith(f"sources.argos.privacy.direkt ({NAMES[kind]}) is not a setting; ")
    assert "the nearest is sources.argos.privacy.direct; " in message


@pytest.mark.parametrize(
    ("name", "fragment"), [("status", None), ("sync", 0), ("sync", 1)], ids=str
)
def test_a_vault_that_fails(
    vault: Vault, command: Command, kind: str, name: str, fragment: int | None
) -> None:
    """The message says which vault, and nothing that its server wrote; be it at first, or later."""
    vault.failing = ("",) if fragment is None else (FRAGMENTS[kind][fragment],)
    error = {"google": "HttpError", "amazon": "InternalServiceError"}[kind]
    message = command.error_line(name, code=2)
    assert message.startswith(f"{NAMES[kind]} cannot be read ({error}); check that ")


def test_a_vault_that_is_not_there(command: Command, kind: str) -> None:
    """Nobody listens at its address any more."""
    with Vault(command.folder, {}) as vault:
        command.settings |= getattr(vault, kind)
    assert command.error_line("sync", code=2).startswith(f"{NAMES[kind]} cannot be read (")


def test_a_vault_without_the_key(vault: Vault, command: Command, kind: str) -> None:
    """The message says that the vault was asked, too."""
    vault.secrets.clear()
    message = command.error_line("sync", code=2)
    assert message.startswith("no value for sources.argos.api_key; set SOURCES__ARGOS__API_KEY, ")
    assert message.endswith(f"; {NAMES[kind]} has none, or does not let this account read it")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"GOOGLE_SECRETS__CREDENTIALS": "no JSON"},
            "cannot be set up (InvalidNativeValue)",
        ),
        ({"ENABLE_GOOGLE_SECRETS": "perhaps"}, "cannot be set up (ConfigValueCannotBeCoerced"),
    ],
)
def test_a_vault_that_cannot_be_set_up(
    settings: dict[str, str], message: str, command: Command
) -> None:
    """Its credentials are wrong, or something else in the section."""
    settings = {"ENABLE_GOOGLE_SECRETS": "true"} | settings
    command.settings |= {f"PROVIDERS__{name}": value for name, value in settings.items()}
    assert message in command.error_line("status", code=2)


AIRFLOW = """
import json, os

class Variable:
    @staticmethod
    def get(key, default_var=None):
        return json.loads(os.environ["VARIABLES"]).get(key, default_var)

class TaskInstance:
    pass
"""
"""A stand-in for Airflow, which is too large to install: the part that dlt's provider calls."""


def test_secrets_from_airflow(command: Command) -> None:
    """One variable has the content of secrets.toml."""
    package = command.folder / "packages" / "airflow"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "models.py").write_text(AIRFLOW, encoding="utf-8")
    command.settings |= {
        "PYTHONPATH": str(package.parent),
        "VARIABLES": json.dumps({"dlt_secrets_toml": SOURCE + DESTINATION}),
    }
    checks = command("doctor").stdout
    assert "the API accepts the key" in checks
    assert "vault.duckdb does not exist yet" in checks
