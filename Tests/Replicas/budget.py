"""One request budget over several replicas: what the upstream counts in any minute is never above it, whoever calls.

The allowances are Microsoft's five a minute for eDiscovery and Power BI's per user, in the same proportion, so large that the run
takes minutes. The budget's time is a minute; nothing here makes it pass faster.
"""

import bisect
import random
import signal
import threading
import time
from collections import Counter
from datetime import datetime

import bodies
import servers
from client import Answer, call, poll
from replicas import Replicas, database, replicas
from table import Table


def add_options(parser) -> None:
    parser.add_argument("--budget-exports", type=int, default=200)
    parser.add_argument("--graph-per-minute", type=int, default=40)
    parser.add_argument("--bi-per-minute", type=int, default=120)
    parser.add_argument("--budget-hand-over", action="store_true",
                        help="a holder of a lease is ended in the middle, and another one killed")


def run(options) -> Table:
    table = Table("budget over three replicas")
    allowed = {"graph-ediscovery": options.graph_per_minute, "power-bi": options.bi_per_minute}
    with servers.sandbox(job_duration="2s") as upstream, database() as server:
        connections = [
            each | {"requestsPerMinute": allowed.get(each["provider"], 0), "pollInterval": "2s"}
            for each in servers.connections(upstream)
        ]
        engine = {"reconcileDelay": "1s", "maximumPollInterval": "20s"}
        with replicas(upstream, server, 3, connections=connections, engine=engine) as group:
            _work(table, options, group)
            _count(table, allowed, upstream)
    return table


def _work(table: Table, options, group: Replicas) -> None:
    began = time.monotonic()
    makers = [bodies.search_result, bodies.review_set, lambda name: bodies.review_set(name, connection="purview-former"),
              bodies.report, bodies.paginated_csv, bodies.paginated_csv]
    exports = []
    for number in range(options.budget_exports):
        exports.append(group[number % len(group)].create(makers[number % len(makers)](f"Export {number}")))
    ends = threading.Event()
    answers = Counter()
    readers = [threading.Thread(target=_download, args=(replica, exports, ends, answers), daemon=True) for replica in group]
    for reader in readers:
        reader.start()
    if options.budget_hand_over:
        time.sleep(70)
        _hand_over(group)

    def settled():
        page, found = "/exports?limit=100", []
        while page:
            answer = group[0].get(page).json
            found += answer["value"]
            page = answer.get("nextCursor") and f"/exports?limit=100&cursor={answer['nextCursor']}"
        return len(found) == len(exports) and all(export["status"] in servers.TERMINAL for export in found) and found

    try:
        found = poll("every export has ended", settled, within=3_000, every=2)
    finally:
        ends.set()
    for reader in readers:
        reader.join(60)
    table.figure("exports", len(found))
    table.none("exports that did not succeed", [each for each in found if each["status"] != "succeeded"])
    table.figure("minutes", (time.monotonic() - began) / 60)
    for (name, status), count in sorted(answers.items(), key=str):
        table.figure(f"downloads on {name}: {status}", count)
    for replica in group:
        table.least(f"downloads served by {replica.name}", answers[replica.name, 200], 1)


def _download(replica, exports: list[dict], ends: threading.Event, answers: Counter) -> None:
    """One caller's: an export that has ended, whichever replica has the lease of its connection."""
    dice = random.Random(replica.name)
    ready: list[dict] = []
    while not ends.is_set():
        export = dice.choice(ready or exports)
        try:
            shown: Answer = replica.call("GET", f"/exports/{export['id']}")
            if shown.json.get("status") == "succeeded":
                ready.append(export)
                file = dice.choice(shown.json["files"])
                got = call(replica.address, "GET", file["href"], {"Authorization": f"Bearer {replica.key}"}, timeout=60)
                answers[replica.name, got.status] += 1
        except (OSError, ValueError, KeyError) as error:
            answers[replica.name, type(error).__name__] += 1
        ends.wait(dice.uniform(0.2, 1.0))


def _hand_over(group: Replicas) -> None:
    held = {replica: replica.leases_held() or 0 for replica in group}
    first, second = sorted(group, key=lambda replica: -held[replica])[:2]
    first.process.signal(signal.SIGTERM)
    poll("the end", lambda: first.process.exit_code is not None)
    first.start(ready=False)
    time.sleep(30)
    second.kill()
    time.sleep(2)
    second.start()


def _count(table: Table, allowed: dict[str, int], upstream) -> None:
    account = upstream.account()
    table.figure("calls at the sandbox", len(account["calls"]))
    assert sum(account["counts"].values()) == len(account["calls"]), "the sandbox's account of calls is not complete"
    for service, most in allowed.items():
        # Calls for tokens, and to hosts that serve files, are other services' there.
        times = [_seconds(each["at"]) for each in account["calls"] if each["service"] == service]
        table.figure(f"calls of {service}", len(times))
        others = Counter(each["operation"] for each in account["calls"] if each["service"] == service)
        table.figure(f"- {service} by operation", ", ".join(f"{name} {count}" for name, count in sorted(others.items())))
        largest, at = _largest(times)
        table.most(f"calls of {service} in any minute", largest, most)
        table.figure(f"- {service}: the fullest minute began after", at - times[0] if times else 0, " s")
        throttled = [each for each in account["calls"] if each["service"] == service and each["status"] == 429]
        table.none(f"refused by {service} (429)", throttled)


def _largest(times: list[float]) -> tuple[int, float]:
    """The most calls in any 60 seconds, and when these began."""
    times = sorted(times)
    return max(((bisect.bisect_left(times, time + 60) - number, time) for number, time in enumerate(times)), default=(0, 0.0))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
