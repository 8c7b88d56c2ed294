"""Clients of HTTP/2 that mean no good: each is refused, reset or cut off, and everybody else is served as before."""

import time

import pytest

import http2_client
import raw_servers
import servers
from http2_client import (
    ACK, CALM, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, PROTOCOL_ERROR,
    REFUSED_STREAM, RST_STREAM, SETTINGS, SETTINGS_TIMEOUT, WINDOW_UPDATE, Client, Frames, ended_by, frame,
)  # fmt: skip
from raw_upstream import Source
from truncation_cases import csv

MEBIBYTE = 1 << 20
IDLE_SECONDS = 3
# Of all connections together.
STREAMS = 30
CONTENT = csv(31, 2_000_003)
LIVEZ = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/livez")]


@pytest.fixture(scope="module")
def pair():
    server = {
        "idleTimeout": f"{IDLE_SECONDS}s",
        "http2": {"priorKnowledge": True, "maximumStreams": STREAMS},
        "events": {"maximumStreams": STREAMS // 2},
    }
    with raw_servers.pair(server=server) as pair:
        yield pair


@pytest.fixture(autouse=True)
def served_as_before(pair):
    yield
    began = time.monotonic()
    assert pair.gateway.get("/exports?limit=1").status == 200
    with Client(pair.gateway.port) as client:
        assert client.answer(client.request("/livez")).status == 200
    assert time.monotonic() - began < 5
    servers.poll("requests to end", lambda: pair.gateway.metric("http_server_active_requests") <= 1)


def endless(pair) -> str:
    """The path of an export that does not end, and does not change any more, to wait for."""
    options = pair.upstream.add_search([Source(CONTENT)])
    pair.upstream.running.add(options["searchId"])
    path = pair.gateway.create({"provider": "graph-ediscovery", "connection": "graph", "graphEDiscovery": options})["href"]
    servers.poll("the job", lambda: pair.gateway.get(path).json["status"] == "running")
    return path


def floods(pair) -> float:
    return pair.gateway.metric("export_gateway_http_connections_closed_total", reason="flood")


FLOODS = {
    "window updates": lambda number: frame(WINDOW_UPDATE, 0, 0, (1).to_bytes(4)),
    "unknown frames": lambda number: frame(0xBE, 0, 0, b"12345678"),
    "goaways": lambda number: frame(GOAWAY, 0, 0, bytes(8)),
    "pings": lambda number: frame(PING, 0, 0, number.to_bytes(8)),
    "settings": lambda number: frame(SETTINGS),
    "priorities": lambda number: frame(PRIORITY, 0, 2 * number + 1, bytes(5)),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_frames_that_bring_nothing_on_end_the_connection(pair, kind):
    before = floods(pair)
    with Frames(pair.gateway.port) as wire:
        for start in range(0, 5_000, 100):
            if not wire.write(b"".join(FLOODS[kind](start + number) for number in range(100))):
                break
        frames = wire.read(lambda frame: frame.type == GOAWAY)
        # The connection may be gone before `GOAWAY` is read: what we still sent was not.
        assert ended_by(frames) in (CALM, None)
    servers.poll("the count", lambda: floods(pair) == before + 1)


def test_empty_frames_of_a_body_end_the_connection(pair):
    before = floods(pair)
    with Frames(pair.gateway.port) as wire:
        head = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/exports")]
        wire.write(wire.head(1, head, END_HEADERS) + frame(DATA, 0, 1) * 1000)
        assert ended_by(wire.read(lambda frame: frame.type == GOAWAY)) in (CALM, None)
    servers.poll("the count", lambda: floods(pair) == before + 1)


@pytest.mark.parametrize("piece", [b"", b"a", bytes(1000)], ids=["empty", "one byte", "long"])
def test_a_head_without_an_end_is_cut(pair, piece):
    with Frames(pair.gateway.port) as wire:
        wire.write(wire.head(1, LIVEZ, END_STREAM))
        for _ in range(1000):
            if not wire.write(frame(CONTINUATION, 0, 1, piece)):
                break
        frames = wire.read(lambda frame: frame.type == GOAWAY)
        assert not [frame for frame in frames if frame.type == HEADERS]
        assert ended_by(frames) in (CALM, None)


def test_a_head_that_stops_is_cut(pair):
    with Frames(pair.gateway.port, within=4 * IDLE_SECONDS) as wire:
        wire.write(wire.head(1, LIVEZ, END_STREAM))
        began = time.monotonic()
        wire.read()
        assert wire.has_ended and time.monotonic() - began < 3 * IDLE_SECONDS


@pytest.mark.parametrize("opens", [True, False], ids=["without an acknowledgement", "without a preface"])
def test_a_silent_client_is_cut(pair, opens):
    with Frames(pair.gateway.port, within=4 * IDLE_SECONDS, acknowledges=False, opens=opens) as wire:
        if not opens:
            wire.write(PREFACE[:10])
        began = time.monotonic()
        frames = wire.read()
        assert wire.has_ended and time.monotonic() - began < 3 * IDLE_SECONDS
        if opens:
            assert ended_by(frames) == SETTINGS_TIMEOUT


def test_an_idle_client_is_told_to_go(pair):
    with Frames(pair.gateway.port, within=4 * IDLE_SECONDS) as wire:
        wire.write(wire.head(1, LIVEZ))
        frames = wire.read(lambda frame: frame.type == PING)
        assert [frame for frame in frames if frame.type == HEADERS and frame.stream == 1]
        assert ended_by(frames) == http2_client.NO_ERROR
        # It agrees, and hears which stream was the last that was read.
        wire.write(frame(PING, ACK, 0, frames[-1].payload))
        frames = wire.read()
        assert wire.has_ended and ended_by(frames) == http2_client.NO_ERROR
        assert [frame.last_stream for frame in frames if frame.type == GOAWAY] == [1]


def test_a_request_that_was_on_its_way_when_the_connection_ends_is_answered(pair):
    """With all its frames: none of them is an error of the connection."""
    with Frames(pair.gateway.port, within=4 * IDLE_SECONDS) as wire:
        wire.write(wire.head(1, LIVEZ))
        ping = wire.read(lambda frame: frame.type == PING)[-1]
        head = [(":method", "POST"), *LIVEZ[1:3], (":path", "/exports")]
        wire.write(
            wire.head(3, head, END_HEADERS) + frame(WINDOW_UPDATE, 0, 3, (1000).to_bytes(4)) + frame(DATA, END_STREAM, 3, b"{}")
        )
        frames = wire.read(lambda frame: frame.stream == 3 and frame.type == HEADERS)
        assert frames[-1].fields[":status"] == "401"
        wire.write(frame(PING, ACK, 0, ping.payload))
        frames = wire.read()
        assert wire.has_ended and ended_by(frames) == http2_client.NO_ERROR
        assert [frame.last_stream for frame in frames if frame.type == GOAWAY] == [3]


def test_a_head_that_is_too_large_is_refused(pair):
    with Frames(pair.gateway.port) as wire:
        fields = [(f"x-{number}", "a" * 1000) for number in range(120)]
        block = wire.encoder.encode(LIVEZ + fields, huffman=False)
        pieces = [block[start : start + 16_384] for start in range(0, len(block), 16_384)]
        wire.write(frame(HEADERS, END_STREAM, 1, pieces[0]))
        for piece in pieces[1:]:
            wire.write(frame(CONTINUATION, END_HEADERS if piece is pieces[-1] else 0, 1, piece))
        frames = wire.read(lambda frame: frame.type == GOAWAY)
        assert not [frame for frame in frames if frame.type == HEADERS]
        assert ended_by(frames) not in (None, http2_client.NO_ERROR) or wire.has_ended


def test_a_long_head_is_taken_before_the_settings_are_acknowledged(pair):
    """As long as the limits allow, in the first request of a connection."""
    with Frames(pair.gateway.port, acknowledges=False) as wire:
        fields = [(f"x-{number}", "a" * 15_000) for number in range(4)]
        block = wire.encoder.encode(LIVEZ + fields, huffman=False)
        pieces = [block[start : start + 16_384] for start in range(0, len(block), 16_384)]
        wire.write(frame(HEADERS, END_STREAM, 1, pieces[0]))
        for piece in pieces[1:]:
            wire.write(frame(CONTINUATION, END_HEADERS if piece is pieces[-1] else 0, 1, piece))
        frames = wire.read(lambda frame: frame.type == HEADERS)
        assert frames[-1].type == HEADERS, frames
        assert frames[-1].fields[":status"] == "200"


@pytest.mark.parametrize("count, status", [(257, "431"), (100, "200")])
def test_many_fields_are_431(pair, count, status):
    with Frames(pair.gateway.port) as wire:
        wire.write(wire.head(1, LIVEZ + [(f"x-{number}", "a") for number in range(count)]))
        frames = wire.read(lambda frame: frame.type == HEADERS)
        assert frames[-1].fields[":status"] == status


def test_rapid_resets_end_the_connection(pair, figure):
    """Streams that are opened and reset at once (CVE-2023-44487)."""
    before, memory = floods(pair), pair.gateway.process.resident_bytes()
    with Frames(pair.gateway.port) as wire:
        path = pair.export([Source(CONTENT)])
        fields = [*LIVEZ[:3], (":path", f"{path}/content"), ("authorization", pair.key["Authorization"])]
        sent = 0
        for start in range(0, 3_000, 50):
            streams = range(2 * start + 1, 2 * start + 101, 2)
            sent += 50
            if not wire.write(
                b"".join(wire.head(stream, fields) + frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4)) for stream in streams)
            ):
                break
        frames = wire.read(lambda frame: frame.type == GOAWAY)
        assert ended_by(frames) in (CALM, None)
        for end in (frame for frame in frames if frame.type == GOAWAY):
            # Any may have been begun: a client must not believe that it can send them all again.
            assert end.last_stream > 0
    servers.poll("the count", lambda: floods(pair) == before + 1)
    servers.poll("requests to end", lambda: pair.gateway.metric("http_server_active_requests") <= 1)
    growth = pair.gateway.process.resident_bytes() - memory
    figure(f"{sent} streams opened and reset: memory {growth / MEBIBYTE:+.1f} MiB")
    assert growth < 64 * MEBIBYTE


def test_more_streams_than_may_be_open_are_refused(pair):
    path = endless(pair)
    refused = pair.gateway.metric("export_gateway_http_streams_refused_total")
    with Client(pair.gateway.port) as one, Client(pair.gateway.port) as other:
        waits = pair.key | {"Prefer": "wait=2"}
        streams = [(client, client.request(path, waits)) for client in (one, other) for _ in range(STREAMS - 10)]
        for client in (one, other):
            mine = [stream for owner, stream in streams if owner is client]
            assert client.until(lambda: all(client.seen[each].is_complete or each in client.resets for each in mine))
            assert set(client.resets.values()) <= {REFUSED_STREAM}
            assert client.goaways == []
        answered = [client.seen[stream] for client, stream in streams if stream not in client.resets]
        assert len(answered) == STREAMS and {seen.status for seen in answered} == {200}
        assert pair.gateway.metric("export_gateway_http_streams_refused_total") == refused + len(streams) - STREAMS
        assert one.answer(one.request("/livez")).status == 200


MALFORMED = {
    "no method": [(":scheme", "http"), (":authority", "x"), (":path", "/livez")],
    "no path": LIVEZ[:3],
    "no scheme": [LIVEZ[0], *LIVEZ[2:]],
    "another scheme": [LIVEZ[0], (":scheme", "ftp"), *LIVEZ[2:]],
    "no host": [*LIVEZ[:2], LIVEZ[3]],
    "two methods": [LIVEZ[0], *LIVEZ],
    "two hosts": [*LIVEZ, ("host", "x"), ("host", "x")],
    "another host": [*LIVEZ, ("host", "y")],
    "user in the host": [*LIVEZ[:2], (":authority", "a@x"), LIVEZ[3]],
    "empty path": [*LIVEZ[:3], (":path", "")],
    "path without a slash": [*LIVEZ[:3], (":path", "livez")],
    "unknown pseudo-header": [*LIVEZ, (":protocol", "websocket")],
    "pseudo-header of an answer": [*LIVEZ, (":status", "200")],
    "pseudo-header behind a field": [("x-a", "a"), *LIVEZ],
    "connection": [*LIVEZ, ("connection", "close")],
    "keep-alive": [*LIVEZ, ("keep-alive", "timeout=5")],
    "transfer-encoding": [*LIVEZ, ("transfer-encoding", "chunked")],
    "upgrade": [*LIVEZ, ("upgrade", "websocket")],
    "te": [*LIVEZ, ("te", "gzip")],
    "upper case": [*LIVEZ, ("X-A", "a")],
    "line feed in a value": [*LIVEZ, ("x-a", "a\nb")],
    "null in a value": [*LIVEZ, ("x-a", "a\0b")],
    "two lengths": [*LIVEZ, ("content-length", "4"), ("content-length", "5")],
    "length of no body": [*LIVEZ, ("content-length", "4")],
    "connect": [(":method", "CONNECT"), (":authority", "x:443")],
    "method that is no token": [(":method", "G T"), *LIVEZ[1:]],
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_head_is_one_streams_fault(pair, kind):
    with Frames(pair.gateway.port) as wire:
        wire.write(wire.head(1, MALFORMED[kind]))
        frames = wire.read(lambda frame: frame.stream == 1 and frame.type in (HEADERS, RST_STREAM))
        last = frames[-1]
        assert last.stream == 1, frames
        if last.type == RST_STREAM:
            assert last.code == PROTOCOL_ERROR
        else:
            status = last.fields[":status"]
            assert status in ("400", "404", "405"), status
        wire.write(wire.head(3, LIVEZ))
        frames = wire.read(lambda frame: frame.stream == 3 and frame.type == HEADERS)
        assert frames[-1].fields[":status"] == "200"
        assert ended_by(frames) is None


def test_what_is_no_http2_is_refused(pair):
    for data in (PREFACE + b"x" * 1000, PREFACE + frame(HEADERS, 5, 1, b"\xff" * 100), PREFACE + frame(DATA, 1, 1, b"a")):
        with Frames(pair.gateway.port, opens=False) as wire:
            wire.write(data)
            frames = wire.read()
            assert wire.has_ended
            assert not [frame for frame in frames if frame.type == HEADERS]


def test_a_stream_that_stalls_stops_no_other(pair):
    """Little of a download is kept for it, and it ends when the client resets it."""
    large = pair.export([Source(csv(32, 16 * MEBIBYTE))])
    small = pair.export([Source(CONTENT)])
    fields = pair.key | {"Accept-Encoding": "identity"}
    memory = pair.gateway.process.resident_bytes()
    with Client(pair.gateway.port) as client:
        # Windows that hold a stream's first bytes, and a connection's of all.
        client.h2.increment_flow_control_window(64 * MEBIBYTE)
        stalled = [client.request(f"{large}/content", fields) for _ in range(8)]
        client.stalled = set(stalled)
        assert client.until(lambda: all(len(client.seen[each].body) == 65_535 for each in stalled))
        seen = client.answer(client.request(f"{small}/content", fields))
        assert seen.looks_whole and seen.body == CONTENT
        assert pair.gateway.process.resident_bytes() - memory < 48 * MEBIBYTE
        assert not client.resets
        for stream in stalled:
            client.reset(stream)
        servers.poll("downloads to end", lambda: pair.gateway.metric("http_server_active_requests") <= 1)
        assert client.answer(client.request("/livez")).status == 200


@pytest.mark.parametrize("kind", ["wait", "events", "download"])
def test_a_reset_ends_what_is_done_for_a_stream(pair, kind):
    if kind == "download":
        path, fields = pair.export([Source(csv(33, 8 * MEBIBYTE))]) + "/content", {}
    else:
        path, fields = (endless(pair), {"Prefer": "wait=60"}) if kind == "wait" else (endless(pair) + "/events", {})
    with Client(pair.gateway.port) as client:
        stream = client.request(path, pair.key | fields)
        client.stalled = {stream}
        servers.poll("the request", lambda: pair.gateway.metric("http_server_active_requests") >= 2)
        client.reset(stream)
        began = time.monotonic()
        servers.poll("its end", lambda: pair.gateway.metric("http_server_active_requests") <= 1)
        assert time.monotonic() - began < 5
        assert client.answer(client.request("/livez")).status == 200
