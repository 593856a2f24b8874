"""Encrypted requests and answers: what does not decrypt is told, and nothing of it is loaded."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from argos_sync.api.errors import ArgosError
from argos_sync.commands.sync import sync
from argos_sync.emulator import Behaviour, Emulator, Faults
from support import Rows, Warehouse, assert_equal, context_for

pytestmark = pytest.mark.tables_made

MODES = ("ecb", "cbc", "gcm")
KEY, OTHER = "A" * 32, "B" * 32
SETTINGS = "check encryption, encryption_key and key_derivation"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("setting", "value"),
    [("encryption_key", OTHER), ("key_derivation", "sha256"), ("encryption", "off")],
)
def test_two_sides_that_do_not_agree(
    mode: str, setting: str, value: str, warehouse: Warehouse, january: Rows
) -> None:
    """Another key, another derivation, none at all."""
    with Emulator(january, behaviour=Behaviour(encryption=mode, encryption_key=KEY)) as api:
        settings: dict[str, Any] = {"encryption": mode, "encryption_key": KEY, setting: value}
        with pytest.raises(ArgosError) as raised:
            sync(context_for(api.base_url, warehouse.target, **settings))
        assert api.request_count == 1
    code, words = (4, "turn encryption on") if value == "off" else (2, SETTINGS)
    assert raised.value.exit_code == code
    assert words in str(raised.value)
    assert KEY not in str(raised.value)
    assert OTHER not in str(raised.value)
    assert warehouse.count("submissions") == 0


@pytest.mark.parametrize(("mode", "other"), list(permutations(MODES, 2)))
def test_another_mode(mode: str, other: str, warehouse: Warehouse, january: Rows) -> None:
    """Either side's mode is refused by the other."""
    with Emulator(january, behaviour=Behaviour(encryption=mode, encryption_key=KEY)) as api:
        settings = {"encryption": other, "encryption_key": KEY}
        with pytest.raises(ArgosError) as raised:
            sync(context_for(api.base_url, warehouse.target, **settings))
    assert raised.value.exit_code == 2
    assert SETTINGS in str(raised.value)
    assert warehouse.count("submissions") == 0


@pytest.mark.parametrize("mode", MODES)
def test_texts_changed_or_cut_on_their_way(mode: str, warehouse: Warehouse, january: Rows) -> None:
    """They are asked for again; when they stay so the run ends, with nothing of them loaded."""
    with Emulator(january, behaviour=Behaviour(encryption=mode, encryption_key=KEY)) as api:
        context = context_for(
            api.base_url, warehouse.target, encryption=mode, encryption_key=KEY, page_size=20
        )
        api.faults = Faults(rate_tamper=1.0, max_consecutive=10**6)
        with pytest.raises(ArgosError) as raised:
            sync(context)
        assert raised.value.exit_code in (2, 4)
        assert warehouse.count("submissions") == 0
        api.faults = Faults(rate_tamper=0.4)
        sync(context)
        assert {request.fault for request in api.requests} == {None, "tamper"}
    assert_equal(warehouse, january)
