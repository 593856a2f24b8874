"""The stand-in API: a real HTTP server on loopback with the API's quirks and a gateway's faults.

In: submissions (`generate`, `stream` or your own), and how the API should behave and fail.
Out: an `Emulator` that answers `GET /v3/submission` and records every request.
"""

from argos_sync.emulator.emulator import DAMAGED, Emulator, Request
from argos_sync.emulator.generator import generate, stream
from argos_sync.emulator.store import Store
from argos_sync.emulator_options import Behaviour, Faults

__all__ = ["DAMAGED", "Behaviour", "Emulator", "Faults", "Request", "Store", "generate", "stream"]
