"""How long the exports of a replica that dies, or ends, are without anybody who polls them; and how leases spread."""

import signal
import time
import uuid
from collections import Counter
from datetime import datetime

import bodies
import history
import servers
from client import poll
from replicas import LEASES, Replica, Replicas, database, replicas
from table import Table

#: Connections beyond those that are used, each with an application, and so a lease, of its own.
MORE = 6


def add_options(parser) -> None:
    parser.add_argument("--deaths", type=int, default=12, help="replicas killed, and as many ended")


def connections(upstream) -> list[dict]:
    known = servers.connections(upstream)
    (bi,) = [each for each in known if each["name"] == "bi"]
    more = [
        bi | {"name": f"bi-{number}", "credential": bi["credential"] | {"clientId": str(uuid.UUID(int=number))}}
        for number in range(1, MORE + 1)
    ]
    return [each | {"pollInterval": "200ms"} for each in known + more]


def run(options) -> Table:
    table = Table("takeover")
    with servers.sandbox() as upstream, database() as server, replicas(
        upstream, server, 3, start=False, connections=connections(upstream), server={"drainTimeout": "2s"},
        engine={"reconcileDelay": "300ms", "maximumPollInterval": "500ms"}, log={"level": "info", "format": "json"},
    ) as group:
        history.start(group, server)
        # Jobs that run as long as the test.
        upstream.rule("*.start", {"kind": "stuck"})
        makers = {"graph-ediscovery": bodies.search_result, "power-bi": bodies.paginated_csv} | (
            {"intune": bodies.intune} if servers.knows_intune() else {})
        exports = []
        for number in range(6):
            for provider, maker in makers.items():
                body = maker(f"{provider} {number}")
                exports.append(group[number % 3].create(body if "connection" in body else body | {"connection": _connection(provider)}))
        for export in exports:
            group[0].watch(export, until=lambda each: "id" in each.get("upstream", {}))
        _spread(table, server, group)
        _deaths(table, server, group, upstream, options.deaths, list(makers))
    return table


def _connection(provider: str) -> str:
    return {"graph-ediscovery": "purview", "power-bi": "bi", "intune": "devices"}[provider]


# MARK: How leases spread


def _spread(table: Table, server, group: Replicas) -> None:
    total = int(server.query("SELECT count(*) FROM lease")[0][0])
    table.figure("leases", total)
    worst = []
    for step, change in enumerate(("three joined", "one left", "it joined again", "one was killed", "it joined again")):
        number = _last(server)
        if change == "one left":
            group[2].process.stop()
        elif change == "one was killed":
            group[1].kill()
        elif step:
            [replica for replica in group if replica.process.exit_code is not None][0].start()
        seconds = _await_even(server, group, total)
        worst.append(seconds)
        table.figure(f"{change}: evenly spread after", seconds, " s")
        table.figure(f"- {change}: held", " ".join(str(replica.leases_held()) for replica in group if replica.process.exit_code is None))
        if change in ("three joined", "it joined again") and step:
            table.most(f"- {change}: leases that one replica had freed and nobody had claimed", _at_once(server, number), 1)
    table.figure("longest until evenly spread", max(worst), " s")


def _await_even(server, group: Replicas, total: int) -> float:
    began = time.monotonic()
    live = [replica for replica in group if replica.process.exit_code is None]

    def even():
        counts = [replica.leases_held() for replica in live]
        known = server.query("SELECT count(*) FROM replica WHERE expires_at > clock_timestamp()")[0][0]
        return None not in counts and sum(counts) == total and max(counts) - min(counts) <= 1 and int(known) == len(live)

    poll("leases spread evenly", even, within=120, every=0.1)
    return time.monotonic() - began


def _last(server) -> int:
    return int(server.query("SELECT coalesce(max(number), 0) FROM witness.history")[0][0])


def _at_once(server, after: int) -> int:
    """The most leases that one replica had freed and nobody had claimed yet, after this place in the history."""
    free: dict[str, str] = {}
    most = 0
    for write in history.read(server):
        if write.number <= after or write.kind != "lease":
            continue
        if write.after.get("owner"):
            free.pop(write.name, None)
        elif write.before.get("owner"):
            free[write.name] = write.before["owner"]
            most = max(most, *Counter(free.values()).values())
    return most


# MARK: How long nobody works on an export


def _deaths(table: Table, server, group: Replicas, upstream, count: int, providers: list[str]) -> None:
    killed, ended, exits = [], [], []
    for number in range(2 * count):
        _await_even(server, group, int(server.query("SELECT count(*) FROM lease")[0][0]))
        holders = _holders(server)
        victim = _holder_of_work(group, holders, providers, number)
        held = [provider for provider in providers if holders.get(_lease(provider)) == victim.user]
        last, began = _last(server), time.time()
        if number % 2:
            victim.process.signal(signal.SIGTERM)
        else:
            victim.kill()
        claimed = {provider: _await_claim(server, provider, last) for provider in held}
        for provider, at in claimed.items():
            polled = _await_call(upstream, provider, max(at, began))
            (ended if number % 2 else killed).append(polled - began)
        if number % 2:
            poll("the end", lambda: victim.process.exit_code is not None)
            exits.append(time.time() - began)
        victim.start()
    table.figure("killed: connections taken over", len(killed))
    table.most("killed: longest until the next poll by another", max(killed), 15, " s")
    table.figure("killed: median", sorted(killed)[len(killed) // 2], " s")
    table.figure("ended: connections handed over", len(ended))
    table.most("ended: longest until the next poll by another", max(ended), 2, " s")
    table.figure("ended: median", sorted(ended)[len(ended) // 2], " s")
    table.figure("ended: longest until the process had ended", max(exits), " s")


def _holders(server) -> dict[str, str]:
    """Of each lease the replica, by its user."""
    return dict(server.query(
        "SELECT l.name, h.writer FROM lease l JOIN witness.history h ON h.kind = 'replica' AND h.operation = 'INSERT' "
        "AND h.name = l.owner UNION SELECT name, '' FROM lease WHERE owner IS NULL"))


def _lease(provider: str) -> str:
    """The lease of the connection that the provider's exports use."""
    return LEASES[_connection(provider)]


def _holder_of_work(group: Replicas, holders: dict[str, str], providers: list[str], number: int) -> Replica:
    names = sorted({holders[_lease(provider)] for provider in providers})
    return next(replica for replica in group if replica.user == names[number // 2 % len(names)])


def _await_claim(server, provider: str, after: int) -> float:
    """When another replica claimed the provider's lease."""

    def claimed():
        return server.query(f"SELECT at FROM witness.history WHERE number > {after} AND kind = 'lease' AND name = '{_lease(provider)}' "
                            "AND after->>'owner' IS NOT NULL AND after->>'owner' IS DISTINCT FROM before->>'owner' ORDER BY number")

    return _seconds(poll(f"a claim of {provider}", claimed, within=60, every=0.05)[0][0])


def _await_call(upstream, provider: str, after: float) -> float:
    """When the sandbox got the first call for the provider's exports after that."""

    def called():
        return [at for each in upstream.account()["calls"] if each["service"] == provider and (at := _seconds(each["at"])) >= after]

    return poll(f"a call of {provider}", called, within=60, every=0.1)[0]


def _seconds(text: str) -> float:
    text = text.replace("Z", "+00:00").replace(" ", "T")
    # PostgreSQL writes the zone without minutes.
    return datetime.fromisoformat(text + ":00" if text[-3] in "+-" else text).timestamp()
