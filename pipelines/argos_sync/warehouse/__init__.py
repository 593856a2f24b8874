"""Ask a warehouse what it holds, and keep its views, comments and checks, in SQL for any database.

In: a connected client of `load`.
Out: rows, counts and check results; views and comments in the database.

Stored versions of a chunk: `rows`, `quarantine`. Submissions of a person: `identifiers`.
Submissions by day, and soft deletes: `submissions`. Open submissions: `open_submissions`. Content
by section: `section_content`. Stored rows compared with the source: `fingerprints`. Checks after a
run: `checks`, `unknown_values`, `drift`. Views for analysts: `views`, `view_updates`, `comments`;
in published copies: `copied_views`, `empty_columns`. Views over several projects: `multi_project`.
The contents of `status`: `overview`.
"""

__all__ = [
    "checks",
    "comments",
    "copied_views",
    "drift",
    "empty_columns",
    "fingerprints",
    "identifiers",
    "multi_project",
    "open_submissions",
    "overview",
    "quarantine",
    "rows",
    "section_content",
    "submissions",
    "view_updates",
    "views",
]
