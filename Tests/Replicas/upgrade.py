"""Two replicas are replaced one after the other, under load: no request fails for a client that asks the other one, and no export is
lost.

EXPORT_GATEWAY_OLDER names the executable that they run first, of a version with an older schema; without it, both are the same.
"""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import follower
import servers
from client import poll
from replicas import database, replicas
from retrying_client import RetryingClient, percentile
from table import Table
from workload import Workload, connections

OLDER = Path(os.environ["EXPORT_GATEWAY_OLDER"]) if "EXPORT_GATEWAY_OLDER" in os.environ else None


def add_options(parser) -> None:
    parser.add_argument("--upgrades", type=int, default=3, help="how often both replicas are replaced")
    parser.add_argument("--upgrade-exports", type=int, default=300)


def run(options) -> Table:
    table = Table(f"upgrade from {OLDER or 'the same version'}")
    dice = random.Random(options.seed)
    seconds = 25.0 * options.upgrades
    with servers.sandbox(job_duration="3s") as upstream, database() as server, replicas(
        upstream, server, 2, program=OLDER or servers.BINARY, connections=connections(upstream, pollInterval="500ms"),
        server={"drainDelay": "1s"},
    ) as group:
        table.figure("schema before", _schema(server))
        reader = follower.follow(server, None)
        client = RetryingClient([replica.address for replica in group], {"Authorization": f"Bearer {group.key}"}, patience=5)
        work = Workload(client, dice, options.upgrade_exports, seconds)
        work.start()
        gone = []
        for _ in range(options.upgrades):
            for replica in group:
                time.sleep(4)
                began = time.monotonic()
                replica.process.signal(signal.SIGTERM)
                poll("the end", lambda replica=replica: replica.process.exit_code is not None)
                assert replica.process.exit_code == 0, replica.process.log
                replica.replace(servers.BINARY)
                replica.start()
                gone.append(time.monotonic() - began)
        poll("the end of all exports", lambda: not work.left(), within=seconds + 120, every=0.5)
        work.stop()
        reader.stop()
        known = {export["id"]: export for export in _listed(group[0])}
        accepted = [order for order in work.orders if order.id]
        table.figure("schema after", _schema(server))
        table.figure("replacements", len(gone))
        table.figure("longest replacement", max(gone), " s")
        table.figure("exports accepted", len(accepted))
        table.none("requests failed", work.refused + client.faults)
        table.none("exports lost", [order.id for order in accepted if order.id not in known] + work.lost)
        for status, count in sorted(Counter(export["status"] for export in known.values()).items()):
            table.figure(f"- {status}", count)
        table.none("exports that did not succeed and were not cancelled",
                   [(each["id"], each["provider"], each.get("error")) for each in known.values()
                    if each["status"] not in ("succeeded", "canceled")])
        names = Counter(export["name"] for export in known.values())
        table.none("created twice", [name for name, count in names.items() if count > 1])
        bound = {export.get("upstream", {}).get("id") for export in known.values()}
        # A start that was cancelled on its way may have a job that nobody asked for again.
        strays = [job for job in upstream.jobs() if job["id"] not in bound]
        unbound = sum(not each.get("upstream", {}).get("id") for each in known.values() if each["status"] == "canceled")
        table.most("jobs that no export is bound to", len(strays), unbound)
        there = follower.stored(server, None)
        table.none("change rows skipped", follower.skipped(reader.rows, there))
        table.none("revisions without a row", follower.gaps(there, follower.revisions(server, None)))
        table.figure("requests", len(client.samples))
        table.figure("requests tried on the other replica", sum(each.attempts > 1 for each in client.samples))
        for name, share in (("p99", 0.99), ("longest", 1.0)):
            table.figure(f"requests: {name}", percentile([each.seconds for each in client.samples], share), " s")
    return table


def _schema(server) -> str:
    names = [row[0] for row in server.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name LIKE '%schema%'")]
    return "; ".join(f"{name}: {server.query(f'SELECT max(version) FROM {name}')[0][0]}" for name in names) or "unknown"


def _listed(replica) -> list[dict]:
    page, found = "/exports?limit=100", []
    while page:
        answer = replica.get(page).json
        found += answer["value"]
        page = answer.get("nextCursor") and f"/exports?limit=100&cursor={answer['nextCursor']}"
    return found
