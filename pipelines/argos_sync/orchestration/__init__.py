"""Run argos-sync from Dagster, with the extra `dagster`; no other room imports this one.

In: the configuration section `sources.argos.orchestration`, and the commands. Out: Dagster assets,
asset checks, jobs and schedules, in `argos_sync.orchestration.dagster`.
"""

__all__ = ["checks", "dagster", "tasks"]
