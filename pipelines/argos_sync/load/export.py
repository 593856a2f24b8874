"""The dlt schema that the contract becomes, for people who review or reuse it."""

from __future__ import annotations

import tempfile

import dlt

from argos_sync.load.source import SOURCE, tables_source


def dlt_schema() -> str:
    """Return dlt's schema of all tables as YAML, made by extracting nothing.

    It is exported only: reading it back at run time (`import_schema_path`) would let a file
    outvote the contract.
    """
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("export", pipelines_dir=folder)
        pipeline.extract(tables_source({}, lambda _: None, ()))
        schema = pipeline.schemas[SOURCE]
        return schema.to_pretty_yaml(remove_processing_hints=True)
