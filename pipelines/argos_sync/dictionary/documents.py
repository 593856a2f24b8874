"""Render all documents that are generated from the contract and the views."""

from __future__ import annotations

from argos_sync.dictionary.dbml import render_dbml
from argos_sync.dictionary.dbt import render_sources
from argos_sync.dictionary.markdown import render_markdown
from argos_sync.load.source import dlt_schema
from argos_sync.shape.contract import load_contract
from argos_sync.warehouse.views import load_views


def render_documents() -> dict[str, str]:
    """Return the text of each document by its path in `schemas/`."""
    contract = load_contract()
    return {
        "README.md": render_markdown(contract, sorted(load_views(), key=lambda view: view.name)),
        "argos.dbml": render_dbml(contract),
        "dbt/sources.yml": render_sources(contract),
        "dlt/argos.schema.yaml": dlt_schema(),
    }
