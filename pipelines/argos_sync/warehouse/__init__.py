"""Ask a warehouse what it holds, and keep its views, comments and checks, in SQL for any database.

In: a connected client of `load`.
Out: rows, counts and check results; views and comments in the database.

What the warehouse already has of a chunk: `rows`. What it holds by day, and soft deletes:
`submissions`. What is still open: `open_submissions`. Post-run checks: `checks`, `unknown_values`.
Views for analysts: `views`, `view_updates`, `comments`. Views over several projects:
`multi_project`. What `status` shows: `overview`.
"""

__all__ = [
    "checks",
    "multi_project",
    "open_submissions",
    "overview",
    "rows",
    "submissions",
    "view_updates",
    "views",
]
