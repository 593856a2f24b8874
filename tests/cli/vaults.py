"""Vaults on loopback: what Google's and Amazon's servers answer to dlt's real clients."""

import base64
import json
import re
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from certificates import self_signed

GOOGLE_HOSTS = ("secretmanager.googleapis.com", "oauth2.googleapis.com")
TOKEN = "token-of-the-service-account"
AWS_KEY = "access-key-of-the-test"


@dataclass
class Vault:
    """Serve secrets while the context is open.

    Google's client reaches it as a proxy for https, which decrypts: so the client talks to Google's
    own addresses, over TLS that it verifies. Amazon's client has a setting for the address.

    Attributes:
        folder: Where the certificate is written.
        secrets: Texts by name, as dlt asks for them.
        failing: Names, or their beginnings, for which the answer is status 503.
        requested: The names that were asked for, in order.
    """

    folder: Path
    secrets: dict[str, str]
    failing: tuple[str, ...] = ()
    requested: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen on a free port."""
        self.certificate = self_signed(self.folder / "vault.pem", GOOGLE_HOSTS)
        vault = self

        class Handler(_Handler):
            pass

        Handler.vault = vault
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Return its URL without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def google(self) -> dict[str, str]:
        """Return the environment with which dlt's provider for Google reaches it."""
        account = {
            "project_id": "kyc-project",
            "client_email": "loader@kyc-project.iam.gserviceaccount.com",
            "private_key": private_key(),
        }
        return {
            "PROVIDERS__ENABLE_GOOGLE_SECRETS": "true",
            "PROVIDERS__GOOGLE_SECRETS__CREDENTIALS": json.dumps(account),
            "https_proxy": self.url,
            "no_proxy": "127.0.0.1",
            "HTTPLIB2_CA_CERTS": str(self.certificate),
        }

    @property
    def amazon(self) -> dict[str, str]:
        """Return the environment with which dlt's provider for AWS reaches it."""
        return {
            "PROVIDERS__ENABLE_AWS_SECRETS": "true",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.url,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": AWS_KEY,
            "AWS_SECRET_ACCESS_KEY": "secret-access-key-of-the-test",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def __enter__(self) -> Self:
        """Start to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def private_key() -> str:
    """Return a new key of a service account, as Google writes it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    vault: Vault

    def do_CONNECT(self) -> None:
        """Become one of Google's servers."""
        assert self.path in {f"{host}:443" for host in GOOGLE_HOSTS}
        self.send_response(200)
        self.end_headers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.vault.certificate)
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)

    def finish(self) -> None:
        """Close the connection, which TLS has made another one."""
        super().finish()
        self.connection.close()

    def do_POST(self) -> None:
        """Give Google's client a token, or Amazon's client a secret."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if urlsplit(self.path).path == "/token":
            assert b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer" in body
            answer = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
            return self._answer(200, answer)
        assert self.headers["x-amz-target"] == "secretsmanager.GetSecretValue"
        assert f"Credential={AWS_KEY}/" in self.headers["authorization"]
        name = json.loads(body)["SecretId"]
        text = self._look_up(name)
        if self._fails(name):
            return self._answer(503, {"__type": "InternalServiceError"})
        if text is None:
            return self._answer(400, {"__type": "ResourceNotFoundException"})
        return self._answer(200, {"Name": name, "SecretString": text})

    def do_GET(self) -> None:
        """Give Google's client a secret."""
        assert self.headers["authorization"] == f"Bearer {TOKEN}"
        pattern = r"/v1/projects/kyc-project/secrets/([\w-]+)/versions/latest:access\?alt=json"
        match = re.fullmatch(pattern, self.path)
        assert match is not None
        text = self._look_up(match[1])
        if self._fails(match[1]) or text is None:
            status = 503 if self._fails(match[1]) else 404
            error = {"code": status, "message": f"{match[1]} of {TOKEN}", "status": "X"}
            return self._answer(status, {"error": error})
        return self._answer(200, {"payload": {"data": base64.b64encode(text.encode()).decode()}})

    def _look_up(self, name: str) -> str | None:
        self.vault.requested.append(name)
        return self.vault.secrets.get(name)

    def _fails(self, name: str) -> bool:
        return name.startswith(self.vault.failing)

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing."""
