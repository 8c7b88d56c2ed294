"""Several replicas on one real PostgreSQL: a client cannot tell which one answers, and nothing is done twice.

The long runs, with thousands of exports and hundreds of disturbances, are in Tests/Replicas.
"""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime

import pytest

import bodies
import postgresql
import replicas
import servers
from client import call, poll
from retrying_client import RetryingClient
from test_budget import OpenDownload, large

pytestmark = [
    pytest.mark.skipif(not postgresql.available(), reason="PostgreSQL is not installed"),
    pytest.mark.skipif(servers.BINARY.exists() and not replicas.knows_replicas(), reason="the executable has no ledger.url"),
]

#: The shortest that is allowed: what others take over, they do so soon after.
LEASE = 2
#: A replica that has died is replaced within one and a half times of that.
TAKEN_OVER = 1.5 * LEASE


@pytest.fixture(scope="module")
def server():
    """What is written needs to outlive processes only."""
    with postgresql.postgresql(fsync="off") as server:
        yield server


@pytest.fixture
def database(server):
    return replicas.Database(server)


def group(upstream, database, count=3, **sections):
    sections["ledger"] = {"leaseDuration": f"{LEASE}s"} | sections.get("ledger", {})
    sections["server"] = {"drainTimeout": "5s"} | sections.get("server", {})
    return replicas.replicas(upstream, database, count, **sections)


def holder(cluster, database, connection: str):
    """The replica that has the lease of a connection."""

    def found():
        rows = database.query(f"SELECT owner FROM lease WHERE name = '{replicas.LEASES[connection]}' AND owner IS NOT NULL")
        return [replica for replica in cluster if rows and f'"replica":"{rows[0][0]}"' in replica.process.lines()]

    return poll(f"who has the lease of {connection}", found)[0]


def test_a_client_cannot_tell_which_one_answers(upstream, database):
    with group(upstream, database) as cluster:
        made = []
        for number, make in enumerate([bodies.search_result, bodies.review_set, bodies.report, bodies.paginated_csv, bodies.goals]):
            made.append(cluster[number % 3].create(make(f"Export {number}")))
        for export in made:
            for replica in cluster:
                ended = replica.succeeded(export)
                assert ended["id"] == export["id"]
            answers = [replica.call("GET", f"/exports/{export['id']}", bodies.headers_for(export)) for replica in cluster]
            assert len({answer.body for answer in answers}) == 1
            assert len({answer.headers["etag"] for answer in answers}) == 1
            for replica in cluster:
                file = ended["files"][0]["href"]
                assert replica.download(file, bodies.headers_for(export)).status == 200
        assert len(upstream.jobs()) == len(made)
        # A cursor holds on every replica.
        page, seen, number = cluster[0].get("/exports?limit=2").json, [], 0
        while True:
            seen += [export["id"] for export in page["value"]]
            if not (cursor := page.get("nextCursor")):
                break
            number += 1
            page = cluster[number % 3].get(f"/exports?limit=2&cursor={cursor}").json
        assert seen == sorted((export["id"] for export in made), reverse=True)
        assert sum(replica.leases_held() for replica in cluster) >= 4
        assert {replica.metric("export_gateway_replicas") for replica in cluster} == {3}


def test_one_idempotency_key_on_all_replicas_at_once(upstream, database):
    with group(upstream, database) as cluster, ThreadPoolExecutor(12) as pool:
        for number in range(5):
            body, key = bodies.paginated_csv(f"Export {number}"), f"key-{number}"

            def create(replica, body=body, key=key):
                return replica.call("POST", "/exports", {"Idempotency-Key": key}, body)

            answers = list(pool.map(create, list(cluster) * 4))
            assert {answer.status for answer in answers} <= {200, 202, 409}, [answer.body for answer in answers]
            assert len({answer.json["id"] for answer in answers if answer.status != 409}) == 1
            cluster[0].call("POST", "/exports", {"Idempotency-Key": key}, body | {"name": "Other"}).problem(
                422, "idempotency-key-reused")
        exports = cluster[1].get("/exports").json["value"]
        assert len(exports) == 5
        for export in exports:
            cluster[2].succeeded(export)
        assert len(upstream.jobs()) == 5


def test_a_change_on_one_wakes_a_waiter_on_another(upstream, database):
    connections = [each | {"requestsPerMinute": 1} for each in servers.connections(upstream)]
    with group(upstream, database, connections=connections) as cluster:
        first = cluster[0].create(bodies.paginated_csv("It takes the only place of the minute"))
        cluster[0].watch(first, until=lambda export: "id" in export.get("upstream", {}))
        for number in range(6):
            here, there = cluster[number % 3], cluster[(number + 1) % 3]
            export = here.create(bodies.paginated_csv(f"Export {number}"))
            seen = {}

            def wait(there=there, export=export, seen=seen):
                answer = there.get(f"/exports/{export['id']}")
                while answer.json["status"] != "canceled":
                    seen["began"] = True
                    answer = there.get(f"/exports/{export['id']}", Prefer="wait=10", If_None_Match=answer.headers["etag"])
                    if answer.status == 304:
                        return
                seen["at"] = time.monotonic()

            waiter = threading.Thread(target=wait)
            waiter.start()
            poll("the waiter", lambda seen=seen: seen.get("began"))
            time.sleep(0.05)
            assert here.call("DELETE", f"/exports/{export['id']}").json["status"] == "canceled"
            canceled = time.monotonic()
            waiter.join(20)
            assert seen["at"] - canceled < 2, "it was not woken by the change"


@pytest.mark.long
def test_killed_replicas_are_replaced_by_the_others(database):
    engine = {"reconcileDelay": "300ms", "reconcileDeadline": "8s"}
    with servers.sandbox(job_duration="2s") as upstream, group(upstream, database, engine=engine) as cluster:
        upstream.rule("*.start", {"kind": "slow", "milliseconds": 60})
        client = RetryingClient([replica.address for replica in cluster], {"Authorization": f"Bearer {cluster.key}"})
        makers = [bodies.search_result, bodies.review_set, bodies.paginated_csv, bodies.goals]
        accepted = []
        for number in range(24):
            if number in (6, 14):
                cluster[number % 3].kill()
            body = makers[number % 4](f"Export {number}")
            accepted.append(client.create(body, bodies.headers_for(body), f"key-{number}").json | {"goes": body})
            if number in (10, 20):
                for replica in cluster:
                    if replica.process.exit_code is not None:
                        replica.start(ready=False)
        ends = {}

        def ended():
            for export in accepted:
                if export["id"] not in ends:
                    shown = client.call("GET", f"/exports/{export['id']}", bodies.headers_for(export["goes"]))
                    assert shown.status == 200, shown.body
                    if shown.json["status"] in servers.TERMINAL or shown.json.get("error"):
                        ends[export["id"]] = shown.json
            return len(ends) == len(accepted)

        poll("the end of all exports", ended, every=0.2)
        unconfirmed = [export for export in ends.values() if export["status"] == "unknown"]
        assert all(export["error"]["code"] == "submission-unconfirmed" for export in unconfirmed)
        assert len(unconfirmed) + sum(export["status"] == "succeeded" for export in ends.values()) == len(accepted)
        bound = [export["upstream"]["id"] for export in ends.values() if export["status"] == "succeeded"]
        strays = [job for job in upstream.jobs() if job["id"] not in bound]
        assert len(set(bound)) == len(bound) and len(strays) <= len(unconfirmed), strays
        assert len({export["name"] for export in cluster[0].get("/exports?limit=100").json["value"]}) == len(accepted)


@pytest.mark.long
def test_a_replica_that_was_stopped_changes_nothing_when_it_goes_on(database):
    with servers.sandbox(job_duration="7s") as upstream, group(upstream, database) as cluster:
        exports = [cluster[number % 3].create(bodies.paginated_csv(f"Export {number}")) for number in range(6)]
        for export in exports:
            cluster[0].watch(export, until=lambda export: "id" in export.get("upstream", {}))
        first = holder(cluster, database, "bi")
        others = [replica for replica in cluster if replica is not first]
        first.pause()
        owners = "SELECT DISTINCT split_part(lease_owner, '/', 1) FROM export"
        before = database.query(owners)
        poll("another owner", lambda: database.query(owners) != before, within=TAKEN_OVER + 20)
        first.go_on()
        for export in exports:
            ended = others[0].succeeded(export)
            assert first.succeeded(export)["upstream"]["id"] == ended["upstream"]["id"]
        assert len(upstream.jobs()) == len(exports)
        poll("three replicas again", lambda: others[0].metric("export_gateway_replicas") == 3)
        # It works on with a new registration.
        first.watch(first.create(bodies.review_set()), until=lambda export: "id" in export.get("upstream", {}))


def test_a_planned_end_hands_over_at_once(database):
    engine = {"maximumPollInterval": "500ms"}
    with servers.sandbox(job_duration="60s") as upstream, replicas.replicas(upstream, database, 2, engine=engine) as cluster:
        # The lease lasts ten seconds here: nobody waits for its end.
        exports = [cluster[number % 2].create(bodies.paginated_csv(f"Export {number}")) for number in range(4)]
        for export in exports:
            cluster[0].watch(export, until=lambda export: "id" in export.get("upstream", {}))
        first = holder(cluster, database, "bi")
        (other,) = [replica for replica in cluster if replica is not first]
        began = time.monotonic()
        first.process.signal(signal.SIGTERM)
        poll("all leases", lambda: other.leases_held() == int(database.query("SELECT count(*) FROM lease")[0][0]), within=5)
        assert time.monotonic() - began < 4
        assert first.process.wait() == 0
        since = database.query(f"SELECT extract(epoch FROM changed_at) FROM lease WHERE name = '{replicas.LEASES['bi']}'")[0][0]
        poll("a poll by the other", lambda: polled_after(upstream, float(since)), within=30)
        assert other.export(exports[0])["status"] in ("notStarted", "running")


def polled_after(upstream, since: float) -> bool:
    return any(each["operation"] == "power-bi.status" and datetime.fromisoformat(each["at"]).timestamp() >= since
               for each in upstream.account()["calls"])


def test_a_delegated_export_outlives_the_replica_that_has_its_token(database):
    with servers.sandbox(job_duration="6s") as upstream, group(upstream, database) as cluster:
        export = cluster[0].create(bodies.goals())
        cluster[0].watch(export, until=lambda export: "id" in export.get("upstream", {}))
        assert bodies.GOALS_TOKEN not in database.query("SELECT string_agg(e::text, ' ') FROM export e")[0][0]
        cluster[0].kill()
        # The others know no token of its caller, and say so, until it brings one again.
        poll("what it waits for", lambda: cluster[1].get(export["href"]).json.get("tracking") == "onRequest", within=TAKEN_OVER + 5)
        assert cluster[2].succeeded(export)["status"] == "succeeded"
        assert len(upstream.jobs()) == 1


@pytest.mark.parametrize("wrong", ["missing", "different"])
def test_the_cursor_key_has_to_be_the_same(upstream, database, wrong):
    with group(upstream, database, 1) as cluster:
        server = {"cursorKey": "env:GATEWAY_OTHER_KEY"}
        other = cluster.add(environment={"GATEWAY_OTHER_KEY": "another-cursor-key-of-this-test"}, server=server)
        if wrong == "missing":
            del other.configuration["server"]["cursorKey"]
            other.reconfigure({})
        other.start(ready=False)
        assert other.process.wait() == 78
        assert "server.cursorKey" in other.process.lines()
        other.process.deadly.add(-78)
        assert cluster[0].get("/readyz").status == 200


def test_the_budget_is_spent_in_one_place(database):
    connections = 8
    with servers.sandbox() as upstream:
        known = [each | {"requestsPerMinute": connections} for each in servers.connections(upstream)]
        with group(upstream, database, connections=known) as cluster:
            export = cluster[0].succeeded(cluster[0].create(bodies.paginated_csv()))

            def download(replica):
                return call(replica.address, "GET", f"{export['href']}/content", {"Authorization": f"Bearer {cluster.key}"}).status

            with ThreadPoolExecutor(12) as pool:
                statuses = list(pool.map(download, list(cluster) * 4))
            assert set(statuses) == {200, 503}
            budgeted = [each for each in upstream.account()["calls"] if each["service"] == "power-bi"]
            assert len(budgeted) == connections, budgeted


def test_a_caller_has_so_many_downloads_on_all_replicas_together(upstream, database):
    with group(upstream, database, downloads={"perCaller": 3}) as cluster, ExitStack() as stack:
        path = large(cluster[0], upstream)
        opened = [OpenDownload(replica, path) for replica in cluster]
        for each in opened:
            stack.callback(each.close)
        assert [each.status for each in opened] == [200, 200, 200]
        for replica in cluster:
            replica.get(path).problem(429, "too-many-requests")
        opened[1].close()
        poll("a place", lambda: cluster[2].call("GET", path, {"Range": "bytes=0-9"}).status in (200, 206), within=20)


def test_two_replicas_are_replaced_one_after_the_other(database):
    with servers.sandbox(job_duration="1s") as upstream, group(upstream, database, 2, server={"drainDelay": "500ms"}) as cluster:
        client = RetryingClient([replica.address for replica in cluster], {"Authorization": f"Bearer {cluster.key}"}, patience=5)
        ends, accepted = threading.Event(), []

        def create():
            while not ends.is_set():
                answer = client.create(bodies.paginated_csv(f"Export {len(accepted)}"), {}, f"key-{len(accepted)}")
                assert answer.status == 202
                accepted.append(answer.json)
                ends.wait(0.05)

        caller = threading.Thread(target=create)
        caller.start()
        try:
            for replica in cluster:
                replica.process.signal(signal.SIGTERM)
                assert replica.process.wait() == 0
                replica.start()
        finally:
            ends.set()
            caller.join(30)
        assert client.faults == []
        for export in accepted:
            assert cluster[0].succeeded(export)
        assert len(upstream.jobs()) == len(accepted)
