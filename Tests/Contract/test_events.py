"""Streams of events: every change once, whatever is cut or killed, and nothing of anybody else's."""

import hashlib
import http.client
import os
import random
import secrets
import signal
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import yaml

import bodies
import contract
import postgresql
import replicas
import servers
from client import poll
from event_client import Follower, Stream
from tcp_proxy import TCPProxy

#: Another number gives other cuts: CUTS_SEED=7 Tests/run
SEED = int(os.environ.get("CUTS_SEED", "20260101"))


def headers(gateway) -> dict:
    return {"Authorization": f"Bearer {gateway.key}"}


def stream(gateway, path: str, last_id: str = "", key: str | None = None) -> Stream:
    return Stream(gateway.address, path, {"Authorization": f"Bearer {key or gateway.key}"}, last_id)


@contextmanager
def running(events: dict | None = None, job_duration: str = "1500ms", **server):
    events = {"heartbeat": "1s", "retry": "100ms"} | (events or {})
    with servers.sandbox(job_duration=job_duration) as upstream:
        with servers.gateway(upstream, server={"events": events} | server) as gateway:
            yield upstream, gateway


def stored(gateway) -> list[tuple]:
    """Every change: its number, its export and the status after it."""
    database = sqlite3.connect(f"file:{gateway.directory / 'ledger.sqlite'}?mode=ro", uri=True)
    try:
        return database.execute("SELECT sequence, export_id, status FROM export_event ORDER BY sequence").fetchall()
    finally:
        database.close()


def check(follower: Follower, wanted: list[tuple]) -> tuple[int, int]:
    """How many of the changes after the first snapshot it missed, and how many events it had more than once."""
    # What follows a snapshot without an id belongs to it; a client that is cut off then begins again.
    begun = next(number for number, event in enumerate(follower.events) if event.id)
    events = follower.events[begun:]
    start = int(events[0].id if events[0].name == "snapshot" else events[0].before)
    snapshots = [event for event in events[1:] if event.name == "snapshot"]
    assert len(snapshots) == (0 if follower.path == "/exports/events" else 1), "another snapshot than the first and the last"
    ids = [int(event.id) for event in events]
    assert ids == sorted(ids), "out of order"
    after = {number: (export, status) for number, export, status in wanted if number > start}
    for event in events[events[0].name == "snapshot":]:
        assert after[int(event.id)] == (event.json["id"], event.json["status"])
    return len(after.keys() - set(ids)), len(ids) - len(set(ids))


def test_one_export_from_its_beginning_to_its_end():
    with running() as (_, gateway):
        export = gateway.create(bodies.paginated_csv())
        path = f"/exports/{export['id']}/events"
        with stream(gateway, path) as events:
            assert events.status == 200
            assert events.headers["content-type"] == "text/event-stream"
            assert events.headers["cache-control"] == "no-store"
            assert events.headers["x-accel-buffering"] == "no"
            assert "content-encoding" not in events.headers
            told = list(events.events())
        assert 100 <= events.retry <= 200
        assert [told[0].name, told[-1].name] == ["snapshot", "snapshot"]
        assert {event.name for event in told[1:-1]} == {"change"}
        schema = yaml.safe_load(contract.DOCUMENT.read_text())["components"]["schemas"]["ExportChange"]
        for event in told[1:-1]:
            assert set(schema["required"]) <= event.json.keys() <= schema["properties"].keys()
        known = gateway.export(export)
        # The links of the stream lead from its own address.
        assert told[-1].json | {"href": ""} | {"files": []} == known | {"href": ""} | {"files": []}
        assert told[-1].json["href"] == f"../{export['id']}"
        assert [file["href"] for file in told[-1].json["files"]] == ["files/1"]
        assert [int(event.id) for event in told] == [number for number, *_ in stored(gateway)][-len(told):]
        # EventSource stops at 204.
        with stream(gateway, path, events.last_id) as again:
            assert again.status == 204 and again.response.read() == b""
        with stream(gateway, path) as again:
            assert [event.name for event in again.events()] == ["snapshot"]


def test_a_stream_of_all_shows_what_matches():
    with running() as (_, gateway):
        gateway.succeeded(gateway.create(bodies.report("Before")))
        with stream(gateway, "/exports/events?provider=power-bi&limit=1") as events, \
                stream(gateway, "/exports/events?status=succeeded") as ends:
            first = events.next()
            assert first.json["value"][0]["name"] == "Before"
            assert first.data == gateway.get("/exports?limit=1&provider=power-bi").body.decode().replace("exports/", "")
            export = gateway.create(bodies.report("After"))
            statuses = []
            while "succeeded" not in statuses:
                event = events.next()
                assert event.name == "change" and event.json["id"] == export["id"] and event.json["name"] == "After"
                statuses.append(event.json["status"])
            assert statuses[0] == "notStarted" and event.json["ended"] is True
            assert ends.next().name == "snapshot"
            assert ends.next().json["id"] == export["id"]


@pytest.mark.long
def test_cuts_lose_nothing_and_double_nothing(figure):
    lots = random.Random(SEED)
    with running(maximumConnections=400) as (_, gateway), TCPProxy(gateway.port) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        everything = Follower(address, "/exports/events", headers(gateway), pause=0.02)
        with ThreadPoolExecutor(12) as pool:
            ended = threading.Event()
            watching = [pool.submit(everything.run, lambda follower: ended.is_set())]
            exports, singles = [], []
            stop = time.monotonic() + 12
            while time.monotonic() < stop:
                if len(exports) < 30:
                    exports.append(gateway.create(bodies.paginated_csv()))
                    if len(singles) < 10:
                        single = Follower(address, f"/exports/{exports[-1]['id']}/events", headers(gateway), pause=0.02)
                        singles.append(single)
                        watching.append(pool.submit(single.run))
                time.sleep(lots.uniform(0.01, 0.25))
                proxy.cut()
            for export in exports:
                gateway.succeeded(export)
            ended.set()
            # One more, so that the stream of all has an event to end with.
            gateway.create(bodies.paginated_csv())
            for each in watching:
                each.result(60)
        rows = [row for row in stored(gateway) if row[0] <= int(everything.last_id)]
        found = [check(everything, rows)]
        found += [check(single, [row for row in rows if row[1] in single.path]) for single in singles]
        missed, doubled = (sum(counts) for counts in zip(*found))
        cuts = everything.cuts + sum(single.cuts for single in singles)
        events = len(everything.events) + sum(len(single.events) for single in singles)
        figure(f"{cuts} streams cut at random, seed {SEED}: {events} events, missed {missed}, doubled {doubled}")
        assert (missed, doubled) == (0, 0)
        assert cuts > 100


@pytest.mark.long
def test_kills_of_the_gateway_lose_nothing_and_double_nothing(figure):
    lots = random.Random(SEED)
    with running(job_duration="4s") as (_, gateway):
        exports = [gateway.create(bodies.paginated_csv()) for _ in range(6)]
        paths = [f"/exports/{export['id']}/events" for export in exports]
        followers = [Follower(gateway.address, path, headers(gateway)) for path in paths]
        with ThreadPoolExecutor(len(followers)) as pool:
            watching = [pool.submit(follower.run) for follower in followers]
            poll("the beginnings", lambda: all(follower.events for follower in followers))
            for _ in range(5):
                time.sleep(lots.uniform(0.1, 0.8))
                gateway.kill()
                gateway.start()
            for each in watching:
                each.result(60)
        rows = stored(gateway)
        found = [check(follower, [row for row in rows if row[1] in follower.path]) for follower in followers]
        missed, doubled = (sum(counts) for counts in zip(*found))
        figure(f"5 kills, {sum(follower.cuts for follower in followers)} streams cut: missed {missed}, doubled {doubled}")
        assert (missed, doubled) == (0, 0)


def test_after_pruning_a_snapshot_says_so():
    with running() as (_, gateway):
        export = gateway.succeeded(gateway.create(bodies.report()))
        other = gateway.create(bodies.report())
        gateway.succeeded(other)
        database = sqlite3.connect(gateway.directory / "ledger.sqlite")
        with database:
            database.execute("DELETE FROM export_event WHERE sequence <= 4")
        database.close()
        with stream(gateway, "/exports/events", "2") as events:
            assert events.next().name == "snapshot"
        with stream(gateway, f"/exports/{export['id']}/events", "1") as events:
            assert [event.name for event in events.events()] == ["snapshot"]
        with stream(gateway, "/exports/events", "4") as events:
            assert events.next().name == "change"


def test_an_id_that_was_never_given_out_gets_a_full_snapshot():
    with running() as (_, gateway):
        ended = gateway.succeeded(gateway.create(bodies.report("Ended")))
        path = f"/exports/{ended['id']}/events"
        newest = stored(gateway)[-1][0]
        with stream(gateway, path, str(newest)) as events:
            assert events.status == 204
        for beyond in (newest + 1, 10**18 - 1):
            with stream(gateway, path, str(beyond)) as events:
                (only,) = events.events()
                assert (only.name, only.id) == ("snapshot", str(newest))
                assert (only.json["id"], only.json["status"]) == (ended["id"], "succeeded")
        with stream(gateway, "/exports/events", str(newest + 1000)) as events:
            first = events.next()
            assert (first.name, first.id) == ("snapshot", str(newest))
            assert first.data == gateway.get("/exports").body.decode().replace("exports/", "")
            # The client goes on with the numbers of the ledger, though they are lower than the one that it brought.
            export = gateway.create(bodies.report("Later"))
            change = events.next()
            assert (change.name, int(change.id), change.json["id"]) == ("change", newest + 1, export["id"])


def test_heartbeats_come_while_nothing_happens():
    with running(job_duration="10s") as (_, gateway):
        export = gateway.create(bodies.report())
        gateway.watch(export, until=lambda export: "id" in export.get("upstream", {}))
        with stream(gateway, f"/exports/{export['id']}/events") as events:
            assert events.next().name == "snapshot"
            begun = time.monotonic()
            for _ in range(3):
                events.until_comment()
            assert 2 <= time.monotonic() - begun <= 6


@pytest.mark.long
def test_a_reader_that_falls_behind_catches_up(figure):
    with running({"pendingBytes": 4096, "replayLimit": 1_000_000}) as (_, gateway):
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", gateway.port))
        slow.sendall(f"GET /exports/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(slow)
        answer.begin()
        assert answer.status == 200

        # What the kernel keeps for the client comes first, and is read before the stream notices.
        with ThreadPoolExecutor(4) as pool:
            for _ in range(100):
                list(pool.map(lambda _: gateway.create(bodies.paginated_csv() | {"name": "n" * 250}), range(40)))
                sent = gateway.metric("export_gateway_events_sent_total", kind="change")
                if len(stored(gateway)) - sent > 200:
                    break
        wanted = [row[0] for row in stored(gateway)]
        begun, found, name = None, [], b""
        while not found or found[-1] < wanted[-1]:
            line = answer.readline()
            assert line, "the stream ended"
            if line.startswith(b"event: "):
                name = line[7:].strip()
            elif line.startswith(b"id: ") and name:
                begun = int(line[4:]) if name == b"snapshot" else begun
                found.append(int(line[4:]))
            elif line == b"\n":
                name = b""
        assert gateway.metric("export_gateway_event_catch_ups_total") >= 1
        assert gateway.metric("export_gateway_event_streams_ended_total", reason="client") == 0
        missed = [position for position in wanted if position > begun and position not in set(found)]
        assert missed == [] and len(found) == len(set(found)) and found == sorted(found)
        figure(f"{len(wanted)} changes to a reader that stood still: missed 0, doubled 0")
        slow.close()


def test_a_caller_sees_its_own_and_nothing_else():
    other, nobody = "other-" + secrets.token_hex(16), "nobody-" + secrets.token_hex(16)
    with running() as (_, gateway):
        keys = gateway.configuration["server"]["apiKeys"]
        for name, key, permissions in [("other", other, None), ("nobody", nobody, ["Exports.Create", "Connections.Use:bi"])]:
            entry = {"id": name, "sha256": hashlib.sha256(key.encode()).hexdigest()}
            keys.append(entry | ({"permissions": permissions} if permissions else {}))
        gateway.reconfigure({"server": {"apiKeys": keys}})
        gateway.process.stop()
        gateway.start()
        export = gateway.create(bodies.report())
        with stream(gateway, f"/exports/{export['id']}/events", key=other) as events:
            assert events.status == 404
        for path in ("/exports/events", f"/exports/{export['id']}/events"):
            with stream(gateway, path, key=nobody) as events:
                assert events.status == 403
            with stream(gateway, path, key="unknown") as events:
                assert events.status == 401
        with stream(gateway, "/exports/events", key=other) as events, \
                stream(gateway, "/exports/events", "0", key=other) as replayed:
            assert events.next().json["value"] == []
            gateway.succeeded(export)
            for each in (events, replayed):
                each.until_comment()
                assert each.last_id


def test_a_token_that_expires_ends_its_stream(upstream):
    entra = {
        "authority": upstream.api,
        "tenantIds": [bodies.TENANT],
        "audiences": [bodies.CLIENT],
        "clockSkew": "0s",
        "allowPlainHTTP": True,
    }
    section = {"entra": entra, "events": {"heartbeat": "1s"}}
    with servers.gateway(upstream, authenticated=False, server=section) as gateway:
        end = int(time.time()) + 3
        token = upstream.mint(kind="user", claims={"scp": "Exports.Read", "exp": end})
        with stream(gateway, "/exports/events", key=token) as events:
            assert [event.name for event in events.events()] == ["snapshot"]
        assert end - 1 <= time.time() <= end + 4
        with stream(gateway, "/exports/events", events.last_id, key=token) as again:
            assert again.status == 401


def test_streams_do_not_delay_the_end():
    with running(drainTimeout="30s", job_duration="60s") as (_, gateway):
        export = gateway.create(bodies.report())
        gateway.watch(export, until=lambda export: "id" in export.get("upstream", {}))
        paths = ["/exports/events", f"/exports/{export['id']}/events"] * 3
        streams = [stream(gateway, path) for path in paths]
        for each in streams:
            assert each.next().name == "snapshot"
        begun = time.monotonic()
        gateway.process.signal(signal.SIGTERM)
        # Each ends as a whole answer does.
        for each in streams:
            assert list(each.events()) == []
            each.close()
        assert gateway.process.wait() == 0
        assert time.monotonic() - begun < 5


def test_limits_are_told():
    with running({"streamsPerCaller": 2, "longestStream": "2s"}) as (_, gateway):
        with stream(gateway, "/exports/events") as first, stream(gateway, "/exports/events"):
            with stream(gateway, "/exports/events") as third:
                assert third.status == 429 and third.headers["retry-after"] == "1"
            begun = time.monotonic()
            assert [event.name for event in first.events()] == ["snapshot"]
            assert 1 <= time.monotonic() - begun <= 5
        poll("its place", lambda: stream(gateway, "/exports/events").status == 200)


@pytest.mark.long
@pytest.mark.skipif(not postgresql.available(), reason="PostgreSQL is not installed")
def test_another_replica_goes_on_where_one_was_killed(figure):
    with postgresql.postgresql(fsync="off") as server, servers.sandbox(job_duration="3s") as upstream:
        database = replicas.Database(server)
        events = {"heartbeat": "1s", "retry": "100ms"}
        with replicas.replicas(upstream, database, 2, ledger={"leaseDuration": "2s"}, server={"events": events}) as pair:
            one, two = pair
            before = one.create(bodies.report())
            all_of_them = Follower(one.address, "/exports/events", headers(one))
            with ThreadPoolExecutor(1) as pool:
                done = threading.Event()
                watching = pool.submit(all_of_them.run, lambda follower: done.is_set())
                poll("the beginning", lambda: all_of_them.events)
                exports = [replica.create(bodies.report()) for replica in (one, two) * 3]
                one.succeeded(before)
                all_of_them.address = two.address
                one.kill()
                for export in exports:
                    two.succeeded(export)
                done.set()
                two.create(bodies.report())
                watching.result(60)
            rows = database.query("SELECT sequence, export_id, status FROM export_event ORDER BY sequence")
            rows = [(int(row[0]), *row[1:]) for row in rows if int(row[0]) <= int(all_of_them.last_id)]
            missed, doubled = check(all_of_them, rows)
            figure(f"a stream over two replicas, one of them killed: missed {missed}, doubled {doubled}")
            assert (missed, doubled) == (0, 0)
            one.start()
