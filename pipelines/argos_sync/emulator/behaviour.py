"""What the emulator does where the API is undocumented, and which faults its gateway shows."""

from __future__ import annotations

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
    """One switch per fact nobody documents; the defaults are the likeliest answers.

    Attributes:
        order: By `created_at`, or in an arbitrary but stable order.
        end_date: Whether the day `end_date` itself is part of the answer.
        day_zone: The time zone in which `start_date` and `end_date` are days.
        short_pages: Pages hold fewer rows than asked for, though more follow.
        empty_pages: An empty page, with a key, comes before every page.
        duplicate_rows: A page's last row comes again as the first of the next page.
        repeated_key: From the second page on, the key a client sends is the key it gets back.
        nextpage_key_at_end: How the last page says that there is no key.
        max_count: The largest `count`.
        oversize: The answer to a larger one.
        image_urls: With `signed`, URLs carry a query part that differs on every response.
        request_style: Where parameters may stand: URL query, JSON body, or either.
        encryption: With a mode, only encrypted requests are understood.
        encryption_key: The key, or None for the request's own `x-api-key`.
        key_derivation: How 32 bytes are made of the key.
        api_key: The only valid `x-api-key`, or None for any.
        ip_allowed: Whether the caller is on the project's allow list.
        force_error: Every request is answered with this documented error.
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
    """How often the gateway fails instead of answering; every `rate_*` is a share from 0 to 1.

    Attributes:
        rate_429: Too many requests.
        rate_500: Internal server error.
        rate_502: Bad gateway.
        rate_503: Service unavailable.
        rate_504: Gateway timeout.
        rate_drop: The connection is closed without an answer.
        rate_truncate: 200 with half a body: less than Content-Length says, or cut JSON.
        rate_html: 200 with an HTML page.
        rate_tamper: 200 with an encrypted text that was changed or cut on its way.
        latency: Seconds every answer takes longer.
        retry_after: The `Retry-After` header of 429 and 503, or None for none.
        seed: Same seed, same faults for the same sequence of equal requests.
        max_consecutive: After that many faults in a row the same request gets its answer.

    Raises:
        ValueError: The rates add up to more than 1, or one is negative.
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
        """Checks the rates."""
        rates = self.rates().values()
        if min(rates) < 0 or sum(rates) > 1:
            raise ValueError(f"fault rates are shares of 1, together at most 1; got {self.rates()}")

    def rates(self) -> dict[str, float]:
        """The rates by kind of fault: `429`, …, `drop`, `truncate`, `html`, `tamper`."""
        names = [field.name for field in fields(self) if field.name.startswith("rate_")]
        return {name.removeprefix("rate_"): getattr(self, name) for name in names}
