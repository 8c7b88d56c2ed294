"""A download that is not whole never looks whole: not on a fixed length, not on chunks, not on HTTP/1.0, not on HTTP/2."""

import json
import subprocess

import pytest

import bodies
import raw_client
import servers
from client import poll

SIZE = 4 << 20
MIDDLE = SIZE // 2

# How the upstream's body goes wrong in the middle.
BREAKS = {
    "cut": {"kind": "cutDownload", "afterBytes": MIDDLE},
    "stall": {"kind": "stallDownload", "afterBytes": MIDDLE},
    "short": {"kind": "wrongLength", "excessBytes": 1000},
}
# How the bytes go to the client: with a length, or in chunks (compressed, or the upstream told no length).
WAYS = {
    "length": ([], False),
    "gzip": (["-H", "Accept-Encoding: gzip"], False),
    "chunked": ([], True),
    "http1.0": (["--http1.0"], False),
    "http1.0-gzip": (["--http1.0", "-H", "Accept-Encoding: gzip"], False),
    "http2": (["--http2-prior-knowledge"], False),
    "http2-gzip": (["--http2-prior-knowledge", "-H", "Accept-Encoding: gzip"], False),
    "http2-without-length": (["--http2-prior-knowledge"], True),
}


@pytest.fixture(scope="module")
def upstream():
    with servers.sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def gateway(upstream):
    impatient = {"idleTimeout": "1s", "firstByteTimeout": "10s", "resumeAttempts": 1}
    with servers.gateway(upstream, downloads=impatient, server={"http2": {"priorKnowledge": True}}) as gateway:
        yield gateway


@pytest.fixture
def large(gateway, upstream):
    """A finished export with one CSV file of 4 MiB; the rules of the test before are gone."""
    upstream.remove_rules()
    upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": SIZE, "content": "csv"})
    return gateway.succeeded(gateway.create(bodies.paginated_csv()))


# Without a length, nobody can tell that a body which ends properly is short.
CASES = [(fault, way) for fault in BREAKS for way in WAYS if not (fault == "short" and WAYS[way][1])]


@pytest.mark.parametrize("fault, way", CASES)
def test_a_broken_body_is_seen_by_the_client(gateway, upstream, large, fault, way):
    arguments, without_length = WAYS[way]
    if without_length:
        upstream.rule("power-bi.download", {"kind": "noContentLength"})
    upstream.rule("power-bi.download", BREAKS[fault])
    broken = gateway.metric("export_gateway_downloads_total", outcome="broken")
    whole = gateway.metric("export_gateway_downloads_total", outcome="whole")

    result, head, size = curl(gateway, large, *arguments)
    assert result.returncode not in (0, 28), f"curl saw nothing wrong: {result}"
    assert head.startswith(b"HTTP/2 200" if way.startswith("http2") else b"HTTP/1.1 200")
    assert size < SIZE + (1000 if fault == "short" else 0)
    # Counted when the connection has been closed, or the last byte has gone: that may be after the client knows.
    poll("the count", lambda: gateway.metric("export_gateway_downloads_total", outcome="broken") == broken + 1)
    assert gateway.metric("export_gateway_downloads_total", outcome="whole") == whole


@pytest.mark.parametrize("way", WAYS)
def test_a_whole_body_is_a_success(gateway, upstream, large, way):
    arguments, without_length = WAYS[way]
    if without_length:
        upstream.rule("power-bi.download", {"kind": "noContentLength"})
    whole = gateway.metric("export_gateway_downloads_total", outcome="whole")
    result, _, size = curl(gateway, large, "--compressed", *arguments)
    assert result.returncode == 0, result.stderr
    assert size == SIZE
    poll("the count", lambda: gateway.metric("export_gateway_downloads_total", outcome="whole") == whole + 1)


@pytest.mark.parametrize("way", WAYS)
def test_an_upstream_that_breaks_off_once_is_gone_on_with(gateway, upstream, large, way):
    arguments, without_length = WAYS[way]
    if without_length:
        upstream.rule("power-bi.download", {"kind": "noContentLength"})
    upstream.rule("power-bi.download", BREAKS["cut"], times=1)
    whole = gateway.metric("export_gateway_downloads_total", outcome="whole")
    result, _, size = curl(gateway, large, "--compressed", *arguments)
    assert result.returncode == 0, result.stderr
    assert size == SIZE
    poll("the count", lambda: gateway.metric("export_gateway_downloads_total", outcome="whole") == whole + 1)


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_http_1_0_without_a_length_is_refused(gateway, upstream, large, coding):
    """Its client knows no chunks, and takes the end of the connection for that of the file, whatever ended it."""
    upstream.rule("power-bi.download", {"kind": "noContentLength"})
    path = f"{large['href']}/content"
    fields = {"Authorization": f"Bearer {gateway.key}", "Accept-Encoding": coding}
    seen = raw_client.fetch(gateway.port, path, fields, version="HTTP/1.0")
    assert seen.status == 426 and seen.is_complete and "transfer-encoding" not in seen.fields
    assert seen.fields["upgrade"] == "HTTP/1.1" and "upgrade" in seen.fields["connection"]
    assert json.loads(seen.body)["code"] == "upgrade-required"


FIRST_BYTE = {
    "cut": ({"kind": "cutDownload", "afterBytes": 0}, 502),
    "stall": ({"kind": "stallDownload", "afterBytes": 0}, 504),
    "no-answer": ({"kind": "cutConnection"}, 502),
    "sign-in-page": ({"kind": "htmlSignIn"}, 502),
    "server-error": ({"kind": "status", "status": 500}, 502),
}


@pytest.mark.parametrize("fault", FIRST_BYTE)
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_before_the_first_byte_it_is_a_problem(gateway, upstream, large, fault, coding):
    rule, status = FIRST_BYTE[fault]
    upstream.rule("power-bi.download", rule)
    answer = gateway.call("GET", f"{large['href']}/content", {"Accept-Encoding": coding})
    assert answer.status in {status, 502, 503}, (answer.status, answer.body)
    problem = answer.problem(answer.status, answer.json["code"])
    assert problem["code"].startswith("upstream-"), problem


def curl(gateway, export, *arguments):
    """curl's outcome, the head of the answer, and how many bytes of the body it took."""
    directory = gateway.directory
    body, head = directory / "body", directory / "head"
    body.unlink(missing_ok=True)
    result = subprocess.run(
        gateway.curl(
            *arguments, "--output", str(body), "--dump-header", str(head), gateway.address + export["href"] + "/content"
        ),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return result, head.read_bytes(), body.stat().st_size if body.exists() else 0
