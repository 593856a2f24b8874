"""The emulator as most tests use it: with lists of whole submissions, for the fewest requests.

By default the emulator's lists are summaries, as the vendor documents. Tests of the ways to read
them ask for these lists; all others would only take longer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from argos_sync import emulator
from argos_sync.emulator import Faults, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour(emulator.Behaviour):
    """The behaviour of the emulator, with another default."""

    list_rows: Literal["whole", "sections", "summary"] = "whole"


class Emulator(emulator.Emulator):
    """The emulator, with another default behaviour."""

    def __init__(
        self,
        store: Store | Iterable[Any] = (),
        *,
        behaviour: emulator.Behaviour = Behaviour(),
        faults: Faults = Faults(),  # noqa: B008 frozen
        port: int = 0,
    ) -> None:
        """Index the submissions; `with` binds the port, or a free one for 0."""
        super().__init__(store, behaviour=behaviour, faults=faults, port=port)


class HidingEmulator(Emulator):
    """An emulator whose lists, those of sections included, hide something of their submissions."""

    def __init__(self, rows: Iterable[Any], hide: Callable[[dict[str, Any]], Any]) -> None:
        """Index the submissions; `hide` returns what a list shows of one."""
        whole = list(rows)
        super().__init__(whole)
        self.hide = hide

    def answer(self, query: str, body: bytes, api_key: str) -> Any:
        """Answer a request for a single submission as it is, and any other with less of them."""
        if "submission_id" in query:
            return super().answer(query, body, api_key)
        listed = Emulator(map(self.hide, self.store.all()))
        return listed.answer(query, body, api_key)
