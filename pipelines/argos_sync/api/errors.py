"""Every way a conversation with the source API can fail, grouped by what the caller can do.

    ArgosError
    ├── ConfigurationError       exit 2: change a setting
    │   ├── RequestNotDecrypted      400 invalid_payload while requests are encrypted
    │   └── EncryptionMismatch       one side encrypts, the other does not
    ├── AccessDenied             exit 3: 401, or a 403 of unknown origin
    │   ├── InvalidApiKey            403 "Forbidden"
    │   └── IpNotAllowed             403 "... with an explicit deny"
    └── ApiFailure               exit 4: the API failed, or answered nonsense
        ├── InvalidPayload, MissingData, InvalidProject, InvalidAdmin,
        │   InvalidParameter, InvalidFormat      the documented codes of a 400
        ├── UnknownApiError          a 400 with no documented code
        ├── RequestTooLarge          413
        ├── NotFound                 404
        ├── Redirected               3xx
        ├── CertificateRefused       https, by somebody who cannot show to be the API
        ├── UnexpectedStatus         any other status
        ├── PageLoop                 the same page key twice in one walk
        └── RetriableFailure     trying again may help
            ├── RateLimited              429
            ├── ServerError              500, and any 5xx not named here
            ├── BadGateway               502
            ├── ServiceUnavailable       503
            ├── GatewayTimeout           504
            ├── RequestTimeout           no complete answer in time
            ├── ConnectionFailed         dropped, refused, not resolved
            ├── MalformedResponse        a 200 that is no page
            ├── DecryptionFailed         a page that does not decrypt
            └── ProcessingError          400 processing_error

A message holds statuses, documented error codes and documented parameter names, all of them
literals of this package. It never repeats text of a server, a key, a body or a person's value:
errors end in logs, and dlt copies the inner exception's text into its own.
"""

# ruff: noqa: N818 - names say what happened; only the groups a caller catches are called Error

from __future__ import annotations

from typing import ClassVar


class ArgosError(Exception):
    """Root of everything this package raises on purpose.

    Attributes:
        message: What happened and where, in one line free of secrets and personal values.
        remedy: What to do about it.
        exit_code: What the command line exits with.
    """

    exit_code: ClassVar[int] = 1
    advice: ClassVar[str] = "report it with the output of -v"

    def __init__(self, message: str, remedy: str | None = None) -> None:
        """Keep the parts apart; without `remedy` the class's own `advice` stands."""
        # Both go into args, so that an error survives pickling between worker processes.
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy or self.advice

    def __str__(self) -> str:
        """One line: what happened, then what to do."""
        return f"{self.message}; {self.remedy}"


class ConfigurationError(ArgosError):
    """A setting is missing or wrong; no request can succeed until it is changed."""

    exit_code = 2
    advice = "correct the setting and run again"


class RequestNotDecrypted(ConfigurationError):
    """The API could not parse an encrypted request, so it does not share our key or mode."""

    advice = (
        "the API reads another key or mode: check encryption, encryption_key and key_derivation"
        " against the project's encryption settings in the ARGOS dashboard"
    )


class EncryptionMismatch(ConfigurationError):
    """The answer is encrypted although encryption is off, or plain although it is on."""

    advice = "set encryption to what the ARGOS dashboard says for this project"


class AccessDenied(ArgosError):
    """The API, or a firewall before it, refuses this caller."""

    exit_code = 3
    advice = "ask ARGOS support, or whoever runs the proxy on the way, why the request is refused"


class InvalidApiKey(AccessDenied):
    """403 `{"message": "Forbidden"}`: the gateway does not know the key."""

    advice = "check api_key against the key in the ARGOS dashboard"


class IpNotAllowed(AccessDenied):
    """403 "explicit deny": the key is known, the caller's address is not on the allow list."""

    advice = "add this machine's public IP address to the project's allow list in the dashboard"


class ApiFailure(ArgosError):
    """The API failed, or answered something that cannot be right."""

    exit_code = 4
    advice = "run again later; if it stays, ask ARGOS support"


class InvalidPayload(ApiFailure):
    """400 `invalid_payload`: unable to parse the request."""

    advice = "switch request_style between query and json, or turn encryption on if it is required"


class MissingData(ApiFailure):
    """400 `missing_data`: one or more required fields are missing."""

    advice = "switch request_style between query and json: the API did not see the parameters"


class InvalidProject(ApiFailure):
    """400 `invalid_project`: the project is not valid."""

    advice = "check that the project of this api_key exists and is active in the ARGOS dashboard"


class InvalidAdmin(ApiFailure):
    """400 `invalid_admin`: the admin account does not have permission for this project."""

    advice = "have the project's owner grant the account behind this api_key permission"


class InvalidParameter(ApiFailure):
    """400 `invalid_parameter`: an unexpected parameter, or a value out of range.

    Attributes:
        parameter: The documented parameter the API named, or None when it named none.
    """

    advice = "leave out or change that option; a large page_size is lowered without asking"
    parameter: str | None = None


class InvalidFormat(ApiFailure):
    """400 `invalid_format`: a parameter does not match the expected format.

    Attributes:
        parameter: The documented parameter the API named, or None when it named none.
    """

    advice = "check how that value is written; dates are YYYY-MM-DD"
    parameter: str | None = None


class UnknownApiError(ApiFailure):
    """A 400 without any of the documented codes; what it says instead is not repeated."""

    advice = "check base_url, and whether the API's documentation lists new error codes"


class RequestTooLarge(ApiFailure):
    """413: the client answers by asking for fewer rows; raised when that did not help."""

    advice = "lower page_size, and check that no filter value is unreasonably long"


class NotFound(ApiFailure):
    """404: there is no such path, which a valid base_url always has."""

    advice = "base_url is probably wrong: compare it with https://rest-api.argosidentity.com/v3"


class Redirected(ApiFailure):
    """3xx: never followed, because the key would go wherever the answer points."""

    advice = "set base_url to the final address if you trust it; redirects are not followed"


class CertificateRefused(ApiFailure):
    """The server's TLS certificate does not verify; nothing was sent, and trying again is idle."""

    advice = (
        "nothing was sent to that server; check base_url, and if an inspecting proxy answers in its"
        " place, name its CA's certificate in SSL_CERT_FILE; verification cannot be turned off"
    )


class UnexpectedStatus(ApiFailure):
    """A status that is neither a page nor a documented failure."""

    advice = "check that base_url leads to the API and that no proxy answers in its place"


class PageLoop(ApiFailure):
    """The API gave the same page key twice in one walk, so the walk would never end."""

    advice = "nothing is lost up to here; report it to ARGOS support and try a shorter range"


class RetriableFailure(ApiFailure):
    """The same request may well succeed a little later.

    Attributes:
        retry_after: Seconds the API asked to wait, or None when it did not say.
        attempts: How many times the request was sent before giving up.
    """

    def __init__(
        self, message: str, remedy: str | None = None, *, retry_after: float | None = None
    ) -> None:
        """Start as the first failure; the client counts on."""
        super().__init__(message, remedy)
        self.retry_after = retry_after
        self.attempts = 1

    def __str__(self) -> str:
        """Say how often it was tried, once it was more than once."""
        tried = f" ({self.attempts} attempts)" if self.attempts > 1 else ""
        return f"{self.message}{tried}; {self.remedy}"


class RateLimited(RetriableFailure):
    """429: too many requests."""

    advice = "lower max_requests_per_second, or run when no other job uses this key"


class ServerError(RetriableFailure):
    """500, or a 5xx without a class of its own."""

    advice = "the API failed on its side: run again later, and report it if it stays"


class BadGateway(RetriableFailure):
    """502: a gateway in front of the API got no usable answer."""

    advice = "the API behind the gateway is down or restarting: run again in some minutes"


class ServiceUnavailable(RetriableFailure):
    """503: overloaded, or down for maintenance."""

    advice = "the API is overloaded or in maintenance: run again later"


class GatewayTimeout(RetriableFailure):
    """504: the API took longer than its gateway waits."""

    advice = "lower page_size or shorten the range: the API needs too long for one page"


class RequestTimeout(RetriableFailure):
    """No complete answer came in time."""

    advice = "check the network, or lower page_size so that one answer takes less time"


class ConnectionFailed(RetriableFailure):
    """The connection was refused, dropped, cut short, or its name not resolved."""

    advice = "check base_url, DNS, proxy, firewall and TLS on the way"


class MalformedResponse(RetriableFailure):
    """A 200 that is no page: it never counts as the end of a walk."""

    advice = "nothing is lost: run again later, and report it to ARGOS support if it stays"


class DecryptionFailed(RetriableFailure):
    """A page that does not decrypt; retriable, for a text cut short looks just the same."""

    advice = "check encryption, encryption_key and key_derivation; a wrong one of them does this"


class ProcessingError(RetriableFailure):
    """400 `processing_error`: an unknown error on the API's side, in the vendor's words."""

    advice = "the API could not process the request: run again later, with a shorter range"
