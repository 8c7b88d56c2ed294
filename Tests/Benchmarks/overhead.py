"""The cases `traces` and `audit`: what an option costs, as the CPU time of an answer with it over that without.

Both gateways run on core 1, one after the other in each round; the load is on core 0.
"""

import base64
import http.server
import json
import os
import statistics
import threading
from contextlib import ExitStack, contextmanager

import peers
from gateways import connection, order, start_gateway
from jobs import RUNS, SUCCEEDS, start_jobs
from load import Rate, load
from results import Run

SERVER, OTHER = "1", "0"
#: Starts and polls a minute, Purview's own allowance: what was created waits for them and takes little of the core.
BUDGET = 5


def traces(run: Run) -> None:
    """`GET /exports/{id}` of an export that has ended, with one trace in ten recorded and sent to a collector."""
    with ExitStack() as stack:
        jobs = stack.enter_context(start_jobs(run.place("traces") / "jobs", OTHER))
        collector = stack.enter_context(_collector())
        with_traces = {"traces": {"endpoint": collector.address, "allowPlainHTTP": True, "ratio": 0.1}}
        gateways = []
        for name, sections in {"without": {}, "a tenth recorded": with_traces}.items():
            place = run.place("traces")
            gateway = stack.enter_context(start_gateway(place, SERVER, run.place("traces", on_disk=True) / "ledger.sqlite",
                                                        [connection(jobs.base)], name=name, **sections))
            gateway.log = place / "gateway.log"
            export = gateway.create(SUCCEEDS)
            gateway.await_status(export, "succeeded")
            gateway.path = peers.answer_of(gateway, f"/exports/{export}", place).path
            gateways.append(gateway)
        _compared(run, "traces", gateways, 1.05, expect=2)
        run.note(f"the collector had {collector.requests} requests, {collector.bytes / 1e6:.1f} MB")
        if not collector.requests:
            raise SystemExit("no span came")


def audit(run: Run) -> None:
    """`POST /exports`, 32 at once, each on the disk before it is answered, with an audit trail whose rows are sealed meanwhile."""
    with ExitStack() as stack:
        jobs = stack.enter_context(start_jobs(run.place("audit") / "jobs", OTHER))
        body = run.place("audit") / "body.json"
        body.write_text(json.dumps(order(RUNS)))
        key = {"AUDIT_KEY": base64.b64encode(os.urandom(32)).decode()}
        gateways = []
        for name, sections in {"without": {}, "with an audit trail": {"audit": {"key": "env:AUDIT_KEY"}}}.items():
            place = run.place("audit")
            gateway = stack.enter_context(start_gateway(place, SERVER, run.place("audit", on_disk=True) / "ledger.sqlite",
                                                        [connection(jobs.base, requestsPerMinute=BUDGET)], name=name,
                                                        environment=key, **sections))
            gateway.log, gateway.path = place / "gateway.log", "/exports"
            gateways.append(gateway)
        _compared(run, "create", gateways, None, headers={"Content-Type": "application/json"}, body=body)


def _compared(run: Run, scenario: str, gateways: list, aim: float | None, **arguments) -> None:
    """In turn, as many rounds as there are repetitions, each beginning with the other one."""
    rates = [Rate(scenario, gateway.name, gateway.command) for gateway in gateways]
    for number in range(run.options.repetitions):
        pairs = list(zip(gateways, rates, strict=True))
        for gateway, rate in pairs if number % 2 == 0 else pairs[::-1]:
            before = gateway.server.cpu_seconds()
            result = load(gateway, OTHER, run.options.seconds, **arguments)
            # The second of warming up is in the CPU time, and in this number.
            rate.cpu_seconds.append((gateway.server.cpu_seconds() - before) / (result.per_second * (run.options.seconds + 1)))
            rate.rates.append(result.per_second)
            rate.client = result.command
            os.truncate(gateway.log, 0)
    run.add_rates(rates)
    ratios = [with_it / without for without, with_it in zip(rates[0].cpu_seconds, rates[1].cpu_seconds, strict=True)]
    run.note(f"{scenario}: CPU of an answer, with it over without, in each round: " + ", ".join(f"{each:.3f}" for each in ratios))
    run.note(f"{scenario}: {rates[1].per_second / rates[0].per_second:.3f}x of the requests/s")
    if aim:
        run.aim(f"{scenario}: CPU of an answer, of that without", statistics.median(ratios), aim, at_least=False)


@contextmanager
def _collector():
    """Takes spans over OTLP/HTTP, counts them by the bytes, and drops them."""

    class Collector(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            server.bytes += len(self.rfile.read(int(self.headers["Content-Length"])))
            server.requests += 1
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.requests = server.bytes = 0
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
