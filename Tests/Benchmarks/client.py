"""Downloads one file and throws it away: the client of every measurement, started as a process of its own.

Prints one line of JSON: seconds from connecting to the end, bytes of the body as they came, whether they ended properly.
Bytes that need not be looked at are dropped in the kernel (`MSG_TRUNC`, see tcp(7)), so that the client takes as
little as possible of the core that it shares with the origin. `--verify` looks at them all and prints the SHA-256 of the
decoded file.
"""

import argparse
import hashlib
import json
import socket
import subprocess
import sys
import time
import zlib
from urllib.parse import urlsplit

PIECE = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--accept-encoding", default="identity")
    parser.add_argument("--limit-rate", type=float, default=0, help="bytes per second; 0 = none")
    parser.add_argument("--verify", action="store_true")
    options = parser.parse_args()
    json.dump(fetch(options.url, options.accept_encoding, options.limit_rate, options.verify), sys.stdout)
    print()


def fetch(url: str, accept_encoding: str, limit_rate: float = 0, verify: bool = False) -> dict:
    parts = urlsplit(url)
    connection = socket.socket()
    if limit_rate:
        # A slow link holds little: a large buffer here would take in what the link has not carried yet.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 << 10)
    started = time.perf_counter()
    connection.connect((parts.hostname, parts.port))
    connection.sendall(
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept-Encoding: {accept_encoding}\r\n"
        "User-Agent: benchmark\r\nConnection: close\r\n\r\n".encode()
    )
    buffer = bytearray(PIECE)
    view = memoryview(buffer)
    head = b""
    while b"\r\n\r\n" not in head:
        count = connection.recv_into(buffer, 16_384)
        if not count:
            return {"ok": False, "why": "no head", "head": head.decode(errors="replace")}
        head += view[:count]
    first_byte = time.perf_counter() - started
    head, _, rest = head.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    status = int(lines[0].split()[1])
    length = int(fields["content-length"]) if "content-length" in fields else None
    coding = fields.get("content-encoding", "identity")
    take = _Verifier(length is None and "chunked" in fields.get("transfer-encoding", ""), coding) if verify else None
    if take:
        take(rest)
    # Without a need to look, all bytes of one length are the same; the end of a chunked body is looked at below.
    flags = socket.MSG_TRUNC if length is not None and not verify and not limit_rate else 0
    got, tail = len(rest), rest[-16:]
    allowed_since = time.perf_counter()
    while length is None or got < length:
        size = PIECE
        if limit_rate:
            due = (time.perf_counter() - allowed_since) * limit_rate - got
            if due < 4096:
                time.sleep(max(0.002, (4096 - due) / limit_rate))
                continue
            size = min(PIECE, int(due))
        count = connection.recv_into(buffer, size, flags)
        if not count:
            break
        got += count
        if not flags:
            tail = (tail + bytes(view[max(0, count - 16):count]))[-16:]
            if take:
                take(view[:count])
    seconds = time.perf_counter() - started
    whole = got == length if length is not None else tail.endswith(b"0\r\n\r\n") or b"\r\n0\r\n" in tail
    result = {
        "ok": status == 200 and whole, "status": status, "seconds": seconds, "first_byte": first_byte, "bytes": got,
        "coding": coding,
    }
    if take:
        result["sha256"] = take.digest()
    if not result["ok"]:
        result["head"] = head.decode("latin-1")
    return result


class _Verifier:
    """Undoes chunks and the coding, and hashes what comes out."""

    def __init__(self, chunked: bool, coding: str):
        self._hash = hashlib.sha256()
        self._inflate = zlib.decompressobj(31) if coding == "gzip" else None
        self._zstd = None
        if coding == "zstd":
            # A decoder of the content coding need not support a larger window (RFC 9659, 3).
            self._zstd = subprocess.Popen(
                "zstd --decompress --stdout --quiet --memory=8MiB | sha256sum", shell=True, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        self._chunked = chunked
        self._left = 0
        self._held = b""

    def __call__(self, data) -> None:
        if not self._chunked:
            return self._body(data)
        data = self._held + bytes(data)
        self._held = b""
        while data:
            if self._left:
                part, data = data[: self._left], data[self._left:]
                self._left -= len(part)
                self._body(part)
                continue
            line, end, rest = data.lstrip(b"\r\n").partition(b"\r\n")
            if not end:
                self._held = data
                return None
            data = rest
            self._left = int(line.split(b";")[0], 16)
            if not self._left:
                return None
        return None

    def _body(self, data) -> None:
        if self._zstd:
            self._zstd.stdin.write(data)
        else:
            self._hash.update(self._inflate.decompress(data) if self._inflate else data)

    def digest(self) -> str:
        if self._zstd:
            return self._zstd.communicate()[0].decode().split()[0]
        return self._hash.hexdigest()


if __name__ == "__main__":
    main()
