"""A stand-in for the source API: a real HTTP server on loopback with every quirk and fault."""

from argos_sync.emulator.behaviour import Behaviour, Faults
from argos_sync.emulator.emulator import Emulator, Request
from argos_sync.emulator.generator import generate, stream
from argos_sync.emulator.store import Store

__all__ = ["Behaviour", "Emulator", "Faults", "Request", "Store", "generate", "stream"]
