"""A malicious server: the key goes nowhere else, and no response exhausts the machine."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from certificates import self_signed
from cli.command import Command
from cli.conftest import KEY
from cli.hostile_server import ATTACKS, Answer, HostileServer, Parts, complete, head, nested
from cli.processes import peak_memory, process_tree
from whole_lists import Emulator

pytestmark = pytest.mark.process

MEGABYTE = 2**20

CommandFor = Callable[[str], Command]
"""Return the command, configured with a base URL."""


@pytest.fixture
def command_for(argos_sync: Command) -> CommandFor:
    """Return a function that configures the command with a key and a base URL."""

    def command_for(base_url: str) -> Command:
        argos_sync.settings |= {
            "SOURCES__ARGOS__API_KEY": KEY,
            "SOURCES__ARGOS__BASE_URL": base_url,
            "SOURCES__ARGOS__PAGE_SIZE": "8",
            "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
        }
        return argos_sync

    return command_for


def api_failure(command: Command) -> str:
    """Return what `doctor` reports about the API; it gives up sooner than a `sync`."""
    lines = command("doctor", code=4).stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("FAIL")]
    return line.removeprefix("FAIL API and key: ")


def correct_answers(submissions: list[dict[str, Any]]) -> Answer:
    """Return a function with the answers of the emulator."""
    api = Emulator(submissions)

    def answer(path: str, key: str) -> Parts:
        return complete(api.answer(path.partition("?")[2], b"", key).body)

    return answer


def test_attacks_between_correct_answers(
    command_for: CommandFor, submissions: list[dict[str, Any]]
) -> None:
    """Each request is attacked once and retried: nothing is lost, and memory stays bounded."""
    correct = correct_answers(submissions)
    attacks = dict(ATTACKS)
    attacked: set[str] = set()
    memory: list[int] = []

    def answer(path: str, key: str) -> Parts:
        if attacks and path not in attacked:
            attacked.add(path)
            return attacks.pop(next(iter(attacks)))()
        if not attacks:
            memory[:] = [peak_memory(pid) for pid in process_tree(process.pid)]
        return correct(path, key)

    with HostileServer(answer) as server:
        command = command_for(server.url())
        with command.start("sync") as process:
            done = command.finish(process)
    assert done.returncode == 0, done.stderr
    assert attacks == {}
    # Instead of a page that is too large a smaller one is requested; that is no retry.
    assert f"({len(ATTACKS) - 1} retries)" in done.stdout
    assert sorted(command.rows("SELECT submission_id FROM submissions")) == sorted(
        (submission["submission_id"],) for submission in submissions
    )
    assert len(memory) == 2
    # A single response may have 256 MB: when it is complete, its parts are in memory beside it.
    assert max(memory) < 1_000 * MEGABYTE, memory


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gzip bomb", f"returned more than {256 * MEGABYTE} bytes"),
        ("endless", f"returned more than {256 * MEGABYTE} bytes"),
        ("endless head", "failed with RemoteProtocolError"),
        ("nested", "returned no complete JSON object"),
    ],
)
def test_attacks_without_end(command_for: CommandFor, name: str, message: str) -> None:
    """The command gives up with one line; `doctor` tries twice, `sync` six times."""
    with HostileServer(lambda *_: ATTACKS[name]()) as server:
        failure = api_failure(command_for(server.url()))
    assert message in failure
    assert "(2 attempts); " in failure


def test_a_submission_nested_too_deeply(command_for: CommandFor) -> None:
    """A submission that can be parsed but not processed is a failure of the API, not a bug."""
    with HostileServer(lambda *_: complete(nested(1_000))) as server:
        message = command_for(server.url()).error_line("sync", code=4)
    assert message.startswith("a submission is nested too deeply; ")


def test_numbers_that_no_column_holds(command_for: CommandFor) -> None:
    """They are kept in `_extra`, digit by digit, and the run succeeds."""
    digits = b"7" * 6_000
    row = b'{"submission_id":"n","created_at":"2025-01-05-00-00-00-000","argos_score":1e999,"x":%b}'
    with HostileServer(lambda *_: complete(b'{"Items":[%b]}' % (row % digits))) as server:
        command = command_for(server.url())
        command("sync")
    ((score, extra),) = command.rows("SELECT argos_score, _extra FROM submissions")
    assert score is None
    assert '"1e999"' in extra
    assert digits.decode() in extra


@pytest.mark.parametrize(
    ("status", "scheme", "host"),
    [
        ("307 Temporary Redirect", "http", "127.0.0.1"),
        ("302 Found", "http", "localhost"),
        ("308 Permanent Redirect", "https", "127.0.0.1"),
    ],
    ids=["port", "host", "scheme"],
)
def test_redirects_are_refused(
    command_for: CommandFor, status: str, scheme: str, host: str
) -> None:
    """The key is only sent to the configured server; the other one gets no connection."""
    with HostileServer(lambda *_: [head()]) as other:
        location = f"Location: {other.url(scheme, host)}/submission"
        with HostileServer(
            lambda *_: [head("Content-Length: 0", location, status=status)]
        ) as server:
            failure = api_failure(command_for(server.url()))
    assert f"HTTP {status[:3]}; " in failure
    assert "redirects are not followed" in failure
    assert server.keys == [KEY]
    assert other.connections == 0


def test_plain_http_needs_permission(
    command_for: CommandFor, submissions: list[dict[str, Any]]
) -> None:
    """The key is sent unencrypted only to loopback addresses, unless a setting allows more."""
    with HostileServer(correct_answers(submissions)) as server:
        command = command_for(server.url(host="0.0.0.0"))  # noqa: S104 on Linux it leads to this machine
        message = command.error_line("sync", code=2)
        assert "would send the API key unencrypted to 0.0.0.0; use https" in message
        assert server.connections == 0
        command.settings["SOURCES__ARGOS__ALLOW_INSECURE_HTTP"] = "true"
        command("doctor")
        assert set(server.keys) == {KEY}


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a file with a self-signed certificate for 127.0.0.1 and its key."""
    return self_signed(tmp_path / "certificate.pem")


@pytest.fixture
def tls_server(certificate: Path, submissions: list[dict[str, Any]]) -> Iterator[HostileServer]:
    """Run the emulator's answers behind TLS with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HostileServer(correct_answers(submissions), context) as server:
        yield server


NO_VERIFICATION = {
    "PYTHONHTTPSVERIFY": "0",
    "SSL_NO_VERIFY": "1",
    "CURL_CA_BUNDLE": "",
    "REQUESTS_CA_BUNDLE": "",
    "SOURCES__ARGOS__ALLOW_INSECURE_HTTP": "true",
}
"""Settings that turn verification off in other programs, or sound like it."""


def test_certificates_are_verified(
    command_for: CommandFor, tls_server: HostileServer, certificate: Path
) -> None:
    """No setting turns that off; a certificate can be trusted, but only for its own name."""
    command = command_for(tls_server.url("https"))
    command.settings |= NO_VERIFICATION
    failure = api_failure(command)
    assert failure.startswith(
        "GET /submission failed: the certificate does not verify (OpenSSL 18); "
    )
    assert "set SSL_CERT_FILE to the proxy's CA certificate" in failure
    command.settings["SSL_CERT_FILE"] = str(certificate)
    command.settings["SOURCES__ARGOS__BASE_URL"] = tls_server.url("https", "localhost")
    assert "the certificate does not verify (OpenSSL 62); " in api_failure(command)
    assert tls_server.keys == []
    command.settings["SOURCES__ARGOS__BASE_URL"] = tls_server.url("https")
    command("doctor")
    assert set(tls_server.keys) == {KEY}
