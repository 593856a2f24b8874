"""Make pseudonyms with the configured keys, for every format of `publish`."""

from argos_sync.api.errors import ConfigurationError
from argos_sync.config import load_settings
from argos_sync.fetch.protection import Protection
from argos_sync.shape.pseudonyms import Pseudonymizer


def configured_pseudonymizer(option: str, project: str | None = None) -> Pseudonymizer:
    """Return what makes pseudonyms with the configured keys.

    Args:
        option: What asks for pseudonyms, for messages, such as `--pseudonyms`.
        project: One of several ARGOS projects.

    Raises:
        ConfigurationError: There is no privacy key, or a privacy setting is invalid.
    """
    policy = Protection.configured(load_settings(api=False, project=project)).policy
    if policy.keyring is None:
        raise ConfigurationError(
            f"no value for sources.argos.privacy.key, which {option} needs",
            "set SOURCES__ARGOS__PRIVACY__KEY, or key under [sources.argos.privacy] in"
            " .dlt/secrets.toml, for example from `openssl rand -base64 32`, and keep it: other"
            " keys make other pseudonyms",
        )
    return Pseudonymizer(policy.keyring, policy.old_keyrings)
