"""The forms of a `nextpageKey`, and how the API takes it back."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from argos_sync.emulator_options import Behaviour


def encode_key(key: Mapping[str, str], behaviour: Behaviour) -> Any:
    """Return a page key, `id` and `created_at`, in the form of `behaviour.nextpage_key`."""
    match behaviour.nextpage_key:
        case "json":
            return json.dumps(key)
        case "base64":
            return base64.b64encode(json.dumps(key).encode()).decode()
        case "typed":
            return {name: {"S": value} for name, value in key.items()}
        case "id":
            return {"id": key["id"]}
        case _:
            return key


def decode_key(parameters: Mapping[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    """Return the parameters with `nextpage_id` and `nextpage_date` as parts of a key.

    Raises:
        ValueError: The API takes keys exactly as it gave them, and this is none.
    """
    form = behaviour.nextpage_key
    if behaviour.nextpage_key_taken == "parts" or "nextpage_id" not in parameters:
        return dict(parameters)
    sent = str(parameters["nextpage_id"]), str(parameters.get("nextpage_date"))
    try:
        if form == "typed":
            parts = [json.loads(value)["S"] for value in sent]
        elif form in ("json", "base64"):
            text = base64.b64decode(sent[0], validate=True) if form == "base64" else sent[0]
            key = json.loads(text)
            parts = [key["id"], key["created_at"]]
        else:
            return dict(parameters)
    except (binascii.Error, TypeError, KeyError):
        raise ValueError("not a page key") from None
    return {**parameters, "nextpage_id": parts[0], "nextpage_date": parts[1]}
