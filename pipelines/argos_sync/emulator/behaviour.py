"""Settings of the emulator: what the API leaves undocumented, and the faults of its gateway."""

from dataclasses import dataclass, fields
from typing import Literal

ErrorCode = Literal[
    "invalid_payload",
    "missing_data",
    "invalid_project",
    "invalid_admin",
    "invalid_parameter",
    "invalid_format",
    "processing_error",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Choose how the API behaves where its documentation is silent.

    Each default is the most likely behaviour of the real API.

    Attributes:
        order: Order of rows by `created_at`, or an arbitrary but stable one.
        end_date: Whether the response includes the day `end_date` itself.
        day_zone: Time zone of the days `start_date` and `end_date`.
        short_pages: Whether pages hold fewer rows than `count` although more rows follow.
        empty_pages: Whether an empty page with a key precedes every page.
        duplicate_rows: Whether a page repeats the last row of the page before it.
        repeated_key: Whether each page after the first returns the key that the client sent.
        max_count: Largest `count` that is allowed; `oversize` is the response to a larger one.
        image_urls: `signed` adds a query part that differs in every response.
        request_style: Where parameters may be sent: URL query, JSON body, or either.
        encryption: Mode of encryption; unless `off`, only encrypted requests are accepted.
        encryption_key: Encryption key; None uses the `x-api-key` of the request.
        api_key: The only valid `x-api-key`; None accepts any.
        ip_allowed: Whether the address of the caller is on the project's allow list.
    """

    order: Literal["ascending", "descending", "shuffled"] = "ascending"
    end_date: Literal["inclusive", "exclusive"] = "inclusive"
    day_zone: Literal["UTC", "Asia/Seoul"] = "UTC"
    short_pages: bool = False
    empty_pages: bool = False
    duplicate_rows: bool = False
    repeated_key: bool = False
    nextpage_key_at_end: Literal["missing", "null", "empty"] = "missing"
    max_count: int = 2_000
    oversize: Literal["413", "invalid_parameter"] = "invalid_parameter"
    image_urls: Literal["stable", "signed"] = "stable"
    request_style: Literal["any", "query", "json"] = "any"
    encryption: Literal["off", "ecb", "cbc", "gcm"] = "off"
    encryption_key: str | None = None
    key_derivation: Literal["truncate", "sha256"] = "truncate"
    api_key: str | None = None
    ip_allowed: bool = True
    force_error: ErrorCode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Set how often the gateway fails; every `rate_*` is a share of requests from 0 to 1.

    Rates with a number are those of an HTTP status.

    Attributes:
        rate_drop: Connection closed without a response.
        rate_truncate: 200 with half a body: shorter than Content-Length, or cut JSON.
        rate_html: 200 with an HTML page.
        rate_tamper: 200 with encrypted text that was altered or cut in transit.
        latency: Seconds added to every response.
        retry_after: `Retry-After` header of 429 and 503; None sends none.
        seed: The same seed gives the same faults for the same sequence of equal requests.
        max_consecutive: Faults in a row after which the same request succeeds.

    Raises:
        ValueError: A rate is negative, or the rates add up to more than 1.
    """

    rate_429: float = 0.0
    rate_500: float = 0.0
    rate_502: float = 0.0
    rate_503: float = 0.0
    rate_504: float = 0.0
    rate_drop: float = 0.0
    rate_truncate: float = 0.0
    rate_html: float = 0.0
    rate_tamper: float = 0.0
    latency: float = 0.0
    retry_after: str | None = None
    seed: int = 0
    max_consecutive: int = 3

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
