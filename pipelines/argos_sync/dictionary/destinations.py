"""The tables of docs/destinations.md, from the destinations that are accepted and refused."""

import re

from argos_sync.load.destination_support import ACCEPTED, REFUSED, Accepted

_BLOCK = re.compile(
    r"(<!-- (?P<name>\w+) destinations: `make schema` -->\n\n).*?(?=\n<!-- end -->)", re.DOTALL
)


def render_destinations(page: str) -> str:
    """Return the page with its tables of accepted and of refused destinations made anew."""
    tables = {"accepted": _accepted_table(), "refused": _refused_table()}
    return _BLOCK.sub(lambda block: block[1] + tables[block["name"]], page)


def _accepted_table() -> str:
    head = [
        "destination, extra",
        "promises",
        "a chunk is",
        "known limitations",
        "tested",
    ]
    rows = [
        [
            _name(name, accepted),
            accepted.status,
            accepted.chunk,
            "; ".join(accepted.gaps),
            accepted.tested,
        ]
        for name, accepted in ACCEPTED.items()
    ]
    return _table([head, *rows])


def _refused_table() -> str:
    """Return a row for each reason."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, refused in REFUSED.items():
        names.setdefault((refused.reason, refused.instead), []).append(f"`{name}`")
    rows = [[", ".join(names), *texts] for texts, names in names.items()]
    return _table([["destination", "why", "instead"], *rows])


def _name(name: str, accepted: Accepted) -> str:
    return f"`{name}`" if accepted.extra else f"`{name}` (no extra)"


def _table(rows: list[list[str]]) -> str:
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, f"|{' --- |' * len(rows[0])}", *body, ""])
