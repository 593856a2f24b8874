"""`publish`: copy the warehouse for analysts, without personal data, in one of three formats.

In: an open warehouse. Out: a DuckDB file, a folder of Parquet files, or Delta tables.

Which columns are in a copy?                          tables
How are they read from the warehouse?                 source, rows
How are their pseudonyms made?                        pseudonyms
How is a DuckDB file written, and its record?         duckdb_copy, file, publication
How is an earlier one updated?                        update, with the rows of warehouse_rows
What must not stay in it?                             erased_rows
How is a folder of Parquet files written?             parquet_folder
How are changes appended to Delta tables?             change_log, change_diff
How do other engines read those?                      change_log_views
"""

__all__: list[str] = [
    "change_log",
    "change_log_views",
    "duckdb_copy",
    "parquet_folder",
    "pseudonyms",
    "tables",
]
