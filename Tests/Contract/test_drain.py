"""SIGTERM: no new work, downloads under way are finished, then the process ends well."""

import signal
import threading

import pytest

import bodies
import servers
from client import call, poll

SIZE = 8 << 20


def slow_export(upstream, gateway):
    """A finished export whose download takes about twelve seconds."""
    upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": SIZE, "content": "csv"})
    upstream.rule("power-bi.download", {"kind": "dripDownload", "bytesPerSecond": SIZE // 12})
    return gateway.succeeded(gateway.create(bodies.paginated_csv()))


@pytest.mark.long
def test_a_download_under_way_is_finished():
    drain = {"drainDelay": "5s", "drainTimeout": "30s"}
    with servers.sandbox() as upstream, servers.gateway(upstream, server=drain) as gateway:
        export = slow_export(upstream, gateway)
        outcome, begun = {}, threading.Event()

        def downloading():
            try:
                outcome["got"] = gateway.download(f"{export['href']}/content", pace=lambda read: begun.set())
            except Exception as error:
                outcome["error"] = error
            begun.set()

        reader = threading.Thread(target=downloading)
        reader.start()
        assert begun.wait(30)
        gateway.process.signal(signal.SIGTERM)
        # Load balancers get drainDelay to see this; then the door is shut.
        poll("readyz says 503", lambda: call(gateway.address, "GET", "/readyz").status == 503)
        assert call(gateway.address, "GET", "/livez").status == 200
        poll("the door is shut", lambda: refused(gateway))
        assert gateway.process.exit_code is None, "the process ended before its download"
        reader.join(60)
        assert "error" not in outcome, outcome
        assert outcome["got"].size == SIZE
        assert outcome["got"].sha256 == upstream.jobs()[0]["files"][0]["sha256"]
        assert gateway.process.wait() == 0


def test_a_download_longer_than_the_drain_is_cut_visibly():
    with servers.sandbox() as upstream, servers.gateway(upstream, server={"drainTimeout": "1s"}) as gateway:
        export = slow_export(upstream, gateway)
        outcome, begun = {}, threading.Event()

        def downloading():
            try:
                gateway.download(f"{export['href']}/content", pace=lambda read: begun.set())
                outcome["whole"] = True
            except Exception as error:
                outcome["error"] = error

        reader = threading.Thread(target=downloading)
        reader.start()
        assert begun.wait(30)
        gateway.process.signal(signal.SIGTERM)
        code = gateway.process.wait()
        reader.join(60)
        assert "whole" not in outcome and "error" in outcome
        assert code == 0


def test_exports_go_on_after_a_restart():
    with servers.sandbox(job_duration="2s") as upstream, servers.gateway(upstream) as gateway:
        exports = [gateway.create(bodies.report(f"Report {number}")) for number in range(3)]
        gateway.watch(exports[-1], until=lambda export: "id" in export.get("upstream", {}))
        assert gateway.process.stop() == 0
        gateway.start()
        for export in exports:
            gateway.succeeded(export)
        assert len(upstream.jobs()) == 3


def refused(gateway) -> bool:
    """Whether no connection is accepted any more."""
    try:
        call(gateway.address, "GET", "/livez", timeout=5)
        return False
    except OSError:
        return True
