"""A stand-in for a ClickHouse server: chdb, its engine as a library, behind both of its protocols.

It runs every statement in the real engine, and translates only what stands around it: the native
protocol, which dlt sends SQL by, and the HTTP interface, which it sends files by. What a cluster or
the settings of a session would do is not there: statements run one after the other.

Usage: `python clickhouse_server.py FOLDER`, which prints the two ports.
"""

import gzip
import re
import socket
import socketserver
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chdb.session import Session
from clickhouse_driver.block import BlockInfo
from clickhouse_driver.bufferedreader import BufferedSocketReader
from clickhouse_driver.bufferedwriter import BufferedSocketWriter
from clickhouse_driver.context import Context
from clickhouse_driver.protocol import ClientPacketTypes, ServerPacketTypes
from clickhouse_driver.reader import read_binary_str, read_binary_uint8
from clickhouse_driver.streams.native import BlockInputStream, BlockOutputStream
from clickhouse_driver.varint import read_varint, write_varint
from clickhouse_driver.writer import write_binary_int32, write_binary_str, write_binary_uint8

REVISION = 54441
"""Of the native protocol: settings are texts, and a query has no trace, depth or parameters."""
NATIVE_FILE_REVISION = 0
"""Of the format Native: blocks without information about themselves."""
BUFFER = 1 << 20
READS = re.compile(r"\s*(\(|SELECT|WITH|SHOW|DESC|DESCRIBE|EXISTS)\b", re.IGNORECASE)
CODE = re.compile(r"Code: (\d+)\.")


class Engine:
    """The engine, which runs one statement at a time."""

    def __init__(self, folder: str) -> None:
        """Open the engine, with its data in a folder."""
        self._session = Session(folder)
        self._turn = threading.Lock()

    def run(self, statement: str, output: str) -> bytes:
        """Run a statement and return the bytes of its result in a format."""
        try:
            with self._turn:
                return bytes(self._session.query(statement, output).bytes())
        except UnicodeDecodeError as error:  # the engine's message quotes bytes of a file
            raise RuntimeError(error.object.decode(errors="replace")) from None

    def query(self, statement: str) -> Iterator[Any]:
        """Run a statement and yield the blocks of its result; none if it returns no rows."""
        content = self.run(statement, "Native")
        reader = BufferedSocketReader(_Bytes(content), BUFFER)
        stream = BlockInputStream(reader, context_of(NATIVE_FILE_REVISION))
        with suppress(EOFError):
            while True:
                block = stream.read()
                block.data = [list(column) for column in block.data]  # the writer changes them
                yield block

    def columns(self, statement: str) -> list[tuple[str, str]]:
        """Return the names and types of a query's columns."""
        described = self.run(f"DESCRIBE TABLE ({statement})", "TabSeparated").decode()
        lines = (line.split("\t") for line in described.splitlines())
        return [(name, kind) for name, kind, *_ in lines]


class _Bytes:
    """Bytes in the place of a socket that is read."""

    def __init__(self, content: bytes) -> None:
        self._rest = BytesIO(content)

    def recv_into(self, buffer: Any) -> int:
        return self._rest.readinto(buffer)


def context_of(revision: int) -> Any:
    """Return what the driver's streams need to know about the other side."""
    context = Context()
    context.server_info = SimpleNamespace(used_revision=revision, get_timezone=lambda: "UTC")
    context.settings = {}
    context.client_settings = {
        "use_numpy": False,
        "strings_as_bytes": True,
        "strings_encoding": "utf-8",
        "namedtuple_as_json": False,
        "opentelemetry_traceparent": None,
    }
    return context


class NativeHandler(socketserver.BaseRequestHandler):
    """Serves one connection of the native protocol."""

    engine: Engine

    def handle(self) -> None:
        """Answer until the client closes the connection."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = BufferedSocketReader(self.request, BUFFER)
        self.writer = BufferedSocketWriter(self.request, BUFFER)
        with suppress(EOFError, ConnectionError):
            while True:
                packet = read_varint(self.reader)
                if packet == ClientPacketTypes.HELLO:
                    self._greet()
                elif packet == ClientPacketTypes.PING:
                    write_varint(ServerPacketTypes.PONG, self.writer)
                elif packet == ClientPacketTypes.QUERY:
                    self._answer(self._read_query())
                elif packet == ClientPacketTypes.DATA:
                    self._read_block()
                self.writer.flush()

    def _greet(self) -> None:
        for read in (read_binary_str, read_varint, read_varint, read_varint):
            read(self.reader)
        for _ in ("database", "user", "password"):
            read_binary_str(self.reader)
        write_varint(ServerPacketTypes.HELLO, self.writer)
        write_binary_str("chdb", self.writer)
        for number in (26, 9, REVISION):
            write_varint(number, self.writer)
        write_binary_str("UTC", self.writer)
        write_binary_str("stand-in", self.writer)
        write_varint(0, self.writer)

    def _read_query(self) -> str:
        read_binary_str(self.reader)  # its id
        self._read_client_info()
        while read_binary_str(self.reader):  # settings
            read_binary_uint8(self.reader)
            read_binary_str(self.reader)
        read_binary_str(self.reader)  # secret
        for _ in ("stage", "compression"):
            read_varint(self.reader)
        return str(read_binary_str(self.reader))

    def _read_client_info(self) -> None:
        if not read_binary_uint8(self.reader):
            return
        for _ in ("user", "query id", "address"):
            read_binary_str(self.reader)
        read_binary_uint8(self.reader)
        for _ in ("user", "host", "name"):
            read_binary_str(self.reader)
        for _ in ("major", "minor", "revision"):
            read_varint(self.reader)
        read_binary_str(self.reader)  # quota key
        read_varint(self.reader)  # patch

    def _read_block(self) -> None:
        read_binary_str(self.reader)
        BlockInputStream(self.reader, context_of(REVISION)).read()

    def _answer(self, statement: str) -> None:
        stream = BlockOutputStream(self.writer, context_of(REVISION))
        try:
            blocks = [*self.engine.query(statement)]
            if blocks:
                self._send_columns(blocks[0].columns_with_types)
            elif READS.match(statement):
                self._send_columns(self.engine.columns(statement))
            for block in blocks:
                self._begin_block()
                stream.write(block)
            write_varint(ServerPacketTypes.END_OF_STREAM, self.writer)
        except RuntimeError as error:
            code = CODE.search(str(error))
            write_varint(ServerPacketTypes.EXCEPTION, self.writer)
            write_binary_int32(int(code[1]) if code else 1001, self.writer)
            for text in ("DB::Exception", str(error), ""):
                write_binary_str(text, self.writer)
            write_binary_uint8(0, self.writer)

    def _begin_block(self) -> None:
        write_varint(ServerPacketTypes.DATA, self.writer)
        write_binary_str("", self.writer)

    def _send_columns(self, columns: list[tuple[str, str]]) -> None:
        """Send a block without rows, which every result begins with."""
        self._begin_block()
        BlockInfo().write(self.writer)
        write_varint(len(columns), self.writer)
        write_varint(0, self.writer)
        for column in columns:
            for text in column:
                write_binary_str(text, self.writer)


class HttpHandler(BaseHTTPRequestHandler):
    """Serves queries and inserted files over HTTP."""

    protocol_version = "HTTP/1.1"
    engine: Engine

    def do_GET(self) -> None:
        """Answer a query."""
        self.do_POST()

    def do_POST(self) -> None:
        """Answer a query in the body or in the address; then the body is a file to insert."""
        parameters = parse_qs(urlsplit(self.path).query)
        body = self._read_body()
        query = parameters.get("query", [""])[0]
        if self.headers.get("Content-Encoding", "").startswith("gz"):
            body = gzip.decompress(body)
        if not query and body.startswith(b"INSERT"):  # the file begins after the statement's line
            line, _, body = body.partition(b"\n")
            query = line.decode()
        try:
            content = self._insert(query, body) if query and body else self._query(query, body)
            self._respond(200, content)
        except RuntimeError as error:
            self._respond(500, str(error).encode())

    def _query(self, query: str, body: bytes) -> bytes:
        text, _, output = (query or body.decode()).rpartition(" FORMAT ")
        return self.engine.run(text or output, output.strip() if text else "TabSeparated")

    def _insert(self, query: str, body: bytes) -> bytes:
        into, _, output = query.rpartition(" FORMAT ")
        with tempfile.NamedTemporaryFile(suffix=".file") as file:
            file.write(body)
            file.flush()
            return self.engine.run(f"{into} FROM INFILE '{file.name}' FORMAT {output}", "Null")

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _respond(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-ClickHouse-Summary", "{}")
        self.send_header("X-ClickHouse-Query-Id", "")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


class NativeServer(socketserver.ThreadingTCPServer):
    """Serves each connection in a thread that does not outlive the process."""

    daemon_threads = True


if __name__ == "__main__":
    engine = Engine(str(Path(sys.argv[1])))
    NativeHandler.engine = HttpHandler.engine = engine
    native = NativeServer(("127.0.0.1", 0), NativeHandler)
    http = ThreadingHTTPServer(("127.0.0.1", 0), HttpHandler)
    ports = f"{native.server_address[1]} {http.server_address[1]}\n"
    sys.stdout.write(ports)
    sys.stdout.flush()
    threading.Thread(target=native.serve_forever, daemon=True).start()
    http.serve_forever()
