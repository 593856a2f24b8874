"""The commands as functions, for the command line, Dagster and notebooks.

In come a context (settings, target, clock) and the command's arguments; out goes its result. A
module has the command of its name, except `query`, which is `sql`, `comparison`, which finds the
differences that `reconcile` repairs, `published_file`, which writes the copy of `publish`,
`change_log`, `change_diff` and `change_log_views`, which are its other format, and `check` and
`destination_checks`, of which `doctor` consists.
"""

__all__: list[str] = [
    "backfill",
    "change_log",
    "change_log_views",
    "comparison",
    "doctor",
    "forget",
    "publish",
    "published_file",
    "query",
    "reconcile",
    "refresh",
    "reveal",
    "suppressions",
    "sync",
]
