"""Load rows into a warehouse with dlt.

In: Arrow tables of the contract and changes of the source's state.
Out: one load package, which commits rows and state together; and SQL in the warehouse's dialect.

Where a command loads to: `target`, `dataset_name`. Which destinations are supported, tried or
refused, and which promises they keep: `destination_support`, `promises`; how one is added:
`destinations`. How a warehouse is opened: `pipeline`, `read_only`; dropped tables:
`missing_tables`; columns of a later version: `new_columns`. Who may write which days: `run_lock`,
`locks`, `lease`, `partitions`; where rows wait for a merge: `staging`. The tables as dlt sees them:
`source`. Overrides of dlt: `clickhouse`, `duckdb`, `ducklake`, `postgres`, `merge_from_files`, and
a few in `source` and `destinations`. DuckDB's extensions: `duckdb_extensions`; what a lake keeps of
rows that are gone: `lake_cleanup`. SQL for any database: `sql`, `dialects`; views, columns and
comments changed beside readers: `ddl`; rights on views: `view_access`. A table for trials:
`scratch`. Failures: `errors`, `sqlstate`, `configuration_errors`. Files that are replaced or
compacted: `atomic_file`, `compact`.
Outside this room only config.py imports dlt.
"""

__all__ = [
    "atomic_file",
    "clickhouse",
    "compact",
    "dataset_name",
    "ddl",
    "destination_support",
    "destinations",
    "dialects",
    "duckdb",
    "ducklake",
    "errors",
    "lake_cleanup",
    "locks",
    "partitions",
    "pipeline",
    "promises",
    "read_only",
    "scratch",
    "source",
    "sql",
    "target",
    "view_access",
]
