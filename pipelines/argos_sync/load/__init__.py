"""Load rows into a warehouse with dlt.

In: Arrow tables of the contract and changes of the source's state.
Out: one load package, which commits rows and state together; and SQL in the warehouse's dialect.

Where a command loads to: `target`, `dataset_name`. What depends on the destination: the room
`destinations`. How a warehouse is opened: `pipeline`, `read_only`; dropped tables:
`missing_tables`; columns of a later version: `new_columns`. Who may write which days: `run_lock`,
`locks`, `lease`, `partitions`; where rows wait for a merge: `staging`. The tables as dlt sees them:
`source`. SQL for any database: `sql`, `dialects`; views, columns and comments changed beside
readers: `ddl`; rights on views: `view_access`. A table for trials: `scratch`. Failures: `errors`,
`sqlstate`, `configuration_errors`. Files that are replaced or compacted: `atomic_file`, `compact`;
folders of files: `versioned_folder`. Delta tables of a change log: `delta_log`. Outside this room
only `config` imports dlt.
"""

__all__ = [
    "atomic_file",
    "compact",
    "dataset_name",
    "ddl",
    "delta_log",
    "destinations",
    "dialects",
    "errors",
    "locks",
    "partitions",
    "pipeline",
    "read_only",
    "scratch",
    "source",
    "sql",
    "sqlstate",
    "target",
    "versioned_folder",
    "view_access",
]
