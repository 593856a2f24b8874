"""Write results to stdout, and as JSON: times in ISO 8601, numbers as numbers."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import typer

from argos_sync.api.errors import ArgosError
from argos_sync.process import OUTPUT_ERROR


class OutputFailed(ArgosError):  # noqa: N818 says what happened, as in api.errors
    """The output cannot be written to stdout; whatever the command has done is done."""

    exit_code = OUTPUT_ERROR
    advice = "free space, or write it to another place"


@contextmanager
def writing_output() -> Iterator[None]:
    """Write what the block prints at once, so that a failure can still be reported.

    Raises:
        OutputFailed: It cannot be written, such as when the disk is full.
        typer.Exit: Its reader has ended, as `head` does when it has enough.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise typer.Exit(OUTPUT_ERROR) from None
    except OSError as error:
        raise OutputFailed(
            f"the output could not be written: {error.strerror or type(error).__name__}"
        ) from None


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
