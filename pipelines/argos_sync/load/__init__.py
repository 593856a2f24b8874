"""The dlt source and pipeline: windows, chunks, state, runs."""
