"""Ask a warehouse what it holds, and keep its views, comments and checks, in SQL for any database.

In: a connected client of `load`.
Out: rows, counts and check results; views and comments in the database.

Stored versions of a chunk: `rows`. Submissions by day, and soft deletes: `submissions`. Open
submissions: `open_submissions`. Post-run checks: `checks`, `unknown_values`. Stored rows compared
with the source: `fingerprints`. Views for analysts:
`views`, `view_updates`, `comments`. Views over several projects: `multi_project`. The contents of
`status`: `overview`.
"""

__all__ = [
    "checks",
    "fingerprints",
    "multi_project",
    "open_submissions",
    "overview",
    "rows",
    "submissions",
    "view_updates",
    "views",
]
