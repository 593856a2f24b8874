"""A server that means harm: the key goes nowhere else, and no answer takes the machine down."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from argos_sync.emulator import Emulator
from cli.command import Command
from cli.conftest import KEY
from cli.hostile import ATTACKS, Answer, Hostile, Parts, head, nested, whole
from cli.processes import peak_memory, tree

MEGABYTE = 2**20


@pytest.fixture
def against(argos_sync: Command) -> Callable[[str], Command]:
    """The command with a key and the address of some server."""

    def against(base_url: str) -> Command:
        argos_sync.settings |= {
            "SOURCES__ARGOS__API_KEY": KEY,
            "SOURCES__ARGOS__BASE_URL": base_url,
            "SOURCES__ARGOS__PAGE_SIZE": "8",
            "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
        }
        return argos_sync

    return against


Against = Callable[[str], Command]


def refused(command: Command) -> str:
    """What `doctor` says about the API that it gives up, sooner than a `sync`."""
    lines = command("doctor", code=4).stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("FAIL")]
    return line.removeprefix("FAIL API and key: ")


def honest(submissions: list[dict[str, Any]]) -> Answer:
    """The answers of the stand-in API."""
    api = Emulator(submissions)

    def answer(path: str, key: str) -> Parts:
        return whole(api.answer(path.partition("?")[2], b"", key).body)

    return answer


def test_attacks_between_good_answers(against: Against, submissions: list[dict[str, Any]]) -> None:
    """Each request is attacked once and asked again: nothing is lost, and memory stays bounded."""
    good = honest(submissions)
    left = dict(ATTACKS)
    attacked: set[str] = set()
    memory: list[int] = []

    def answer(path: str, key: str) -> Parts:
        if left and path not in attacked:
            attacked.add(path)
            return left.pop(next(iter(left)))()
        if not left:
            memory[:] = [peak_memory(pid) for pid in tree(process.pid)]
        return good(path, key)

    with Hostile(answer) as server:
        command = against(server.url())
        with command.start("sync") as process:
            done = command.finish(process)
    assert done.returncode == 0, done.stderr
    assert left == {}
    assert f"({len(ATTACKS)} retries)" in done.stdout
    assert sorted(command.rows("SELECT submission_id FROM submissions")) == sorted(
        (one["submission_id"],) for one in submissions
    )
    assert len(memory) == 2
    assert max(memory) < 800 * MEGABYTE, memory


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gzip bomb", f"returned more than {256 * MEGABYTE} bytes"),
        ("endless", f"returned more than {256 * MEGABYTE} bytes"),
        ("endless head", "failed with RemoteProtocolError"),
        ("nested", "answered 200 with no complete JSON object"),
    ],
)
def test_attacks_for_good(against: Against, name: str, words: str) -> None:
    """What does not end is given up with one line; `doctor` tries twice, `sync` six times."""
    with Hostile(lambda *_: ATTACKS[name]()) as server:
        said = refused(against(server.url()))
    assert words in said
    assert "(2 attempts); " in said


def test_a_submission_nested_too_deeply_to_be_written(against: Against) -> None:
    """What can be read just so, but not be walked through, is nonsense of the API, no bug."""
    with Hostile(lambda *_: whole(nested(1_000))) as server:
        said = against(server.url()).says("sync", code=4)
    assert said.startswith("a submission is nested too deeply; ")


def test_numbers_that_no_column_holds(against: Against) -> None:
    """They stay in `_extra`, digit by digit, and the run goes through."""
    many = b"7" * 6_000
    row = b'{"submission_id":"n","created_at":"2025-01-05-00-00-00-000","argos_score":1e999,"x":%b}'
    with Hostile(lambda *_: whole(b'{"Items":[%b]}' % (row % many))) as server:
        command = against(server.url())
        command("sync")
    ((score, extra),) = command.rows("SELECT argos_score, _extra FROM submissions")
    assert score is None
    assert '"1e999"' in extra
    assert many.decode() in extra


@pytest.mark.parametrize(
    ("status", "scheme", "host"),
    [
        ("307 Temporary Redirect", "http", "127.0.0.1"),
        ("302 Found", "http", "localhost"),
        ("308 Permanent Redirect", "https", "127.0.0.1"),
    ],
    ids=["port", "host", "scheme"],
)
def test_redirects_are_refused(against: Against, status: str, scheme: str, host: str) -> None:
    """The key stays with the server it was meant for; the other one is never even visited."""
    with Hostile(lambda *_: [head()]) as other:
        location = f"Location: {other.url(scheme, host)}/submission"
        with Hostile(lambda *_: [head("Content-Length: 0", location, status=status)]) as server:
            said = refused(against(server.url()))
    assert f"HTTP {status[:3]}; " in said
    assert "redirects are not followed" in said
    assert server.keys == [KEY]
    assert other.visits == 0


def test_plain_http_needs_permission(against: Against, submissions: list[dict[str, Any]]) -> None:
    """An address that is not loopback by definition gets no key in clear text, unless told so."""
    with Hostile(honest(submissions)) as server:
        command = against(server.url(host="0.0.0.0"))  # noqa: S104 on Linux a way to this machine
        said = command.says("sync", code=2)
        assert "would send the API key unencrypted to 0.0.0.0; use https" in said
        assert server.visits == 0
        command.settings["SOURCES__ARGOS__ALLOW_INSECURE_HTTP"] = "true"
        command("doctor")
        assert set(server.keys) == {KEY}


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        key.private_bytes(pem, pkcs8, serialization.NoEncryption()) + made.public_bytes(pem)
    )
    return file


@pytest.fixture
def secure(certificate: Path, submissions: list[dict[str, Any]]) -> Iterator[Hostile]:
    """The stand-in API behind TLS with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Hostile(honest(submissions), context) as running:
        yield running


NO_VERIFICATION = {
    "PYTHONHTTPSVERIFY": "0",
    "SSL_NO_VERIFY": "1",
    "CURL_CA_BUNDLE": "",
    "REQUESTS_CA_BUNDLE": "",
    "SOURCES__ARGOS__ALLOW_INSECURE_HTTP": "true",
    "SOURCES__ARGOS__VERIFY": "false",
}
"""What turns verification off elsewhere, or sounds like it."""


def test_certificates_are_verified(against: Against, secure: Hostile, certificate: Path) -> None:
    """Nothing turns that off; a certificate can only be trusted, and then for its own name."""
    command = against(secure.url("https"))
    command.settings |= NO_VERIFICATION
    said = refused(command)
    assert said.startswith("GET /submission failed: the certificate does not verify (OpenSSL 18); ")
    assert "set SSL_CERT_FILE to the proxy's CA certificate" in said
    command.settings["SSL_CERT_FILE"] = str(certificate)
    command.settings["SOURCES__ARGOS__BASE_URL"] = secure.url("https", "localhost")
    assert "the certificate does not verify (OpenSSL 62); " in refused(command)
    assert secure.keys == []
    command.settings["SOURCES__ARGOS__BASE_URL"] = secure.url("https")
    command("doctor")
    assert set(secure.keys) == {KEY}
