"""Validation of the API key and the base URL."""

from collections.abc import Callable
from typing import Any

import pytest

from argos_sync.api.client import ArgosClient
from argos_sync.api.errors import ConfigurationError
from argos_sync.api.transport import validate_api_key, validate_base_url


@pytest.mark.parametrize(
    "value",
    [
        "https://rest-api.argosidentity.com/v3",
        "https://rest-api.argosidentity.com/v3/",
        "http://localhost:8080/v3",
        "http://127.0.0.1:8080",
        "http://127.9.9.9",
        "http://[::1]:8080/v3",
    ],
)
def test_valid_urls(value: str) -> None:
    """TLS to any host and plain http to this machine are accepted."""
    assert str(validate_base_url(value, allow_insecure_http=False)) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "base_url is empty"),
        ("rest-api.argosidentity.com/v3", "is not an http or https address"),
        ("ftp://files.test", "is not an http or https address"),
        ("https://", "is not an http or https address"),
        ("https://[::1", "is not an http or https address"),
        ("https://api.test:port", "is not an http or https address"),
        ("https://me:pass@api.test/v3", "has credentials"),
        ("https://api.test/v3?key=pass", "has credentials, a query"),
        ("https://api.test/v3?", "has credentials, a query"),
        ("https://api.test/v3#pass", "has credentials, a query or a fragment"),
        ("http://api.test/v3", "would send the API key unencrypted to api.test"),
        ("http://127.0.0.1.api.test", "unencrypted to 127.0.0.1.api.test"),
        ("http://localhost.api.test", "unencrypted to localhost.api.test"),
        ("http://0.0.0.0", "unencrypted to 0.0.0.0"),
        ("http://10.0.0.7", "unencrypted to 10.0.0.7"),
    ],
)
def test_invalid_urls(value: str, message: str) -> None:
    """A URL that is invalid or would leak the key is refused and not repeated."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        validate_base_url(value, allow_insecure_http=False)
    assert "pass" not in str(caught.value)
    assert caught.value.__context__ is None


def test_plain_http_can_be_allowed() -> None:
    """An option allows plain http to other hosts."""
    url = validate_base_url("http://api.test/v3", allow_insecure_http=True)
    assert str(url) == "http://api.test/v3"


@pytest.mark.parametrize("value", ["", " ", "key\n", "zwei Teile", "ключ", "ke\x00y"])
def test_invalid_keys(value: str) -> None:
    """A key that cannot be a header is refused and not shown."""
    with pytest.raises(ConfigurationError, match=r"^api_key ") as caught:
        validate_api_key(value)
    assert not value.strip() or value not in str(caught.value)


def test_valid_key() -> None:
    """A printable ASCII key is accepted unchanged."""
    assert validate_api_key("aZ09-_./+=~") == "aZ09-_./+=~"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"page_size": 0}, "page_size is 0; set page_size to 1 or more"),
        ({"request_style": "xml"}, "request_style is 'xml'; set request_style to query or json"),
        ({"max_requests_per_second": 0.0}, "max_requests_per_second is 0.0; set it to a number"),
        ({"max_requests_per_second": float("nan")}, "max_requests_per_second is nan"),
        ({"api_key": ""}, "api_key is empty; copy the key"),
        ({"base_url": "http://api.test"}, "use https; plain http is allowed for loopback"),
    ],
)
def test_client_validates_its_options(
    connect: Callable[..., ArgosClient], option: dict[str, Any], message: str
) -> None:
    """An invalid option is refused with its value and the valid ones."""
    with pytest.raises(ConfigurationError) as caught:
        connect(**option)
    assert message in str(caught.value)


def test_repr_hides_the_key(connect: Callable[..., ArgosClient]) -> None:
    """The repr of a client does not show the key."""
    client = connect(api_key="very-secret")
    assert repr(client) == "ArgosClient(url='https://api.test/v3/submission', page_size=1000)"
