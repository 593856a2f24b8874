"""Give access to the sources of settings that dlt asks: environment, files, and vaults.

dlt calls them providers. Around each that reads the environment or a vault, this module registers
one of its own, for two reasons:

- A secret in a file or a vault often ends with a line break, which `echo` adds. dlt keeps it, and
  it would be part of the key or of the database's name.
- A vault that cannot be read raises the errors of its client library, which may quote anything.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import ConfigProviderException
from dlt.common.configuration.providers import (
    ConfigProvider,
    EnvironProvider,
    VaultDocProvider,
    environ,
)
from dlt.common.configuration.providers.toml import SettingsTomlProvider, TomlProviderReadException
from dlt.common.configuration.specs import PluggableRunContext
from dlt.common.configuration.specs.base_configuration import is_secret_hint
from dlt.common.exceptions import MissingDependencyException
from dlt.common.typing import TSecretStrValue

from argos_sync.api.errors import ConfigurationError
from argos_sync.config.files import unreadable

_EXTRAS = {
    "GoogleSecretsProvider": "google-secrets",
    "GcpCredentials": "google-secrets",
    "GcpServiceAccountCredentials": "google-secrets",
    "AwsSecretsManagerProvider": "aws-secrets",
    "AwsCredentials": "aws-secrets",
}
"""The extra of argos-sync that installs what a class of dlt needs."""


@dataclass(frozen=True, slots=True)
class Document:
    """Settings that dlt has read of TOML files or of a vault.

    `files` are the files that were merged into it; a vault has a `name` instead.
    """

    content: dict[str, Any]
    files: list[Path] = field(default_factory=list)
    name: str = ""


class _CheckedProvider(ConfigProvider):
    """A provider whose failures are errors of this package, and whose secrets end as they should.

    Attributes:
        inner: The provider of dlt, which is asked.
    """

    def __init__(self, inner: ConfigProvider) -> None:
        self.inner = inner

    def get_value(
        self, key: str, hint: type[Any], pipeline_name: str | None, *sections: str
    ) -> tuple[Any | None, str]:
        """Look up a value; see `ConfigProvider`.

        Raises:
            ConfigurationError: A vault cannot be read, or a secret is not UTF-8.
        """
        try:
            value, name = self.inner.get_value(key, hint, pipeline_name, *sections)
        except UnicodeDecodeError:
            raise ConfigurationError(
                f"the secret for {'.'.join((*sections, key))} is not UTF-8", "write it as UTF-8"
            ) from None
        except Exception as error:  # noqa: BLE001 each vault has a client with errors of its own
            raise _vault_failure(error, [self.inner]) from None
        if isinstance(value, str) and is_secret_hint(hint):
            return value.rstrip("\r\n"), name
        return value, name

    @property
    def name(self) -> str:
        """Return the name that dlt knows the provider by."""
        return self.inner.name

    @property
    def supports_secrets(self) -> bool:
        """Return whether secrets may come from it."""
        return self.inner.supports_secrets

    @property
    def supports_sections(self) -> bool:
        """Return whether keys are looked up in sections."""
        return self.inner.supports_sections

    @property
    def is_empty(self) -> bool:
        """Return whether it has no values at all."""
        return self.inner.is_empty

    @property
    def locations(self) -> Sequence[str]:
        """Return where it reads, for dlt's own messages."""
        return self.inner.locations


def run_context() -> PluggableRunContext:
    """Return dlt's run context, which has the providers of settings.

    Raises:
        ConfigurationError: A TOML file or a vault cannot be read.
    """
    container = Container()
    try:
        context = container[PluggableRunContext]
    except TomlProviderReadException as error:
        raise unreadable(map(Path, error.full_paths)) from None
    except Exception as error:  # noqa: BLE001 vaults are set up and read for the first time here
        # dlt would go on without the vault the next time.
        providers = [*container[PluggableRunContext].providers.providers]
        del container[PluggableRunContext]
        raise _vault_failure(error, providers) from None
    for provider in [*context.providers.providers]:
        if isinstance(provider, EnvironProvider | VaultDocProvider):
            context.providers[provider.name] = _CheckedProvider(provider)
    return context


def config_providers() -> Sequence[ConfigProvider]:
    """Return where dlt looks up settings, in its order.

    Raises:
        ConfigurationError: A TOML file or a vault cannot be read.
    """
    return run_context().providers.providers


def mounted_secrets() -> list[Path]:
    """Return the files and folders where Docker and Kubernetes mount secrets; dlt reads them."""
    # dlt's text has a place for the name of a secret.
    folder = Path(environ.SECRET_STORAGE_PATH).parent
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def require_readable(secret: Path) -> None:
    """Refuse a mounted secret that cannot be read, which dlt would take for one that is not there.

    Raises:
        ConfigurationError: This user may not read it, or it is not UTF-8.
    """
    file = secret / secret.name if secret.is_dir() else secret
    try:
        file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"the file {file} cannot be read: {error.strerror}",
            "give the user of the command the right to read it",
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"the file {file} is not UTF-8", "write it as UTF-8") from None


def documents(sections: Sequence[str]) -> list[Document]:
    """Return what dlt has read of TOML files, and what vaults have in some sections.

    Raises:
        ConfigurationError: A file or a vault cannot be read.
    """
    read = []
    for provider in config_providers():
        if isinstance(provider, SettingsTomlProvider):
            files = [Path(path) for path in provider.present_locations]
            read.append(Document(tomllib.loads(provider.to_toml()), files))
        elif (vault := _vault_in(provider)) is not None:
            # dlt reads the fragments of the sections before it looks up any key in them.
            provider.get_value("api_key", TSecretStrValue, None, *sections)
            read.append(Document(yaml.safe_load(vault.to_yaml()) or {}, name=vault.name))
    return read


def vault_names() -> list[str]:
    """Return the names of the vaults that are asked for secrets, as dlt calls them."""
    return [provider.name for provider in config_providers() if _vault_in(provider) is not None]


def _vault_in(provider: ConfigProvider) -> VaultDocProvider | None:
    """Return the vault that a provider asks; None if it is something else."""
    inner = provider.inner if isinstance(provider, _CheckedProvider) else provider
    return inner if isinstance(inner, VaultDocProvider) else None


def _vault_failure(error: Exception, providers: Sequence[ConfigProvider]) -> ConfigurationError:
    """Return the error about a vault that cannot be set up or read, without the text of its client.

    dlt sets up a vault before it is one of the `providers`.
    """
    if isinstance(error, MissingDependencyException) and error.caller in _EXTRAS:
        return ConfigurationError(
            "the client of a vault that section providers enables is not installed",
            f"pip install 'argos-sync[{_EXTRAS[error.caller]}]'",
        )
    vaults = [one.name for one in providers if _vault_in(one) is not None]
    if isinstance(error, ConfigProviderException):
        vaults = [error.provider_name]
    kind = type(error).__name__
    if not vaults:
        return ConfigurationError(
            f"a vault that section providers enables cannot be set up ({kind})",
            "check the credentials and settings in section providers, as docs/deployment.md has"
            " them",
        )
    return ConfigurationError(
        f"{' or '.join(vaults)} cannot be read ({kind})",
        "check that the vault can be reached and lets this account read secrets, and run again",
    )
