"""Traces: the life of an export on each provider, as a collector gets it, and what becomes of spans that it does not get."""

import json
import secrets
import time

import pytest

import bodies
import evidence
import servers
from client import call, poll
from span_collector import collector

#: The providers, and an export on each that has a file.
EXPORTS = {
    "graph-ediscovery": bodies.search_result,
    "viva-goals": bodies.goals,
    "power-bi": bodies.paginated_csv,
    "intune": bodies.intune,
}

#: The steps that every export goes through, in the order in which they begin.
STEPS = ["export.create", "export.queue", "export.start", "export.poll", "export.download"]


def parent_field(sampled: bool = True) -> tuple[str, str, str]:
    """A caller's `traceparent`, its trace and its span."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return f"00-{trace}-{span}-{'01' if sampled else '00'}", trace, span


@pytest.fixture(scope="module")
def world():
    """A collector, and a gateway before a sandbox that sends it all traces, with one finished and downloaded export on each provider."""
    key = "collector-" + secrets.token_hex(16)
    evidence.keep_secrets([key])
    with collector() as spans, servers.sandbox() as upstream:
        settings = {
            "endpoint": spans.endpoint,
            "ratio": 1,
            "interval": "100ms",
            "serviceName": "exports of test",
            "headers": [{"name": "api-key", "value": "env:COLLECTOR_KEY"}],
        }
        with servers.gateway(upstream, environment={"COLLECTOR_KEY": key}, traces=settings) as gateway:
            exports, callers = {}, {}
            for provider, body in EXPORTS.items():
                field, *caller = parent_field()
                callers[provider] = tuple(caller)
                exports[provider] = gateway.create(body(), traceparent=field, tracestate="vendor=" + secrets.token_hex(8))
            for provider, export in exports.items():
                export = gateway.succeeded(export)
                head = bodies.headers_for(EXPORTS[provider]())
                assert gateway.download(export["files"][0]["href"], head).status == 200
                exports[provider] = export
            assert gateway.get("/exports/not-there").status == 404
            assert gateway.get("/livez").status == 200
            uncounted = gateway.metric("export_gateway_spans_total", outcome="exported")
            tokens = [*upstream.secrets(), bodies.CLIENT_SECRET, bodies.GOALS_TOKEN, gateway.key, key]
        # The gateway has ended: what was left has come, too.
        yield {
            "collector": spans, "exports": exports, "callers": callers, "secrets": tokens, "key": key, "counted": uncounted,
            "log": gateway.process.lines(),
        }  # fmt: skip


@pytest.mark.parametrize("provider", EXPORTS)
def test_the_trace_of_an_export_has_each_step(world, provider):
    export = world["exports"][provider]
    spans = world["collector"].of_export(export)
    (root,) = [span for span in spans if span.name == "export.create"]
    assert root.parent == "" and root.id == export["id"].replace("-", "")[16:]
    steps = [span for span in spans if span.name.startswith("export.")]
    assert {span.name for span in steps} == set(STEPS)
    # Those of a step that began in another process, or another life of it, are known to the millisecond, as the ledger has them.
    firsts = [min(span.start for span in steps if span.name == name) // 1_000_000 for name in STEPS]
    assert firsts == sorted(firsts)
    for span in steps:
        assert span.kind == "internal" and not span.failed, span
        assert span.attributes["export_gateway.export.id"] == export["id"]
        assert span is root or span.parent == root.id
    assert {span.attributes["export_gateway.provider"] for span in steps if span.name != "export.download"} == {provider}
    polls = sorted((span for span in steps if span.name == "export.poll"), key=lambda span: span.start)
    assert polls[-1].attributes["export_gateway.export.status"] == "succeeded"
    # Each commit on the disk is a part of its step.
    commits = [span for span in spans if span.name == "ledger.commit"]
    parents = {parent.name for parent in steps for span in commits if span.parent == parent.id}
    assert {"export.create", "export.start"} <= parents
    assert {span.attributes["db.system.name"] for span in commits} == {"sqlite"}


@pytest.mark.parametrize("provider", EXPORTS)
def test_calls_upstream_are_parts_of_their_step(world, provider):
    export = world["exports"][provider]
    spans = world["collector"].of_export(export)
    (start,) = [span for span in spans if span.name == "export.start"]
    calls = [span for span in spans if span.parent == start.id and span.kind == "client"]
    (started,) = [span for span in calls if span.attributes["export_gateway.operation"].endswith(".start")]
    attributes = started.attributes
    assert started.name == "POST " + attributes["export_gateway.operation"]
    assert attributes["http.request.method"] == "POST" and attributes["http.response.status_code"] in (200, 201, 202)
    assert attributes["server.address"] == "127.0.0.1" and isinstance(attributes["server.port"], int)
    assert attributes["url.full"].startswith("http://127.0.0.1:") and "?" not in attributes["url.full"]
    assert len(attributes["export_gateway.client_request_id"]) == 36
    assert attributes["export_gateway.connection"] == export["connection"]


@pytest.mark.parametrize("provider", EXPORTS)
def test_a_request_and_the_export_link_to_each_other(world, provider):
    spans, export = world["collector"], world["exports"][provider]
    (root,) = [span for span in spans.of_export(export) if span.name == "export.create"]
    trace, parent = world["callers"][provider]
    (request,) = [span for span in spans.named("POST /exports") if span.trace == trace]
    # The caller's own span is elsewhere.
    assert (request.kind, request.parent, request.is_parent_remote) == ("server", parent, True)
    assert root.place in request.links and request.place in root.links
    assert {name: request.attributes[name] for name in (
        "http.request.method", "http.route", "http.response.status_code", "url.scheme", "url.path", "export_gateway.caller",
    )} == {
        "http.request.method": "POST", "http.route": "/exports", "http.response.status_code": 202, "url.scheme": "http",
        "url.path": "/exports", "export_gateway.caller": "black-box",
    }  # fmt: skip
    (delivery,) = [span for span in spans.of_export(export) if span.name == "export.download"]
    (download,) = [span for span in spans.spans if span.place in delivery.links]
    assert download.name == "GET /exports/{id}/files/{fileId}" and root.place in download.links
    assert download.attributes["url.path"] == f"/exports/{export['id']}/files/{{fileId}}"
    assert download.start <= delivery.end and delivery.attributes["export_gateway.outcome"] == "whole"
    # The calls for the bytes are parts of the request.
    fetched = [span for span in spans.spans if span.parent == download.id and span.kind == "client"]
    assert fetched and all(span.trace == download.trace for span in fetched)
    # The id of the request is what upstreams are shown.
    ids = {span.attributes["export_gateway.client_request_id"].replace("-", "")[16:] for span in fetched}
    assert ids == {download.attributes["export_gateway.request_id"]}


def test_every_span_has_its_parent_and_every_link_its_span(world):
    spans = world["collector"].spans
    places = {span.place for span in spans}
    assert len(places) == len(spans)
    for span in spans:
        assert span.parent == "" or span.is_parent_remote or (span.trace, span.parent) in places, span
        for link in span.links:
            assert link in places, span
    # Who polls and scrapes is not traced, and what fits no route shows nothing of its path.
    assert not [span for span in spans if "livez" in span.name or "readyz" in span.name]
    (unknown,) = [span for span in spans if span.attributes.get("http.response.status_code") == 404]
    assert unknown.attributes["http.route"] == "/exports/{id}" and unknown.attributes["url.path"] == "/exports/{id}"
    assert unknown.attributes["export_gateway.problem.code"] == "not-found" and not unknown.failed


def test_no_span_has_a_secret(world):
    collected = world["collector"]
    for headers, body in collected.requests:
        assert headers["api-key"] == world["key"]
        for secret in world["secrets"]:
            assert secret.encode() not in body
        assert b"vendor=" not in body and b"sig=" not in body
    assert {resource["service.name"] for resource in collected.resources} == {"exports of test"}
    assert len({resource["service.instance.id"] for resource in collected.resources}) == 1
    # The log names the trace of a request, and the key of the collector is nowhere.
    lines = [json.loads(line) for line in world["log"].splitlines() if line.startswith("{")]
    traces = {line["trace_id"] for line in lines if line["message"] == "request" and line.get("route") == "/exports"}
    assert {trace for trace, _ in world["callers"].values()} <= traces
    assert world["key"] not in world["log"]
    assert 0 < world["counted"] <= len(collected.spans)


def test_callers_decide_within_their_bound(upstream):
    with collector() as spans:
        settings = {"endpoint": spans.endpoint, "ratio": 0, "callersPerSecond": 3, "interval": "100ms"}
        with servers.gateway(upstream, traces=settings) as gateway:
            sampled = [parent_field() for _ in range(20)]
            started = time.monotonic()
            for field, *_ in sampled:
                assert gateway.get("/providers", traceparent=field).status == 200
            seconds = time.monotonic() - started
            unknown, unwanted = parent_field()[0], parent_field(sampled=False)[0]
            assert call(gateway.address, "GET", "/exports", {"traceparent": unknown}).status == 401
            gateway.get("/providers", traceparent=unwanted)
            gateway.get("/providers")
            gateway.get("/providers", traceparent="00-nonsense")
        traces = [span.trace for span in spans.spans]
        assert set(traces) <= {trace for _, trace, _ in sampled}
        # So many in each second that began meanwhile.
        assert 3 <= len(traces) <= 3 * (int(seconds) + 2)


def test_a_collector_that_fails_costs_spans_and_nothing_else(upstream):
    with collector() as spans:
        spans.answers += [503, 400]
        spans.rejects = 2
        # The interval is longer than the test: a batch is sent when it is full.
        settings = {
            "endpoint": spans.endpoint, "ratio": 1, "interval": "60s", "queueLimit": 20, "batchSize": 4, "timeout": "1s",
        }  # fmt: skip
        with servers.gateway(upstream, traces=settings) as gateway:
            for _ in range(4):
                gateway.get("/providers")
            # The first request is sent again after a second, and refused then; the next ones are taken.
            def count(outcome: str) -> float:
                return gateway.metric("export_gateway_spans_total", outcome=outcome)

            poll("the batch that was refused", lambda: count("failed") == 4)
            assert len({body for _, body in spans.requests[:2]}) == 1
            for _ in range(8):
                gateway.get("/providers")
            poll("the other batches", lambda: count("exported") + count("rejected") == 8)
            assert count("rejected") == 2 and count("dropped") == 0
            assert gateway.metric("export_gateway_upstream_requests_total", connection="traces", outcome="2xx") > 0
            spans.answers += [503] * 100
            for _ in range(50):
                assert gateway.get("/providers").status == 200
            poll("the spans that found no place", lambda: count("dropped") > 0)
            began = time.monotonic()
            assert gateway.process.stop(within=20) == 0
            assert time.monotonic() - began < 10
        lines = gateway.process.lines()
        assert lines.count("Spans cannot be exported") >= 1 and lines.count("Spans are exported again") == 1
