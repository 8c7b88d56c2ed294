"""The case `lists`: many exports stored. Every combination of filters, with hits and without; then a start with a tenth of
them unfinished.

The aim is one of the server's own stamps: in its histogram, at most one of a hundred answers to each combination took longer.
Beside it stands what the client sees, from sending a request on an open connection to the last byte: that counts this
program's own work too. The first combinations are asked for while the unfinished exports are still being taken over.
"""

import http.client
import itertools
import statistics
import time
import urllib.request
from contextlib import ExitStack
from datetime import UTC, datetime

from gateways import connection, start_gateway
from jobs import RUNS, start_jobs
from load import percentile
from results import Run
from stored import Stored, stored

#: Requests of each combination, unless they take longer than `PATIENCE` seconds.
REQUESTS, PATIENCE = 200, 3
#: Seconds in which the server has to answer a list: the bound of a bucket of its histogram.
MOST = 0.005


def lists(run: Run) -> None:
    with ExitStack() as stack:
        place = run.place("lists")
        jobs = stack.enter_context(start_jobs(place / "jobs", "0"))
        ledger = stored(run)
        connections = [connection(jobs.base, requestsPerMinute=1), connection(jobs.base, "other", requestsPerMinute=1),
                       connection(jobs.base, "idle", requestsPerMinute=1), _goals(jobs.base)]
        gateway = stack.enter_context(start_gateway(place, "1", ledger.path, connections))
        run.note(gateway.command)
        found: list[tuple[float, float, str, int]] = []
        for query, expects in _queries(ledger):
            slow, count = _answers(gateway)
            times = _times(gateway, query, expects)
            slow, count = _answers(gateway)[0] - slow, _answers(gateway)[1] - count
            if count != len(times):
                raise SystemExit(f"{len(times)} lists were asked for, and the server counts {count:.0f}")
            found.append((slow / count, percentile(sorted(times), 0.99), query or "(no filter)", len(times)))
        found.sort(reverse=True)
        run.note(f"{len(found)} combinations; p99 at the client of the median one "
                 f"{statistics.median(f[1] for f in found):.2f} ms")
        for share, p99, query, count in found[:5]:
            run.note(f"over {MOST * 1000:.0f} ms in the server {share:6.2%} of {count:4}; p99 at the client "
                     f"{p99:6.2f} ms: {query}")
        run.aim(f"lists: answers that took the server more than {MOST * 1000:.0f} ms, of the slowest combination",
                found[0][0] * 100, 1, at_least=False, unit="%")
    _start(run)


def _goals(root: str) -> dict:
    return {"name": "goals", "provider": "viva-goals", "apiRoot": root, "allowPlainHTTP": True,
            "credential": {"type": "passThrough"}}


def _queries(ledger: Stored):
    """Every subset of the filters: where all hit, and where each filter in turn names what `caller-0` has none of. Others
    have some of it, in great number."""
    def at(share: float) -> str:
        moment = ledger.since + (ledger.until - ledger.since) * share
        return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    filters = {
        "provider": ("power-bi", "viva-goals"),
        "connection": ("bi", "other"),
        "status": ("succeeded", "failed"),
        "createdAfter": (at(0.25), at(1.1)),
        "createdBefore": (at(0.75), at(-0.1)),
    }
    for size in range(len(filters) + 1):
        for names in itertools.combinations(filters, size):
            for missed in (None, *names):
                yield "&".join(f"{name}={filters[name][name == missed]}" for name in names), missed is None


def _times(gateway, query: str, expects: bool) -> list[float]:
    connection = http.client.HTTPConnection(gateway.base.partition("//")[2])
    times: list[float] = []
    deadline = time.monotonic() + PATIENCE
    while len(times) < REQUESTS and (len(times) < 3 or time.monotonic() < deadline):
        began = time.perf_counter()
        connection.request("GET", f"/exports?limit=200&{query}", headers=gateway.headers)
        answer = connection.getresponse()
        text = answer.read()
        times.append((time.perf_counter() - began) * 1000)
        if answer.status != 200 or (b'"id"' in text) != expects:
            raise SystemExit(f"GET /exports?{query}: {answer.status} {text[:500]!r}")
    connection.close()
    return times


def _answers(gateway) -> tuple[float, float]:
    """The lists that were answered so far: those that took longer than `MOST`, and all."""
    request = urllib.request.Request(f"{gateway.base}/metrics", headers=gateway.headers)
    with urllib.request.urlopen(request) as answer:
        lines = [line for line in answer.read().decode().splitlines()
                 if line.startswith("http_server_request_duration_seconds_") and 'http_route="/exports"' in line]
    fast = sum(float(line.split()[-1]) for line in lines if f'le="{MOST}"' in line)
    count = sum(float(line.split()[-1]) for line in lines if "_count{" in line)
    return count - fast, count


def _start(run: Run) -> None:
    """From the start of the process to the first 200 of /readyz, and the first create after it."""
    ledger = stored(run)
    ready, created = [], []
    for _ in range(run.options.repetitions):
        with ExitStack() as stack:
            place = run.place("start")
            jobs = stack.enter_context(start_jobs(place / "jobs", "0"))
            connections = [connection(jobs.base, pollInterval="60s"), connection(jobs.base, "other"), _goals(jobs.base)]
            began = time.perf_counter()
            gateway = stack.enter_context(start_gateway(place, "1", ledger.path, connections))
            while not _is_ready(gateway):
                time.sleep(0.002)
            ready.append(time.perf_counter() - began)
            began = time.perf_counter()
            gateway.create(RUNS)
            created.append((time.perf_counter() - began) * 1000)
    label = f"start with {ledger.unfinished} of {run.options.exports} unfinished"
    run.aim(f"{label}: ready after", statistics.median(ready), 1, at_least=False, unit=" s")
    run.aim(f"{label}: first create after that", statistics.median(created), 100, at_least=False, unit=" ms")


def _is_ready(gateway) -> bool:
    connection = http.client.HTTPConnection(gateway.base.partition("//")[2], timeout=30)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200
    except OSError:
        return False
    finally:
        connection.close()
