"""Turn decoded submissions into the rows of the warehouse's tables.

In: decoded JSON objects of the API and the table contract of `schemas/`.
Out: one Arrow table for each table of the contract, with the values that have no column, and with
personal values protected as the privacy policy says. Pure functions: no network, no clock; the
only files read are those of `schemas/`.
"""

__all__ = [
    "column_cipher",
    "columns",
    "contract",
    "frames",
    "identity",
    "privacy",
    "suppression",
    "tables",
    "values",
]
