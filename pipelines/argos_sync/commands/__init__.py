"""The commands as functions, for the command line, Dagster and notebooks.

In come a context (settings, target, clock) and the command's arguments; out goes its result. A
module has the command of its name, except `query`, which is `sql`, `comparison`, which finds the
differences that `reconcile` repairs, and `check` and `destination_checks`, of which `doctor`
consists. `publish` is a room of its own.
"""

__all__: list[str] = [
    "backfill",
    "comparison",
    "doctor",
    "forget",
    "publish",
    "query",
    "reconcile",
    "refresh",
    "reveal",
    "suppressions",
    "sync",
]
