"""What depends on one destination: which are supported, and what dlt's need.

In: dlt's name of a destination. Out: dlt's destination with the overrides that it needs.

Which destinations are supported, tried or refused, and which promises they keep: `support`,
`promises`; how one is made: `factory`. One file for each that needs overrides of dlt: `clickhouse`,
`duckdb`, `ducklake`, `postgres`. What DuckDB and DuckLake share: `merge_from_files`; DuckDB's
extensions: `duckdb_extensions`; what a lake keeps of deleted rows: `lake_cleanup`.
"""

__all__ = [
    "clickhouse",
    "duckdb",
    "ducklake",
    "factory",
    "lake_cleanup",
    "promises",
    "support",
]
