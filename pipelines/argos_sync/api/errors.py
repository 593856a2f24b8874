"""Define the errors of the package, grouped by what the caller can do.

    ArgosError
    ├── ConfigurationError       exit 2: change a setting
    │   └── RequestNotDecrypted, EncryptionMismatch
    ├── AccessDenied             exit 3: 401, or a 403 of unknown origin
    │   └── InvalidApiKey, IpNotAllowed
    └── ApiFailure               exit 4: the API failed or sent an invalid response
        ├── InvalidPayload, MissingData, InvalidProject, InvalidAdmin, InvalidParameter,
        │   InvalidFormat, UnknownApiError, RequestTooLarge, NotFound, Redirected,
        │   CertificateRefused, UnexpectedStatus, UnusablePageKey, RequestsUsedUp
        ├── IncompleteWalk       a part of one walk cannot be read; all others can
        │   └── PageLoop, PageTooHeavy, TooManyEmptyPages
        └── RetriableFailure     a retry may succeed
            └── RateLimited, ServerError, BadGateway, ServiceUnavailable, GatewayTimeout,
                RequestTimeout, ConnectionFailed, DecryptionFailed, ProcessingError,
                MalformedResponse
                └── EmptyResponse, OversizedResponse

Messages contain only statuses, documented error codes and documented parameter names, all of them
literals of this package. They never contain text from a server, a key, a body or a personal value:
errors reach logs, and dlt copies the text of the inner exception into its own.
"""

# ruff: noqa: N818 - names say what happened; only the groups that callers catch end in Error

from typing import ClassVar


class ArgosError(Exception):
    """Base class of all errors that the package raises deliberately.

    The message says in one line what happened and where, the remedy what to do about it; `advice`
    is the remedy of errors raised without their own. `exit_code` is that of the command line.
    """

    exit_code: ClassVar[int] = 1
    advice: ClassVar[str] = "report this with the output of -v"

    def __init__(self, message: str, remedy: str | None = None) -> None:
        """Store the message and the remedy, which defaults to the class's `advice`."""
        # Pickling restores an exception from its args, so both must be there.
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy or self.advice

    def __str__(self) -> str:
        """Return one line: what happened, then what to do."""
        return f"{self.message}; {self.remedy}"


class ConfigurationError(ArgosError):
    """A setting is missing or wrong; no request can succeed until it is corrected."""

    exit_code = 2
    advice = "correct the setting and run again"


class RequestNotDecrypted(ConfigurationError):
    """The API could not decrypt a request: it uses another key or mode."""

    advice = (
        "the API uses another key or mode: check encryption, encryption_key and key_derivation"
        " against the project's encryption settings in the ARGOS dashboard"
    )


class EncryptionMismatch(ConfigurationError):
    """The response is encrypted although encryption is off, or plain although it is on."""

    advice = "set encryption to the mode that the ARGOS dashboard shows for this project"


class AccessDenied(ArgosError):
    """The API, or a firewall in front of it, refuses this caller."""

    exit_code = 3
    advice = "ask ARGOS support, or the operator of your proxy, why the request is refused"


class InvalidApiKey(AccessDenied):
    """403 `{"message": "Forbidden"}`: the gateway does not know the key."""

    advice = "check api_key against the key in the ARGOS dashboard"


class IpNotAllowed(AccessDenied):
    """403 "explicit deny": the key is valid, but the IP address is not on the allow list."""

    advice = "add this machine's public IP address to the project's allow list in the dashboard"


class ApiFailure(ArgosError):
    """The API failed, or its response is invalid; a 400 may name a documented parameter."""

    exit_code = 4
    advice = "run again later; if the error persists, ask ARGOS support"
    parameter: str | None = None


class InvalidPayload(ApiFailure):
    """400 `invalid_payload`: the API could not parse the request."""

    advice = "switch request_style between query and json, or turn encryption on if it is required"


class MissingData(ApiFailure):
    """400 `missing_data`: one or more required fields are missing."""

    advice = "switch request_style between query and json: the API did not find the parameters"


class InvalidProject(ApiFailure):
    """400 `invalid_project`: the project is not valid."""

    advice = "check that the project of this api_key exists and is active in the ARGOS dashboard"


class InvalidAdmin(ApiFailure):
    """400 `invalid_admin`: the admin account does not have permission for this project."""

    advice = "ask the project's owner to give the account of this api_key permission"


class InvalidParameter(ApiFailure):
    """400 `invalid_parameter`: an unexpected parameter, or a value out of range."""

    advice = "leave out or change that option; page_size is lowered automatically"


class InvalidFormat(ApiFailure):
    """400 `invalid_format`: a parameter does not match the expected format."""

    advice = "check the format of that value; dates are YYYY-MM-DD"


class UnknownApiError(ApiFailure):
    """A 400 without a documented error code; the message leaves out its text."""

    advice = "check base_url, and check the API's documentation for new error codes"


class RequestTooLarge(ApiFailure):
    """413: the page is too large, or the request; the client lowers the page size by itself."""

    advice = "check that no filter value is very long"


class NotFound(ApiFailure):
    """404 or 410: the path does not exist, so base_url is probably wrong.

    For a single submission, 404 or an empty response says that the API does not have it.
    """

    advice = "base_url is probably wrong: compare it with https://rest-api.argosidentity.com/v3"


class Redirected(ApiFailure):
    """3xx: never followed, because the target would receive the key."""

    advice = "set base_url to the final address if you trust it; redirects are not followed"


class CertificateRefused(ApiFailure):
    """The server's TLS certificate does not verify; no request was sent, and no retry helps."""

    advice = (
        "nothing was sent to that server; check base_url; behind a TLS-inspecting proxy, set"
        " SSL_CERT_FILE to the proxy's CA certificate; verification cannot be turned off"
    )


class UnexpectedStatus(ApiFailure):
    """A status that is neither a success nor a documented failure."""

    advice = "check that base_url points to the API and that no proxy responds in its place"


class UnusablePageKey(ApiFailure):
    """A `nextpageKey` that is neither an object nor a text, or too long to be sent back."""

    advice = (
        "no retry helps, and no page after it can be read; ask ARGOS support how to page, and"
        " report the form of the key to the maintainers"
    )


class IncompleteWalk(ApiFailure):
    """A walk through pages has a gap or no end; the rest of the run goes on without it."""

    advice = "everything else is read; run again later, and ask ARGOS support if it persists"


class PageLoop(IncompleteWalk):
    """The API returned a page key twice for one query, so paging would never end."""

    advice = "earlier pages are kept; report this to ARGOS support and try a shorter date range"


class TooManyEmptyPages(IncompleteWalk):
    """The API returned one empty page after another, each with a new key."""

    advice = (
        "everything else is read; the next run goes on after these pages; if it persists, report"
        " it to ARGOS support"
    )


class PageTooHeavy(IncompleteWalk):
    """The API can be reached, but a page fails again and again, even with one submission."""

    advice = (
        "everything else is read; the next run tries that submission again; if it persists, ask"
        " ARGOS support why the API cannot return it"
    )


class RequestsUsedUp(ApiFailure):
    """The configured number of requests of a day is used up; no request was refused by the API."""

    advice = "run again after 00:00 UTC, or raise max_requests_per_day"


class RetriableFailure(ApiFailure):
    """The same request may succeed later.

    `retry_after` has the seconds the API asked to wait; None when it named none.
    """

    def __init__(
        self, message: str, remedy: str | None = None, *, retry_after: float | None = None
    ) -> None:
        """Start at one attempt; the client increases the count."""
        super().__init__(message, remedy)
        self.retry_after = retry_after
        self.attempts = 1

    def __str__(self) -> str:
        """Return one line, with the number of attempts if there were several."""
        attempts = f" ({self.attempts} attempts)" if self.attempts > 1 else ""
        return f"{self.message}{attempts}; {self.remedy}"


class RateLimited(RetriableFailure):
    """429: too many requests."""

    advice = "lower max_requests_per_second, or run when no other job uses this api_key"


class ServerError(RetriableFailure):
    """500, or a 5xx without a class of its own."""

    advice = "the API failed on its side: run again later, and report it if it persists"


class BadGateway(RetriableFailure):
    """502: a gateway in front of the API received no usable response."""

    advice = "the API behind the gateway is down or restarting: run again in a few minutes"


class ServiceUnavailable(RetriableFailure):
    """503: the API is overloaded or down for maintenance."""

    advice = "the API is overloaded or down for maintenance: run again later"


class GatewayTimeout(RetriableFailure):
    """504: the API took longer than its gateway waits."""

    advice = "the API takes too long even for small pages: run again later"


class RequestTimeout(RetriableFailure):
    """No complete response arrived in time."""

    advice = "check the network, and run again later"


class ConnectionFailed(RetriableFailure):
    """The connection was refused, dropped or cut short, or the host name did not resolve."""

    advice = "check base_url, DNS, proxy, firewall and TLS"


class MalformedResponse(RetriableFailure):
    """A 200 that is not a page; it never counts as the last page."""

    advice = "nothing is lost: run again later; if the error persists, report it to ARGOS support"


class EmptyResponse(MalformedResponse):
    """A 200 whose JSON is empty (`{}`, `[]`, `null`), or whose `Items` are."""

    advice = "nothing is lost: run again later; if lists stay empty, ask ARGOS support why"


class OversizedResponse(MalformedResponse):
    """A response is larger than the client reads; the client then asks for fewer submissions.

    Attributes:
        size: Bytes of the response, or of the part that was read.
    """

    advice = "ask ARGOS support why a single submission is so large; nothing is lost"
    size: int = 0


class DecryptionFailed(RetriableFailure):
    """A page does not decrypt; retriable, because a truncated text looks the same."""

    advice = "check encryption, encryption_key and key_derivation; one of them is probably wrong"


class ProcessingError(RetriableFailure):
    """400 `processing_error`: what the vendor calls an unknown error on the API's side."""

    advice = "the API could not process the request: run again later, with a shorter date range"
