"""/metrics is what Prometheus reads, by Prometheus's own word."""

import os
import shutil
import subprocess
import uuid

import bodies
import evidence
from client import call, poll

PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool") or str(evidence.ROOT / ".build-tools/promtool")


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
    # Counted when the last byte has gone: that may be after it has come.
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


def series(gateway) -> set[str]:
    """The names of the series, without their values."""
    lines = gateway.get("/metrics").body.decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if line and not line.startswith("#")}


def test_probes_need_no_key(gateway):
    for path in ("/livez", "/readyz", "/metrics", "/openapi.yaml"):
        assert call(gateway.address, "GET", path).status == 200, path
