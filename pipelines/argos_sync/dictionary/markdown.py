"""The data dictionary as a page: every table, view and column, and a diagram in Mermaid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from argos_sync.dictionary.references import find_references
from argos_sync.shape.contract import Contract, Table
from argos_sync.warehouse.views import View

_HEAD = """\
# Data dictionary

Made by `make schema` from the contract (`*.yaml`) and the [views](views) (`*.sql`): change those.
What stands here is also in the database, as comments on tables, views and columns. For other tools
there are [argos.dbml](argos.dbml) (diagrams), [dbt/sources.yml](dbt/sources.yml) and
[dlt/argos.schema.yaml](dlt/argos.schema.yaml).

Timestamps are in UTC, indexes count from 0. An API path with `[i]` is in each entry of a list; a
column without a path is made by argos-sync. The class is that of [personal
data](../README.md#personal-data): `direct` values tell who a person is, `quasi` ones when put
together, `none` never. What privacy settings hash or encrypt is text, what they drop is no column.
"""


def render_markdown(contract: Contract, views: Sequence[View]) -> str:
    """Return the page, in Markdown."""
    tables = contract.tables.values()
    parts = [
        _HEAD,
        "## How tables belong together\n",
        f"```mermaid\n{render_mermaid(contract)}```\n",
        "What belongs to a submission comes and goes with it. A run that was killed has no row.\n",
        "## Tables filled from the API\n",
        *(_table(contract, table) for table in tables if table.from_api),
        "## Tables made by argos-sync\n",
        *(_table(contract, table) for table in tables if not table.from_api),
        "## Views\n",
        *map(_view, views),
    ]
    return "\n".join(parts)


def render_mermaid(contract: Contract) -> str:
    """Return the diagram of tables, their keys and how they refer to each other."""
    found = list(find_references(contract))
    shown = {table.name: table for one in found for table in (one.to, one.table)}
    refer = {(one.table.name, column) for one in found for column in one.columns}
    lines = ["erDiagram"]
    for one in found:
        left, right = "||" if one.always else "|o", "o|" if one.at_most_one else "o{"
        lines.append(f'    {one.to.name} {left}--{right} {one.table.name} : "{one.columns[-1]}"')
    for name, table in shown.items():
        lines.append(f"    {name} {{")
        for column in table.columns:
            marks = ["PK"] if column.name in table.key else []
            marks += ["FK"] if (name, column.name) in refer else []
            if marks:
                lines.append(f"        {column.type} {column.name} {', '.join(marks)}")
        lines.append("    }")
    return "".join(f"{line}\n" for line in lines)


def _table(contract: Contract, table: Table) -> str:
    said = [table.description]
    if parent := contract.parent(table):
        said.append(f"Rows belong to [{parent.name}](#{parent.name}) by {_names(parent.key)}.")
    if table.section:
        said.append(f"Asked for as `{table.section}`.")
    rows = (
        (
            f"`{one.name}`",
            one.type if one.nullable else f"{one.type}, not null",
            str(table.key.index(one.name) + 1) if one.name in table.key else "",
            f"`{one.path}`" if one.path else "",
            one.privacy,
            one.meaning,
        )
        for one in table.columns
    )
    return _section(
        table.name, said, ("column", "type", "key", "API path", "class", "meaning"), rows
    )


def _view(view: View) -> str:
    rows = ((f"`{name}`", meaning) for name, meaning in view.columns.items())
    return _section(view.name, [view.description], ("column", "meaning"), rows)


def _section(
    name: str, said: Sequence[str], head: Sequence[str], rows: Iterable[Sequence[str]]
) -> str:
    return "\n".join([f"### {name}\n", " ".join(said), "", *_grid(head, rows), ""])


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        cells = [cell.replace("|", r"\|") for cell in row]
        yield f"| {' | '.join(cells)} |"


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in columns)
