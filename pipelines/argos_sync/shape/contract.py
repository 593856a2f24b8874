"""Read the table contract in `schemas/`, the single source of all tables and columns.

To add a field, add a line to its table's file in `schemas/` and run `make schema`; CONTRIBUTING.md
has the steps. `tables` reads the values along the paths, `arrow_columns` converts them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

ColumnType = Literal["text", "timestamp", "date", "double", "bigint", "bool", "json"]
PrivacyClass = Literal["direct", "quasi", "none"]

SUBMISSIONS = "submissions"
HISTORY = "submission_status_history"
CHANGES = "submission_changes"
QUARANTINE = "quarantine"
ISSUES = "sync_issues"
RUNS = "sync_runs"
CHECKS = "sync_checks"
WINDOWS = "sync_windows"
SUPPRESSIONS = "sync_suppressions"
ERASURES = "sync_erasures"
REVEALS = "sync_reveals"

ITEM = "[i]"
"""Marks the entries of a list in an API path; the notation of the API page."""


@dataclass(frozen=True, slots=True)
class Column:
    """Describe one column of a table.

    Privacy classes `direct` and `quasi` identify a person. The path is that of the value in the
    API; None for a column that argos-sync adds. A `url` is an image URL, whose query part may
    change on every fetch. `known` has the values that the API page documents for an enumeration:
    a check reports others, and shows them if they are `named`, because they cannot be personal. A
    `free_text` is written by a person, and never says that a submission was deleted (`stubs`).
    """

    name: str
    type: ColumnType
    privacy: PrivacyClass
    meaning: str
    path: str | None = None
    nullable: bool = True
    url: bool = False
    known: tuple[str, ...] = ()
    named: bool = True
    free_text: bool = False

    @property
    def comment(self) -> str:
        """Return the column comment for the database: meaning and privacy class."""
        return self.meaning if self.privacy == "none" else f"{self.meaning} (class {self.privacy})"


@dataclass(frozen=True)
class Table:
    """Describe one table: a YAML file of `schemas/`.

    `section` is the `request_type` that returns the table's root. `root` is the API path of the
    object, or list of objects, that rows are made from: "" is the submission. Both are None for a
    table that does not come from the API.
    """

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    section: str | None = None
    root: str | None = None

    @property
    def comment(self) -> str:
        """Return the table comment for the database: description and key."""
        return f"{self.description} Key: {', '.join(self.key)}."

    @cached_property
    def columns_by_name(self) -> dict[str, Column]:
        """Return the columns by name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def api_columns(self) -> tuple[Column, ...]:
        """Return the columns read from the row's API object.

        Only `submissions` reads its `submission_id` there; other tables get it from the submission.
        """
        own_id = () if self.name == SUBMISSIONS else ("submission_id",)
        return tuple(c for c in self.columns if c.path is not None and c.name not in own_id)

    @cached_property
    def index_columns(self) -> tuple[str, ...]:
        """Return the key columns that hold positions in the API's lists, outermost first."""
        return self.key[1:] if self.from_api else ()

    @property
    def from_api(self) -> bool:
        """Return whether rows come from the API's submissions."""
        return self.root is not None

    @property
    def belongs_to_submission(self) -> bool:
        """Return whether rows are replaced and deleted with their submission."""
        return self.name != SUBMISSIONS and (self.from_api or self.name in {HISTORY, CHANGES})

    @cached_property
    def from_scalars(self) -> bool:
        """Return whether rows are positions in parallel lists of scalars (comment, commentCode)."""
        return any(c.path is not None and c.path.endswith(ITEM) for c in self.api_columns)


@dataclass(frozen=True)
class Contract:
    """Hold all tables by name: submissions first, parents before children."""

    tables: dict[str, Table]

    def __getitem__(self, name: str) -> Table:
        """Return a table; raise KeyError when the contract does not have it."""
        return self.tables[name]

    @cached_property
    def api_tables(self) -> tuple[Table, ...]:
        """Return the tables filled from the API's submissions."""
        return tuple(table for table in self.tables.values() if table.from_api)

    def parent(self, table: Table) -> Table | None:
        """Return the parent table, or None.

        The parent is the table with the longest key that is a prefix of this table's key: a retry
        belongs to an attempt, an attempt to a submission.
        """
        if not table.belongs_to_submission:
            return None
        shorter = (
            one
            for one in self.tables.values()
            if len(one.key) < len(table.key) and one.key == table.key[: len(one.key)]
        )
        # `max` returns the first of several: submissions, before tables with one row for each.
        return max(shorter, key=lambda one: len(one.key), default=self[SUBMISSIONS])

    @cached_property
    def free_text_paths(self) -> frozenset[tuple[str, ...]]:
        """Return the API paths of free texts as their keys, without marks of lists."""
        columns = (column for table in self.api_tables for column in table.columns)
        return frozenset(
            tuple((column.path or "").replace(ITEM, "").split("."))
            for column in columns
            if column.free_text
        )

    @cached_property
    def documented_keys(self) -> dict[str, frozenset[str]]:
        """Return the keys that the contract has for each API object, by the object's path."""
        keys: dict[str, set[str]] = {"": {"submission_id"}}
        for table in self.api_tables:
            for path in filter(None, [table.root, *(c.path for c in table.api_columns)]):
                parts = path.split(".")
                for depth, part in enumerate(parts):
                    keys.setdefault(".".join(parts[:depth]), set()).add(part.removesuffix(ITEM))
        return {path: frozenset(names) for path, names in keys.items()}


def schemas_folder() -> Path:
    """Return the folder of the YAML files: inside the wheel, or beside the sources.

    An editable install has `schemas/` at the top of the checkout; a wheel contains it inside the
    package (`force-include` in pyproject.toml).
    """
    package = Path(__file__).parents[1]
    installed = package / "schemas"
    return installed if installed.is_dir() else package.parents[1] / "schemas"


@cache
def load_contract() -> Contract:
    """Read all tables of `schemas/`, once per process."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    documents = [
        yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe loader
        for path in sorted(schemas_folder().glob("*.yaml"))
    ]
    tables = sorted(
        map(_parse_table, documents),
        key=lambda table: (
            table.name != SUBMISSIONS,
            99 if table.root is None else table.root.count("."),
            table.from_scalars,
            table.name,
        ),
    )
    return Contract({table.name: table for table in tables})


def tables_for_sections(
    sections: Sequence[str], contract: Contract | None = None
) -> dict[str, Table]:
    """Return the tables that a run writes to, by name; no sections means all sections."""
    return {
        name: table
        for name, table in (contract or load_contract()).tables.items()
        if not (sections and table.from_api and table.section not in sections)
    }


def safe_name(name: str) -> str:
    """Return a field name that may be shown, or `*` if it may be personal.

    Names of unknown fields come from the API's free-form objects and can be anything, even an
    email address. Only names that look like an identifier are shown.
    """
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", name) else "*"


def _parse_table(document: dict[str, Any]) -> Table:
    columns = tuple(
        Column(name=name, **spec | {"known": tuple(spec.get("known", ()))})
        for name, spec in document["columns"].items()
    )
    given = {"name": document.pop("table"), "key": tuple(document["key"]), "columns": columns}
    return Table(**document | given)
