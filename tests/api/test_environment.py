"""Proxies and certificate authorities of the environment: a wrong one is named, never its value."""

from pathlib import Path

import pytest

from argos_sync.api import transport
from argos_sync.api.client import ArgosClient
from argos_sync.api.errors import ConfigurationError

PASSWORD = "password-of-the-proxy"
NOT_USED = [
    {},
    {"ALL_PROXY": ""},
    {"HTTPS_PROXY": f"user:{PASSWORD}@proxy.example.com:8080"},
    {
        "HTTPS_PROXY": f"http://user:{PASSWORD}@[::1]:8080",
        "NO_PROXY": "::1,10.0.0.0/8, .example.com,,",
    },
    {"HTTPS_PROXY": "::::", "NO_PROXY": "*"},
    {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""},
    {"REQUESTS_CA_BUNDLE": "/nonexistent"},
]
REFUSED = [
    ("HTTP_PROXY", "::::"),
    ("HTTPS_PROXY", " "),
    ("https_proxy", "http://a b:1"),
    ("HTTPS_PROXY", "http://"),
    ("HTTPS_PROXY", f"http://user:{PASSWORD}@127.0.0.1:port"),
    ("HTTPS_PROXY", f"http://user:{PASSWORD}@127.0.0.1:99999999"),
    ("HTTPS_PROXY", "http://127.0.0.1:1\n"),
    ("HTTPS_PROXY", "http://xn--:1"),
    ("HTTPS_PROXY", "http://[::1"),
    ("ALL_PROXY", f"socks4://user:{PASSWORD}@127.0.0.1:1"),
    ("all_proxy", "file:///etc/passwd"),
    ("NO_PROXY", "[::1,::::,http://x:y"),
    ("no_proxy", "https://example.com:port"),
    ("SSL_CERT_FILE", "/nonexistent/ca.pem"),
    ("SSL_CERT_FILE", "{folder}"),
    ("SSL_CERT_FILE", "{folder}/empty"),
    ("SSL_CERT_FILE", "{folder}/text"),
    ("SSL_CERT_DIR", "/nonexistent"),
    ("SSL_CERT_DIR", "{folder}/text"),
    ("SSL_CERT_DIR", "{folder}/nothing"),
    ("SSLKEYLOGFILE", "/nonexistent/keys"),
]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove what the machine's own environment has, and read the authorities again."""
    for scheme in ("http", "https", "all", "no"):
        for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY"):
            monkeypatch.delenv(name, raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)
    transport._default_ssl_context.cache_clear()


def connect(url: str = "https://127.0.0.1:1/v3") -> None:
    """Make a client."""
    ArgosClient(api_key="k" * 40, base_url=url)


@pytest.mark.parametrize("environment", NOT_USED)
def test_usable_environments(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is refused that a client can use, or does not use."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    connect()


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_unusable_environments(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One line names the variable, and the path of a file, but no password."""
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("no certificate")
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv(name, value.format(folder=tmp_path))
    with pytest.raises(ConfigurationError, match=rf"^{name} ") as refused:
        connect()
    assert PASSWORD not in str(refused.value)
    assert refused.value.exit_code == 2
    connect("http://127.0.0.1:1/v3")  # without TLS none of them is used


def test_a_socks_proxy_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the package."""
    monkeypatch.setattr("argos_sync.api.environment.find_spec", lambda _: None)
    monkeypatch.setenv("ALL_PROXY", f"socks5://user:{PASSWORD}@127.0.0.1:1")
    with pytest.raises(ConfigurationError, match=r"ALL_PROXY .* `pip install socksio`"):
        connect()


@pytest.mark.parametrize("url", ["https://xn--/v3", "https://\ud800/v3"])
def test_a_host_that_cannot_be_decoded(url: str) -> None:
    """It is a wrong setting, not an unexpected error."""
    with pytest.raises(ConfigurationError, match="base_url is not an http or https address"):
        connect(url)
