"""Run a command: compare fetched chunks with the warehouse, commit them, and record the run.

In come a context (settings, target, clock) and chunks of rows from `fetch`; out go load packages
and a run summary.

- Which older submissions does tonight's sync read? `upkeep`; `commands.sync` adds the recent days.
- Which rows of a chunk are new, changed or unchanged? `diff`; their status history: `history`.
- What is committed together? `committer`; in which order? `run`.
- How is a deleted submission recognised? `deletions`.
- How is a person erased? `erasure`.
- What happens before and after every run? `opening`, `post_run`.
"""

__all__ = [
    "context",
    "deletions",
    "erasure",
    "history",
    "jobs",
    "journal",
    "opening",
    "run",
    "summary",
    "upkeep",
]
