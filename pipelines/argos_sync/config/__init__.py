"""Read and check the configuration, dlt's way: environment, `.dlt/config.toml`, `secrets.toml`.

In: what the user configured. Out: checked settings, or an error that names the key and its place.

All keys are in section `sources.argos`; their names and defaults are public: `settings`. What is
configured, but is no key: `keys`. The files: `files`. What dlt is to do by default: `defaults`.
"""

from argos_sync.config.defaults import add_defaults
from argos_sync.config.keys import refuse_unknown_keys
from argos_sync.config.settings import (
    Freshness,
    Orchestration,
    Privacy,
    Settings,
    configured_api_key,
    dataset_of,
    freshness_settings,
    load_orchestration,
    load_settings,
    sections_of,
    webhook_url,
)

__all__ = [
    "Freshness",
    "Orchestration",
    "Privacy",
    "Settings",
    "add_defaults",
    "configured_api_key",
    "dataset_of",
    "freshness_settings",
    "load_orchestration",
    "load_settings",
    "refuse_unknown_keys",
    "sections_of",
    "webhook_url",
]
