"""How fast a change reaches waiters on another replica, and how many requests several replicas answer in a second."""

import json
import re
import statistics
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import bodies
import servers
from client import call
from replicas import Replica, Replicas, database, replicas
from retrying_client import percentile
from table import Table

#: As Tests/Benchmarks: so many connections, each with one request under way.
CLIENTS = 32


def add_options(parser) -> None:
    parser.add_argument("--samples", type=int, default=400, help="of a change on one replica and its waiter on another")
    parser.add_argument("--seconds", type=float, default=5, help="for how long each load lasts")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--only", choices=["wake", "status", "create"], help="one part of it")


def run(options) -> Table:
    table = Table("feed")
    if options.only in (None, "wake"):
        _wake(table, options.samples)
    if options.only in (None, "status"):
        _status(table, options)
    if options.only in (None, "create"):
        _create(table, options)
    return table


def paced(upstream, per_minute: int) -> list[dict]:
    return [each | {"requestsPerMinute": per_minute} for each in servers.connections(upstream)]


def _wake(table: Table, samples: int) -> None:
    """An export that waits for its start is cancelled on one replica, while a caller waits for it on another."""
    with servers.sandbox() as upstream, database() as server, \
            replicas(upstream, server, 3, connections=paced(upstream, 1), log={"level": "info", "format": "json"}) as group:
        # It takes the only place of the minute.
        group[0].watch(group[0].create(bodies.paginated_csv("First")), until=lambda export: "id" in export.get("upstream", {}))
        after, whole, missed = [], [], []
        for number in range(samples):
            here, there = group[number % 3], group[(number + 1 + number // 3 % 2) % 3]
            sample = _wake_once(here, there, f"Export {number}")
            if sample is None:
                missed.append(number)
            else:
                after.append(sample[0] * 1_000)
                whole.append(sample[1] * 1_000)
        table.figure("changes on one replica, waited for on another", len(after))
        table.none("waiters that were not woken", missed)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
            value = percentile(after, share)
            if name == "p99":
                table.most(f"from the answer on one to the answer on the other: {name}", value, 50, " ms")
            else:
                table.figure(f"from the answer on one to the answer on the other: {name}", value, " ms")
        for name, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
            table.figure(f"from the request on one to the answer on the other: {name}", percentile(whole, share), " ms")


def _wake_once(here: Replica, there: Replica, name: str) -> tuple[float, float] | None:
    """Seconds from the cancellation's answer, and from its request, to the waiter's answer; None where none came."""
    export = here.create(bodies.paginated_csv(name))
    path, key = f"/exports/{export['id']}", {"Authorization": f"Bearer {here.key}"}
    answered: list[float] = []
    waits = threading.Event()

    def waiter():
        tag = ""
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            headers = key | {"Prefer": "wait=15"} | ({"If-None-Match": tag} if tag else {})
            answer = call(there.address, "GET", path, headers if tag else key, timeout=30)
            if answer.status == 200 and answer.json["status"] == "canceled":
                answered.append(time.perf_counter())
                return
            tag = answer.headers.get("etag", tag)
            waits.set()

    thread = threading.Thread(target=waiter, daemon=True)
    thread.start()
    waits.wait(20)
    # Its request is on its way, and then held there.
    time.sleep(0.05)
    began = time.perf_counter()
    canceled = call(here.address, "DELETE", path, key, timeout=30)
    ended = time.perf_counter()
    assert canceled.status == 200 and canceled.json["status"] == "canceled", canceled.body
    thread.join(30)
    return (max(0.0, answered[0] - ended), answered[0] - began) if answered else None


def _status(table: Table, options) -> None:
    """`GET /exports/{id}` of an export that has ended: with PostgreSQL and with SQLite in turn."""
    figures: dict[str, list[float]] = {"SQLite": [], "PostgreSQL": []}
    with ExitStack() as stack:
        upstream = stack.enter_context(servers.sandbox())
        quiet = {"log": {"level": "info", "format": "json"}}
        ledgers = {
            "SQLite": stack.enter_context(replicas(upstream, None, 1, **quiet)),
            "PostgreSQL": stack.enter_context(replicas(upstream, stack.enter_context(database()), 1, **quiet)),
        }
        exports = {name: group[0].succeeded(group[0].create(bodies.report("Status"))) for name, group in ledgers.items()}
        for group in ledgers.values():
            subprocess.run(["taskset", "-a", "-p", "-c", "1", str(group[0].process.pid)], check=True, capture_output=True)
        for _ in range(options.repetitions):
            for name, group in ledgers.items():
                path = f"/exports/{exports[name]['id']}"
                figures[name].append(_load([(group[0], CLIENTS)], path, options.seconds, cores="0"))
    for name, rates in figures.items():
        table.figure(f"cached GET on {name}", statistics.median(rates), " requests/s")
    ratios = [there / here for here, there in zip(*figures.values(), strict=True)]
    table.least("cached GET: PostgreSQL beside SQLite, the median of pairs", statistics.median(ratios), 0.9, "x")


def _create(table: Table, options) -> None:
    """`POST /exports` on one, two and three replicas, 32 at once in all."""
    with tempfile.TemporaryDirectory() as directory:
        body = Path(directory) / "body.json"
        body.write_text(json.dumps(bodies.paginated_csv("Load")))
        figures: dict[str, list[float]] = {}
        for _ in range(max(1, options.repetitions // 2)):
            for count in (0, 1, 2, 3):
                with ExitStack() as stack:
                    upstream = stack.enter_context(servers.sandbox())
                    server = stack.enter_context(database()) if count else None
                    group: Replicas = stack.enter_context(replicas(
                        upstream, server, max(1, count), connections=paced(upstream, 5), log={"level": "info", "format": "json"}))
                    shares = [(replica, CLIENTS // len(group) + (number < CLIENTS % len(group)))
                              for number, replica in enumerate(group)]
                    rate = _load(shares, "/exports", options.seconds, body=body)
                    name = f"creates on PostgreSQL, {count} replicas" if count else "creates on SQLite"
                    figures.setdefault(name, []).append(rate)
                    print(f"    {name}: {rate:.0f}/s", flush=True)
                    # So many are not listed at the end of each replica.
                    for replica in group:
                        replica.kill()
        for name, rates in figures.items():
            table.figure(name, statistics.median(rates), " requests/s")


def _load(shares: list[tuple[Replica, int]], path: str, seconds: float, body: Path | None = None, cores: str = "0,1") -> float:
    """Requests a second, all of which must be answered 2xx; from one h2load for each replica."""
    started = []
    for replica, clients in shares:
        command = ["taskset", "-c", cores, "h2load", "--h1", "-t", "1", "-c", str(clients), "-D", f"{seconds:g}",
                   "--warm-up-time", "1", "-H", f"Authorization: Bearer {replica.key}"]
        if body:
            command += ["-d", str(body), "-H", "Content-Type: application/json"]
        started.append(subprocess.Popen([*command, replica.address + path], text=True, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT))
    total = 0.0
    for process in started:
        output = process.communicate()[0]
        speed = re.search(r"finished in [^,]+, ([\d.]+) req/s", output)
        counts = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output)
        if not speed or not counts or any(int(count) for count in counts.groups()[1:]) or not int(counts[1]):
            raise AssertionError(f"h2load was not answered 2xx throughout:\n{output[-2000:]}")
        total += float(speed[1])
    return total
