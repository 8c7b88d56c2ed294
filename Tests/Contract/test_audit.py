"""The audit trail: what is done is in it, whoever changes it is found, and a kill loses nothing of it.

More kills, by hand: EXPORT_GATEWAY_AUDIT_KILLS=200 Tests/Contract/test_audit.py -k kills
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import itertools
import json
import os
import random
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import ssl
import threading
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest

import bodies
import evidence
import postgresql
import raw_upstream
import replicas
import servers
from client import call, poll

#: How often the gateway is killed while it writes.
KILLS = int(os.environ.get("EXPORT_GATEWAY_AUDIT_KILLS", "3"))
PERMISSIONS = ["Exports.Create", "Exports.Read", "Exports.Download", "Exports.Cancel", "Exports.ReadAll", "Exports.Purge",
               "Exports.Retain", "Connections.Use:*", "Audit.Read"]
NO_CODE = bytes(32)


def new_key() -> str:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    evidence.keep_secrets([key])
    return key


@contextlib.contextmanager
def audited(upstream, key: str, start: bool = True, permissions: list | None = None, **sections):
    """A gateway with an audit trail, whose caller may read it."""
    audit = {"key": "env:AUDIT_KEY"} | sections.pop("audit", {})
    with servers.gateway(upstream, start=False, environment={"AUDIT_KEY": key}, audit=audit, **sections) as gateway:
        gateway.configuration["server"]["apiKeys"][0]["permissions"] = permissions or PERMISSIONS
        gateway.reconfigure({})
        if start:
            gateway.start()
        yield gateway


def pieces(gateway, query: str = "") -> list[dict]:
    """All rows, in the order of the chain, as the lines of NDJSON have them."""
    rows, path = [], f"/audit{query}"
    while path:
        answer = gateway.call("GET", path, {"Accept": "application/x-ndjson"})
        assert answer.status == 200 and answer.headers["content-type"] == "application/x-ndjson", answer.body
        rows += [json.loads(line) for line in answer.body.splitlines()]
        link = re.fullmatch(r'<(\?[^>]*)>; rel="next"', answer.headers.get("link", ""))
        path = f"/audit{link[1]}" if link else None
    return rows


def wait_for(gateway, action: str, count: int = 1, query: str = "") -> list[dict]:
    found: list[dict] = []

    def there():
        found[:] = [row for row in pieces(gateway, query) if row["action"] == action]
        return len(found) >= count

    poll(f"{count} rows {action}", there, within=30)
    return found


def part(value) -> bytes:
    if value is None:
        return b"-"
    value = value if isinstance(value, bytes) else str(value).encode()
    return str(len(value)).encode() + b":" + value


def code(row: dict, key: str) -> str:
    """The HMAC of a row, as the article Audit describes it."""
    moment = milliseconds(row["time"])
    details = row.get("details", {})
    values = ["export-gateway audit row 1", bytes.fromhex(row["previous"]), row["sequence"], row["keyId"], row["id"], moment,
              row["action"], row["outcome"], row.get("caller"), row.get("address"), row.get("requestId"), row.get("exportId"),
              len(details)]
    values += list(itertools.chain(*sorted(details.items(), key=lambda pair: pair[0].encode())))
    return hmac.new(base64.b64decode(key), b"".join(map(part, values)), hashlib.sha256).hexdigest()


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def check_chain(rows: list[dict], key: str) -> None:
    """Verifies a whole chain without the program's help."""
    previous = NO_CODE.hex()
    for number, row in enumerate(rows, 1):
        assert row["sequence"] == number and row["previous"] == previous, row
        assert row["hmac"] == code(row, key), row
        previous = row["hmac"]


def verify(*arguments: str, key: str):
    return servers.run("audit", "verify", *arguments, "--key", "env:AUDIT_KEY", environment={"AUDIT_KEY": key})


def test_what_is_done_is_in_the_trail(upstream):
    key = new_key()
    with audited(upstream, key) as gateway:
        export = gateway.create(bodies.paginated_csv("audited"), X_Request_Id="create-1")
        ended = gateway.succeeded(export)
        file = ended["files"][0]
        got = gateway.download(file["href"], {"X-Request-Id": "download-1"})
        ticket = gateway.call("POST", f"{file['href']}/tickets", {"X-Request-Id": "ticket-1"})
        assert ticket.status == 201, ticket.body
        by_ticket = call(gateway.address, "GET", f"/tickets/{ticket.json['href'].rsplit('/', 1)[1]}")
        assert by_ticket.status == 200
        for method in ["PUT", "PUT", "DELETE"]:
            assert gateway.call(method, f"/exports/{export['id']}/retain").status == 200
        other = gateway.create(bodies.search_result("canceled"))
        assert gateway.call("DELETE", f"/exports/{other['id']}").status == 200
        assert gateway.call("DELETE", f"/exports/{export['id']}?purge=true").status == 204
        gateway.call("PUT", f"/exports/{other['id']}/submission", body={"decision": "notStarted"}).problem(403, "forbidden")
        assert call(gateway.address, "GET", "/exports", {"Authorization": "Bearer wrong"}).status == 401

        wait_for(gateway, "deny", 2)
        rows = pieces(gateway)
        check_chain(rows, key)
        mine = [(row["action"], row["outcome"]) for row in pieces(gateway, f"?exportId={export['id']}")]
        assert mine == [("create", "succeeded"), ("download", "succeeded"), ("ticket", "succeeded"), ("download", "succeeded"),
                        ("retain", "succeeded"), ("release", "succeeded"), ("purge", "succeeded")], mine
        by_action = {row["action"]: row for row in reversed(rows)}
        assert by_action["keyChange"]["sequence"] == 1
        assert by_action["create"]["requestId"] == "create-1" and by_action["create"]["caller"] == "black-box"
        assert by_action["create"]["address"] == "127.0.0.1"
        sent = by_action["download"]
        assert sent["requestId"] == "download-1" and sent["details"]["sha256"] == got.sha256, sent
        assert sent["details"]["outcome"] == "whole" and sent["address"] == "127.0.0.1"
        tickets = [row["details"].get("ticket") for row in rows if row["action"] in ("ticket", "download")]
        assert tickets == [None, ticket.json["id"], ticket.json["id"]]
        assert by_action["cancel"]["exportId"] == other["id"]
        denied = {row["details"]["code"]: row for row in rows if row["action"] == "deny"}
        assert denied["forbidden"]["caller"] == "black-box" and denied["forbidden"]["exportId"] == other["id"]
        assert denied["forbidden"]["details"]["request"] == "PUT /exports/{id}/submission"
        assert "caller" not in denied["unauthenticated"] and denied["unauthenticated"]["address"] == "127.0.0.1"

        newest = gateway.get("/audit?limit=3").json
        assert [row["time"] for row in newest["value"]] == sorted((row["time"] for row in rows), reverse=True)[:3]
        listed, cursor = list(newest["value"]), newest["nextCursor"]
        while cursor:
            page = gateway.get(f"/audit?limit=3&cursor={cursor}").json
            listed, cursor = listed + page["value"], page.get("nextCursor")
        assert sorted(row["sequence"] for row in listed) == [row["sequence"] for row in rows]
        assert {row["action"] for row in gateway.get("/audit?action=download").json["value"]} == {"download"}
        gateway.call("GET", f"/audit?action=deny&cursor={newest['nextCursor']}").problem(400, "invalid-parameter")
        gateway.call("GET", "/audit?limit=201").problem(400, "invalid-parameter")
        gateway.call("GET", "/audit", {"Accept": "text/csv"}).problem(406, "not-acceptable")
        assert gateway.metric("export_gateway_audit_rows_total", action="download") == 2


def test_who_may_not_read_it_does_not(upstream):
    with audited(upstream, new_key(), permissions=["Exports.ReadAll", "Exports.Create", "Connections.Use:*"]) as gateway:
        assert gateway.call("GET", "/audit").problem(403, "forbidden")["permission"] == "Audit.Read"
    # Where nobody is known, nobody reads what others did.
    key = new_key()
    environment, audit = {"AUDIT_KEY": key}, {"key": "env:AUDIT_KEY"}
    with servers.gateway(upstream, authenticated=False, environment=environment, audit=audit) as gateway:
        gateway.create(bodies.paginated_csv("by anybody"))
        assert gateway.call("GET", "/audit").problem(403, "forbidden")["permission"] == "Audit.Read"
    with servers.gateway(upstream, start=False) as gateway:
        gateway.configuration["server"]["apiKeys"][0]["permissions"] = PERMISSIONS
        gateway.reconfigure({})
        gateway.start()
        gateway.create(bodies.paginated_csv("not audited"))
        gateway.call("GET", "/audit").problem(404, "not-found")
        with contextlib.closing(sqlite3.connect(gateway.directory / "ledger.sqlite")) as ledger:
            assert ledger.execute("SELECT (SELECT count(*) FROM audit_pending), (SELECT count(*) FROM audit_row)").fetchone() == (0, 0)


def test_a_row_that_cannot_be_read_has_its_line(upstream, tmp_path):
    key = new_key()
    with audited(upstream, key) as gateway:
        rows_of(gateway, 5)
        with contextlib.closing(sqlite3.connect(gateway.directory / "ledger.sqlite", isolation_level=None, timeout=30)) as ledger:
            ledger.execute("UPDATE audit_row SET action = 'nothing' WHERE sequence = 3")
        answer = gateway.call("GET", "/audit", {"Accept": "application/x-ndjson"})
        assert answer.body.splitlines()[2] == b'{"sequence":3,"unreadable":true}'
        assert gateway.get("/audit").json["unreadable"] == 1
        piece = tmp_path / "piece.ndjson"
        piece.write_bytes(answer.body)
    found = verify("--rows", str(piece), key=key)
    assert found.returncode == 1 and "FAIL unreadable 3:" in found.stdout, found.stdout + found.stderr


def test_a_proxy_tells_the_address(upstream):
    with audited(upstream, new_key(), server={"trustedProxies": ["127.0.0.0/8"]}) as gateway:
        gateway.create(bodies.paginated_csv("forwarded"), X_Forwarded_For="203.0.113.9, 198.51.100.7")
        gateway.create(bodies.paginated_csv("forwarded"), Forwarded='for="[2001:db8::7]:4711"')
        gateway.create(bodies.paginated_csv("both"), Forwarded="for=198.51.100.7", X_Forwarded_For="203.0.113.9")
        rows = wait_for(gateway, "create", 3)
        assert [row["address"] for row in rows] == ["198.51.100.7", "2001:db8::7", "127.0.0.1"]


def test_a_flood_of_denials_is_bounded(upstream):
    with audited(upstream, new_key()) as gateway:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", gateway.port)) as connection:
            for _ in range(300):
                connection.request("GET", "/exports", headers={"Authorization": "Bearer wrong"})
                answer = connection.getresponse()
                assert answer.read() and answer.status == 401
        rows = wait_for(gateway, "deny", 10)
        # A minute may have ended meanwhile.
        assert 10 <= len(rows) <= 22, len(rows)
        poll("the others are counted", lambda: gateway.metric("export_gateway_audit_denials_left_out_total") >= 278)
        # The count of the last minute is stored when the gateway ends.
        gateway.process.stop()
        gateway.start()
        rows = [row for row in pieces(gateway) if row["action"] == "deny"]
        own = [row for row in rows if "leftOut" not in row["details"]]
        assert len(own) + sum(int(row["details"]["leftOut"]) for row in rows if "leftOut" in row["details"]) == 300


def rows_of(gateway, count: int = 12) -> None:
    for number in range(count):
        gateway.create(bodies.paginated_csv(f"Row {number}"))
    wait_for(gateway, "create", count)


TAMPERINGS = {
    "altered": ["UPDATE audit_row SET caller = 'mallory' WHERE sequence = 5"],
    "broken": ["UPDATE audit_row SET previous = zeroblob(32) WHERE sequence = 6"],
    "missing": ["DELETE FROM audit_row WHERE sequence = 7"],
    "end-missing": ["DELETE FROM audit_row WHERE sequence > 9"],
    "beginning-missing": ["DELETE FROM audit_row WHERE sequence < 4"],
    "forged-anchor": [
        "INSERT INTO audit_anchor SELECT 1, sequence, code, time, time, key_id, zeroblob(32) FROM audit_row WHERE sequence = 3",
        "DELETE FROM audit_row WHERE sequence < 4",
    ],
    "altered by another order": [
        "UPDATE audit_row SET sequence = -1 WHERE sequence = 5",
        "UPDATE audit_row SET sequence = 5 WHERE sequence = 6",
        "UPDATE audit_row SET sequence = 6 WHERE sequence = -1",
    ],
    "altered by an insertion": [
        "UPDATE audit_row SET sequence = -sequence WHERE sequence > 4",
        "UPDATE audit_row SET sequence = 1 - sequence WHERE sequence < 0",
        "INSERT INTO audit_row SELECT 5, replace(id, '-7', '-8'), time, action, outcome, caller, address, request_id, export_id, "
        "details, code, key_id, code FROM audit_row WHERE sequence = 4",
    ],
    "doubled": [
        "DROP INDEX audit_row_by_id",
        "UPDATE audit_row SET id = (SELECT id FROM audit_row WHERE sequence = 4) WHERE sequence = 6",
    ],
    "unreadable": ["UPDATE audit_row SET action = 'nothing' WHERE sequence = 5"],
    "unreadable by its id": ["UPDATE audit_row SET id = upper(id) WHERE sequence = 5"],
    "unreadable by its time": ["UPDATE audit_row SET time = -9223372036854775808 WHERE sequence = 5"],
    "unreadable by its number": ["UPDATE audit_row SET sequence = 9223372036854775807 WHERE sequence = 5"],
    "unreadable anchor": [
        "INSERT INTO audit_anchor SELECT 1, sequence, code, 9223372036854775807, time, key_id, code FROM audit_row LIMIT 1",
        "DELETE FROM audit_row WHERE sequence < 4",
    ],
}


def test_whoever_changes_the_trail_is_found(upstream, tmp_path):
    key = new_key()
    heads = tmp_path / "heads.ndjson"
    with audited(upstream, key, audit={"heads": {"interval": "1s", "file": str(heads)}}) as gateway:
        rows_of(gateway)
        last = pieces(gateway)[-1]["sequence"]
        poll("the end is told", lambda: f'"sequence":{last},' in heads.read_text())
        piece = tmp_path / "piece.ndjson"
        piece.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in pieces(gateway)[2:]))
    ledger = gateway.directory / "ledger.sqlite"
    good = verify(str(ledger), "--heads", str(heads), key=key)
    assert good.returncode == 0 and "FAIL" not in good.stdout, good.stdout + good.stderr
    assert int(re.search(r"(\d+) heads compared", good.stdout)[1]) >= 1, good.stdout
    assert "are no heads" not in good.stdout
    # As a full disk leaves it.
    torn = tmp_path / "torn.ndjson"
    torn.write_text(heads.read_text() + '{"time":"2026')
    half = verify(str(ledger), "--heads", str(torn), key=key)
    assert half.returncode == 0 and f"heads: 1 lines of {torn} are no heads" in half.stdout, half.stdout + half.stderr

    copy = tmp_path / "copy.sqlite"
    for name, statements in TAMPERINGS.items():
        copy.unlink(missing_ok=True)
        shutil.copy(ledger, copy)
        with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as database:
            for statement in statements:
                database.execute(statement)
        found = verify(str(copy), "--heads", str(heads), key=key)
        assert found.returncode == 1, (name, found.stdout, found.stderr)
        assert f"FAIL {name.split()[0]}" in found.stdout, (name, found.stdout)
    # Who has no key can make a chain that fits together, and no HMAC of it is right.
    copy.unlink()
    shutil.copy(ledger, copy)
    forge(copy)
    found = verify(str(copy), key=key)
    assert found.returncode == 1 and "FAIL altered" in found.stdout and "FAIL broken" not in found.stdout, found.stdout
    assert verify(str(ledger), "--heads", str(heads), key=new_key()).returncode == 1

    assert verify("--rows", str(piece), "--heads", str(heads), key=key).returncode == 0
    lines = piece.read_text().splitlines()
    for name, changed in {
        "altered": [lines[0].replace("black-box", "mallory"), *lines[1:]],
        "missing": [*lines[:3], *lines[4:]],
        "misplaced": [lines[1], lines[0], *lines[2:]],
        "unreadable": [lines[0].replace('"sequence"', '"note":"x","sequence"'), *lines[1:]],
    }.items():
        piece.write_text("\n".join(changed) + "\n")
        found = verify("--rows", str(piece), key=key)
        assert found.returncode == 1 and f"FAIL {name}" in found.stdout, (name, found.stdout, found.stderr)

    wrong = tmp_path / "nothing.ndjson"
    wrong.write_text("no head\n")
    assert verify(str(ledger), "--heads", str(wrong), key=key).returncode == 78
    assert servers.run("audit", "verify", str(ledger), "--key", "env:UNSET").returncode == 78
    assert servers.run("audit", "verify", str(ledger), "--rows", str(piece), "--key", "env:UNSET").returncode == 64


def forge(path: Path) -> None:
    """Alters a row, and makes the chain again from there on, with another key."""
    own = secrets.token_bytes(32)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        previous = None
        for sequence, in database.execute("SELECT sequence FROM audit_row ORDER BY sequence").fetchall():
            if previous:
                database.execute("UPDATE audit_row SET previous = ? WHERE sequence = ?", (previous, sequence))
            if sequence >= 5:
                previous = hmac.new(own, str(sequence).encode(), hashlib.sha256).digest()
                database.execute("UPDATE audit_row SET caller = 'mallory', code = ? WHERE sequence = ?", (previous, sequence))


def test_what_the_gateway_has_not_made_is_not_sealed(upstream):
    key = new_key()
    with audited(upstream, key) as gateway:
        rows_of(gateway, 3)
        with contextlib.closing(sqlite3.connect(gateway.directory / "ledger.sqlite", isolation_level=None, timeout=30)) as ledger:
            columns = "time, action, outcome, caller, address, request_id, export_id, details"
            copy = f"INSERT INTO audit_pending (id, {columns}, stamp, key_id) SELECT"
            # One that was made up, and one that was sealed before.
            made_up = f"{copy} replace(id, '-7', '-8'), {columns}, code, key_id FROM audit_row WHERE action = 'create' LIMIT 1"
            ledger.execute(made_up)
            ledger.execute(f"{copy} id, {columns}, code, key_id FROM audit_row LIMIT 1")
        rows = wait_for(gateway, "reject")
        poll("both are rejected", lambda: gateway.metric("export_gateway_audit_entries_rejected_total") == 2)
        assert sum(int(row["details"]["count"]) for row in rows + wait_for(gateway, "reject")) >= 2
        check_chain(pieces(gateway), key)
        # The rows that this process has sealed are taken away: it notices, and goes on.
        with contextlib.closing(sqlite3.connect(gateway.directory / "ledger.sqlite", isolation_level=None, timeout=30)) as ledger:
            assert ledger.execute("SELECT count(*) FROM audit_rejected").fetchone() == (2,)
            ledger.execute("DELETE FROM audit_row WHERE sequence > 3")
        gateway.create(bodies.paginated_csv("after"))
        poll("the end is missed", lambda: gateway.metric("export_gateway_audit_ends_missing_total") == 1)


def test_an_end_that_is_missing_at_a_start_is_noticed(upstream, tmp_path):
    key = new_key()
    heads = tmp_path / "heads.ndjson"
    with audited(upstream, key, audit={"heads": {"interval": "1s", "file": str(heads)}}) as gateway:
        rows_of(gateway, 6)
        gateway.process.stop()
        told = json.loads(heads.read_text().splitlines()[-1])
        assert told["sequence"] == 7
        with contextlib.closing(sqlite3.connect(gateway.directory / "ledger.sqlite", isolation_level=None)) as ledger:
            ledger.execute("DELETE FROM audit_row WHERE sequence > 3")
        gateway.start()
        poll("the end is missed", lambda: gateway.metric("export_gateway_audit_ends_missing_total") >= 1)
        # The chain goes on from where it is, and what was told proves that it was longer.
        poll("the end is told", lambda: json.loads(heads.read_text().splitlines()[-1])["sequence"] == 3)
    found = verify(str(gateway.directory / "ledger.sqlite"), "--heads", str(heads), key=key)
    assert found.returncode == 1 and "FAIL end-missing 7" in found.stdout, found.stdout


def test_an_entry_waits_for_its_key(upstream):
    """The keys were changed in the wrong order: what another replica has stamped is not lost."""
    first, second = new_key(), new_key()
    with audited(upstream, first) as gateway:
        gateway.create(bodies.paginated_csv("first"))
        wait_for(gateway, "create")
        gateway.process.stop()
        path = gateway.directory / "ledger.sqlite"
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as ledger:
            # As if a replica with another key had stored it.
            ledger.execute(
                "INSERT INTO audit_pending (id, time, action, outcome, stamp, key_id) "
                "VALUES ('01981f3e-7c1a-7b52-9d3e-0242ac120002', 1751000000123, 'ticket', 'succeeded', ?, ?)",
                (stamp_of_ticket(second), key_id(second)),
            )
        gateway.start()
        gateway.create(bodies.paginated_csv("second"))
        wait_for(gateway, "create", 2)
        poll("it waits", lambda: gateway.metric("export_gateway_audit_entries_unsealed") == 1)
        assert gateway.metric("export_gateway_audit_entries_rejected_total") == 0
        gateway.process.stop()
        gateway.process._environment |= {"OTHER_KEY": second}
        gateway.reconfigure({"audit": {"otherKeys": ["env:OTHER_KEY"]}})
        gateway.start()
        assert wait_for(gateway, "ticket")[0]["id"] == "01981f3e-7c1a-7b52-9d3e-0242ac120002"


def key_id(key: str) -> str:
    return hmac.new(base64.b64decode(key), b"export-gateway audit key", hashlib.sha256).hexdigest()[:16]


def stamp_of_ticket(key: str) -> bytes:
    values = ["export-gateway audit entry 1", "01981f3e-7c1a-7b52-9d3e-0242ac120002", 1751000000123, "ticket", "succeeded",
              None, None, None, None, 0]
    return hmac.new(base64.b64decode(key), b"".join(map(part, values)), hashlib.sha256).digest()


def test_another_key_is_a_row(upstream):
    first, second = new_key(), new_key()
    with audited(upstream, first) as gateway:
        gateway.create(bodies.paginated_csv("first"))
        wait_for(gateway, "create")
        gateway.process.stop()
        gateway.process._environment |= {"AUDIT_KEY": second, "FORMER_KEY": first}
        gateway.reconfigure({"audit": {"otherKeys": ["env:FORMER_KEY"]}})
        gateway.start()
        gateway.create(bodies.paginated_csv("second"))
        wait_for(gateway, "create", 2)
        changes = [row for row in pieces(gateway) if row["action"] == "keyChange"]
        assert len(changes) == 2 and changes[1]["details"] == {"from": changes[0]["keyId"], "to": changes[1]["keyId"]}
    ledger = str(gateway.directory / "ledger.sqlite")
    keys = {"FIRST": first, "SECOND": second}
    both = servers.run("audit", "verify", ledger, "--key", "env:FIRST", "--key", "env:SECOND", environment=keys)
    assert both.returncode == 0, both.stdout
    one = servers.run("audit", "verify", ledger, "--key", "env:SECOND", environment=keys)
    assert one.returncode == 1 and "FAIL unknown-key 1:" in one.stdout, one.stdout


def test_each_reload_is_a_row(upstream):
    port = servers.free_port()
    with audited(upstream, new_key(), server={"operations": {"port": port}}, log={"level": "info"}) as gateway:
        def ask(status: int, **configuration) -> None:
            gateway.reconfigure(configuration)
            answer = call(f"http://127.0.0.1:{port}", "POST", "/reload", {"X-Request-Id": f"reload-{status}"})
            assert answer.status == status, answer.body

        ask(200, log={"level": "notice"})
        ask(422, server={"port": gateway.port + 1})
        gateway.reconfigure({"server": {"port": gateway.port}, "log": {"level": "info"}})
        gateway.process.signal(signal.SIGHUP)
        by_request, refused, by_signal = wait_for(gateway, "reload", 3)
        assert by_request["outcome"] == "succeeded" and by_request["requestId"] == "reload-200"
        assert by_request["address"] == "127.0.0.1"
        assert by_request["details"] == {"askedBy": "request", "changed": "log.level"}
        assert refused["outcome"] == "refused" and refused["requestId"] == "reload-422"
        assert refused["details"] == {"askedBy": "request", "restartNeeded": "server.port"}
        assert by_signal["details"] == {"askedBy": "signal", "changed": "log.level"} and "requestId" not in by_signal


class Collector:
    """A collector of syslog over TLS: keeps the messages of all frames."""

    def __init__(self, certificate: Path, key: Path):
        self.show(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.messages: list[str] = []
        #: Whether connections are closed as soon as they are there.
        self.closes = False
        #: How many connections were tried, and how many there were.
        self.attempts = self.connections = 0
        self._open: socket.socket | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def show(self, certificate: Path, key: Path) -> None:
        """The next connections get this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._context = context

    def drop(self) -> None:
        """Closes the connection."""
        self._open.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.attempts += 1
            with contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True) as stream:
                self.connections += 1
                if self.closes:
                    continue
                self._open = stream
                self._read(stream.makefile("rb"))

    def _read(self, file) -> None:
        while True:
            length = b""
            while (byte := file.read(1)) != b" ":
                if not byte:
                    return
                length += byte
            self.messages.append(file.read(int(length)).decode())

    def rows(self) -> list[dict]:
        return [json.loads(text.split("\ufeff", 1)[1]) for text in list(self.messages) if " head - " not in text]

    def close(self) -> None:
        self._listener.close()


def test_rows_go_to_syslog(upstream, tmp_path):
    certificate, key_file = raw_upstream.certificate(tmp_path)
    collector = Collector(certificate, key_file)
    key = new_key()
    syslog = {"host": "127.0.0.1", "port": collector.port, "hostName": "gateway-1"}
    environment = {"AUDIT_KEY": key, "SSL_CERT_FILE": str(certificate)}
    audit = {"key": "env:AUDIT_KEY", "syslog": syslog, "heads": {"interval": "1s"}}
    with contextlib.closing(collector), servers.gateway(
        upstream, start=False, environment=environment, audit=audit
    ) as gateway:
        gateway.configuration["server"]["apiKeys"][0]["permissions"] = PERMISSIONS
        gateway.reconfigure({})
        gateway.start()
        export = gateway.create(bodies.paginated_csv("syslog"))
        poll("the row is there", lambda: any(row["exportId"] == export["id"] for row in collector.rows() if "exportId" in row))
        assert collector.rows() == pieces(gateway)[: len(collector.rows())]
        head = r"<110>1 \S+Z gateway-1 export-gateway \d+ head - \ufeff\{"
        poll("a head is there", lambda: any(re.match(head, text) for text in list(collector.messages)))
        first = next(text for text in collector.messages if " create - " in text)
        assert re.match(r"<109>1 \d{4}-\d\d-\d\dT[\d:.]+Z gateway-1 export-gateway \d+ create - \ufeff\{", first), first
        poll("it is connected", lambda: gateway.metric("export_gateway_audit_syslog_connected") == 1)
        # A connection that has lived may be closed at any time. The next row makes another one.
        collector.drop()
        poll("it is not connected", lambda: gateway.metric("export_gateway_audit_syslog_connected") == 0)
        for number in range(4):
            gateway.create(bodies.paginated_csv(f"again {number}"))
        last = wait_for(gateway, "create", 5)[-1]["sequence"]
        poll("all rows are there", lambda: [row["sequence"] for row in collector.rows()] == list(range(1, last + 1)))
        assert collector.connections == 2
        assert gateway.metric("export_gateway_audit_syslog_messages_dropped_total") == 0


@pytest.mark.parametrize("fault", ["closes at once", "another name", "unknown authority"])
def test_what_a_collector_does_not_take_is_sent_again(upstream, tmp_path, fault):
    good, other, unknown = (raw_upstream.certificate(tmp_path, address) for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3"))
    known = tmp_path / "known.pem"
    known.write_text(good[0].read_text() + other[0].read_text())
    collector = Collector(*{"another name": other, "unknown authority": unknown}.get(fault, good))
    collector.closes = fault == "closes at once"
    key = new_key()
    environment = {"AUDIT_KEY": key, "SSL_CERT_FILE": str(known)}
    audit = {"key": "env:AUDIT_KEY", "syslog": {"host": "127.0.0.1", "port": collector.port}}
    with contextlib.closing(collector), servers.gateway(
        upstream, start=False, environment=environment, audit=audit
    ) as gateway:
        gateway.configuration["server"]["apiKeys"][0]["permissions"] = PERMISSIONS
        gateway.reconfigure({})
        gateway.start()
        for number in range(3):
            gateway.create(bodies.paginated_csv(f"not taken {number}"))
        wait_for(gateway, "create", 3)
        # After pauses of a second, and of two.
        poll("it is tried again", lambda: collector.attempts >= 3, within=60)
        said = [line for line in gateway.process.lines().splitlines() if "cannot be sent to syslog" in line]
        assert len(said) == 1 and json.loads(said[0])["level"] == "warning", said
        assert gateway.metric("export_gateway_audit_syslog_messages_sent_total") == 0
        assert gateway.metric("export_gateway_audit_syslog_connected") == 0
        assert collector.messages == []

        collector.closes = False
        collector.show(*good)
        last = pieces(gateway)[-1]["sequence"]
        expected = list(range(1, last + 1))
        poll("all rows are there", lambda: [row["sequence"] for row in collector.rows()] == expected, within=90)
        poll("it is connected", lambda: gateway.metric("export_gateway_audit_syslog_connected") == 1)
        assert gateway.metric("export_gateway_audit_syslog_messages_sent_total") == last
        assert gateway.metric("export_gateway_audit_syslog_messages_dropped_total") == 0


def test_the_end_does_not_wait_for_a_collector(upstream):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with audited(upstream, new_key(), audit={"syslog": {"host": "127.0.0.1", "port": port}}) as gateway:
            gateway.create(bodies.paginated_csv("to nobody"))
            listener.settimeout(30)
            # It says nothing, so that the gateway waits for the handshake.
            connection, _ = listener.accept()
            with connection:
                begin = time.monotonic()
                assert gateway.process.stop() == 0
                # Five seconds for the collector, and something for a busy machine.
                assert time.monotonic() - begin < 14


@pytest.mark.alone
def test_kills_lose_nothing_of_the_trail(upstream, figure):
    """`kill -9` while callers create: each export that is there has its row, the chain is whole, and each head is in it."""
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    key = new_key()
    heads = evidence.directory("heads") / "heads.ndjson"
    with audited(upstream, key, start=False, audit={"heads": {"interval": "1s", "file": str(heads)}}) as gateway:
        for _ in range(KILLS):
            gateway.start()
            callers = [threading.Thread(target=create_until_killed, args=(gateway, number)) for number in range(6)]
            for caller in callers:
                caller.start()
            time.sleep(dice.uniform(0.3, 2.5))
            gateway.kill()
            for caller in callers:
                caller.join()
        gateway.start()
        poll("all is sealed", lambda: gateway.metric("export_gateway_audit_entries_unsealed") == 0)
        rows = pieces(gateway)
        check_chain(rows, key)
        created = [row["exportId"] for row in rows if row["action"] == "create"]
        with contextlib.closing(sqlite3.connect(gateway.directory / "ledger.sqlite", timeout=30)) as ledger:
            exports = [row[0] for row in ledger.execute("SELECT id FROM export")]
        assert len(created) == len(set(created)) and set(created) == set(exports)
        told = verify(str(gateway.directory / "ledger.sqlite"), "--heads", str(heads), key=key)
        assert told.returncode == 0, told.stdout
        figure(f"seed {seed}: {KILLS} kills, {len(rows)} rows, {len(heads.read_text().splitlines())} heads")


def create_until_killed(gateway, number: int) -> None:
    for count in itertools.count():
        try:
            gateway.create(bodies.paginated_csv(f"Caller {number}, export {count}"))
        except (OSError, AssertionError, http.client.HTTPException):
            return


@pytest.mark.skipif(not postgresql.available(), reason="PostgreSQL is not installed")
@pytest.mark.skipif(servers.BINARY.exists() and not replicas.knows_replicas(), reason="the executable has no ledger.url")
def test_replicas_write_one_chain(upstream):
    key = new_key()
    with ExitStack() as stack:
        database = replicas.Database(stack.enter_context(postgresql.postgresql(fsync="off")))
        group = stack.enter_context(replicas.replicas(upstream, database, 2, start=False, audit={"key": "env:AUDIT_KEY"}))
        for replica in group:
            replica.process._environment["AUDIT_KEY"] = key
            replica.configuration["server"]["apiKeys"][0]["permissions"] = PERMISSIONS
            replica.reconfigure({})
        group.start()
        callers = [
            threading.Thread(target=lambda replica=replica: [replica.create(bodies.paginated_csv(f"{n}")) for n in range(15)])
            for replica in group for _ in range(3)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        first, second = group
        assert len(wait_for(first, "create", 90)) == 90
        rows = pieces(second)
        check_chain(rows, key)
        assert {row["action"] for row in rows} == {"keyChange", "create"}
        assert sum(replica.metric("export_gateway_audit_rows_total", action="create") for replica in group) == 90


@pytest.mark.alone
@pytest.mark.skipif(not postgresql.available(), reason="PostgreSQL is not installed")
@pytest.mark.skipif(servers.BINARY.exists() and not replicas.knows_replicas(), reason="the executable has no ledger.url")
def test_a_killed_replica_leaves_one_chain(upstream, figure):
    """`kill -9` of one of two replicas that both seal: the chain is whole, and has each export once."""
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    key = new_key()
    with ExitStack() as stack:
        database = replicas.Database(stack.enter_context(postgresql.postgresql(fsync="off")))
        group = stack.enter_context(replicas.replicas(upstream, database, 2, start=False, audit={"key": "env:AUDIT_KEY"}))
        for replica in group:
            replica.process._environment["AUDIT_KEY"] = key
            replica.configuration["server"]["apiKeys"][0]["permissions"] = PERMISSIONS
            replica.reconfigure({})
        group.start()
        over = threading.Event()
        callers = [threading.Thread(target=create_until, args=(over, replica)) for replica in group for _ in range(3)]
        for caller in callers:
            caller.start()
        first, second = group
        try:
            for _ in range(KILLS):
                poll("it seals", lambda: second.metric("export_gateway_audit_rows_total", action="create") > 0)
                time.sleep(dice.uniform(0, 1))
                second.kill()
                second.start()
        finally:
            over.set()
            for caller in callers:
                caller.join()
        poll("all is sealed", lambda: not database.query("SELECT number FROM audit_pending LIMIT 1"))
        rows = pieces(first)
        check_chain(rows, key)
        created = [row["exportId"] for row in rows if row["action"] == "create"]
        exports = {row[0] for row in database.query("SELECT id FROM export")}
        assert len(created) == len(set(created)) and set(created) == exports
        assert first.metric("export_gateway_audit_rows_total", action="create") < len(created)
        figure(f"seed {seed}: {KILLS} kills of one of two replicas, {len(rows)} rows")


def create_until(over: threading.Event, replica) -> None:
    """Creates exports on a replica that may be away."""
    while not over.is_set():
        try:
            replica.create(bodies.paginated_csv("On two replicas"))
        except (OSError, AssertionError, http.client.HTTPException):
            over.wait(0.1)
