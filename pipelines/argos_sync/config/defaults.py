"""Add the defaults of argos-sync to dlt's own settings."""

from dlt.common.configuration.providers import CustomLoaderDocProvider
from dlt.common.configuration.utils import get_resolved_traces
from dlt.common.runtime.telemetry import stop_telemetry

from argos_sync.config.providers import run_context

_DEFAULTS = {
    # dlt delays Ctrl-C while it normalizes and loads, and forgets one that comes at the end. An
    # interrupted run leaves the warehouse as a killed one does, so no delay is needed.
    "runtime": {"dlthub_telemetry": False, "log_level": "CRITICAL", "intercept_signals": False},
    # A trace keeps the last hundred steps with their schemas, and dlt writes all of it to a file
    # after each step: the memory of a long backfill grew and grew.
    "enable_runtime_trace": False,
    # By default dlt keeps loaded packages and the rows of staging tables, which are full of
    # personal data.
    "load": {"delete_completed_jobs": True, "truncate_staging_dataset": True},
    # Each Arrow table becomes a row group of its own, see `load.source`.
    "data_writer": {"buffer_max_items": 1},
    "destination": {"duckdb": {"credentials": "duckdb:///kyc.duckdb"}},
}
_PROVIDER_NAME = "argos-sync defaults"


def add_defaults() -> None:
    """Add the defaults of argos-sync to dlt's configuration; every other source overrides them.

    Only commands of argos-sync do this; a user's own pipeline keeps dlt's defaults.

    Raises:
        ConfigurationError: A TOML file or a vault cannot be read.
    """
    context = run_context()
    if _PROVIDER_NAME not in context.providers:
        # dlt asks its providers in order, so the last one only fills gaps.
        context.providers.add_provider(CustomLoaderDocProvider(_PROVIDER_NAME, lambda: _DEFAULTS))
        # dlt read its section `runtime` on import, before these defaults existed.
        stop_telemetry()
        context.context.initialize_runtime()
    # dlt records every value it looks up, per thread, until a trace ends; there are no traces.
    get_resolved_traces().logging_enabled = False
