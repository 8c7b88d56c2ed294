"""A client on bare sockets. It judges an answer as any correct reader of HTTP would: from the bytes alone."""

import gzip
import io
import re
import socket
import time
import zipfile
from dataclasses import dataclass, field

import zstd_frames


@dataclass
class Seen:
    """What came over the wire until the connection ended or the answer did."""

    status: int | None = None
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    # Whether the framing says that this is all.
    is_complete: bool = False
    trailers: dict[str, str] = field(default_factory=dict)
    # How it ended: "end" of the answer, "eof", "reset", "silence".
    ended: str = "eof"
    version: str = ""
    rest: bytes = b""

    @property
    def looks_whole(self) -> bool:
        """A success whose framing is complete: a client has no reason to doubt it."""
        return self.status in (200, 206) and self.is_complete

    def file(self) -> bytes:
        """The file that the answer stands for; raises when the decoder sees the break itself."""
        decoders = {"gzip": gzip.decompress, "zstd": zstd_frames.whole}
        coding = self.fields.get("content-encoding")
        return decoders[coding](self.body) if coding else self.body

    def members(self) -> dict[str, bytes]:
        """The files in an archive, each checked against its CRC."""
        with zipfile.ZipFile(io.BytesIO(self.body)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def fetch(
    port: int,
    path: str,
    fields: dict[str, str] | None = None,
    version: str = "HTTP/1.1",
    within: float = 30,
    method: str = "GET",
) -> Seen:
    """One request on its own connection."""
    lines = [f"{method} {path} {version}", "Host: gateway", *(f"{name}: {value}" for name, value in (fields or {}).items())]
    if version == "HTTP/1.1":
        lines.append("Connection: close")
    with socket.create_connection(("127.0.0.1", port), timeout=within) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        data, ended = read_all(connection, within)
    return parse(data, ended)


def read_all(connection: socket.socket, within: float) -> tuple[bytes, str]:
    """Everything until the other end is done with us, and how that was."""
    deadline = time.monotonic() + within
    blocks = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return b"".join(blocks), "silence"
        connection.settimeout(left)
        try:
            block = connection.recv(262_144)
        except TimeoutError:
            return b"".join(blocks), "silence"
        except ConnectionResetError:
            return b"".join(blocks), "reset"
        if not block:
            return b"".join(blocks), "eof"
        blocks.append(block)


def parse(data: bytes, ended: str) -> Seen:
    """Reads one answer (RFC 9112, 6 to 8)."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return Seen(ended=ended)
    first, *lines = head.decode("latin-1").split("\r\n")
    match = re.fullmatch(r"(HTTP/1\.[01]) (\d{3}) .*", first)
    if not match:
        return Seen(ended=ended)
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.lower()
        fields[name] = f"{fields[name]}, {value.strip()}" if name in fields else value.strip()
    seen = Seen(int(match[2]), fields, ended=ended, version=match[1])
    if seen.status in (204, 304):
        seen.is_complete = True
    elif "transfer-encoding" in fields:
        _chunks(seen, body)
    elif "content-length" in fields:
        length = int(fields["content-length"])
        seen.body, seen.rest = body[:length], body[length:]
        seen.is_complete = len(seen.body) == length
    else:
        # The end of the connection is the end of the body (RFC 9112, 6.3): nobody can tell a break from it, but for a
        # reset.
        seen.body = body
        seen.is_complete = ended == "eof"
    return seen


def _chunks(seen: Seen, data: bytes) -> None:
    blocks, place = [], 0
    while True:
        end = data.find(b"\r\n", place)
        if end < 0 or not re.fullmatch(rb"[0-9a-fA-F]+(;[^\r\n]*)?", data[place:end]):
            break
        size = int(data[place:end].partition(b";")[0], 16)
        place = end + 2
        if size == 0:
            trailers, found, rest = data[place - 2 :].partition(b"\r\n\r\n")
            if found:
                seen.is_complete = True
                seen.rest = rest
                for line in trailers.decode("latin-1").split("\r\n"):
                    if line:
                        name, _, value = line.partition(":")
                        seen.trailers[name.lower()] = value.strip()
            break
        blocks.append(data[place : place + size])
        if data[place + size : place + size + 2] != b"\r\n":
            break
        place += size + 2
    seen.body = b"".join(blocks)
