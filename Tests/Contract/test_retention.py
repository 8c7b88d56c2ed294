"""Retention: what the rules name is purged, whole or not at all, and what must stay stays.

More kills, by hand: EXPORT_GATEWAY_RETENTION_KILLS=200 Tests/Contract/test_retention.py -k kills
"""

import contextlib
import os
import random
import shutil
import sqlite3
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

import bodies
import postgresql
import replicas
import servers
from client import poll
from event_client import Stream

#: How often the gateway is killed while it purges.
KILLS = int(os.environ.get("EXPORT_GATEWAY_RETENTION_KILLS", "2"))
#: So many exports are purged between the kills.
EXPORTS = max(2_000, 400 * KILLS)
#: What an early version has left: its last migration was the fourth.
OLD_LEDGER = Path(__file__).resolve().parents[1] / "Engine/ExportLedgerTests/Fixtures/ledger-4.sql"


def purged(gateway, export: dict) -> bool:
    return gateway.call("GET", f"/exports/{export['id']}").status == 410


def test_the_rules_purge_what_they_name_and_nothing_else(upstream):
    rules = [{"provider": "power-bi", "status": ["succeeded"], "after": "2s"}]
    events = {"heartbeat": "1s", "retry": "100ms"}
    with servers.gateway(upstream, authenticated=False, retention={"rules": rules}, server={"events": events}) as gateway:
        names = ["old", "retained", "keyed"]
        exports = {name: gateway.create(bodies.paginated_csv(name), **key(name)) for name in names}
        exports["other"] = gateway.create(bodies.search_result("other"))
        kept = gateway.call("PUT", f"/exports/{exports['retained']['id']}/retain")
        assert kept.status == 200 and kept.json["retained"] is True, kept.body
        with Stream(gateway.address, "/exports/events?provider=power-bi") as stream:
            assert stream.next().name == "snapshot"
            told = next(event for event in stream.events() if event.name == "purged")
        assert told.json["id"] == exports["old"]["id"] and told.json["status"] == "succeeded", told

        gone = gateway.call("GET", f"/exports/{exports['old']['id']}").problem(410, "export-purged")
        assert gone["purged"]["status"] == "succeeded" and gone["purged"]["provider"] == "power-bi", gone
        gateway.succeeded(exports["other"])
        # A few rounds later.
        rounds = gateway.metric("export_gateway_exports_purged_total")
        poll("the rest is held back", lambda: gateway.metric("export_gateway_exports_purge_held_back", reason="idempotencyKey") == 1)
        assert rounds == gateway.metric("export_gateway_exports_purged_total") == 1
        left = {export["id"] for export in gateway.get("/exports").json["value"]}
        assert left == {exports[name]["id"] for name in ["retained", "keyed", "other"]}
        # The key is still answered with its export.
        again = gateway.call("POST", "/exports", {"Idempotency-Key": '"keyed"'}, bodies.paginated_csv("keyed"))
        assert again.status == 202 and again.json["id"] == exports["keyed"]["id"]
        refused = gateway.call("DELETE", f"/exports/{exports['retained']['id']}?purge=true").problem(409, "not-purgeable")
        assert refused["obstacle"] == "retained"

        released = gateway.call("DELETE", f"/exports/{exports['retained']['id']}/retain")
        assert released.status == 200 and "retained" not in released.json
        poll("the released export is purged", lambda: purged(gateway, exports["retained"]))
        # By request, and at once.
        path = f"/exports/{exports['other']['id']}"
        assert gateway.call("DELETE", path + "?purge=true").status == 204
        for below in ["", "/operation", "/files", "/deliveries", "/content", "/events"]:
            gateway.call("GET", path + below).problem(410, "export-purged")
        assert gateway.metric("export_gateway_ledger_bytes", part="file") > 0
        ledger = gateway.directory / "ledger.sqlite"
        checked = servers.run("ledger", "check", str(ledger))
        assert checked.returncode == 0, checked.stdout + checked.stderr


def key(name: str) -> dict[str, str]:
    return {"Idempotency_Key": '"keyed"'} if name == "keyed" else {}


@pytest.mark.alone
def test_kills_leave_exports_or_tombstones(upstream, figure):
    """`kill -9` while exports are purged, each with its deliveries: none is left in halves, and all are purged in the end."""
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    rules = [{"after": "1s"}]
    with servers.gateway(upstream, start=False, authenticated=False, retention={"rules": rules}) as gateway:
        ids = fill(gateway.directory / "ledger.sqlite", EXPORTS)
        halves = []
        for _ in range(KILLS):
            gateway.start()
            time.sleep(dice.uniform(1.2, 2.5))
            gateway.kill()
            halves.append(examine(gateway.directory, ids))
        gateway.start()
        poll("everything is purged", lambda: gateway.get("/exports?limit=1").json["value"] == [], within=120)
        for export in dice.sample(sorted(ids), 200):
            gateway.call("GET", f"/exports/{export}").problem(410, "export-purged")
        assert examine(gateway.directory, ids) == len(ids)
        figure(f"seed {seed}: {len(ids)} exports, {KILLS} kills with {halves} purged before")


def fill(path: Path, count: int) -> set[str]:
    """An old ledger with so many ended exports, each with a delivery, and without any other; gives back their ids."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as ledger:
        ledger.executescript(OLD_LEDGER.read_text())
        ledger.execute("BEGIN")
        for table in ["idempotency", "delivery", "refresh_token"]:
            ledger.execute(f"DELETE FROM {table}")
        ledger.execute("DELETE FROM export WHERE phase <> 'settled'")
        columns = [row[1] for row in ledger.execute("PRAGMA table_info(export)")]
        values = ["substr(id, 1, 24) || printf('%012x', n)" if name == "id" else name for name in columns]
        ledger.execute(
            "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < ?) "
            f"INSERT INTO export ({', '.join(columns)}) SELECT {', '.join(values)} FROM numbers, "
            "(SELECT * FROM export ORDER BY id LIMIT 1)",
            (count,),
        )
        ledger.execute(
            "INSERT INTO delivery (export_id, id, file_id, caller, request_id, started_at, ended_at, coding, bytes_sent, "
            "file_bytes, resumptions, outcome) SELECT id, id, '1', 'alice', 'r', 1, 2, 'identity', 1, 1, 0, 'whole' FROM export"
        )
        ledger.execute("COMMIT")
        return {row[0] for row in ledger.execute("SELECT id FROM export")}


def examine(directory: Path, ids: set[str]) -> int:
    """Each export is there with its request and its delivery, or its tombstone is; gives back how many were purged."""
    copy = directory / "copy.sqlite"
    for part in directory.glob("copy.sqlite*"):
        part.unlink()
    for end in ("", "-wal"):
        if (directory / f"ledger.sqlite{end}").exists():
            shutil.copy(directory / f"ledger.sqlite{end}", f"{copy}{end}")
    with contextlib.closing(sqlite3.connect(copy)) as ledger:

        def column(sql: str) -> set[str]:
            return {row[0] for row in ledger.execute(sql)}

        assert ledger.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        exports, tombstones = column("SELECT id FROM export"), column("SELECT id FROM export_tombstone")
        assert exports | tombstones == ids and not exports & tombstones
        assert column("SELECT id FROM export JOIN export_request USING (key)") == exports
        assert column("SELECT export_id FROM delivery") == exports
        assert ledger.execute("SELECT count(*) FROM export_request").fetchone()[0] == len(exports)
        assert column("SELECT export_id FROM export_event WHERE code = 'export-purged'") == tombstones
        return len(tombstones)


@pytest.mark.skipif(not postgresql.available(), reason="PostgreSQL is not installed")
@pytest.mark.skipif(servers.BINARY.exists() and not replicas.knows_replicas(), reason="the executable has no ledger.url")
def test_no_replica_shows_what_another_one_has_purged(upstream):
    permissions = ["Exports.Create", "Exports.Read", "Exports.Purge", "Exports.Retain", "Connections.Use:*"]
    with ExitStack() as stack:
        database = replicas.Database(stack.enter_context(postgresql.postgresql(fsync="off")))
        ledger = {"leaseDuration": "2s"}
        group = stack.enter_context(replicas.replicas(upstream, database, 2, start=False, ledger=ledger))
        for replica in group:
            replica.configuration["server"]["apiKeys"][0]["permissions"] = permissions
            replica.reconfigure({})
        group.start()
        first, second = group
        exports = [first.create(bodies.paginated_csv(f"Ledger {number}")) for number in range(2)]
        for export in exports:
            first.succeeded(export)
            # From here on it is in the memory of both.
            assert second.export(export)["status"] == "succeeded"
        path = f"/exports/{exports[0]['id']}"
        assert second.call("PUT", path + "/retain").json["retained"] is True
        poll("the first replica knows it", lambda: first.export(exports[0]).get("retained"))
        first.call("DELETE", path + "?purge=true").problem(409, "not-purgeable")
        assert second.call("DELETE", path + "/retain").status == 200
        assert first.call("DELETE", path + "?purge=true").status == 204
        poll("the second replica drops it", lambda: purged(second, exports[0]), within=10)
        assert purged(first, exports[0]) and second.export(exports[1])["status"] == "succeeded"
        assert database.query("SELECT count(*) FROM export_tombstone") == [("1",)]
