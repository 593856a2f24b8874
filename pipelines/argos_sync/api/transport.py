"""Send requests to the API and read whole responses.

The API key and the base URL are validated before any request.
"""

import asyncio
import ipaddress
import logging
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import httpx

from argos_sync import __version__
from argos_sync.api import errors
from argos_sync.api.environment import check_proxies, create_ssl_context
from argos_sync.api.responses import ENDPOINT

# Loading a chunk can take many seconds between two pages: keep the TLS connection meanwhile.
_LIMITS = httpx.Limits(keepalive_expiry=30.0)
# zlib expands a 64 KiB read to at most 64 MiB; other and nested encodings have no such bound.
_ENCODINGS = ("", "identity", "gzip", "deflate")
_URL_REMEDY = "use an address like https://rest-api.argosidentity.com/v3"

# Reading the certificate authorities takes long enough to do it once per process.
_default_ssl_context = cache(create_ssl_context)


class Response(NamedTuple):
    """Hold a complete, decompressed response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Endpoint:
    """Send requests to `{base_url}/submission` over persistent connections.

    `ArgosClient` describes the arguments.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        allow_insecure_http: bool,
        timeout: httpx.Timeout | float,
        deadline: float,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        """Prepare the HTTP client; the first request opens a connection.

        Raises:
            ConfigurationError: The address or the key is invalid, or the environment names proxies
                or certificate authorities that cannot be used.
        """
        url = validate_base_url(base_url, allow_insecure_http=allow_insecure_http)
        uses_tls = url.scheme == "https"
        self.url = f"{str(url).rstrip('/')}/submission"
        self._deadline = deadline
        quiet_http_loggers()
        if uses_tls:
            check_proxies()
        self._http = httpx.AsyncClient(
            headers={
                "x-api-key": validate_api_key(api_key),
                "accept": "application/json",
                "accept-encoding": "gzip, deflate",
                "user-agent": f"argos-sync/{__version__}",
            },
            timeout=timeout,
            limits=_LIMITS,
            transport=transport,
            # Plain http needs no certificate authorities.
            verify=_default_ssl_context() if uses_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            # A redirect would send the key to another host.
            follow_redirects=False,
            # A proxy from the environment would see plain requests and their key.
            trust_env=uses_tls,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def get(self, params: Mapping[str, Any], *, as_json: bool, max_bytes: int) -> Response:
        """Send one request, with its parameters in the URL or in the body, and read the response.

        Raises:
            OversizedResponse: The response has more than `max_bytes`, decompressed.
            RequestTimeout: No complete response arrived in time.
            CertificateRefused: The server's certificate does not verify.
            ConnectionFailed: The connection failed or ended early.
            MalformedResponse: The compression of the response is broken or unknown.
        """
        failure: errors.ArgosError
        place: dict[str, Any] = {"json" if as_json else "params": params}
        try:
            async with (
                asyncio.timeout(self._deadline),
                self._http.stream("GET", self.url, **place) as response,
            ):
                body = await _read(response, max_bytes)
                return Response(response.status_code, response.headers, body)
        except (httpx.TimeoutException, TimeoutError):
            failure = errors.RequestTimeout(f"{ENDPOINT} returned no complete response in time")
        except httpx.DecodingError:
            failure = errors.MalformedResponse(f"{ENDPOINT} returned broken compression")
        except httpx.TransportError as error:
            failure = _connection_error(error)
        # Raise outside of `except`, so that the error has no context: httpx's exceptions contain
        # the request with its key and filters.
        raise failure


def validate_api_key(value: str) -> str:
    """Return an API key that a header can carry.

    Raises:
        ConfigurationError: The key is empty, or has white space or characters outside ASCII.
    """
    if re.fullmatch(r"[!-~]+", value):
        return value
    problem = "has white space or characters outside ASCII" if value else "is empty"
    raise errors.ConfigurationError(
        f"api_key {problem}", "copy the key from the ARGOS dashboard, without line break or quotes"
    )


def validate_base_url(value: str, *, allow_insecure_http: bool) -> httpx.URL:
    """Parse a base URL and check that the key may be sent to it.

    httpx both parses the URL and sends the requests: two parsers could disagree about the host.
    Messages do not contain the URL, because it may contain passwords or keys.

    Raises:
        ConfigurationError: `value` is not an http or https URL with a host, contains credentials,
            a query or a fragment, or would send the key unencrypted over a network.
    """
    url = httpx.URL()
    with suppress(httpx.InvalidURL, UnicodeError):  # the host is decoded when it is asked for
        url = httpx.URL(value) if httpx.URL(value).host else url
    if url.scheme not in ("http", "https") or not url.host:
        problem = "is empty" if not value else "is not an http or https address with a host"
        raise errors.ConfigurationError(f"base_url {problem}", _URL_REMEDY)
    if url.userinfo or not {"?", "#"}.isdisjoint(value):
        raise errors.ConfigurationError(
            "base_url has credentials, a query or a fragment", _URL_REMEDY
        )
    if url.scheme == "http" and not (allow_insecure_http or is_loopback(url.host)):
        raise errors.ConfigurationError(
            f"base_url would send the API key unencrypted to {url.host}",
            "use https; plain http is allowed for loopback addresses only",
        )
    return url


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, without asking a resolver."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def quiet_http_loggers() -> None:
    """Stop the HTTP libraries from logging URLs with filters and headers with the key."""
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))


def _connection_error(error: httpx.TransportError) -> errors.ArgosError:
    """Return CertificateRefused for a certificate that does not verify, else ConnectionFailed."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return errors.CertificateRefused(
                f"{ENDPOINT} failed: the certificate does not verify (OpenSSL {cause.verify_code})"
            )
        cause = cause.__cause__ or cause.__context__
    return errors.ConnectionFailed(f"{ENDPOINT} failed with {type(error).__name__}")


async def _read(response: httpx.Response, max_bytes: int) -> bytes:
    """Read and decompress a body, up to the size limit."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise errors.MalformedResponse(f"{ENDPOINT} returned an encoding that was not requested")
    # Half a page that is too large is not read in vain.
    announced = response.headers.get("content-length", "")
    if encoding in ("", "identity") and announced.isdecimal():
        _check_size(int(announced), max_bytes)
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        _check_size(size, max_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        error = errors.OversizedResponse(f"{ENDPOINT} returned more than {max_bytes} bytes")
        error.size = size
        raise error
