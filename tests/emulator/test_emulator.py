import socket
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from itertools import groupby

import httpx
import orjson
import pytest

from argos_sync.api.crypto import Envelope
from argos_sync.emulator import Behaviour, Emulator, Faults, generate

Get = Callable[..., httpx.Response]

KEY = "k" * 40


def outcomes(emulator: Emulator, get: Get, times: int) -> list[str | None]:
    """Send equal requests, check each response, and return the faults the server recorded."""
    for _ in range(times):
        try:
            response = get(count=3)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            assert emulator.requests[-1].fault in {"drop", "truncate"}
            continue
        fault = emulator.requests[-1].fault
        assert response.status_code == (int(fault) if fault and fault.isdigit() else 200)
        if fault == "html":
            assert response.headers["content-type"] == "text/html"
        if fault == "truncate":
            with pytest.raises(orjson.JSONDecodeError):
                orjson.loads(response.content)
        if fault is None:
            assert len(response.json()["Items"]) == 3
    return [one.fault for one in list(emulator.requests)[-times:]]


MIXED = Faults(
    rate_429=0.1,
    rate_500=0.1,
    rate_502=0.1,
    rate_503=0.1,
    rate_504=0.1,
    rate_drop=0.1,
    rate_truncate=0.1,
    rate_html=0.1,
)


def test_faults_are_deterministic(emulator: Emulator, get: Get) -> None:
    """The same seed gives the same faults; another seed gives other faults."""
    emulator.faults = MIXED
    first = outcomes(emulator, get, 60)
    emulator.faults = MIXED
    assert outcomes(emulator, get, 60) == first
    emulator.faults = Faults(rate_500=0.5, seed=1)
    one = outcomes(emulator, get, 40)
    emulator.faults = Faults(rate_500=0.5, seed=2)
    assert outcomes(emulator, get, 40) != one


def test_every_fault_occurs(emulator: Emulator, get: Get) -> None:
    """All eight kinds of fault occur, each at about its rate."""
    emulator.faults = MIXED
    counts = Counter(outcomes(emulator, get, 400))
    assert set(counts) == {None, "429", "500", "502", "503", "504", "drop", "truncate", "html"}
    assert all(15 < times < 70 for kind, times in counts.items() if kind)


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_limit_of_faults_in_a_row(emulator: Emulator, get: Get, limit: int) -> None:
    """Even at a rate of 1, a request succeeds after `max_consecutive` faults."""
    emulator.faults = Faults(rate_502=1, max_consecutive=limit)
    faults = outcomes(emulator, get, 12)
    runs = [len(list(run)) for fault, run in groupby(faults) if fault]
    assert runs[:1] == [limit][: min(limit, 1)]
    assert faults[:: limit + 1] == ([None] * 12 if not limit else ["502"] * (12 // (limit + 1)))
    assert faults[limit :: limit + 1] == [None] * (12 // (limit + 1))


def test_tampering(emulator: Emulator, get: Get) -> None:
    """Encrypted text loses its end or one character changes; a plain response stays."""
    plain = get(count=3).content
    faults = Faults(rate_tamper=1, max_consecutive=100)
    emulator.faults = faults
    assert get(count=3).content == plain
    emulator.behaviour = Behaviour(encryption="ecb")
    request = {"body": Envelope("ecb", KEY).encrypt(b'{"count": 3}')}
    emulator.faults = Faults()
    whole = get(json=request).json()["data"]
    emulator.faults = faults
    texts = [get(json=request).json()["data"] for _ in range(20)]
    changed = [text for text in texts if len(text) == len(whole)]
    assert 3 < len(changed) < 17
    assert {sum(a != b for a, b in zip(text, whole, strict=True)) for text in changed} == {1}


def test_truncation(emulator: Emulator, get: Get) -> None:
    """Some bodies are shorter than Content-Length; others are cut JSON of that length."""
    emulator.faults = Faults(rate_truncate=1, max_consecutive=100)
    kinds: Counter[str] = Counter()
    for _ in range(20):
        try:
            content = get(count=5).content
        except httpx.RemoteProtocolError:
            kinds["short"] += 1
        else:
            kinds["cut"] += 1
            with pytest.raises(orjson.JSONDecodeError):
                orjson.loads(content)
    assert kinds["short"] > 3
    assert kinds["cut"] > 3


def test_gateway_bodies_are_json_or_html(emulator: Emulator, get: Get) -> None:
    """Errors of the gateway are JSON or HTML; 429 and 503 have a Retry-After header."""
    emulator.faults = Faults(rate_429=0.5, rate_503=0.5, retry_after="7", max_consecutive=100)
    responses = [get() for _ in range(20)]
    assert {one.headers["content-type"] for one in responses} == {"application/json", "text/html"}
    assert {one.status_code for one in responses} == {429, 503}
    assert {one.headers["retry-after"] for one in responses} == {"7"}
    emulator.faults = Faults(rate_500=1, retry_after="7")
    assert "retry-after" not in get().headers


def test_latency(emulator: Emulator, get: Get) -> None:
    """Every response takes at least `latency` seconds."""
    get()
    emulator.faults = Faults(latency=0.005)
    assert get().elapsed.total_seconds() >= 0.005


def test_requests_are_recorded(emulator: Emulator, get: Get) -> None:
    """The emulator records parameters, status and number of rows in order."""
    get(count=2)
    get(json={"count": 3, "userid": "nobody"})
    get(key="")
    assert [(one.parameters, one.status, one.items) for one in emulator.requests] == [
        ({"count": "2"}, 200, 2),
        ({"count": 3, "userid": "nobody"}, 200, 0),
        ({}, 403, 0),
    ]
    assert emulator.request_count == 3
    times = [one.at for one in emulator.requests]
    assert times == sorted(times)


def test_other_paths_are_not_found(emulator: Emulator, client: httpx.Client, get: Get) -> None:
    """An unknown path returns 404 with JSON, to GET and POST."""
    get()
    root = emulator.base_url.removesuffix("/v3")
    for method, path in (
        ("GET", "/"),
        ("GET", "/v3/other"),
        ("POST", "/v3/submission"),
    ):
        response = client.request(method, root + path, content=b"{}")
        assert response.status_code == 404
        assert response.json() == {"message": "Not Found"}


def test_connections_are_kept_alive(emulator: Emulator) -> None:
    """One connection serves many requests until the emulator closes it."""
    port = int(emulator.base_url.split(":")[2].removesuffix("/v3"))
    request = f"GET /v3/submission?count=1 HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port)) as client:
        for _ in range(3):
            client.sendall(request)
            assert client.recv(100_000).startswith(b"HTTP/1.1 200 OK\r\n")
        emulator._server.server_close()
        assert client.recv(1) == b""


def test_clients_in_parallel(emulator: Emulator, client: httpx.Client) -> None:
    """Eight connections at once all get every row."""
    counts: list[int] = []

    def fetch() -> None:
        url = f"{emulator.base_url}/submission?count=200"
        responses = [client.get(url, headers={"x-api-key": KEY}) for _ in range(5)]
        counts.append(sum(len(one.json()["Items"]) for one in responses))

    threads = [threading.Thread(target=fetch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [1_000] * 8
    assert emulator.request_count == 40


def test_client_disconnects(
    emulator: Emulator, get: Get, capfd: pytest.CaptureFixture[str]
) -> None:
    """A connection reset prints nothing and disturbs no other client."""
    port = int(emulator.base_url.split(":")[2].removesuffix("/v3"))
    client = socket.create_connection(("127.0.0.1", port))
    # Linger of zero seconds: closing resets the connection.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.sendall(b"GET /v3/submission HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
    client.close()
    assert get(count=1).status_code == 200
    try:
        raise ConnectionResetError  # noqa: TRY301 it has to be the current exception
    except ConnectionResetError:
        emulator._server.handle_error(None, ("127.0.0.1", 1))
    assert capfd.readouterr().err == ""


def test_other_errors_are_printed(emulator: Emulator, capfd: pytest.CaptureFixture[str]) -> None:
    """Any other error prints a traceback on stderr."""
    try:
        raise RuntimeError("bug")  # noqa: TRY301 it has to be the current exception
    except RuntimeError:
        emulator._server.handle_error(None, ("127.0.0.1", 1))
    assert "RuntimeError: bug" in capfd.readouterr().err


def test_port_in_use(emulator: Emulator) -> None:
    """A second emulator on the same port raises an OSError."""
    port = int(emulator.base_url.split(":")[2].removesuffix("/v3"))
    with pytest.raises(OSError, match="in use"), Emulator(port=port):
        pass  # pragma: no cover


def test_submissions_instead_of_a_store() -> None:
    """An emulator accepts submissions as well as a store."""
    with Emulator(generate(3), behaviour=Behaviour(order="descending")) as running:
        assert len(running.store) == 3


def test_daily_limit(client: httpx.Client) -> None:
    """Above the limit, requests get 429 with JSON until midnight UTC."""
    now = [datetime(2025, 1, 5, 23, 59, tzinfo=UTC)]
    behaviour = Behaviour(max_requests_per_day=2, api_key=KEY)
    with Emulator(generate(3), behaviour=behaviour, clock=lambda: now[0]) as running:

        def status(key: str = KEY) -> int:
            url = f"{running.base_url}/submission"
            return client.get(url, headers={"x-api-key": key}).status_code

        assert [status("wrong") for _ in range(3)] == [403] * 3
        assert [status() for _ in range(4)] == [200, 200, 429, 429]
        url = f"{running.base_url}/submission"
        assert client.get(url, headers={"x-api-key": KEY}).json() == {"message": "Limit Exceeded"}
        # A zone east of UTC, where the day has begun, changes nothing.
        now[0] = now[0].astimezone(timezone(timedelta(hours=9)))
        assert status() == 429
        now[0] += timedelta(minutes=1)
        assert [status() for _ in range(3)] == [200, 200, 429]
        running.behaviour = Behaviour()
        assert status() == 200
