"""How a command ends: one line, the contract's exit code, and nobody's data."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable

import typer

_BUG = 1
_USAGE = 2
_INTERRUPTED = 130
"""What shells expect of a program ended by Ctrl-C."""


def run(app: Callable[[], object], *, verbose: bool) -> int:
    """Run the command line and return the exit code.

    Args:
        app: Parses and calls; raises what the command raises.
        verbose: Say also where an unexpected error arose.
    """
    try:
        result = app()
    except (KeyboardInterrupt, typer.Abort) as error:
        if isinstance(error.__cause__, EOFError):  # Ctrl-D to typer, but nothing here is typed
            return _told(error.__cause__, verbose=verbose)
        result = _INTERRUPTED
    except typer.TyperException as error:
        _say(_usage(error))
        return _USAGE
    except Exception as error:  # noqa: BLE001 the last stop before a traceback full of values
        return _told(error, verbose=verbose)
    if result == _INTERRUPTED:  # also what typer makes of a KeyboardInterrupt
        _say("interrupted; run the command again, it goes on from the last committed chunk")
    return result if isinstance(result, int) else 0


def _usage(error: typer.TyperException) -> str:
    """Return one line for what was wrong with the options."""
    said = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "argos-sync"
    # What was left over may be a person's address whose option was forgotten.
    said = re.sub(r"(?s)(unexpected extra argument\(s\)) .*", r"\1", said)
    return f"{' '.join(said.split()).rstrip('.')}; see {path} --help"


def _told(error: Exception, *, verbose: bool) -> int:
    from argos_sync.api.errors import ArgosError

    if isinstance(error, ArgosError):
        _say(str(error))
    else:
        # The texts of foreign errors quote values, so only their kind is told.
        _say(f"unexpected {type(error).__name__}; run again with -v and report what it prints")
    if verbose:
        _say("raised at:\n" + "".join(traceback.format_tb(error.__traceback__)).rstrip())
    return error.exit_code if isinstance(error, ArgosError) else _BUG


def _say(text: str) -> None:
    typer.echo(f"argos-sync: {text}", file=sys.stderr)
