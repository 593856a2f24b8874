"""Check what HTTP clients read from the environment: proxies and certificate authorities.

httpx reads the same variables and raises errors of many types, some with a proxy's password in
their text. The errors here name the variable, and never its value.
"""

import ipaddress
import os
import re
import ssl
from importlib.util import find_spec
from pathlib import Path
from urllib.request import getproxies_environment

import httpx

from argos_sync.api.errors import ConfigurationError

_PROXY_REMEDY = "set it to an address like http://proxy.example.com:8080, or unset it"
_MAX_PORT = 0xFFFF


def check_proxies() -> None:
    """Check the addresses of the proxies that the environment names.

    Raises:
        ConfigurationError: One of them cannot be used.
    """
    proxies = getproxies_environment()
    exceptions = [name.strip() for name in proxies.get("no", "").split(",")]
    if "*" in exceptions:
        return  # no proxy is used
    for scheme in ("http", "https", "all"):
        if address := proxies.get(scheme):
            _check_proxy(_variable(f"{scheme}_proxy"), address)
    for host in filter(None, exceptions):
        try:
            httpx.URL(_pattern(host))
        except (httpx.InvalidURL, ValueError):
            raise ConfigurationError(
                f"{_variable('no_proxy')} has an entry that is no host",
                "separate the names of hosts by commas, as in localhost,.example.com",
            ) from None


def create_ssl_context() -> ssl.SSLContext:
    """Return a context with the certificate authorities of the environment, or with certifi's.

    Raises:
        ConfigurationError: They cannot be read, or there are none.
    """
    _check_authorities()
    try:
        return httpx.create_ssl_context()
    except OSError:  # ssl.SSLError is one, too
        if os.environ.get("SSLKEYLOGFILE"):
            raise ConfigurationError(
                "SSLKEYLOGFILE names a file that cannot be written",
                "name one in a folder that exists and is writable, or unset it",
            ) from None
        raise ConfigurationError(
            "the certificate authorities of the package certifi cannot be read",
            "install it again, or set SSL_CERT_FILE to a file with certificates in PEM",
        ) from None


def _check_proxy(variable: str, address: str) -> None:
    problem = None
    try:
        url = httpx.URL(address if "://" in address else f"http://{address}")
        host = url.host
    except (httpx.InvalidURL, ValueError):
        problem = "is not the address of a proxy"
    else:
        if url.scheme not in ("http", "https", "socks5", "socks5h"):
            problem = "has a scheme that proxies do not have here"
        elif not re.fullmatch(r"[^\s%]+", host) or not 0 < (url.port or 1) <= _MAX_PORT:
            problem = "has no host, or a port that does not exist"
        elif url.scheme.startswith("socks") and find_spec("socksio") is None:
            raise ConfigurationError(
                f"{variable} names a SOCKS proxy, which needs a package that is not installed",
                "run `pip install socksio`, or name an HTTP proxy",
            )
    if problem:
        raise ConfigurationError(f"{variable} {problem}", _PROXY_REMEDY)


def _pattern(host: str) -> str:
    """Return the pattern that httpx makes of an entry of NO_PROXY."""
    if "://" in host:
        return host
    try:
        address = ipaddress.ip_address(host.partition("/")[0])
    except ValueError:
        return f"all://*{host}"
    return f"all://[{host}]" if isinstance(address, ipaddress.IPv6Address) else f"all://{host}"


def _variable(name: str) -> str:
    """Return a variable's name as it is spelled; small letters take precedence."""
    spelled = [one for one in os.environ if one.lower() == name and os.environ[one]]
    return name if name in spelled or not spelled else spelled[-1]


def _check_authorities() -> None:
    """Check that the certificate authorities that httpx will load are there."""
    if file := os.environ.get("SSL_CERT_FILE"):
        _check_file(file)
        return
    folders = os.environ.get("SSL_CERT_DIR")
    if folders and not any(map(_has_files, folders.split(os.pathsep))):
        raise ConfigurationError(
            "SSL_CERT_DIR names no folder that can be read and has certificates",
            "name a folder that `openssl rehash` has prepared, or unset it",
        )


def _check_file(file: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except ssl.SSLError:
        problem = "which has no certificate"
    except OSError:
        problem = "which cannot be read"
    else:
        return
    if Path(file).is_dir():
        problem = "which is a folder"
    raise ConfigurationError(
        f"SSL_CERT_FILE names {file}, {problem}",
        "name a file with certificates in PEM, or unset it",
    )


def _has_files(folder: str) -> bool:
    try:
        return any(Path(folder).iterdir())
    except OSError:
        return False
