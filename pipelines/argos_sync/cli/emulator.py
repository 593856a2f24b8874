"""`argos-sync emulator`: serve the bundled stand-in API until it is stopped."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Annotated

import typer

from argos_sync.cli.common import Output
from argos_sync.cli.days import first_day, last_day
from argos_sync.cli.wording import counted
from argos_sync.emulator_options import MAX_SUBMISSIONS, Behaviour, Faults

_day = partial(typer.Option, metavar="DAY")
_share = partial(typer.Option, min=0, max=1)


def emulator(
    behaviour: Behaviour,
    faults: Faults,
    output: Output,
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 picks a free one.")
    ],
    count: Annotated[
        int,
        typer.Option("--count", "-n", min=0, max=MAX_SUBMISSIONS, help="Number of submissions."),
    ] = 1000,
    messy: Annotated[
        bool, typer.Option("--messy", help="Vary the data as real responses vary.")
    ] = False,
    unencodable: Annotated[
        bool, typer.Option("--unencodable", help="Add lone surrogates and NUL characters.")
    ] = False,
    broken: Annotated[
        bool, typer.Option("--broken", help="Make some submissions impossible to load.")
    ] = False,
    projected_share: Annotated[
        float, _share(help="Share of submissions of which a projection hides fields.")
    ] = 0,
    deleted_share: Annotated[
        float, _share(help="Share of submissions that are deleted; see --deleted.")
    ] = 0,
    start: Annotated[
        str | None,
        _day("--start-date", help="First day of created_at (UTC); a year of days if unset."),
    ] = None,
    end: Annotated[
        str | None, _day("--end-date", help="Last day of created_at; yesterday if unset.")
    ] = None,
) -> None:
    """Serve a deterministic stand-in for the API on 127.0.0.1 until Ctrl-C."""
    # Imported here to keep the start of other commands fast.
    import signal
    import threading
    from contextlib import ExitStack

    from argos_sync.api.crypto import Envelope
    from argos_sync.api.errors import ConfigurationError
    from argos_sync.emulator import Emulator, stream

    last = last_day("--end-date", end or "yesterday")
    first = first_day("--start-date", start) if start else last - timedelta(days=364)
    if behaviour.endless_day is not None:
        endless = first_day("--endless-day", behaviour.endless_day)
        behaviour = replace(behaviour, endless_day=endless.isoformat())
    try:
        submissions = stream(
            count,
            seed=faults.seed,
            start=first,
            end=last,
            projected_share=projected_share,
            messy=messy,
            unencodable=unencodable,
            broken=broken,
        )
        if behaviour.encryption != "off" and behaviour.encryption_key is not None:
            Envelope(behaviour.encryption, behaviour.encryption_key, behaviour.key_derivation)
    except (ValueError, ConfigurationError) as error:
        raise typer.BadParameter(str(error)) from None
    stop = threading.Event()
    server = Emulator(submissions, behaviour=behaviour, faults=faults, port=port)
    for submission_id in server.store.sample(deleted_share):
        server.delete(submission_id)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    served = len(server.store)
    with ExitStack() as stack:
        try:
            stack.enter_context(server)
        except OSError as error:
            raise ConfigurationError(
                f"port {port} on 127.0.0.1 cannot be used ({error.strerror})",
                "choose another with --port, or 0 for a free one",
            ) from None
        output.show(
            {"base_url": server.base_url, "submissions": served, "seed": faults.seed},
            f"Emulator listening on {server.base_url} with {counted(served, 'submission')} created"
            f" {first} to {last} (seed {faults.seed}); stop with Ctrl-C",
        )
        stop.wait()
