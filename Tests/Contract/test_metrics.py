"""/metrics is what Prometheus reads, by Prometheus's own word."""

import re
import subprocess
import uuid

import bodies
import evidence
import servers
from client import call, poll
from queries import described as article

SOURCES = evidence.ROOT / "Sources"
DESCRIPTIONS = SOURCES / "App/GatewayServer/MetricDescriptions.swift"
PROMTOOL = servers.program("promtool")


def test_promtool_finds_nothing_to_complain_about(gateway, upstream):
    export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
    gateway.download(f"{export['href']}/content", {"Accept-Encoding": "gzip"})
    gateway.get("/nothing-here")
    upstream.rule("power-bi.*", {"kind": "failed"})
    gateway.watch(gateway.create(bodies.report()))
    answer = gateway.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    result = subprocess.run([PROMTOOL, "check", "metrics"], input=answer.body, capture_output=True)
    assert result.returncode == 0 and not result.stderr and not result.stdout, (result.stdout, result.stderr)
    assert gateway.metric("export_gateway_exports_created_total", provider="power-bi") == 2
    assert gateway.metric("export_gateway_exports_finished_total", status="failed") == 1
    # A download is counted after its last byte was sent: the client may have it before.
    poll("the download", lambda: gateway.metric("export_gateway_downloads_total", outcome="whole") == 1)


def test_an_unknown_caller_makes_no_series(gateway):
    def strange(number):
        gateway.get(f"/exports/{number}")
        gateway.get(f"/exports/{uuid.uuid4()}")
        gateway.get(f"/nothing-{number}")
        gateway.get(f"/exports?status=status-{number}")
        gateway.call(f"METHOD{number}", "/exports")
        gateway.call("GET", "/exports", {"X-Request-Id": f"request-{number}", "User-Agent": f"agent-{number}"})

    strange(0)
    series(gateway)
    before = series(gateway)
    for number in range(1, 20):
        strange(number)
    assert series(gateway) == before


#: What a name may begin with, and the metrics that Prometheus' libraries and OpenTelemetry name.
OURS = re.compile(r"export_gateway(_[a-z]+)+")
PROCESS = {f"process_{name}" for name in (
    "cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "start_time_seconds", "open_fds", "max_fds")}
OF_REQUESTS = {"http_server_request_duration_seconds", "http_server_active_requests"}
#: A histogram's name ends with the unit of what it measures.
UNITS = ("_seconds", "_bytes", "_writes")
#: The labels, and those that not every series of a metric has.
LABELS = {
    "provider", "connection", "status", "outcome", "reason", "mode", "kind", "work", "operation", "budget", "limit", "priority", "coding",
    "table", "part", "action", "http_request_method", "http_route", "http_response_status_code", "url_scheme", "error_type",
}
OPTIONAL = {"http_route", "error_type"}


def test_the_articles_metrics_are_in_the_scheme():
    for name, (kind, labels) in article().items():
        assert OURS.fullmatch(name) or name in PROCESS | OF_REQUESTS, name
        assert name.endswith("_total") == (kind == "counter"), name
        assert kind != "histogram" or name.endswith(UNITS), name
        assert kind in ("counter", "gauge", "histogram"), name
        assert not name.endswith(("_count", "_sum", "_bucket", "_info")), name
        assert labels <= LABELS, name
    assert LABELS == set().union(*(labels for _, labels in article().values())), "a label that no metric has"


def test_the_article_lists_the_metrics_of_the_code():
    literal = re.compile(r'"((?:export_gateway|http_server|process)_[a-z_]+)"')
    emitted = {name for file in SOURCES.rglob("*.swift") if file != DESCRIPTIONS for name in literal.findall(file.read_text())}
    assert set(article()) == emitted
    # The registry's own, and those of the process, bring their help texts with them.
    described = literal.findall(DESCRIPTIONS.read_text())
    assert len(described) == len(set(described))
    assert set(described) == emitted - PROCESS - {"export_gateway_metric_series_dropped_total"}


def test_metrics_are_as_the_article_says(gateway):
    gateway.download(f"{gateway.succeeded(gateway.create(bodies.paginated_csv()))['href']}/content")
    gateway.get("/nothing-here")
    listed = article()
    text = gateway.get("/metrics").body.decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    assert kinds == {name: listed[name][0] for name in kinds}
    assert not re.findall(r"^# HELP \S+ The metric .*", text, re.M)
    assert len(kinds) > 30 and PROCESS <= set(kinds)
    for line in series(gateway):
        name, _, rest = line.partition("{")
        base = next((known for known in (name, re.sub("_(bucket|sum|count)$", "", name)) if known in listed), None)
        assert base, name
        labels = set(re.findall(r'(\w+)="', rest)) - {"le"}
        assert labels <= listed[base][1] and listed[base][1] - labels <= OPTIONAL, line


def series(gateway) -> set[str]:
    """The names of the series, without their values."""
    lines = gateway.get("/metrics").body.decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if line and not line.startswith("#")}


def test_probes_need_no_key(gateway):
    for path in ("/livez", "/readyz", "/metrics", "/openapi.yaml"):
        assert call(gateway.address, "GET", path).status == 200, path
