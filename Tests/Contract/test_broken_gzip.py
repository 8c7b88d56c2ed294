"""A gzip answer that is broken off ends in an invalid block, which no decoder goes past, whatever becomes of its framing."""

import signal
import socket
import subprocess
import time
import zlib

import evidence
import raw_client
import raw_servers
import truncation_cases
from client import ended_deliveries
from raw_upstream import Fault, Source

CONTENT = truncation_cases.csv(seed=10, size=8 << 20)
# So long that it does not fit into the buffers on the way.
LONG = truncation_cases.csv(seed=11, size=1 << 20) * 64


def decoded(coded: bytes) -> tuple[bytes, str]:
    """What zlib reads, and what it says then."""
    inflater, plain = zlib.decompressobj(wbits=31), b""
    for start in range(0, len(coded), 4096):
        try:
            plain += inflater.decompress(coded[start : start + 4096])
        except zlib.error as error:
            return plain, str(error)
    return plain, "the end" if inflater.eof else "more is to come"


def delivery(pair, href: str) -> dict:
    (row,) = ended_deliveries(lambda: pair.gateway.get(f"{href}/deliveries"))
    return row


def test_an_upstream_that_breaks_off_for_good():
    with raw_servers.pair(downloads={"resumeAttempts": 0}) as pair:
        for framing in ("fixed", "chunked"):
            href = pair.export([Source(CONTENT, framing, [Fault("fin")])])
            seen = raw_client.fetch(pair.gateway.port, f"{href}/content", pair.key | {"Accept-Encoding": "gzip"})
            assert seen.status == 200 and seen.fields["content-encoding"] == "gzip"
            assert not seen.is_complete and "content-length" not in seen.fields
            plain, verdict = decoded(seen.body)
            assert "invalid block type" in verdict, verdict
            assert CONTENT.startswith(plain)
            assert delivery(pair, href)["outcome"] == "broken"

            # curl sees the one or the other; other programs' gzip the block.
            target = evidence.directory("broken-gzip") / "body"
            again = pair.export([Source(CONTENT, framing, [Fault("fin")])])
            command = pair.gateway.curl("--compressed", "-H", "Accept-Encoding: gzip", "-o", str(target))
            command.append(f"{pair.gateway.address}{again}/content")
            assert subprocess.run(command, capture_output=True).returncode == 61
            target.write_bytes(seen.body)
            assert subprocess.run(["gzip", "-dc", target], capture_output=True).returncode == 1


def test_nothing_but_gzip_gets_it():
    with raw_servers.pair(downloads={"resumeAttempts": 0}) as pair:
        for framing in ("fixed", "chunked"):
            href = pair.export([Source(CONTENT, framing, [Fault("fin")])])
            seen = raw_client.fetch(pair.gateway.port, f"{href}/content", pair.key)
            assert seen.status == 200 and "content-encoding" not in seen.fields and not seen.is_complete
            assert CONTENT.startswith(seen.body)


def test_an_answer_without_a_length_is_not_over_in_a_moment():
    """A proxy that got all of it at once could tell its client the length of what it got."""
    with raw_servers.pair(downloads={"resumeAttempts": 0}) as pair:
        for size, shortest in ((len(CONTENT), 0), (None, 0.9)):
            href = pair.export([Source(CONTENT, "fixed" if size else "chunked", [Fault("fin", at=1000)], tells_size=bool(size))])
            began = time.monotonic()
            seen = raw_client.fetch(pair.gateway.port, f"{href}/content", pair.key)
            assert seen.status == 200 and not seen.is_complete and CONTENT.startswith(seen.body)
            assert seen.fields.get("content-length") == (str(size) if size else None)
            assert time.monotonic() - began >= shortest


def test_a_download_that_outlasts_the_drain():
    """The client takes little at a time: what was being handed to it comes whole, and then the block."""
    with raw_servers.pair(server={"drainTimeout": "1s"}) as pair:
        href = pair.export([Source(LONG)])
        with socket.create_connection(("127.0.0.1", pair.gateway.port), timeout=30) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
            fields = "".join(f"{name}: {value}\r\n" for name, value in (pair.key | {"Accept-Encoding": "gzip"}).items())
            connection.sendall(f"GET {href}/content HTTP/1.1\r\nHost: gateway\r\n{fields}\r\n".encode())
            data = connection.recv(65_536)
            pair.gateway.process.signal(signal.SIGTERM)
            while block := connection.recv(16 << 10):
                data += block
                time.sleep(0.005)
        assert pair.gateway.process.wait() == 0
        seen = raw_client.parse(data, "eof")
        assert seen.status == 200 and not seen.is_complete
        plain, verdict = decoded(seen.body)
        assert "invalid block type" in verdict, (verdict, len(plain))
        assert 0 < len(plain) < len(LONG) and LONG.startswith(plain)
        pair.gateway.start()
        row = delivery(pair, href)
        assert (row["outcome"], row["reason"]) == ("broken", "cancelled")


def test_a_client_that_has_left_gets_nothing_more():
    with raw_servers.pair() as pair:
        href = pair.export([Source(LONG)])
        with socket.create_connection(("127.0.0.1", pair.gateway.port), timeout=30) as connection:
            fields = "".join(f"{name}: {value}\r\n" for name, value in (pair.key | {"Accept-Encoding": "gzip"}).items())
            connection.sendall(f"GET {href}/content HTTP/1.1\r\nHost: gateway\r\n{fields}\r\n".encode())
            assert connection.recv(65_536)
        began = time.monotonic()
        assert delivery(pair, href)["outcome"] == "abandoned"
        assert time.monotonic() - began < 4, "the gateway waited for a client that had gone"
