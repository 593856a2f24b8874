"""Render the documents that describe the tables, for `make schema`.

In: the contract (`schemas/*.yaml`) and the views (`schemas/views/*.sql`). Out: a data dictionary in
Markdown, a DBML diagram, a dbt source, a dlt schema and the view `completeness`; and, from
`load.destinations.support`, the tables of docs/destinations.md. All are committed, and a test fails
when one is out of date.
argos-sync does not use this room when it runs.
"""

from argos_sync.dictionary.completeness import render_completeness
from argos_sync.dictionary.dbml import render_dbml
from argos_sync.dictionary.dbt import render_sources
from argos_sync.dictionary.destinations import render_destinations
from argos_sync.dictionary.markdown import render_markdown
from argos_sync.load.source import dlt_schema
from argos_sync.shape.contract import load_contract
from argos_sync.warehouse.views import load_views

__all__ = ["render_destinations", "render_documents"]


def render_documents() -> dict[str, str]:
    """Return the text of each document by its path in `schemas/`."""
    contract = load_contract()
    return {
        "README.md": render_markdown(contract, sorted(load_views(), key=lambda view: view.name)),
        "argos.dbml": render_dbml(contract),
        "dbt/sources.yml": render_sources(contract),
        "dlt/argos.schema.yaml": dlt_schema(),
        "views/completeness.sql": render_completeness(contract),
    }
