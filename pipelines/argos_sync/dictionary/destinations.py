"""The tables of docs/destinations.md, from the destinations that are accepted and refused."""

import re

from argos_sync.load.destinations.promises import MEANINGS, Promise
from argos_sync.load.destinations.support import ACCEPTED, REFUSED, Accepted

_BLOCK = re.compile(
    r"(<!-- (?P<name>\w+) destinations: `make schema` -->\n\n).*?(?=\n<!-- end -->)", re.DOTALL
)


def render_destinations(page: str) -> str:
    """Return the page with its tables of destinations and of their promises made anew."""
    tables = {
        "accepted": _accepted_table(),
        "promises": _promise_table(),
        "refused": _refused_table(),
    }
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
            "; ".join(accepted.limitations),
            accepted.tested,
        ]
        for name, accepted in ACCEPTED.items()
    ]
    return _table([head, *rows])


def _promise_table() -> str:
    """Return a row for each promise, a column for each destination, and the reasons below."""
    head = ["promise", *(f"`{name}`" for name in ACCEPTED)]
    suite = ["the suite runs on", *(one.suite or "-" for one in ACCEPTED.values())]
    rows = [
        [f"**{promise}** {meaning}", *(_verdict(one, promise) for one in ACCEPTED.values())]
        for promise, meaning in MEANINGS.items()
    ]
    reasons = [
        f"- `{name}`, {promise}: {reason}.\n"
        for name, accepted in ACCEPTED.items()
        for promise, reason in accepted.broken.items()
    ]
    table = _table([head, suite, *rows])
    return f"{table}\n{''.join(reasons)}" if reasons else table


def _verdict(accepted: Accepted, promise: Promise) -> str:
    if promise in accepted.broken:
        return "no"
    return "yes" if accepted.suite else "not run"


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
