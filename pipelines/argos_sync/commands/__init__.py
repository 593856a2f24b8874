"""The commands as functions, for the command line, Dagster and notebooks.

In come a context (settings, target, clock) and the command's arguments; out goes its result.

- Which days does tonight's sync read? `sync`.
- What does a backfill skip? `backfill`.
- Which differences does reconcile find (`comparison`) and repair (`reconcile`)?
- How is a person erased? `forget` finds the submissions, `run.erasure` erases them.
- What do analysts get? `publish`, written by `published_file`.
- What does `doctor` check? `doctor`. How are encrypted values shown? `reveal`.
- How are single submissions fetched again? `refresh`.
"""

__all__: list[str] = [
    "backfill",
    "comparison",
    "doctor",
    "forget",
    "publish",
    "published_file",
    "reconcile",
    "refresh",
    "reveal",
    "sync",
]
