"""The commands as functions, for the command line, Dagster and notebooks.

In come a context (settings, target, clock) and the command's arguments; out goes its result. A
module has the command of its name, except `query`, which is `sql`, `comparison`, which finds the
differences that `reconcile` repairs, and `check` and `destination_checks`, of which `doctor`
consists. `publish` writes a copy: `published_tables` chooses what is in it, `copy_source` and
`published_rows` read that from the warehouse, `published_file` writes it, and `publication` records
how. `copy_update` compares an earlier one with `warehouse_rows` and updates it, unless
`erased_rows` must not stay in it; `configured_pseudonyms` makes its pseudonyms. Other formats are
`parquet_folder`, and `change_log` with `change_diff` and `change_log_views`.
"""

__all__: list[str] = [
    "backfill",
    "change_log",
    "change_log_views",
    "comparison",
    "configured_pseudonyms",
    "doctor",
    "forget",
    "parquet_folder",
    "publish",
    "published_tables",
    "query",
    "reconcile",
    "refresh",
    "reveal",
    "suppressions",
    "sync",
]
