"""Split submissions into the rows of each table, before reading their values.

A frame is a table under construction: it has, for each row, the API object that the row is made
from and its positions in the API's lists. A value that cannot be part of any row goes to the
`extras` of the parent's row.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from argos_sync.shape.contract import ITEM, SUBMISSIONS, Contract, Table
from argos_sync.shape.values import is_absent

JsonObject = dict[str, Any]

_POSITION = re.compile(r"\[\d+\]")


@dataclass(slots=True)
class Frame:
    """Collect the rows of one table.

    A row has its row number in the submissions frame (`parents`), its positions in the API's lists,
    outermost first, and the API object with its values. `extras` has the values without a column,
    by row and concrete API path; `problems` has row, printable API path and problem of each.
    """

    table: Table
    parents: list[int] = field(default_factory=list)
    positions: list[tuple[int, ...]] = field(default_factory=list)
    objects: list[JsonObject] = field(default_factory=list)
    extras: dict[int, JsonObject] = field(default_factory=dict)
    problems: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, parent: int, positions: tuple[int, ...], item: JsonObject) -> None:
        """Append a row."""
        self.parents.append(parent)
        self.positions.append(positions)
        self.objects.append(item)

    def add_extra(
        self, row: int, path: str, value: Any, problem: str, safe_path: str | None = None
    ) -> None:
        """Store a value that has no column under its concrete API path.

        Reports show `safe_path` instead of a path that may contain personal data.
        """
        self.extras.setdefault(row, {})[path] = value
        self.problems.append((row, safe_path or path, problem))


def build_frames(submissions: Sequence[JsonObject], contract: Contract) -> dict[str, Frame]:
    """Split submissions with a valid id and `created_at` into the rows of all API tables.

    Return a frame for each table by name, parents first; frames may be empty.
    """
    frames: dict[str, Frame] = {}
    holders: dict[str, Frame] = {}
    for table in contract.api_tables:
        frames[table.name] = frame = Frame(table)
        root = table.root or ""
        if not root:
            keys = {(c.path or "").partition(".")[0] for c in table.api_columns}
            for row, item in enumerate(submissions):
                if table.name == SUBMISSIONS or any(not is_absent(item.get(key)) for key in keys):
                    frame.add(row, (), item)
        elif table.from_scalars:
            _add_scalar_rows(frame, holders[root])
        else:
            path, _, key = root.rpartition(".")
            _add_object_rows(frame, holders[path], key)
        if not table.from_scalars:
            holders.setdefault(root, frame)
    return frames


def count_child_rows(
    submissions: Sequence[JsonObject], contract: Contract, tables: Collection[str]
) -> list[int]:
    """Return for each submission how many rows it has in some tables besides `submissions`."""
    frames = build_frames(submissions, contract)
    children = (frame for name, frame in frames.items() if name in tables and name != SUBMISSIONS)
    counts = Counter(row for frame in children for row in frame.parents)
    return [counts[row] for row in range(len(submissions))]


def concrete_path(path: str, positions: Sequence[int]) -> str:
    """Return an API path with its positions in place of each `[i]`."""
    for position in positions:
        path = path.replace(ITEM, f"[{position}]", 1)
    return path


def general_path(path: str) -> str:
    """Return a concrete API path with `[i]` for each position in a list."""
    return _POSITION.sub(ITEM, path)


def quote_key(key: str) -> str:
    """Return a key for an API path, quoted if it could be read as several steps."""
    return json.dumps(key) if "." in key or "[" in key else key


def as_object(value: Any) -> JsonObject | None:
    """Return an object, also from a list with exactly one; None for other values."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else None


def _add_object_rows(frame: Frame, holder: Frame, last_step: str) -> None:
    """Add a row for each object under a key of the holder: a section, or the entries of a list."""
    key = last_step.removesuffix(ITEM)
    is_list = last_step.endswith(ITEM)
    for row, item in enumerate(holder.objects):
        value = item.get(key)
        if value is None:
            continue
        parent, positions = holder.parents[row], holder.positions[row]
        if type(value) is dict and value and not is_list:  # fast path for the documented form
            frame.add(parent, positions, value)
            continue
        in_list = is_list and isinstance(value, list)
        for position, entry in enumerate(value if in_list else [value]):
            place = (*positions, position) if is_list else positions
            if type(entry) is dict and entry:
                frame.add(parent, place, entry)
            elif is_absent(entry):
                continue
            elif (single := as_object(entry)) is not None:
                frame.add(parent, place, single)
            else:
                root = frame.table.root or ""
                path = concrete_path(root if in_list else root.removesuffix(ITEM), place)
                holder.add_extra(row, path, entry, "not an object")


def _add_scalar_rows(frame: Frame, holder: Frame) -> None:
    """Add a row for each position of parallel lists of scalars (comment, commentCode)."""
    keys = [(c.path or "").rpartition(".")[2].removesuffix(ITEM) for c in frame.table.api_columns]
    for row, item in enumerate(holder.objects):
        if item.keys().isdisjoint(keys):
            continue
        lists = [(key, _as_list(item.get(key))) for key in keys]
        for position in range(max(len(values) for _, values in lists)):
            entry = {
                key: values[position]
                for key, values in lists
                if position < len(values) and not is_absent(values[position])
            }
            if entry:
                frame.add(holder.parents[row], (*holder.positions[row], position), entry)


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if is_absent(value) else [value]
