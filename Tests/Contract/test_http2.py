"""What HTTP/2 has in its own way: hosts, uploads, trailers, events, the end of the process; and its answers beside HTTP/1.1's."""

import json
import signal
import threading

import pytest

import bodies
import http2_client
import raw_client
import raw_servers
import servers
from http2_client import NO_ERROR, Client
from raw_upstream import Source
from truncation_cases import csv

CONTENT = csv(41, 1_000_003)
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def pair():
    with raw_servers.pair(server={"http2": {"priorKnowledge": True}}) as pair:
        yield pair


@pytest.fixture(scope="module")
def path(pair):
    """A file whose length and digest are confirmed, so that all answers about it are alike."""
    path = pair.export([Source(CONTENT)])

    def is_confirmed() -> bool:
        seen = raw_client.fetch(pair.gateway.port, f"{path}/content", pair.key | {"Accept-Encoding": "identity"})
        return "repr-digest" in seen.fields

    servers.poll("two readings that agree", is_confirmed)
    return path


def plain(fields: dict[str, str]) -> dict[str, str]:
    """Without the fields of a connection, and what differs from answer to answer."""
    own = {"connection", "transfer-encoding", "keep-alive", "date"}
    return {name: value for name, value in fields.items() if name not in own}


@pytest.mark.parametrize(
    "method, suffix, fields",
    [
        ("GET", "", {}),
        ("HEAD", "", {}),
        ("GET", "/files", {}),
        ("GET", "/operation", {}),
        ("GET", "/content", {"Accept-Encoding": "identity"}),
        ("GET", "/content", {"Accept-Encoding": "gzip"}),
        ("GET", "/content", {"Accept-Encoding": "zstd"}),
        ("GET", "/content", {"Range": "bytes=1000-1999"}),
        ("HEAD", "/content", {"Accept-Encoding": "identity"}),
        ("GET", "/nothing", {}),
        ("PUT", "", {}),
        ("GET", "", {"Accept": "text/html"}),
        ("GET", "", {"Authorization": "Bearer nobody"}),
    ],
)
def test_answers_are_those_of_http_1_1(pair, path, method, suffix, fields):
    fields = pair.key | {"X-Request-Id": "the-same"} | fields
    one = raw_client.fetch(pair.gateway.port, path + suffix, fields, method=method)
    two = http2_client.fetch(pair.gateway.port, path + suffix, fields, method=method)
    assert two.is_complete and two.status == one.status
    assert plain(two.fields) == plain(one.fields)
    if method == "HEAD":
        assert two.body == b""
    else:
        assert two.file() == one.file() if two.status == 200 else two.body == one.body


def test_an_unchanged_export_is_304(pair, path):
    tag = http2_client.fetch(pair.gateway.port, path, pair.key).fields["etag"]
    seen = http2_client.fetch(pair.gateway.port, path, pair.key | {"If-None-Match": tag})
    assert seen.status == 304 and seen.is_complete and seen.body == b""


def test_the_digest_follows_the_bytes(pair):
    path = pair.export([Source(csv(42), framing="chunked", tells_size=False)]) + "/content"
    fields = pair.key | {"Accept-Encoding": "gzip", "TE": "trailers"}
    seen = http2_client.fetch(pair.gateway.port, path, fields)
    assert seen.looks_whole and seen.file() == csv(42)
    assert "unencoded-digest" in seen.trailers
    assert "unencoded-digest" not in http2_client.fetch(pair.gateway.port, path, pair.key).trailers


def test_many_requests_at_once(pair, path):
    with Client(pair.gateway.port) as client:
        fields = pair.key | {"Accept-Encoding": "identity"}
        streams = [client.request(f"{path}/content" if number % 3 == 0 else path, fields) for number in range(60)]
        for number, stream in enumerate(streams):
            seen = client.answer(stream)
            assert seen.looks_whole
            if number % 3 == 0:
                assert seen.body == CONTENT
        assert client.goaways == [] and client.resets == {}


def body_of(pair) -> bytes:
    options = pair.upstream.add_search([Source(CONTENT)])
    return json.dumps({"provider": "graph-ediscovery", "connection": "graph", "graphEDiscovery": options}).encode()


def test_a_body_that_waits_for_100_is_asked_for(pair):
    fields = pair.key | {"Content-Type": "application/json", "Expect": "100-continue"}
    with Client(pair.gateway.port) as client:
        stream = client.request("/exports", fields, "POST", ends=False)
        assert client.until(lambda: client.informational.get(stream) == [100])
        client.send(stream, body_of(pair))
        assert client.answer(stream).status == 202
        # A head that is refused is answered at once, and nothing is asked for.
        stream = client.request("/exports", {"Content-Type": "application/json", "Expect": "100-continue"}, "POST", ends=False)
        assert client.answer(stream).status == 401
        assert stream not in client.informational


def test_an_answer_before_the_end_of_an_upload_is_whole(pair):
    fields = pair.key | {"Content-Type": "application/json", "Content-Length": str(MEBIBYTE)}
    with Client(pair.gateway.port) as client:
        stream = client.request("/exports", fields, "POST", ends=False)
        client.send(stream, b" " * 10_000, ends=False)
        seen = client.answer(stream)
        assert seen.status == 413 and seen.is_complete
        assert client.until(lambda: stream in client.resets)
        assert client.resets[stream] == NO_ERROR
        assert client.answer(client.request("/livez")).status == 200


def test_a_body_in_pieces_is_read(pair):
    body = body_of(pair)
    with Client(pair.gateway.port) as client:
        stream = client.request("/exports", pair.key | {"Content-Type": "application/json"}, "POST", ends=False)
        for start in range(0, len(body), 50):
            client.send(stream, body[start : start + 50], ends=False)
        client.send(stream, b"")
        assert client.answer(stream).status == 202


def test_events_come_as_they_happen(pair):
    options = pair.upstream.add_search([Source(CONTENT)])
    pair.upstream.running.add(options["searchId"])
    export = pair.gateway.create({"provider": "graph-ediscovery", "connection": "graph", "graphEDiscovery": options})
    with Client(pair.gateway.port) as client:
        stream = client.request(f"{export['href']}/events", pair.key)
        seen = client.seen[stream]
        assert client.until(lambda: b"event:" in seen.body)
        before = len(seen.body)
        assert pair.gateway.call("DELETE", export["href"]).status in (200, 202, 204)
        assert client.until(lambda: b'"canceled"' in seen.body[before:])
        assert client.answer(stream).is_complete


def test_only_names_of_this_machine_without_callers():
    with servers.sandbox() as upstream, servers.gateway(
        upstream, authenticated=False, server={"http2": {"priorKnowledge": True}}
    ) as gateway:
        for host, status in (("localhost", 200), (f"127.0.0.1:{gateway.port}", 200), ("evil.example", 421)):
            with Client(gateway.port, host=host) as client:
                seen = client.answer(client.request("/exports"))
                assert seen.status == status
                if status == 421:
                    assert json.loads(seen.body)["code"] == "misdirected-request"
        # Only `Host`, which counts as `:authority` does.
        with http2_client.Frames(gateway.port) as wire:
            wire.write(wire.head(1, [(":method", "GET"), (":scheme", "http"), (":path", "/exports"), ("host", "evil.example")]))
            frames = wire.read(lambda frame: frame.type == http2_client.HEADERS)
            assert frames[-1].fields[":status"] == "421"


def test_without_the_setting_it_is_no_request():
    with servers.sandbox() as upstream, servers.gateway(upstream) as gateway:
        with http2_client.Frames(gateway.port) as wire:
            wire.read(within=2)
            assert wire.has_ended


SIZE = 4 << 20


def test_downloads_under_way_are_finished_at_the_drain():
    with servers.sandbox() as upstream, servers.gateway(
        upstream, server={"http2": {"priorKnowledge": True}, "drainTimeout": "30s"}
    ) as gateway:
        upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": SIZE, "content": "csv"})
        upstream.rule("power-bi.download", {"kind": "dripDownload", "bytesPerSecond": SIZE // 3})
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        key = {"Authorization": f"Bearer {gateway.key}"}
        with Client(gateway.port, within=60) as client:
            stream = client.request(f"{export['href']}/content", key | {"Accept-Encoding": "identity"})
            wait = client.request(f"{gateway.create(bodies.report())['href']}", key | {"Prefer": "wait=30"})
            seen = client.seen[stream]
            assert client.until(lambda: len(seen.body) > 65_536)
            gateway.process.signal(signal.SIGTERM)
            assert client.until(lambda: client.goaways)
            assert client.goaways[0][1] == NO_ERROR
            assert client.answer(wait).status == 200
            assert client.answer(stream).looks_whole
            assert len(seen.body) == SIZE
            assert not client.until(lambda: False)
            assert {code for _, code in client.goaways} == {NO_ERROR}
        assert gateway.process.wait() == 0


def test_a_download_longer_than_the_drain_is_reset():
    with servers.sandbox() as upstream, servers.gateway(
        upstream, server={"http2": {"priorKnowledge": True}, "drainTimeout": "1s"}
    ) as gateway:
        upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": SIZE, "content": "csv"})
        upstream.rule("power-bi.download", {"kind": "dripDownload", "bytesPerSecond": SIZE // 12})
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        key = {"Authorization": f"Bearer {gateway.key}"}
        with Client(gateway.port, within=60) as client:
            stream = client.request(f"{export['href']}/content", key | {"Accept-Encoding": "gzip"})
            assert client.until(lambda: client.seen[stream].body)
            gateway.process.signal(signal.SIGTERM)
            ended = threading.Thread(target=gateway.process.wait)
            ended.start()
            seen = client.answer(stream)
            assert not seen.is_complete and seen.status == 200
            with pytest.raises(Exception):
                seen.file()
            ended.join(30)
        assert gateway.process.wait() == 0
