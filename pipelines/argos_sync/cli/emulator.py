"""`argos-sync emulator`: serve the bundled stand-in API until it is stopped."""

from datetime import datetime
from functools import partial
from typing import Annotated, Literal

import typer

from argos_sync.cli.common import Common

_day = partial(typer.Option, formats=["%Y-%m-%d"])
_api = partial(typer.Option, rich_help_panel="Undocumented behaviour of the API")
_fault = partial(typer.Option, rich_help_panel="Faults (each rate is a share of all requests)")
_rate = partial(_fault, min=0, max=1)


def emulator(
    common: Common,
    *,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.")],
    count: Annotated[
        int, typer.Option("--count", "-n", min=0, help="Number of submissions.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same data and faults.")] = 0,
    messy: Annotated[
        bool, typer.Option("--messy", help="Vary the data as real responses vary.")
    ] = False,
    unencodable: Annotated[
        bool, typer.Option("--unencodable", help="Add lone surrogates and NUL characters.")
    ] = False,
    broken: Annotated[
        bool, typer.Option("--broken", help="Make some submissions impossible to load.")
    ] = False,
    start_date: Annotated[
        datetime, _day(show_default="2025-01-01", help="First day of created_at (UTC).")
    ] = datetime(2025, 1, 1),  # noqa: DTZ001 a day
    end_date: Annotated[
        datetime, _day(show_default="2025-12-31", help="Last day of created_at (UTC).")
    ] = datetime(2025, 12, 31),  # noqa: DTZ001 a day
    api_key: Annotated[
        str | None,
        typer.Option(envvar="ARGOS_EMULATOR_API_KEY", help="The only valid API key; any if unset."),
    ] = None,
    ip_denied: Annotated[
        bool, typer.Option("--ip-denied", help="Refuse the caller's IP address.")
    ] = False,
    encryption: Annotated[
        Literal["off", "ecb", "cbc", "gcm"], typer.Option(help="Accept only encrypted requests.")
    ] = "off",
    encryption_key: Annotated[
        str | None,
        typer.Option(
            envvar="ARGOS_EMULATOR_ENCRYPTION_KEY",
            help="Encryption key; the caller's API key if unset.",
        ),
    ] = None,
    key_derivation: Annotated[
        Literal["truncate", "sha256"], typer.Option(help="How a 32-byte key is derived.")
    ] = "truncate",
    order: Annotated[
        Literal["ascending", "descending", "shuffled"], _api(help="Order of rows by created_at.")
    ] = "ascending",
    end_date_is: Annotated[
        Literal["inclusive", "exclusive"],
        _api(help="Whether the response includes the day end_date."),
    ] = "inclusive",
    day_zone: Annotated[
        Literal["UTC", "Asia/Seoul"], _api(help="Time zone of start_date and end_date.")
    ] = "UTC",
    short_pages: Annotated[
        bool, _api("--short-pages", help="Return fewer rows than asked for.")
    ] = False,
    empty_pages: Annotated[
        bool, _api("--empty-pages", help="Return an empty page with a key before every page.")
    ] = False,
    duplicate_rows: Annotated[
        bool, _api("--duplicate-rows", help="Repeat the last row of a page on the next page.")
    ] = False,
    repeated_key: Annotated[
        bool, _api("--repeated-key", help="Return the page key that the client sent.")
    ] = False,
    nextpage_key_at_end: Annotated[
        Literal["missing", "null", "empty"],
        _api(help="How the last page shows that no page follows."),
    ] = "missing",
    max_count: Annotated[int, _api(min=1, help="Largest count allowed.")] = 2000,
    oversize: Annotated[
        Literal["413", "invalid_parameter"], _api(help="Response to a larger count.")
    ] = "invalid_parameter",
    image_urls: Annotated[
        Literal["stable", "signed"], _api(help="Whether image URLs differ in every response.")
    ] = "stable",
    request_style: Annotated[
        Literal["any", "query", "json"], _api(help="Where parameters may be sent.")
    ] = "any",
    force_error: Annotated[
        Literal[
            "invalid_payload",
            "missing_data",
            "invalid_project",
            "invalid_admin",
            "invalid_parameter",
            "invalid_format",
            "processing_error",
        ]
        | None,
        _api(help="Return this error code for every request."),
    ] = None,
    rate_429: Annotated[float, _rate(help="Too many requests.")] = 0,
    rate_500: Annotated[float, _rate(help="Internal server error.")] = 0,
    rate_502: Annotated[float, _rate(help="Bad gateway.")] = 0,
    rate_503: Annotated[float, _rate(help="Service unavailable.")] = 0,
    rate_504: Annotated[float, _rate(help="Gateway timeout.")] = 0,
    rate_drop: Annotated[float, _rate(help="Connection closed without a response.")] = 0,
    rate_truncate: Annotated[float, _rate(help="200 with half a body.")] = 0,
    rate_html: Annotated[float, _rate(help="200 with an HTML page.")] = 0,
    rate_tamper: Annotated[float, _rate(help="200 with encrypted text altered or cut.")] = 0,
    retry_after: Annotated[str | None, _fault(help="Retry-After header of 429 and 503.")] = None,
    max_consecutive: Annotated[
        int, _fault(min=0, help="Faults in a row after which a request succeeds.")
    ] = 3,
    latency_ms: Annotated[float, _fault(min=0, help="Milliseconds added to every response.")] = 0,
) -> None:
    """Serve a deterministic stand-in for the API on 127.0.0.1 until Ctrl-C."""
    # Imported here to keep the start of other commands fast.
    import signal
    import threading
    from contextlib import ExitStack

    from argos_sync.api.crypto import Envelope
    from argos_sync.api.errors import ConfigurationError
    from argos_sync.emulator import Behaviour, Emulator, Faults, stream

    try:
        faults = Faults(
            rate_429=rate_429,
            rate_500=rate_500,
            rate_502=rate_502,
            rate_503=rate_503,
            rate_504=rate_504,
            rate_drop=rate_drop,
            rate_truncate=rate_truncate,
            rate_html=rate_html,
            rate_tamper=rate_tamper,
            latency=latency_ms / 1000,
            retry_after=retry_after,
            seed=seed,
            max_consecutive=max_consecutive,
        )
        submissions = stream(
            count,
            seed=seed,
            start=start_date.date(),
            end=end_date.date(),
            messy=messy,
            unencodable=unencodable,
            broken=broken,
        )
        if encryption != "off" and encryption_key is not None:
            Envelope(encryption, encryption_key, key_derivation)
    except (ValueError, ConfigurationError) as error:
        raise typer.BadParameter(str(error)) from None
    behaviour = Behaviour(
        order=order,
        end_date=end_date_is,
        day_zone=day_zone,
        short_pages=short_pages,
        empty_pages=empty_pages,
        duplicate_rows=duplicate_rows,
        repeated_key=repeated_key,
        nextpage_key_at_end=nextpage_key_at_end,
        max_count=max_count,
        oversize=oversize,
        image_urls=image_urls,
        request_style=request_style,
        encryption=encryption,
        encryption_key=encryption_key,
        key_derivation=key_derivation,
        api_key=api_key,
        ip_allowed=not ip_denied,
        force_error=force_error,
    )
    stop = threading.Event()
    server = Emulator(submissions, behaviour=behaviour, faults=faults, port=port)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        try:
            stack.enter_context(server)
        except OSError as error:
            raise ConfigurationError(
                f"port {port} on 127.0.0.1 cannot be used ({error.strerror})",
                "choose another with --port, or 0 for a free one",
            ) from None
        common.show(
            {"base_url": server.base_url, "submissions": count, "seed": seed},
            f"Emulator listening on {server.base_url} with {count} submissions created"
            f" {start_date:%Y-%m-%d} to {end_date:%Y-%m-%d} (seed {seed}); stop with Ctrl-C",
        )
        stop.wait()
