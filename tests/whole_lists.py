"""The emulator as most tests use it: with lists of whole submissions, for the fewest requests.

By default the emulator's lists are summaries, as the vendor documents. Tests of the ways to read
them ask for these lists; all others would only take longer.
"""

from collections.abc import Iterable
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
