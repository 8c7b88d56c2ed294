"""Clients of HTTP/2: one that judges an answer as any correct reader would, and one that writes frames as it likes."""

import socket
import ssl
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import hpack

from raw_client import Seen

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, SETTINGS_TIMEOUT, REFUSED_STREAM, CANCEL, CALM = 0, 1, 2, 4, 7, 8, 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def connect(port: int, within: float, authority: Path | None = None) -> socket.socket:
    """A connection in plain text; with the file of an authority, over TLS and with ALPN."""
    bare = socket.create_connection(("127.0.0.1", port), timeout=within)
    bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not authority:
        return bare
    context = ssl.create_default_context(cafile=str(authority))
    context.set_alpn_protocols(["h2", "http/1.1"])
    secure = context.wrap_socket(bare, server_hostname="localhost")
    assert secure.selected_alpn_protocol() == "h2"
    return secure


class Client:
    """One connection, with h2's own checks of everything that comes; answers by their streams."""

    def __init__(self, port: int, within: float = 30, authority: Path | None = None, host: str = "gateway"):
        self.host, self.scheme, self.within = host, "https" if authority else "http", within
        self.socket = connect(port, within, authority)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.seen: dict[int, Seen] = {}
        # The statuses that came before the answers', such as 100.
        self.informational: dict[int, list[int]] = {}
        self.resets: dict[int, int] = {}
        # The last stream and the error of each `GOAWAY`.
        self.goaways: list[tuple[int, int]] = []
        self._rest = b""
        # Streams whose bytes are taken and not acknowledged, so that their windows close.
        self.stalled: set[int] = set()
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def request(self, path: str, fields: dict[str, str] | None = None, method: str = "GET", ends: bool = True) -> int:
        """Begins a request on a new stream."""
        stream = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", self.scheme), (":authority", self.host), (":path", path)]
        head += [(name.lower(), value) for name, value in (fields or {}).items()]
        self.h2.send_headers(stream, head, end_stream=ends)
        self.seen[stream] = Seen(version="HTTP/2")
        self.flush()
        return stream

    def send(self, stream: int, data: bytes, ends: bool = True) -> None:
        self.h2.send_data(stream, data, end_stream=ends)
        self.flush()

    def reset(self, stream: int, code: int = CANCEL) -> None:
        self.h2.reset_stream(stream, code)
        self.flush()

    def until(self, reached, within: float | None = None) -> bool:
        """Reads until `reached()` is true. False where the connection ends before, or the time is over."""
        deadline = time.monotonic() + (within or self.within)
        while not reached():
            left = deadline - time.monotonic()
            if left <= 0:
                return self._ended("silence")
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(262_144)
            except (TimeoutError, ssl.SSLWantReadError):
                return self._ended("silence")
            except OSError:
                return self._ended("reset")
            if not data:
                return self._ended("eof")
            try:
                self._take(self.h2.receive_data(self._without_goaways(data)))
            except h2.exceptions.ProtocolError as error:
                # Such as a body of another length than was announced: no client takes it for whole.
                return self._ended(f"{type(error).__name__}")
            try:
                self.flush()
            except OSError:
                pass  # What came before is still read.
        return True

    def answer(self, stream: int, within: float | None = None) -> Seen:
        """The whole answer, or what came of it."""
        seen = self.seen[stream]
        if self.until(lambda: seen.is_complete or stream in self.resets, within):
            seen.ended = "end" if seen.is_complete else f"reset {self.resets[stream]}"
        return seen

    def _without_goaways(self, data: bytes) -> bytes:
        """The whole frames among what came. h2 would take nothing more after `GOAWAY`, though streams go on (RFC 9113, 6.8)."""
        self._rest += data
        passed = b""
        while len(self._rest) >= 9 and len(self._rest) >= 9 + (length := int.from_bytes(self._rest[:3])):
            whole, self._rest = self._rest[: 9 + length], self._rest[9 + length :]
            if whole[3] == GOAWAY:
                self.goaways.append(struct.unpack(">II", whole[9:17]))
            else:
                passed += whole
        return passed

    def _ended(self, how: str) -> bool:
        for seen in self.seen.values():
            if not seen.is_complete:
                seen.ended = how
        return False

    def _take(self, events: list) -> None:
        for event in events:
            match event:
                case h2.events.InformationalResponseReceived():
                    self.informational.setdefault(event.stream_id, []).append(int(dict(event.headers)[":status"]))
                case h2.events.ResponseReceived():
                    seen = self.seen[event.stream_id]
                    for name, value in event.headers:
                        if name == ":status":
                            seen.status = int(value)
                        else:
                            seen.fields[name] = f"{seen.fields[name]}, {value}" if name in seen.fields else value
                case h2.events.DataReceived():
                    self.seen[event.stream_id].body += event.data
                    if event.flow_controlled_length and event.stream_id not in self.stalled:
                        self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.TrailersReceived():
                    self.seen[event.stream_id].trailers |= dict(event.headers)
                case h2.events.StreamEnded():
                    self.seen[event.stream_id].is_complete = True
                case h2.events.StreamReset():
                    self.resets[event.stream_id] = int(event.error_code)


def fetch(
    port: int,
    path: str,
    fields: dict[str, str] | None = None,
    version: str = "HTTP/2",
    within: float = 30,
    method: str = "GET",
    authority: Path | None = None,
) -> Seen:
    """One request on its own connection, like `raw_client.fetch`."""
    assert version == "HTTP/2"
    with Client(port, within, authority, "localhost" if authority else "gateway") as client:
        return client.answer(client.request(path, fields, method))


@dataclass
class Frame:
    type: int
    flags: int
    stream: int
    payload: bytes
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The error of `RST_STREAM` or `GOAWAY`."""
        return struct.unpack(">I", self.payload[4:8] if self.type == GOAWAY else self.payload[:4])[0]

    @property
    def last_stream(self) -> int:
        """The last stream that may have been begun, of `GOAWAY`."""
        return struct.unpack(">I", self.payload[:4])[0] & 0x7FFF_FFFF


@dataclass
class Frames:
    """A connection on which anything may be written."""

    port: int
    within: float = 10
    acknowledges: bool = True
    opens: bool = True
    encoder: hpack.Encoder = field(default_factory=hpack.Encoder)

    def __enter__(self):
        self.socket = connect(self.port, self.within)
        self._rest = b""
        # Whether the other end has closed.
        self.has_ended = False
        self.decoder = hpack.Decoder()
        if self.opens:
            self.write(PREFACE + frame(SETTINGS) + (frame(SETTINGS, ACK) if self.acknowledges else b""))
        return self

    def __exit__(self, *_):
        self.socket.close()

    def write(self, data: bytes) -> bool:
        """False where the other end has closed."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def head(self, stream: int, fields: list[tuple[str, str]], flags: int = END_STREAM | END_HEADERS) -> bytes:
        """A frame with a head."""
        return frame(HEADERS, flags, stream, self.encoder.encode(fields))

    def read(self, until=lambda frame: False, within: float | None = None) -> list[Frame]:
        """The frames that come until one is wanted, the connection ends, or the time is over."""
        deadline, frames = time.monotonic() + (within or self.within), []
        while True:
            while len(self._rest) >= 9 and len(self._rest) >= 9 + (length := int.from_bytes(self._rest[:3])):
                head, payload = self._rest[:9], self._rest[9 : 9 + length]
                self._rest = self._rest[9 + length :]
                # Each head in its order, because it may name fields of those before (RFC 7541, 2.2).
                fields = dict(self.decoder.decode(payload)) if head[3] == HEADERS else {}
                frames.append(Frame(head[3], head[4], int.from_bytes(head[5:9]) & 0x7FFF_FFFF, payload, fields))
                if until(frames[-1]):
                    return frames
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self.socket.recv(262_144)
            except OSError:
                data = b""
            if not data:
                self.has_ended = time.monotonic() < deadline
                return frames
            self._rest += data


def frame(type: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """The bytes of a frame (RFC 9113, 4.1)."""
    return len(payload).to_bytes(3) + bytes([type, flags]) + stream.to_bytes(4) + payload


def ended_by(frames: list[Frame]) -> int | None:
    """The error of the last `GOAWAY`; None where there was none."""
    codes = [frame.code for frame in frames if frame.type == GOAWAY]
    return codes[-1] if codes else None
