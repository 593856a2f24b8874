"""Run argos-sync from Dagster, with the extra `dagster`; no other room imports this one.

In: the configuration section `sources.argos.orchestration`, and the commands. Out: Dagster assets,
asset checks, jobs and schedules, in `argos_sync.orchestration.dagster`. `tasks` runs a command,
`checks` reads the results of checks, `tables` describes the tables, and `outputs` writes the
published copy and the report.
"""

__all__ = ["checks", "dagster", "outputs", "tables", "tasks"]
