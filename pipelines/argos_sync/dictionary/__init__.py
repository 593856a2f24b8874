"""Render the documents that describe the tables, for `make schema`.

In: the contract (`schemas/*.yaml`) and the views (`schemas/views/*.sql`). Out: a data dictionary in
Markdown, a DBML diagram, a dbt source and a dlt schema. All four are committed, and a test fails
when one is out of date. argos-sync does not use this room when it runs.
"""

from argos_sync.dictionary.documents import render_documents

__all__ = ["render_documents"]
