"""A missing PostgreSQL is a failure in CI, and a skip elsewhere."""

import socket

import pytest

import support


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_a_missing_postgres_fails_in_ci(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens on a port that was just given back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(support, "POSTGRES_PORT", port)
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no PostgreSQL listens"):
        support.require_postgres()
