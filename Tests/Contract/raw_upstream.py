"""An upstream on bare sockets that plays Entra ID, Graph eDiscovery and Power BI, and breaks files to the byte.

What it says of jobs is always well; only files go wrong, and only as their `Source` says. Nothing here is an HTTP library's:
what stands on the wire is what is written below.
"""

import hashlib
import json
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

FRAMINGS = ("fixed", "chunked", "http1.0")
BREAKS = ("rst", "fin", "stall", "short", "long", "tls-cut", "surplus")
PLACES = ("before the head", "after the head", "middle", "last byte")

# Longer than any idle timeout of the tests, and not for ever: a gateway that waits is found by its client.
STALL_SECONDS = 30
CHUNK = 16_384


@dataclass(frozen=True)
class Fault:
    """How one answer goes wrong.

    - `rst`, `fin`, `tls-cut`: the connection ends by a reset, by a proper end, by an end of TCP without TLS's own.
    - `stall`: silence, and the connection stays.
    - `short`, `long`: the framing is in order, and tells of another length than the file has.
    - `surplus`: more bytes follow the end that the framing tells.

    `at` overrides the place by an offset in the body, and is before its last byte at the latest: silence after a whole
    answer would be a fault of the next request on its connection.
    """

    kind: str
    place: str = "middle"
    at: int | None = None

    def offset(self, length: int) -> int:
        if self.at is not None:
            return max(0, min(self.at, length - 1))
        return {"before the head": 0, "after the head": 0, "middle": length // 2, "last byte": max(0, length - 1)}[self.place]


@dataclass
class Source:
    """One file of the upstream, and how each request for it is answered."""

    content: bytes
    framing: str = "fixed"
    # One per request, in order; the last one stays.
    faults: list[Fault | None] = field(default_factory=lambda: [None])
    serves_ranges: bool = False
    has_tag: bool = True
    # What is served from the second request on, when the file changes in between.
    changed: bytes | None = None
    # Whether the job tells the file's size.
    tells_size: bool = True
    is_tls: bool = False
    name: str = "file.csv"
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def next_answer(self) -> tuple[bytes, Fault | None]:
        """The bytes and the fault of the next request."""
        with self.lock:
            number = self.requests
            self.requests += 1
        content = self.changed if self.changed is not None and number > 0 else self.content
        return content, self.faults[min(number, len(self.faults) - 1)]


class RawUpstream:
    """Two listeners, one in the open and one with TLS, and a thread per connection."""

    def __init__(self, certificate: tuple[Path, Path] | None = None):
        self.searches: dict[str, list[Source]] = {}
        self.reports: dict[str, Source] = {}
        self._operations: dict[str, list[Source]] = {}
        # The searches whose exports never end.
        self.running: set[str] = set()
        self._endless: set[str] = set()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closing = False
        # Every token that was issued: none may be found anywhere.
        self.tokens: list[str] = []
        self._plain = _listener()
        self.address = f"http://127.0.0.1:{self._plain.getsockname()[1]}"
        self.secure_address = None
        self._accept(self._plain, None)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            secure = _listener()
            self._secure = secure
            self.secure_address = f"https://127.0.0.1:{secure.getsockname()[1]}"
            self._accept(secure, context)

    def add_search(self, sources: list[Source]) -> dict:
        """The create body's options of a Graph eDiscovery export with these files."""
        search = str(uuid.uuid4())
        self.searches[search] = sources
        return {
            "caseId": "b0073e4e-4184-41c6-9eb7-8c8cc3e2288b",
            "searchId": search,
            "exportType": "exportResult",
            "displayName": "raw",
            "exportCriteria": "searchHits",
            "additionalOptions": "none",
            "exportFormat": "pst",
        }

    def add_report(self, source: Source) -> dict:
        """The create body's options of a Power BI export with this file."""
        report = str(uuid.uuid4())
        self.reports[report] = source
        return {
            "groupId": "f089354e-8366-4e18-aea3-4cb4a3a50b48",
            "reportId": report,
            "format": "CSV",
            "reportType": "PaginatedReport",
        }

    def close(self) -> None:
        self._closing = True
        listeners = [self._plain, *([self._secure] if self.secure_address else [])]
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut()

    def cut(self) -> None:
        """Ends every connection that is open, whatever it is in the middle of."""
        with self._lock:
            for connection in list(self._open):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        def run():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=self._serve, args=(connection, context), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()

    def _serve(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(STALL_SECONDS)
        with self._lock:
            self._open.add(connection)
        bare = connection
        try:
            if context:
                connection = context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True)
            wire = _Wire(connection, bare)
            while not self._closing and (request := _Request.read(wire)):
                self._answer(wire, request)
        except (_Done, OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(bare)
            connection.close()

    def _answer(self, wire: "_Wire", request: "_Request") -> None:
        path = request.path.partition("?")[0]
        for pattern, answer in self._routes():
            if match := re.fullmatch(pattern, f"{request.method} {path}"):
                return answer(wire, request, *match.groups())
        return wire.json(404, {"error": {"code": "NotFound", "message": path}})

    def _routes(self) -> list[tuple[str, Callable]]:
        uid = r"([0-9a-fA-F-]{32,36})"
        case = r"/v1\.0/security/cases/ediscoveryCases/[^/]+"
        report = rf"/v1\.0/myorg/groups/[^/]+/reports/{uid}"
        return [
            (r"POST /[^/]+/oauth2/v2\.0/token", self._token),
            (rf"POST {case}/searches/{uid}/exportResult", self._start_search),
            (rf"GET {case}/operations", lambda wire, *_: wire.json(200, {"value": []})),
            (rf"GET {case}/operations/{uid}", self._operation),
            (rf"GET /blob/{uid}/(\d+)", self._blob),
            (rf"POST {report}/ExportTo", self._start_report),
            (rf"GET {report}/exports/[^/]+", self._report),
            (rf"GET {report}/exports/[^/]+/file", lambda wire, request, id: self._file(wire, request, self.reports[id])),
        ]

    def _token(self, wire, request) -> None:
        self.tokens.append("raw-" + uuid.uuid4().hex)
        wire.json(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": self.tokens[-1]})

    def _start_search(self, wire, request, search) -> None:
        operation = str(uuid.uuid4())
        self._operations[operation] = self.searches[search]
        if search in self.running:
            self._endless.add(operation)
        location = f"{self.address}{request.path.rpartition('/searches/')[0]}/operations('{operation}')"
        wire.answer(202, [("Location", location)], b"")

    def _operation(self, wire, request, operation) -> None:
        files = []
        for number, source in enumerate(self._operations[operation]):
            host = self.secure_address if source.is_tls else self.address
            files.append({"fileName": source.name, "downloadUrl": f"{host}/blob/{operation}/{number}"})
            if source.tells_size:
                files[-1]["size"] = len(source.content)
        job = {"id": operation, "action": "exportResult"}
        if operation in self._endless:
            return wire.json(200, job | {"status": "running"})
        wire.json(200, job | {"status": "succeeded", "exportFileMetadata": files})

    def _blob(self, wire, request, operation, number) -> None:
        self._file(wire, request, self._operations[operation][int(number)])

    def _start_report(self, wire, request, report) -> None:
        wire.json(202, {"id": uuid.uuid4().hex, "status": "NotStarted"})

    def _report(self, wire, request, report) -> None:
        export = {"id": request.path.rpartition("/")[2], "status": "Succeeded", "percentComplete": 100}
        wire.json(200, export | {"reportName": "Raw", "resourceFileExtension": ".csv"})

    def _file(self, wire: "_Wire", request: "_Request", source: Source) -> None:
        content, fault = source.next_answer()
        _FileAnswer(wire, request, source, content, fault).send()


class _Done(Exception):
    """The connection has ended as it was to end."""


class _Wire:
    """One connection, plain or with TLS."""

    def __init__(self, stream: socket.socket, bare: socket.socket):
        self.stream = stream
        self._bare = bare
        self.buffer = b""

    def send(self, data: bytes) -> None:
        self.stream.sendall(data)

    def json(self, status: int, value) -> None:
        self.answer(status, [("Content-Type", "application/json")], json.dumps(value).encode())

    def answer(self, status: int, fields: list[tuple[str, str]], body: bytes) -> None:
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in fields), f"Content-Length: {len(body)}"]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def end(self, kind: str) -> None:
        """Ends the connection; raises `_Done` always."""
        if kind == "stall":
            deadline = time.monotonic() + STALL_SECONDS
            self.stream.settimeout(0.5)
            while time.monotonic() < deadline:
                try:
                    if not self.stream.recv(1):
                        break
                except (TimeoutError, ssl.SSLWantReadError):
                    continue
                except OSError:
                    break
        elif kind == "rst":
            # What is in the send buffer has to arrive first: a reset destroys it, and the cut would be elsewhere.
            _drain(self.stream)
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.stream.close()
        elif kind == "tls-cut" or not isinstance(self.stream, ssl.SSLSocket):
            # Closing an SSLSocket sends no close_notify; only `unwrap` does.
            self.stream.close()
        else:
            try:
                self.stream.unwrap()
            except OSError:
                pass
            self.stream.close()
        raise _Done


def _drain(stream: socket.socket) -> None:
    import fcntl
    import termios

    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if struct.unpack("i", fcntl.ioctl(stream.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0] == 0:
            return
        time.sleep(0.001)


@dataclass
class _Request:
    method: str
    path: str
    fields: dict[str, str]
    body: bytes

    @staticmethod
    def read(wire: _Wire) -> "_Request | None":
        while b"\r\n\r\n" not in wire.buffer:
            if not (block := wire.stream.recv(65_536)):
                return None
            wire.buffer += block
        head, _, rest = wire.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(fields.get("content-length", 0))
        while len(rest) < length:
            rest += wire.stream.recv(65_536)
        wire.buffer = rest[length:]
        method, path, _ = first.split(" ")
        return _Request(method, path, fields, rest[:length])


class _FileAnswer:
    """One answer with a file, or a part of it, as its fault has it."""

    def __init__(self, wire: _Wire, request: _Request, source: Source, content: bytes, fault: Fault | None):
        self.wire, self.source, self.fault = wire, source, fault
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"' if source.has_tag else None
        self.status, self.body = 200, content
        self.fields = [("Content-Type", "application/octet-stream")]
        if tag:
            self.fields.append(("ETag", tag))
        if source.serves_ranges:
            self.fields.append(("Accept-Ranges", "bytes"))
            self._take_part(request, tag, content)

    def _take_part(self, request: _Request, tag: str | None, content: bytes) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.fields.get("range", ""))
        condition = request.fields.get("if-range")
        if not wanted or (condition is not None and condition != tag):
            return
        first, last = int(wanted[1]), min(int(wanted[2] or len(content) - 1), len(content) - 1)
        if first > last:
            self.status, self.body = 416, b""
            self.fields.append(("Content-Range", f"bytes */{len(content)}"))
            return
        self.status, self.body = 206, content[first : last + 1]
        self.fields.append(("Content-Range", f"bytes {first}-{last}/{len(content)}"))

    def send(self) -> None:
        fault, body, wire = self.fault, self.body, self.wire
        cut, end = len(body), None
        surplus = b""
        if fault and fault.kind == "short":
            body = body[: fault.offset(len(body))]
            cut = len(body)
        elif fault and fault.kind == "long":
            body = body + b"x" * (len(body) - fault.offset(len(body)))
            cut = len(body)
        elif fault and fault.kind == "surplus":
            surplus = b"HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\nwrong"
        elif fault:
            cut, end = fault.offset(len(body)), fault.kind
        head, pieces, tail = self._framed(body, cut, is_whole=end is None)
        if end and fault.place == "before the head" and fault.at is None:
            # The first half of the head is on its way when it breaks.
            wire.send(head[: len(head) // 2])
            wire.end(end)
        # The end in one segment with what follows it: a client that sees the end alone may ask the next thing at once.
        last = pieces.pop() if pieces else b""
        for piece in (head, *pieces):
            wire.send(piece)
        wire.send(last + tail + surplus)
        if end:
            wire.end(end)
        if self.source.framing == "http1.0" or surplus:
            wire.end("fin")

    def _framed(self, body: bytes, cut: int, is_whole: bool):
        """The head, what of the body goes out, and what ends it."""
        version, fields, tail = "HTTP/1.1", list(self.fields), b""
        sent = body[:cut]
        if self.source.framing == "chunked":
            fields.append(("Transfer-Encoding", "chunked"))
            pieces = []
            for start in range(0, len(sent), CHUNK):
                block = sent[start : start + CHUNK]
                # A chunk that is cut tells the size that it was to have.
                size = len(body[start : start + CHUNK])
                pieces.append(f"{size:x}\r\n".encode() + block + (b"\r\n" if len(block) == size else b""))
            tail = b"0\r\n\r\n" if is_whole else b""
        else:
            pieces = [sent[start : start + 4 * CHUNK] for start in range(0, len(sent), 4 * CHUNK)]
            if self.source.framing == "fixed":
                fields.append(("Content-Length", str(len(body))))
            else:
                version = "HTTP/1.0"
        lines = [f"{version} {self.status} X", *(f"{name}: {value}" for name, value in fields)]
        return "\r\n".join(lines).encode() + b"\r\n\r\n", pieces, tail


def _listener() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    return listener


def certificate(directory: Path, address: str = "127.0.0.1") -> tuple[Path, Path]:
    """A self-signed certificate for an address and its key."""
    chain, key = directory / f"{address}.pem", directory / f"{address}.key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=raw upstream"]
        + ["-addext", f"subjectAltName=IP:{address}", "-keyout", str(key), "-out", str(chain)],
        check=True,
        capture_output=True,
    )
    return chain, key
