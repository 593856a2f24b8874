"""One request, one whole answer: the only place that asks the API."""

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

# Pages may be many seconds apart while a chunk loads; a TLS handshake each time is wasted.
_LIMITS = httpx.Limits(keepalive_expiry=30.0)
# zlib grows a 64 KiB read to 64 MiB at most; other and nested encodings know no such bound.
_ENCODINGS = ("", "identity", "gzip", "deflate")


class Response(NamedTuple):
    """A response, read to its end and decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Endpoint:
    """`{base_url}/submission` over kept-alive connections.

    Args:
        base_url: Checked address up to and including the version.
        api_key: Checked key, sent as `x-api-key`.
        timeout: httpx's: seconds to connect, and between two reads or writes.
        deadline: Seconds for one whole answer, so that a trickle of bytes cannot hold a walk.
        max_bytes: Bound of one answer after decompression.
        transport: Replaces the network, for tests.
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
        """Prepare, without connecting yet."""
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
            # The key must not follow a server's word to another host.
            follow_redirects=False,
            # A proxy from the environment would see a plain request, key included.
            trust_env=base_url.scheme == "https",
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def get(self, params: Mapping[str, Any], *, as_json: bool) -> Response:
        """Send `params` in the URL or as a JSON body, and read the whole answer.

        Raises:
            RequestTimeout: No complete answer in time.
            CertificateRefused: The server's certificate does not verify.
            ConnectionFailed: The connection failed or ended early.
            MalformedResponse: The answer is too large, or not compressed as was asked.
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
            failure = RequestTimeout(f"{ENDPOINT} gave no complete answer in time")
        except httpx.DecodingError:
            failure = MalformedResponse(f"{ENDPOINT} answered with broken compression")
        except httpx.TransportError as error:
            failure = _connection_error(error)
        # Raised out here, the error has no context: httpx's exceptions hold the request, and with
        # it the key and the filters.
        raise failure

    def _request(self, params: Mapping[str, Any], as_json: bool) -> httpx.Request:
        """Put the parameters where they are wanted."""
        if not as_json:
            return self._http.build_request("GET", self.url, params=params)
        headers = {"content-type": "application/json"}
        content = orjson.dumps(params)
        return self._http.build_request("GET", self.url, content=content, headers=headers)

    async def _read(self, response: httpx.Response) -> bytes:
        """Read a body up to the bound, which a small compressed answer could exceed by far."""
        if response.headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
            raise MalformedResponse(f"{ENDPOINT} answered with an encoding that was not asked for")
        chunks = []
        left = self._max_bytes
        async for chunk in response.aiter_bytes():
            left -= len(chunk)
            if left < 0:
                raise MalformedResponse(
                    f"{ENDPOINT} answered with more than {self._max_bytes} bytes"
                )
            chunks.append(chunk)
        return b"".join(chunks)


def _ssl_context(base_url: httpx.URL) -> ssl.SSLContext:
    """Return whose certificates are accepted, read at most once; nobody's where none is shown."""
    if base_url.scheme == "https":
        return _default_ssl_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _default_ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _connection_error(error: httpx.TransportError) -> ArgosError:
    """Tell a certificate that does not verify from everything else that happens to connections."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CertificateRefused(
                f"{ENDPOINT} failed: the certificate does not verify (OpenSSL {cause.verify_code})"
            )
        cause = cause.__cause__ or cause.__context__
    return ConnectionFailed(f"{ENDPOINT} failed with {type(error).__name__}")


def quiet_http_loggers() -> None:
    """Keep the HTTP libraries from logging URLs with filters, and headers with the key."""
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
