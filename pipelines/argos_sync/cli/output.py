"""Write results as JSON: times in ISO 8601, numbers as numbers."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any


def to_json(summary: Mapping[str, Any]) -> str:
    """Return a result as one JSON object on one line."""
    return json.dumps(summary, default=_json_value, ensure_ascii=False)


def _json_value(value: Any) -> Any:
    """Return a value that JSON has for one that it lacks; moments are in UTC."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)
