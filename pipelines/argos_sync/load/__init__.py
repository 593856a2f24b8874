"""Load rows into a warehouse with dlt.

In: Arrow tables of the contract and changes of the source's state.
Out: one load package, which commits rows and state together; and SQL in the warehouse's dialect.

Where a command loads to: `target`. How a destination is added: `destinations`.
How a warehouse is opened: `pipeline`, `read_only`. Who may write which days: `locks`, `partitions`.
What dlt knows about the tables: `source`. What is overridden in dlt: `duckdb`, and a
little in `source` and `target`. How a statement reaches any database: `sql`, `dialects`. What can
go wrong: `errors`. How a file is replaced or compacted: `atomic_file`, `compact`. Outside this room
only config.py imports dlt.
"""

__all__ = [
    "atomic_file",
    "compact",
    "destinations",
    "dialects",
    "duckdb",
    "errors",
    "locks",
    "partitions",
    "pipeline",
    "read_only",
    "source",
    "sql",
    "target",
]
