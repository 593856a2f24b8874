"""Encrypted requests and responses: nothing is loaded of a response that cannot be decrypted."""

from typing import Any

import pytest

from argos_sync.api.crypto import EncryptionMode
from argos_sync.api.errors import ArgosError
from argos_sync.commands.sync import sync
from argos_sync.emulator import Faults
from support import Rows, Warehouse, assert_equal, context_for
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.tables_made

MODES: tuple[EncryptionMode, ...] = ("ecb", "cbc", "gcm")
KEY, OTHER_KEY = "A" * 32, "B" * 32
ADVICE = "check encryption, encryption_key and key_derivation"

MISMATCHES: list[tuple[EncryptionMode, str, str]] = [
    (mode, setting, value)
    for mode in MODES
    for setting, value in [
        ("encryption_key", OTHER_KEY),
        ("key_derivation", "sha256"),
        ("encryption", "off"),
        *(("encryption", other) for other in MODES if other != mode),
    ]
]


@pytest.fixture
def january(january: Rows) -> Rows:
    """Return enough for a few pages."""
    return january[:50]


@pytest.mark.parametrize(
    ("mode", "setting", "value"),
    [
        pytest.param(*mismatch, marks=() if mismatch[0] == "gcm" else pytest.mark.slow)
        for mismatch in MISMATCHES
    ],
)
def test_client_and_server_do_not_agree(
    mode: EncryptionMode, setting: str, value: str, warehouse: Warehouse, january: Rows
) -> None:
    """With another key, derivation or mode the run fails after one request."""
    with Emulator(january, behaviour=Behaviour(encryption=mode, encryption_key=KEY)) as api:
        settings: dict[str, Any] = {"encryption": mode, "encryption_key": KEY, setting: value}
        with pytest.raises(ArgosError) as raised:
            sync(context_for(api.base_url, warehouse.target, **settings))
        assert api.request_count == 1
    code, advice = (4, "turn encryption on") if value == "off" else (2, ADVICE)
    assert raised.value.exit_code == code
    assert advice in str(raised.value)
    assert KEY not in str(raised.value)
    assert OTHER_KEY not in str(raised.value)
    assert warehouse.count("submissions") == 0


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_damaged_ciphertexts(mode: EncryptionMode, warehouse: Warehouse, january: Rows) -> None:
    """Damaged responses are requested again; if all are damaged the run fails without rows."""
    with Emulator(january, behaviour=Behaviour(encryption=mode, encryption_key=KEY)) as api:
        context = context_for(
            api.base_url, warehouse.target, encryption=mode, encryption_key=KEY, page_size=5
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
