"""Send requests to the API and read whole responses."""

from __future__ import annotations

import asyncio
import logging
import ssl
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import orjson

from argos_sync import __version__
from argos_sync.api.errors import (
    ArgosError,
    CertificateRefused,
    ConnectionFailed,
    MalformedResponse,
    RequestTimeout,
)
from argos_sync.api.responses import ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Mapping

# Loading a chunk can take many seconds between two pages: keep the TLS connection meanwhile.
_LIMITS = httpx.Limits(keepalive_expiry=30.0)
# zlib expands a 64 KiB read to at most 64 MiB; other and nested encodings have no such bound.
_ENCODINGS = ("", "identity", "gzip", "deflate")


class Response(NamedTuple):
    """Hold a complete, decompressed response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Endpoint:
    """Send requests to `{base_url}/submission` over persistent connections.

    Args:
        base_url: Validated URL up to and including the version.
        api_key: Validated key, sent as `x-api-key`.
        timeout: httpx timeout: seconds to connect, and between two reads or writes.
        deadline: Seconds for one whole response, so that a slow trickle of bytes cannot block.
        max_bytes: Largest response accepted, in bytes after decompression.
        transport: Replaces the network in tests.
    """

    def __init__(
        self,
        base_url: httpx.URL,
        api_key: str,
        *,
        timeout: httpx.Timeout | float,
        deadline: float,
        max_bytes: int,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        """Prepare the HTTP client; the first request opens a connection."""
        self.url = f"{str(base_url).rstrip('/')}/submission"
        self._deadline = deadline
        self._max_bytes = max_bytes
        quiet_http_loggers()
        self._http = httpx.AsyncClient(
            headers={
                "x-api-key": api_key,
                "accept": "application/json",
                "accept-encoding": "gzip, deflate",
                "user-agent": f"argos-sync/{__version__}",
            },
            timeout=timeout,
            limits=_LIMITS,
            transport=transport,
            verify=_ssl_context(base_url),
            # A redirect would send the key to another host.
            follow_redirects=False,
            # A proxy from the environment would see plain requests and their key.
            trust_env=base_url.scheme == "https",
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def get(self, params: Mapping[str, Any], *, as_json: bool) -> Response:
        """Send one request and read the whole response.

        Args:
            params: Parameters under the API's names.
            as_json: Send `params` as a JSON body instead of in the URL.

        Raises:
            RequestTimeout: No complete response arrived in time.
            CertificateRefused: The server's certificate does not verify.
            ConnectionFailed: The connection failed or ended early.
            MalformedResponse: The response is too large, or its compression is broken or unknown.
        """
        failure: ArgosError
        try:
            async with asyncio.timeout(self._deadline):
                response = await self._http.send(self._request(params, as_json), stream=True)
                try:
                    body = await self._read(response)
                    return Response(response.status_code, response.headers, body)
                finally:
                    await response.aclose()
        except (httpx.TimeoutException, TimeoutError):
            failure = RequestTimeout(f"{ENDPOINT} returned no complete response in time")
        except httpx.DecodingError:
            failure = MalformedResponse(f"{ENDPOINT} returned broken compression")
        except httpx.TransportError as error:
            failure = _connection_error(error)
        # Raise outside of `except`, so that the error has no context: httpx's exceptions contain
        # the request with its key and filters.
        raise failure

    def _request(self, params: Mapping[str, Any], as_json: bool) -> httpx.Request:
        """Build a request with its parameters in the URL or in the body."""
        if not as_json:
            return self._http.build_request("GET", self.url, params=params)
        headers = {"content-type": "application/json"}
        content = orjson.dumps(params)
        return self._http.build_request("GET", self.url, content=content, headers=headers)

    async def _read(self, response: httpx.Response) -> bytes:
        """Read and decompress a body, up to the size limit."""
        if response.headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
            raise MalformedResponse(f"{ENDPOINT} returned an encoding that was not requested")
        chunks = []
        bytes_left = self._max_bytes
        async for chunk in response.aiter_bytes():
            bytes_left -= len(chunk)
            if bytes_left < 0:
                raise MalformedResponse(f"{ENDPOINT} returned more than {self._max_bytes} bytes")
            chunks.append(chunk)
        return b"".join(chunks)


def _ssl_context(base_url: httpx.URL) -> ssl.SSLContext:
    """Return the TLS settings; plain http needs no certificate authorities."""
    if base_url.scheme == "https":
        return _default_ssl_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _default_ssl_context() -> ssl.SSLContext:
    """Read the certificate authorities once per process."""
    return httpx.create_ssl_context()


def _connection_error(error: httpx.TransportError) -> ArgosError:
    """Return CertificateRefused for a certificate that does not verify, else ConnectionFailed."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CertificateRefused(
                f"{ENDPOINT} failed: the certificate does not verify (OpenSSL {cause.verify_code})"
            )
        cause = cause.__cause__ or cause.__context__
    return ConnectionFailed(f"{ENDPOINT} failed with {type(error).__name__}")


def quiet_http_loggers() -> None:
    """Stop the HTTP libraries from logging URLs with filters and headers with the key."""
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
