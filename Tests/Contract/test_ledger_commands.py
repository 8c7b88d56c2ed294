"""`export-gateway ledger copy`, `check` and `backup`, on the ledger of a gateway that has exports in all states."""

import base64
import os
import re
import secrets
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import bodies
import evidence
import servers
from postgresql import available, postgresql
from replicas import cursor_key

#: A copy of so many deliveries takes long enough to be killed in the middle.
MANY = 100_000
USER = "gateway"

needs_postgresql = pytest.mark.skipif(not available(), reason="PostgreSQL is not installed")


def ledger(*words: str | Path, code: int = 0, environment: dict | None = None) -> str:
    """Runs `export-gateway ledger`, which has to end with this code; gives back what it said."""
    ended = servers.run("ledger", *map(str, words), environment=environment)
    assert ended.returncode == code, (words, ended.returncode, ended.stdout, ended.stderr)
    return ended.stdout + ended.stderr


def path(gateway) -> Path:
    return gateway.directory / "ledger.sqlite"


def rows(path: Path, table: str) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@contextmanager
def opened(path: Path):
    """A connection that is closed at the end. Left to Python, it is closed at some later time, and moves the log away from
    whoever has the ledger then."""
    with closing(sqlite3.connect(path)) as database, database:
        yield database


@contextmanager
def database():
    """A database of a server of its own: its URI, and the environment with the password for libpq."""
    with postgresql() as server:
        password = server.create_user(USER)
        server.create_database("ledger", USER)
        yield server.url("ledger", USER), {"PGPASSWORD": password}


def fill(gateway, upstream) -> list[dict]:
    """Exports that ended well, failed, were canceled, run, and were downloaded."""
    exports = [gateway.create(body) for body in (bodies.search_result(), bodies.report(), bodies.paginated_csv())]
    for export in exports:
        for file in gateway.succeeded(export)["files"]:
            gateway.download(file["href"])
    upstream.rule("power-bi.*", {"kind": "failed"})
    exports.append(gateway.watch(gateway.create(bodies.report("Failed"))))
    upstream.remove_rules()
    upstream.rule("*", {"kind": "stuck"})
    running = [gateway.create(body) for body in (bodies.report("Running"), bodies.search_result("Canceled"))]
    for export in running:
        gateway.watch(export, until=lambda export: export["status"] == "running")
    gateway.call("DELETE", f"/exports/{running[1]['id']}")
    answer = gateway.call("POST", "/exports", {"Idempotency-Key": "copied"}, bodies.report("With a key"))
    assert answer.status == 202
    gateway.watch(answer.json, until=lambda export: export["status"] == "running")
    return [*exports, *running, answer.json]


#: What a poll may change.
CHANGING = {"observedAt", "tracking"}


def seen(gateway, exports: list[dict]) -> list:
    """What a caller sees of the exports and of the files that were sent."""

    def stable(value):
        if isinstance(value, dict):
            return {name: stable(member) for name, member in value.items() if name not in CHANGING}
        return [stable(member) for member in value] if isinstance(value, list) else value

    paths = [f"/exports/{export['id']}{part}" for export in exports for part in ("", "/deliveries")]
    answers = [gateway.get(path) for path in [*paths, "/exports?limit=200"]]
    assert {answer.status for answer in answers} == {200}
    return [stable(answer.json) for answer in answers]


@contextmanager
def upstream_and_gateway(secret: dict | None = None, **sections: dict):
    environment = {"GATEWAY_CURSOR_KEY": cursor_key()} | (secret or {})
    with servers.sandbox() as upstream, servers.gateway(upstream, environment=environment, **sections) as gateway:
        yield upstream, gateway


def head(place: Path | str, heads: Path, environment: dict) -> str:
    """What `audit verify` says of a trail, which has to be whole and to have all heads that were told."""
    words = ["audit", "verify", str(place), "--key", "env:AUDIT_KEY", "--heads", str(heads)]
    ended = servers.run(*words, environment=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return re.search(r"^ok   chain: .*\n     head: .*$", ended.stdout, re.M)[0]


def configure(gateway, ledger: Path | str) -> None:
    """The gateway's next start is on this ledger: a file, or the URI of a database."""
    is_file = isinstance(ledger, Path)
    gateway.configuration["ledger"] = {"path": str(ledger)} if is_file else {"url": ledger, "password": "env:PGPASSWORD"}
    gateway.reconfigure({"server": {"cursorKey": "env:GATEWAY_CURSOR_KEY"}})


def refused(gateway, key: str) -> None:
    """The gateway does not start on a copy that is not finished."""
    gateway.start(ready=False)
    assert gateway.process.wait() == 78
    last = gateway.process.lines().splitlines()[-1]
    assert key in last and "not finished" in last, last


def go_on(gateway, upstream, before: list, exports: list[dict]) -> None:
    """The gateway is started: callers see what they saw, nothing is started twice, and new exports end."""
    jobs = len(upstream.jobs())
    gateway.start()
    assert seen(gateway, exports) == before
    again = gateway.call("POST", "/exports", {"Idempotency-Key": "copied"}, bodies.report("With a key"))
    assert again.json["id"] == exports[-1]["id"]
    assert len(upstream.jobs()) == jobs
    upstream.remove_rules()
    gateway.succeeded(gateway.create(bodies.report("After the copy")))


def test_a_gateway_goes_on_with_a_copy(figure):
    with upstream_and_gateway() as (upstream, gateway):
        exports = fill(gateway, upstream)
        before = seen(gateway, exports)
        said = ledger("copy", "--from", path(gateway), "--to", gateway.directory / "copy.sqlite", code=78)
        assert "--from" in said and "Another gateway works on" in said

        gateway.process.stop()
        copy = gateway.directory / "copy.sqlite"
        said = ledger("copy", "--from", path(gateway), "--to", copy)
        digests = re.findall(r"sha256 (\w{64}) in the source, (\w{64}) in the copy", said)
        assert len(digests) == 15 and all(source == target for source, target in digests)
        figure(re.search("equal: .*", said)[0])
        assert copy.stat().st_mode & 0o777 == 0o600
        ledger("check", copy)
        assert "is not empty" in ledger("copy", "--from", path(gateway), "--to", copy, code=78)
        configure(gateway, copy)
        go_on(gateway, upstream, before, exports)


@needs_postgresql
def test_there_and_back_through_postgresql(tmp_path):
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    evidence.keep_secrets([key])
    heads = tmp_path / "heads.ndjson"
    audit = {"key": "env:AUDIT_KEY", "heads": {"file": str(heads)}}
    with database() as (uri, password), upstream_and_gateway(password | {"AUDIT_KEY": key}, audit=audit) as (upstream, gateway):
        secret = password | {"AUDIT_KEY": key}
        exports = fill(gateway, upstream)
        before = seen(gateway, exports)
        gateway.process.stop()
        trail = head(path(gateway), heads, secret)
        assert not trail.startswith("ok   chain: 0 rows") and "; 0 heads" not in trail, trail
        there = ledger("copy", "--from", path(gateway), "--to", uri, environment=secret)
        ledger("check", uri, environment=secret)
        back = ledger("copy", "--from", uri, "--to", gateway.directory / "back.sqlite", environment=secret)
        digests = [re.findall(r"\w{64}", said) for said in (there, back)]
        assert digests[0] == digests[1] and len(digests[0]) == 30
        assert secret["PGPASSWORD"] not in there + back
        # The trail is the same, and whole, in both copies.
        assert head(uri, heads, secret) == head(gateway.directory / "back.sqlite", heads, secret) == trail
        configure(gateway, gateway.directory / "back.sqlite")
        go_on(gateway, upstream, before, exports)
        assert "pg_dump" in ledger("backup", uri, "--to", gateway.directory / "dump", code=64)
        gateway.process.stop()
        # It goes on where it was.
        assert head(gateway.directory / "back.sqlite", heads, secret) != trail


@needs_postgresql
def test_a_gateway_goes_on_with_a_copy_in_postgresql():
    with database() as (uri, secret), upstream_and_gateway(secret) as (upstream, gateway):
        exports = fill(gateway, upstream)
        before = seen(gateway, exports)
        gateway.process.stop()
        ledger("copy", "--from", path(gateway), "--to", uri, environment=secret)
        configure(gateway, uri)
        go_on(gateway, upstream, before, exports)
        said = ledger("copy", "--from", uri, "--to", gateway.directory / "back.sqlite", code=78, environment=secret)
        assert "--from" in said and "Stop all of them" in said
        ledger("check", uri, environment=secret)


def many(path: Path) -> None:
    """Adds rows to a ledger that no gateway has."""
    with opened(path) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(delivery)")]
        values = ", ".join("printf('00000000-0000-7000-8000-%012d', number)" if name == "id" else name for name in columns)
        database.execute(
            f"INSERT INTO delivery SELECT {values} FROM (SELECT * FROM delivery LIMIT 1) CROSS JOIN ("
            f"WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers LIMIT {MANY}) "
            "SELECT number FROM numbers)"
        )


def killed_in_the_middle(words: list, environment: dict | None, copied) -> None:
    """Runs a copy and kills it as soon as `copied` says that there are rows."""
    process = subprocess.Popen(
        [str(servers.BINARY), "ledger", *map(str, words)],
        env={"PATH": os.environ["PATH"]} | (environment or {}), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while process.poll() is None and not copied():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the copy was faster than the test"


def test_a_copy_that_was_killed_goes_on():
    with upstream_and_gateway() as (upstream, gateway):
        exports = fill(gateway, upstream)
        before = seen(gateway, exports)
        gateway.process.stop()
        many(path(gateway))
        copy = gateway.directory / "copy.sqlite"

        def copied() -> bool:
            try:
                return rows(copy, "delivery") > 0
            except sqlite3.Error:
                return False

        words = ["copy", "--from", path(gateway), "--to", copy]
        killed_in_the_middle(words, None, copied)
        assert 0 < rows(copy, "delivery") < MANY
        assert "not finished" in ledger("check", copy, code=1)
        configure(gateway, copy)
        refused(gateway, "ledger.path")
        ledger(*words)
        ledger("check", copy)
        assert rows(copy, "delivery") == rows(path(gateway), "delivery")
        with opened(copy) as database:
            database.execute("DELETE FROM delivery WHERE id LIKE '00000000-%'")
        go_on(gateway, upstream, before, exports)


@needs_postgresql
def test_a_copy_into_postgresql_that_was_killed_goes_on():
    with database() as (uri, secret), upstream_and_gateway(secret) as (upstream, gateway):
        exports = fill(gateway, upstream)
        before = seen(gateway, exports)
        gateway.process.stop()
        many(path(gateway))

        def sql(statement: str) -> str:
            command = ["psql", "--no-psqlrc", "-Atc", statement, uri]
            return subprocess.run(command, env=os.environ | secret, capture_output=True, text=True, check=False).stdout

        words = ["copy", "--from", path(gateway), "--to", uri]
        killed_in_the_middle(words, secret, lambda: sql("SELECT true FROM delivery LIMIT 1"))
        assert "not finished" in ledger("check", uri, code=1, environment=secret)
        configure(gateway, uri)
        refused(gateway, "ledger.url")
        ledger(*words, environment=secret)
        ledger("check", uri, environment=secret)
        assert int(sql("SELECT count(*) FROM delivery")) == rows(path(gateway), "delivery")
        sql("DELETE FROM delivery WHERE id LIKE '00000000-%'")
        go_on(gateway, upstream, before, exports)


def test_a_backup_of_a_running_gateway():
    with upstream_and_gateway() as (upstream, gateway):
        exports = fill(gateway, upstream)
        before = seen(gateway, exports)
        backup = gateway.directory / "backup.sqlite"
        ledger("backup", path(gateway), "--to", backup)
        assert backup.stat().st_mode & 0o777 == 0o600
        assert [file.name for file in gateway.directory.glob("backup*")] == ["backup.sqlite"]
        ledger("check", backup)
        ledger("check", path(gateway))
        # The gateway works on, and ends as it does without them.
        gateway.watch(gateway.create(bodies.report("After the backup")), until=lambda export: export["status"] == "running")
        gateway.process.stop()
        gateway.start()
        gateway.process.stop()
        configure(gateway, backup)
        go_on(gateway, upstream, before, exports)


def test_what_is_wrong_is_found():
    with upstream_and_gateway() as (upstream, gateway):
        exports = fill(gateway, upstream)
        gateway.process.stop()
        assert ledger("check", path(gateway)).count("ok  ") == 16
        with opened(path(gateway)) as database:
            database.execute("UPDATE export SET files = '[{' WHERE id = ?", (exports[0]["id"],))
            database.execute("UPDATE export_event SET revision = 0 WHERE sequence = (SELECT max(sequence) FROM export_event)")
        said = ledger("check", path(gateway), code=1)
        assert f"{exports[0]['id']} (files)" in said and "export_event" in said
    assert "There is no file" in ledger("check", evidence.directory("ledger") / "none.sqlite", code=78)
