"""Settings of the emulator: what the API leaves undocumented, and the faults of its gateway.

They are also the options of `argos-sync emulator`. The command line reads them at every start, so
they are outside the emulator's room, which takes long to import.
"""

from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Literal

import typer

ErrorCode = Literal[
    "invalid_payload",
    "missing_data",
    "invalid_project",
    "invalid_admin",
    "invalid_parameter",
    "invalid_format",
    "processing_error",
]

MAX_SUBMISSIONS = 10_000_000
"""The emulator keeps all of them in memory, about 5 kB each."""

_CAN_BE_EMPTY = ("kyc", "aml", "data", "others", "attempts", "matches")

_api = partial(typer.Option, rich_help_panel="Undocumented behaviour of the API")
_fault = partial(typer.Option, rich_help_panel="Faults (each rate is a share of all requests)")
_rate = partial(_fault, min=0, max=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Choose how the API behaves where its documentation is silent.

    Each default is the most likely behaviour of the real API.

    Raises:
        ValueError: There is no such section to empty.
    """

    api_key: Annotated[
        str | None,
        typer.Option(envvar="ARGOS_EMULATOR_API_KEY", help="The only valid API key; any if unset."),
    ] = None
    ip_denied: Annotated[
        bool, typer.Option("--ip-denied", help="Refuse the caller's IP address.")
    ] = False
    encryption: Annotated[
        Literal["off", "ecb", "cbc", "gcm"], typer.Option(help="Accept only encrypted requests.")
    ] = "off"
    encryption_key: Annotated[
        str | None,
        typer.Option(
            envvar="ARGOS_EMULATOR_ENCRYPTION_KEY",
            help="Encryption key; the caller's API key if unset.",
        ),
    ] = None
    key_derivation: Annotated[
        Literal["truncate", "sha256"], typer.Option(help="How a 32-byte key is derived.")
    ] = "truncate"
    order: Annotated[
        Literal["ascending", "descending", "shuffled"], _api(help="Order of rows by created_at.")
    ] = "ascending"
    end_date: Annotated[
        Literal["inclusive", "exclusive"],
        _api("--end-date-is", help="Whether the response includes the day end_date."),
    ] = "inclusive"
    day_zone: Annotated[
        Literal["UTC", "Asia/Seoul"], _api(help="Time zone of start_date and end_date.")
    ] = "UTC"
    list_rows: Annotated[
        Literal["whole", "sections", "summary"],
        _api(
            "--list",
            help="Content of lists: whole submissions, summaries unless there is a request_type, or"
            " only summaries. Requests by submission_id return whole ones.",
        ),
    ] = "sections"
    max_page_bytes: Annotated[
        int | None, _api(min=1, help="Largest page in bytes; no limit if unset.")
    ] = None
    raw_data_bytes: Annotated[
        int,
        _api(min=0, help="Bytes of random text to add to the aml.raw_data of every submission."),
    ] = 0
    heavy_page: Annotated[
        Literal["413", "500", "502", "504"], _api(help="Response to a larger page, every time.")
    ] = "502"
    max_requests_per_day: Annotated[
        int | None,
        _api(
            min=0, help="Requests until 00:00 UTC, after which it returns 429; no limit if unset."
        ),
    ] = None
    deleted: Annotated[
        Literal["stub", "vanish"], _api(help="Whether a deleted submission leaves a stub.")
    ] = "stub"
    unknown_id: Annotated[
        Literal["empty", "204", "400", "404", "410", "object", "list", "null"],
        _api(
            help="Response to a submission_id that it does not have: a page without submissions, a"
            " status, or JSON that is no page."
        ),
    ] = "empty"
    damaged: Annotated[
        Literal["no", "nan", "infinity", "bytes", "control", "quote", "number"],
        _api(help='How the text "(damaged)" is written: as JSON, or as what is none.'),
    ] = "no"
    short_pages: Annotated[
        bool, _api("--short-pages", help="Return fewer rows than asked for.")
    ] = False
    empty_pages: Annotated[
        bool, _api("--empty-pages", help="Return an empty page with a key before every page.")
    ] = False
    endless_day: Annotated[
        str | None,
        _api(
            metavar="DAY",
            help="A day; lists from a start_date that include it are empty pages without end.",
        ),
    ] = None
    duplicate_rows: Annotated[
        bool, _api("--duplicate-rows", help="Repeat the last row of a page on the next page.")
    ] = False
    repeated_key: Annotated[
        bool, _api("--repeated-key", help="Return the page key that the client sent.")
    ] = False
    nextpage_key_at_end: Annotated[
        Literal["missing", "null", "empty"],
        _api(help="How the last page shows that no page follows."),
    ] = "missing"
    nextpage_key: Annotated[
        Literal["object", "json", "base64", "typed", "id"],
        _api(help="Form of nextpageKey: as documented, as text, with DynamoDB's types, or an id."),
    ] = "object"
    nextpage_key_taken: Annotated[
        Literal["parts", "opaque"],
        _api(help="Whether a page key comes back as id and created_at, or exactly as it was."),
    ] = "parts"
    max_count: Annotated[int, _api(min=1, help="Largest count allowed.")] = 2_000
    oversize: Annotated[
        Literal["413", "invalid_parameter"], _api(help="Response to a larger count.")
    ] = "invalid_parameter"
    image_urls: Annotated[
        Literal["stable", "signed"], _api(help="Whether image URLs differ in every response.")
    ] = "stable"
    created_at: Annotated[
        Literal["vendor", "iso", "epoch_seconds", "epoch_milliseconds", "unknown", "empty"],
        _api(help="Form of created_at; unknown is a form that argos-sync does not read."),
    ] = "vendor"
    request_style: Annotated[
        Literal["any", "query", "json"], _api(help="Where parameters may be sent.")
    ] = "any"
    empty: Annotated[
        list[str] | None,
        _fault(
            metavar="SECTION",
            help=f"Section without content: {', '.join(_CAN_BE_EMPTY)}; repeat it for several.",
        ),
    ] = None
    empty_as: Annotated[
        Literal["missing", "null", "object", "list"],
        _fault(help="What stands for an empty section; a walk of missing ones has no rows."),
    ] = "missing"
    empty_share: Annotated[
        float, _rate(help="Share of submissions that --empty empties, always the same ones.")
    ] = 1
    force_error: Annotated[
        ErrorCode | None, _api(help="Return this error code for every request.")
    ] = None

    def __post_init__(self) -> None:
        """Check the names of sections."""
        if not set(self.empty or ()) <= set(_CAN_BE_EMPTY):
            raise ValueError(f"--empty takes one of {', '.join(_CAN_BE_EMPTY)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Set how often the gateway fails; rates with a number are those of an HTTP status.

    The seed decides the faults of a sequence of equal requests. A truncated body is shorter than
    Content-Length, or cut JSON. `latency` is in seconds.

    Raises:
        ValueError: A rate is negative, or the rates add up to more than 1.
    """

    rate_429: Annotated[float, _rate(help="Too many requests.")] = 0
    rate_500: Annotated[float, _rate(help="Internal server error.")] = 0
    rate_502: Annotated[float, _rate(help="Bad gateway.")] = 0
    rate_503: Annotated[float, _rate(help="Service unavailable.")] = 0
    rate_504: Annotated[float, _rate(help="Gateway timeout.")] = 0
    rate_drop: Annotated[float, _rate(help="Connection closed without a response.")] = 0
    rate_truncate: Annotated[float, _rate(help="200 with half a body.")] = 0
    rate_html: Annotated[float, _rate(help="200 with an HTML page.")] = 0
    rate_tamper: Annotated[float, _rate(help="200 with encrypted text altered or cut.")] = 0
    retry_after: Annotated[str | None, _fault(help="Retry-After header of 429 and 503.")] = None
    max_consecutive: Annotated[
        int, _fault(min=0, help="Faults in a row after which a request succeeds.")
    ] = 3
    latency: Annotated[
        float,
        _fault(
            "--latency-ms",
            min=0,
            callback=lambda milliseconds: milliseconds / 1000,
            help="Milliseconds added to every response.",
        ),
    ] = 0
    seed: Annotated[int, typer.Option(help="The same seed gives the same data and faults.")] = 0

    def __post_init__(self) -> None:
        """Check the rates."""
        rates = self.rates().values()
        if min(rates) < 0 or sum(rates) > 1:
            raise ValueError(
                f"fault rates must not be negative and must add up to at most 1; got {self.rates()}"
            )

    def rates(self) -> dict[str, float]:
        """Return the rates by kind of fault: `429`, …, `drop`, `truncate`, `html`, `tamper`."""
        names = [field.name for field in fields(self) if field.name.startswith("rate_")]
        return {name.removeprefix("rate_"): getattr(self, name) for name in names}
