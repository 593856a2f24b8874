"""Turn decoded submissions into the rows of the warehouse's tables.

In: decoded JSON objects of the API and the table contract of `schemas/`.
Out: one Arrow table for each table of the contract, with the values that have no column, and with
personal values protected as the privacy policy says. Pure functions: no network, no clock; the
only files read are those of `schemas/`.

Where does a field of the API become a column? In `schemas/*.yaml`, read by `contract`; `tables`
reads the values along the paths, `frames`, `arrow_columns` and `values` convert them. Whose
submission is it, and has it changed? `identity`. Is it a deletion stub? `stub_words`. What does the
row of one keep? `stubs`. Has it lost a section? `section_content`. What happens to personal values?
`privacy`, `column_cipher`. What stands for identifiers in copies? `pseudonyms`. How is the
suppression list matched? `suppression`, and `identifiers` compares what is spelled in several ways.
"""

__all__ = [
    "arrow_columns",
    "column_cipher",
    "contract",
    "frames",
    "identifiers",
    "identity",
    "privacy",
    "pseudonyms",
    "section_content",
    "stubs",
    "suppression",
    "tables",
    "values",
]
