"""Replicas are killed, stopped and cut off, and the database with them, while callers go on: nothing is lost or done twice."""

import random
import sys
import threading
import time
from collections import Counter

import evidence
import follower
import history
import servers
from client import poll
from disturbances import Disturber
from replicas import Database, Replicas, database, replicas
from retrying_client import RetryingClient, percentile
from table import Table
from workload import Workload, connections

#: After the disturbances, what was accepted has to end within so many seconds.
SETTLING = 300


def add_options(parser) -> None:
    parser.add_argument("--exports", type=int, default=2_000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--sqlite", action="store_true", help="one replica on SQLite: for a trial of the run itself")
    parser.add_argument("--lease", type=float, default=10, help="seconds")


def run(options) -> Table:
    seed = options.seed or random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    # The proxies and callers are many threads of one process.
    sys.setswitchinterval(0.001)
    with servers.sandbox(job_duration="3s") as upstream:
        if options.sqlite:
            return _run(options, seed, upstream, None)
        with database() as server:
            return _run(options, seed, upstream, server)


def _run(options, seed: int, upstream, server: Database | None) -> Table:
    dice = random.Random(seed)
    table = Table(f"chaos, seed {seed}")
    sections = {
        "engine": {"reconcileDelay": "1s", "reconcileDeadline": "60s"},
        "connections": connections(upstream, pollInterval="1s"),
        "log": {"level": "info", "format": "json"},
    }
    if server:
        sections["ledger"] = {"leaseDuration": f"{options.lease:g}s"}
    count = 1 if options.sqlite else options.replicas
    with replicas(upstream, server, count, proxied=bool(server), start=not server, **sections) as group:
        path = None if server else group[0].directory / "ledger.sqlite"
        if server:
            history.start(group, server)
        # Starts take a moment, so that a kill can fall into the middle of one, before or after the job is there.
        upstream.rule("*.start", {"kind": "slow", "milliseconds": 60})
        reader = follower.follow(server, path)
        client = RetryingClient([replica.address for replica in group], {"Authorization": f"Bearer {group.key}"})
        work = Workload(client, dice, options.exports, options.minutes * 60 * 0.97)
        disturber = Disturber(group, server, dice, options.lease)
        work.start()
        try:
            _disturb(disturber, work, options.minutes * 60)
            disturber.undo_all()
            upstream.remove_rules()
            print(f"  {work.left()} have not ended when the disturbances have", flush=True)
            ends = time.monotonic() + SETTLING
            while work.left() and time.monotonic() < ends:
                time.sleep(0.5)
        finally:
            work.stop()
            reader.stop()
            evidence.EVIDENCE.mkdir(parents=True, exist_ok=True)
            (evidence.EVIDENCE / "disturbances.log").write_text("".join(f"{at:.3f} {text}\n" for at, text in disturber.log))
        _account(table, group, upstream, work, disturber)
        _changes(table, server, path, reader)
        if server:
            _epochs(table, server)
            _plant(table, server, group)
        _outage(table, client)
    return table


def _disturb(disturber: Disturber, work: Workload, seconds: float) -> None:
    assert threading.current_thread() is threading.main_thread()
    ends, told = time.monotonic() + seconds, time.monotonic()
    while time.monotonic() < ends:
        disturber.step()
        time.sleep(0.02)
        if time.monotonic() > told + 30:
            told = time.monotonic()
            made = sum(bool(order.id) for order in work.orders)
            print(f"  {ends - told:.0f} s to go, {made} created, {made - sum(order.ended for order in work.orders)} open, "
                  f"{sum(disturber.counts.values())} disturbances", flush=True)


def _account(table: Table, group: Replicas, upstream, work: Workload, disturber: Disturber) -> None:
    """What became of each export, with the sandbox's jobs as the witness."""
    known = {export["id"]: export for export in _all_exports(group)}
    accepted = [order for order in work.orders if order.id]
    table.figure("disturbances", sum(disturber.counts.values()))
    for kind, count in sorted(disturber.counts.items()):
        table.figure(f"- {kind}", count)
    table.figure("exports accepted", len(accepted))
    table.figure("exports known", len(known))
    table.none("ended unexpectedly (process)", disturber.unexpected)
    table.none("creates refused", work.refused)
    table.none("lost (an accepted export that nobody knows)",
               [order.id for order in accepted if order.id not in known] + work.lost)
    names = Counter(export["name"] for export in known.values())
    table.none("created twice with one key", [name for name, count in names.items() if count > 1])
    table.none("not ended", [(order.id, known.get(order.id, {}).get("status"), known.get(order.id, {}).get("notice"))
                             for order in accepted if not _ended(known.get(order.id, {}))])
    ends = Counter(export["status"] for export in known.values())
    for status, count in sorted(ends.items()):
        table.figure(f"- {status}", count)
    unconfirmed = [export for export in known.values() if export.get("error", {}).get("code") == "submission-unconfirmed"]
    table.figure("submission-unconfirmed", len(unconfirmed))
    table.none("failed otherwise", [(export["id"], export["provider"], export["error"]) for export in known.values()
                                    if export["status"] in ("failed", "expired", "partiallySucceeded")])
    table.none("started twice", _started_twice(table, known, unconfirmed, upstream))
    table.none("terminal states reverted, as callers saw it", work.reverted)
    table.figure("older states answered, and said to be stale", len(work.behind))
    for status, count in sorted(work.downloads.items(), key=str):
        table.figure(f"downloads: {status}", count)


def _started_twice(table: Table, known: dict[str, dict], unconfirmed: list[dict], upstream) -> list[str]:
    """Jobs of one name, and jobs beyond those that an export is bound to, or that a start said to be unconfirmed explains."""
    jobs = upstream.jobs()
    table.figure("jobs in the sandbox", len(jobs))
    found = []
    wanted = {export["name"] for export in known.values()}
    named = Counter(job["name"] for job in jobs if job["service"] == "graph-ediscovery" and job["name"] in wanted)
    views = Counter(job["name"] for job in jobs if job["service"] == "viva-goals")
    found += [f"{count} jobs named {name}" for name, count in (named | views).items() if count > 1]
    bound = [export["upstream"]["id"] for export in known.values() if export.get("upstream", {}).get("id")]
    found += [f"{count} exports are bound to {job}" for job, count in Counter(bound).items() if count > 1]
    strays = Counter(job["service"] for job in jobs if job["id"] not in set(bound))
    for service, count in sorted(strays.items()):
        # A start that was cancelled on its way may have its job too, and says so.
        explained = [export for export in known.values() if export["provider"] == service
                     and not export.get("upstream", {}).get("id") and (export in unconfirmed or export["status"] == "canceled")]
        table.figure(f"- jobs that no export is bound to: {service}", f"{count} ({len(explained)} explained)")
        found += [f"{service}: {count - len(explained)} jobs too many"] * max(0, count - len(explained))
    missing = set(bound) - {job["id"] for job in jobs}
    return found + [f"no job {job}" for job in missing]


def _changes(table: Table, server, path, reader: follower.Follower) -> None:
    def all_published():
        return len(follower.stored(server, path)) >= len(reader.rows)

    poll("the stored changes", all_published)
    there = follower.stored(server, path)
    table.figure("change rows", len(there))
    table.none("change rows skipped by a follower", follower.skipped(reader.rows, there))
    table.none("revisions without a row in their order", follower.gaps(there, follower.revisions(server, path)))
    if server:
        # What waits to be published would never be seen.
        left = server.query("SELECT count(*) FROM export_event_pending")
        table.none("changes never published", [row for row in left if row[0] != "0"])


def _epochs(table: Table, server: Database) -> None:
    writes = history.read(server)
    found, late = history.stale(writes)
    table.figure("writes of exports recorded", sum(write.kind == "export" for write in writes))
    table.figure("leases claimed", history.hands(writes))
    table.figure("registrations", sum(write.kind == "replica" and write.operation == "INSERT" for write in writes))
    table.none("writes accepted from an old epoch", found)
    table.none("the same, from the order of commits alone", history.out_of_order(writes))
    table.figure("writes whose registration had just expired, unclaimed", len(late))
    table.none("terminal states reverted in the database", history.reverted(writes))
    table.none("fences, epochs and revisions that became smaller", history.backwards(writes))


def _plant(table: Table, server: Database, group: Replicas) -> None:
    """The witness finds a write that a replica without a part in the export makes: otherwise it proves nothing."""
    writes = history.read(server)
    before = len(history.stale(writes)[0])
    users = {write.name: write.writer for write in writes if write.kind == "replica" and write.operation == "INSERT"}
    export, owner = server.query("SELECT id, lease_owner FROM export WHERE lease_owner IS NOT NULL ORDER BY id DESC LIMIT 1")[0]
    other = next(replica.user for replica in group if replica.user != users.get(owner.partition("/")[0]))
    with server.server.session(server.name, other) as session:
        session.query(f"UPDATE export SET polls = polls + 1 WHERE id = '{export}'")
    table.least("a planted write of another replica found", len(history.stale(history.read(server))[0]) - before, 1)


def _outage(table: Table, client: RetryingClient) -> None:
    table.none("answers of 500 and above, but 503", client.faults)
    for name, samples in (("all requests", client.samples),
                          ("creates", [each for each in client.samples if each.method == "POST"]),
                          ("requests tried again", [each for each in client.samples if each.attempts > 1])):
        seconds = [each.seconds for each in samples]
        table.figure(f"{name}: count", len(seconds))
        for title, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
            table.figure(f"{name}: {title}", percentile(seconds, share), " s")


def _ended(export: dict) -> bool:
    return export.get("status") in servers.TERMINAL or export.get("error", {}).get("code") == "submission-unconfirmed"


def _all_exports(group: Replicas) -> list[dict]:
    page = group[0].get("/exports?limit=100").json
    exports = page["value"]
    number = 0
    while cursor := page.get("nextCursor"):
        number += 1
        # Cursors hold on every replica.
        page = group[number % len(group)].get(f"/exports?limit=100&cursor={cursor}").json
        exports += page["value"]
    return exports
