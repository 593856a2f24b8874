"""Run a command: compare fetched chunks with the warehouse, commit them, and record the run.

In come a context (settings, target, clock) and chunks of rows from `fetch`; out go load packages
and a run summary.

- Which older submissions does tonight's sync read? `upkeep`; `commands.sync` adds the recent days.
- Which rows of a chunk are new, changed or unchanged? `diff`; their status history: `history`.
- What is committed together? `committer`; in which order? `run`.
- How is a deleted submission recognised? `deletions`.
- What becomes of submissions that come back with less than before? `content_guard`, `second_look`.
- How is a person erased? `erasure`.
- When is what could not be read tried again? `quarantine`.
- What happens before and after every run? `opening`, `post_run`.
- How is a warehouse of an earlier version upgraded? `migrations`.
- Is the API key that of the warehouse's project? `project`.
"""

__all__ = [
    "content_guard",
    "context",
    "deletions",
    "erasure",
    "history",
    "jobs",
    "journal",
    "opening",
    "project",
    "quarantine",
    "run",
    "second_look",
    "summary",
    "upkeep",
]
