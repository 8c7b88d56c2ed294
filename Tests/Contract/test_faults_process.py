"""Faults of the process and of what it stands on: the log, the connections, the ledger's files and rows, the disk."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import bodies
import evidence
import identities
import raw_client
import servers
import silence
from client import call, poll
from scripted import Scripted, scripted_connections, scripted_gateway

DEPLOY = evidence.ROOT / "Deploy"
REQUESTS = 10_000
AT_ONCE = 8
EXPORTS = 5000


# D1, D2: standard error


class Unread:
    """The kinds of standard error that nobody gets to read, as a file descriptor for a child process."""

    def __init__(self, kind: str):
        self.kind = kind
        self.mine: list[int] = []

    def __enter__(self) -> "Unread":
        if self.kind == "full":
            self.mine = [os.open("/dev/full", os.O_WRONLY)]
        elif self.kind == "unread pipe":
            reader, writer = os.pipe()
            self.mine = [writer, reader]
        elif self.kind == "broken pipe":
            reader, writer = os.pipe()
            os.close(reader)
            self.mine = [writer]
        return self

    def __exit__(self, *_) -> None:
        for descriptor in self.mine:
            os.close(descriptor)

    @property
    def stderr(self) -> int | None:
        return self.mine[0] if self.mine else None

    def prepare(self) -> None:
        """In the child, before the program."""
        if self.kind == "closed":
            for descriptor in (0, 1, 2):
                os.close(descriptor)


class Silenced:
    """A gateway whose standard error is one of these."""

    def __init__(self, gateway: servers.Gateway, unread: Unread):
        self.gateway = gateway
        file = gateway.directory / "gateway.yaml"
        self.process = subprocess.Popen(
            [str(servers.BINARY), "serve", "--config", str(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=unread.stderr,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "SANDBOX_CLIENT_SECRET": bodies.CLIENT_SECRET},
            preexec_fn=unread.prepare,
        )

    def __enter__(self) -> "Silenced":
        def ready():
            if self.process.poll() is not None:
                return True
            with contextlib.suppress(OSError):
                return call(self.gateway.address, "GET", "/livez", timeout=5).status == 200

        poll("an answer, or an end", ready)
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()

    def answered(self, requests: int) -> int:
        """How many of so many requests are answered, over a few connections that stay."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return sum(pool.map(lambda _: self._answered(requests // AT_ONCE), range(AT_ONCE)))

    def _answered(self, requests: int) -> int:
        """Each names itself: lines are of some length then."""
        batch = 25
        count = 0
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.gateway.port), 10) as wire:
            for _ in range(requests // batch):
                fields = f"Host: x\r\nX-Request-Id: {'r' * 64}\r\nAuthorization: Bearer {self.gateway.key}\r\n"
                wire.sendall(f"GET /providers/none HTTP/1.1\r\n{fields}\r\n".encode() * batch)
                pending, seen = b"", 0
                while seen < batch:
                    data = wire.recv(1 << 16)
                    if not data:
                        return count
                    found = (pending + data).count(b"HTTP/1.1 404 ")
                    pending = (pending + data)[-12:]
                    seen += found
                    count += found
        return count


@contextlib.contextmanager
def silenced(kind: str):
    with servers.gateway(None, start=False, connections=[nowhere()], log={"level": "info"}) as gateway:
        with Unread(kind) as unread, Silenced(gateway, unread) as server:
            yield server


def nowhere() -> dict:
    """A connection whose upstream is not there; nobody asks it for anything."""
    return {
        "name": "bi",
        "provider": "power-bi",
        "apiRoot": "http://127.0.0.1:9",
        "allowPlainHTTP": True,
        "credential": {
            "type": "clientSecret",
            "authority": "http://127.0.0.1:9",
            "tenantId": bodies.TENANT,
            "clientId": bodies.CLIENT,
            "clientSecret": "env:SANDBOX_CLIENT_SECRET",
        },
    }


def dropped(server: Silenced) -> float:
    return server.gateway.metric("export_gateway_log_lines_dropped_total")


@pytest.mark.fault("D1")
@pytest.mark.parametrize("kind", ["full", "broken pipe", "closed"])
def test_what_standard_error_does_not_take_is_counted(kind):
    requests = REQUESTS if kind != "broken pipe" else REQUESTS // 10
    with silenced(kind) as server:
        assert server.answered(requests) == requests
        assert server.process.poll() is None
        poll("the lost lines in the metrics", lambda: dropped(server) >= requests)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


@pytest.mark.fault("D2")
def test_standard_error_that_nobody_reads_stops_nothing(figure):
    with silenced("unread pipe") as server:
        assert server.answered(REQUESTS) == REQUESTS
        lost = server.gateway.metric("export_gateway_log_lines_dropped_total", reason="buffer-full")
        assert lost > 0
        figure(f"{lost:.0f} of {REQUESTS} lines dropped")
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < 10


def test_what_was_lost_is_told_once_somebody_reads_again():
    with servers.gateway(None, start=False, connections=[nowhere()]) as gateway, Unread("unread pipe") as unread:
        with Silenced(gateway, unread) as server:
            assert server.answered(REQUESTS // 2) == REQUESTS // 2
            lost = dropped(server)
            assert lost > 0
            text = bytearray()
            reader = threading.Thread(target=lambda: read_all(unread.mine[1], text), daemon=True)
            reader.start()

            def told():
                call(gateway.address, "GET", "/livez")
                return b"Log lines were lost" in text

            poll("the line that tells of the lost ones", told)
            lines = text.decode().splitlines()
            (told_of,) = [json.loads(line) for line in lines if "Log lines were lost" in line][:1]
            assert 0 < int(told_of["lost"]) <= dropped(server)
            # Every line is whole.
            for line in lines[:-1]:
                json.loads(line)


def read_all(descriptor: int, into: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := os.read(descriptor, 1 << 16):
            into += data


# D4: silent connections


# D3: very many exports are taken over


@pytest.mark.alone
@pytest.mark.fault("D3")
def test_a_start_with_many_unfinished_exports_is_ready_at_once_and_ends_at_once(figure):
    """Their starts wait for a budget of one a minute: all of them are unfinished each time."""
    with Scripted() as upstream:
        connections = [connection | {"requestsPerMinute": 1} for connection in scripted_connections(upstream)]
        with scripted_gateway(upstream, connections=connections, server={"drainTimeout": "5s"}) as gateway:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda number: gateway.create(bodies.paginated_csv(f"{number}")), range(EXPORTS)))
            times = []
            for _ in range(5):
                assert gateway.process.stop(within=20) == 0
                begun = time.monotonic()
                gateway.start()
                ready = time.monotonic() - begun
                begun = time.monotonic()
                gateway.create(bodies.paginated_csv("at once"))
                created = time.monotonic() - begun
                # In the middle of the take-over.
                begun = time.monotonic()
                assert gateway.process.stop(within=20) == 0
                times.append((ready, created, time.monotonic() - begun))
                gateway.start()
            ready, created, ended = (max(each) for each in zip(*times, strict=True))
            figure(f"{EXPORTS} unfinished exports: ready after {ready:.2f} s, a create {created:.2f} s, ended after {ended:.2f} s; worst of 5")
            assert created < 5 and ended < 10
            assert "Fatal" not in gateway.process.lines()


@pytest.mark.alone
@pytest.mark.fault("D4")
def test_silent_connections_are_closed_for_others():
    limit = 64
    server = {"maximumConnections": limit}
    with servers.gateway(None, connections=[nowhere()], server=server) as gateway:
        with silence.Silent(gateway.port, 2 * limit):
            worst = silence.slowest(gateway.port, gateway.key, 3)
        assert max(worst.values()) < 1, worst


# D6: a row that cannot be read


def change(gateway: servers.Gateway, sql: str, *arguments) -> None:
    """Another program's hand on the ledger."""
    with contextlib.closing(sqlite3.connect(gateway.directory / "ledger.sqlite")) as ledger, ledger:
        assert ledger.execute(sql, arguments).rowcount == 1


@pytest.mark.fault("D6")
def test_a_row_that_cannot_be_read_is_set_aside(upstream):
    with servers.gateway(upstream) as gateway:
        settled, other, jobless = (gateway.succeeded(gateway.create(bodies.report(name))) for name in ("A", "B", "C"))
        waiting = gateway.create(bodies.goals())
        assert gateway.process.stop() == 0
        change(gateway, "UPDATE export_request SET source = '{' WHERE key = (SELECT key FROM export WHERE id = ?)",
               waiting["id"])
        change(gateway, "UPDATE export SET files = '[{}' WHERE id = ?", settled["id"])
        change(gateway, "UPDATE export SET reference = '{' WHERE id = ?", jobless["id"])
        # Due at once: whoever lets files expire comes across it.
        change(gateway, "UPDATE export SET expires_at = 1 WHERE id = ?", settled["id"])
        gateway.process.start()
        assert comes_up(gateway), "it does not start: " + gateway.process.lines()[-400:]

        listed = gateway.get("/exports").json
        # What is not shown in a list does not keep an export out of it.
        assert [export["id"] for export in listed["value"]] == [jobless["id"], other["id"]]
        assert listed["unreadable"] == 2
        for export in (settled, waiting, jobless):
            assert "cannot read its row" in gateway.get(f"/exports/{export['id']}").problem(500, "internal-error")["detail"]
        assert gateway.export(other)["status"] == "succeeded"
        assert gateway.download(f"{other['href']}/content").status == 200
        gateway.succeeded(gateway.create(bodies.report("After")))

        lines = [json.loads(line) for line in gateway.process.lines().splitlines()]
        named = {(line["export"], line["column"]) for line in lines if "cannot be read" in line["message"]}
        assert named == {(settled["id"], "files"), (waiting["id"], "source"), (jobless["id"], "reference")}
        assert gateway.metric("export_gateway_ledger_rows_unreadable", table="export") == 3


def comes_up(gateway: servers.Gateway, within: float = 30) -> bool:
    """Whether a gateway that was started gets ready, and does not end."""

    def decided():
        if gateway.process.exit_code is not None:
            return True
        with contextlib.suppress(OSError):
            return call(gateway.address, "GET", "/readyz", timeout=5).status == 200

    poll("an answer, or an end", decided, within)
    return gateway.process.exit_code is None


# D9: the disk is full, the file is gone


@contextlib.contextmanager
def small_disk(gateway: servers.Gateway):
    """The ledger lies on a disk of its own, of 2 MiB."""
    disk = gateway.directory / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
    try:
        gateway.configuration["ledger"] = {"path": str(disk / "ledger.sqlite")}
        (gateway.directory / "gateway.yaml").write_text(json.dumps(gateway.configuration))
        yield disk
    finally:
        gateway.process.stop()
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Leaves no byte."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def readiness(gateway: servers.Gateway) -> dict:
    answer = gateway.get("/readyz")
    assert answer.status == 200, (answer.status, answer.body)
    return answer.json


@pytest.mark.fault("D9")
def test_a_full_disk_stops_new_exports_and_nothing_else(upstream):
    with servers.gateway(upstream, start=False) as gateway, small_disk(gateway) as disk:
        gateway.start()
        export = gateway.succeeded(gateway.create(bodies.report()))
        filler = fill(disk)
        refused = gateway.call("POST", "/exports", {}, bodies.report("Too much"))
        problem = refused.problem(503, "unavailable")
        assert problem.get("reason") == "ledger-disk-full" and "disk" in problem["detail"], problem
        poll("degraded", lambda: readiness(gateway)["status"] == "degraded", 60)
        assert [reason["code"] for reason in readiness(gateway)["reasons"]] == ["ledger-disk-full"]
        assert gateway.metric("export_gateway_degraded", reason="ledger-disk-full") == 1
        assert gateway.export(export)["status"] == "succeeded"
        assert gateway.get("/exports").json["value"]
        assert gateway.download(f"{export['href']}/content").status == 200
        filler.unlink()
        poll("ready again", lambda: readiness(gateway)["status"] == "pass", 60)
        assert gateway.metric("export_gateway_degraded") == 0
        gateway.succeeded(gateway.create(bodies.report("Fits")))


@pytest.mark.fault("D9")
def test_a_start_on_a_full_disk_names_the_disk():
    with servers.gateway(None, start=False, connections=[nowhere()]) as gateway, small_disk(gateway) as disk:
        fill(disk)
        gateway.process.deadly.add(-78)
        gateway.process.start()
        assert gateway.process.wait(30) == 78
        said = gateway.process.lines()
        assert "ledger.path" in said and f"The disk of {disk} is full: free space there" in said, said


@pytest.mark.fault("D9")
def test_a_ledger_file_that_is_removed_stops_new_exports(upstream):
    with servers.gateway(upstream) as gateway:
        export = gateway.succeeded(gateway.create(bodies.report()))
        (gateway.directory / "ledger.sqlite").unlink()
        problem = gateway.call("POST", "/exports", {}, bodies.report("Lost")).problem(503, "unavailable")
        assert problem.get("reason") == "ledger-file-removed"
        poll("degraded", lambda: readiness(gateway)["status"] == "degraded", 60)
        assert gateway.export(export)["status"] == "succeeded"
        assert gateway.download(f"{export['href']}/content").status == 200


# D10: a part of the ledger is gone


@pytest.mark.fault("D10")
@pytest.mark.parametrize("loss", ["deleted ledger", "empty ledger", "deleted wal"])
def test_a_ledger_of_which_a_part_is_gone_is_refused(upstream, loss):
    with servers.gateway(upstream) as gateway:
        export = gateway.create(bodies.report())
        gateway.kill()
        ledger = gateway.directory / "ledger.sqlite"
        kept = gateway.directory / "kept"
        gone = ledger if "ledger" in loss else Path(f"{ledger}-wal")
        shutil.copy(gone, kept)
        if loss == "empty ledger":
            os.truncate(gone, 0)
        else:
            gone.unlink()
        gateway.process.start()
        assert not comes_up(gateway), "it started, and knows " + gateway.get("/exports").body.decode()
        assert gateway.process.exit_code == 78
        said = gateway.process.lines()
        assert "ledger.path" in said and "backup" in said, said
        # What is left was not touched: put back, it goes on.
        shutil.copy(kept, gone)
        gateway.start()
        assert gateway.export(export)["id"] == export["id"]


def test_a_ledger_that_was_closed_needs_nothing_beside_it(upstream):
    """After a stop there is no `-wal`; a copy elsewhere has no lock file, or one that speaks of another file."""
    with servers.gateway(upstream) as gateway:
        export = gateway.succeeded(gateway.create(bodies.report()))
        assert gateway.process.stop() == 0
        ledger = gateway.directory / "ledger.sqlite"
        assert not Path(f"{ledger}-wal").exists()
        gateway.start()
        assert gateway.export(export)["status"] == "succeeded"
        copy = gateway.directory / "copy.sqlite"
        subprocess.run(["sqlite3", str(ledger), f".backup '{copy}'"], check=True)
        gateway.kill()
        # Over a ledger that was not closed, the lock file of which is still there.
        for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
            (gateway.directory / name).unlink()
        copy.rename(ledger)
        gateway.start()
        assert gateway.export(export)["status"] == "succeeded"


# D11: the image's health check


def health_check() -> list[str]:
    """The command of the image's HEALTHCHECK."""
    text = (DEPLOY / "Dockerfile").read_text()
    return json.loads(re.search(r"^HEALTHCHECK .*\\\n\s+CMD (\[.*\])$", text, re.M)[1])


def is_healthy(gateway: servers.Gateway) -> bool:
    """What the health check says: with this executable and this gateway's file in the places that they have in the image."""
    places = {
        "/usr/local/bin/export-gateway": str(servers.BINARY),
        "/etc/export-gateway/gateway.yaml": str(gateway.directory / "gateway.yaml"),
    }
    command = [places.get(word, word) for word in health_check()]
    environment = {"PATH": os.environ["PATH"], "EXPORT_GATEWAY_SERVER_PORT": str(gateway.port)}
    return subprocess.run(command, env=environment, capture_output=True, timeout=30).returncode == 0


@pytest.mark.fault("D11")
def test_the_image_knows_that_a_gateway_with_tls_is_healthy():
    files = identities.server_files(evidence.directory("tls"))
    tls = {"certificate": str(files.certificate), "key": str(files.key)}
    with servers.gateway(None, start=False, connections=[nowhere()], server={"tls": tls}) as gateway:
        gateway.start(ready=False)
        context = ssl.create_default_context(cafile=str(files.authority))

        def ready():
            with contextlib.suppress(OSError):
                return silence.ask(gateway.port, "/readyz", None, context) == "HTTP/1.1 200 OK"

        poll("the gateway's readiness", ready)
        assert is_healthy(gateway)
        assert gateway.process.stop() == 0
        assert not is_healthy(gateway)


@pytest.mark.parametrize("kind", ["required certificates", "operations", "not ready"])
def test_what_a_probe_asks(kind):
    files = identities.server_files(evidence.directory("tls"))
    tls = {"certificate": str(files.certificate), "key": str(files.key)}
    if kind == "required certificates":
        tls |= {"clientAuthority": str(files.authority), "clientCertificates": "required"}
    server = {"tls": tls, "host": "0.0.0.0"}
    if kind == "operations":
        server["operations"] = {"host": "0.0.0.0", "port": servers.free_port()}
    if kind == "not ready":
        server["drainDelay"] = "5s"
    with servers.gateway(None, start=False, connections=[nowhere()], server=server) as gateway:
        gateway.start(ready=False)
        file = str(gateway.directory / "gateway.yaml")
        # Secrets that the gateway needs are none of the probe's business.
        probe = lambda *more: servers.run("probe", "--config", file, *more)  # noqa: E731
        poll("health", lambda: probe().returncode == 0)
        if kind == "not ready":
            poll("readiness", lambda: probe("--ready").returncode == 0)
            gateway.process.signal(signal.SIGTERM)
            poll("the drain", lambda: probe("--ready").returncode == 1)
            assert probe().returncode == 0
        if kind == "operations":
            port = server["operations"]["port"]
            assert servers.run("probe", "--url", f"http://127.0.0.1:{port}/readyz").returncode == 0
            # Nobody vouches for this certificate here.
            assert servers.run("probe", "--url", f"https://localhost:{gateway.port}").returncode == 1
        assert gateway.process.stop() == 0
        assert probe().returncode == 1


# D12: what is built


@pytest.mark.fault("D12")
def test_two_builds_of_one_commit_are_made_of_the_same():
    """Dependencies in one version each; base images that a build can name by digest."""
    packages = re.findall(r"\.package\(.*\)", (evidence.ROOT / "Package.swift").read_text())
    assert len(packages) > 5
    assert [package for package in packages if not re.search(r', exact: "\d+\.\d+\.\d+"', package)] == []
    text = (DEPLOY / "Dockerfile").read_text()
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.M))
    stages = re.findall(r"^FROM \S+ AS (\S+)$", text, re.M)
    images = [image for image in re.findall(r"^FROM (\S+)", text, re.M) if image not in {*stages, "scratch"}]
    named = [re.fullmatch(r"\$\{(\w+)_IMAGE\}\$\{\1_DIGEST:\+@\}\$\{\1_DIGEST\}", image) for image in images]
    assert len(images) == 2 and all(image and f"{image[1]}_IMAGE" in arguments for image in named), images
    # A digest goes there, and the documentation shows where it goes.
    article = (evidence.ROOT / "Sources/App/GatewayServer/Documentation.docc/Configuration.md").read_text()
    for image in named:
        assert re.search(rf"^ARG {image[1]}_DIGEST$", text, re.M), image[1]
        assert f"--build-arg {image[1]}_DIGEST=sha256:" in article, image[1]


# D14: modes, HEAD, transfer codings


@pytest.mark.fault("D14")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_nobody_else_can_read_the_ledger(umask):
    with servers.gateway(None, start=False, connections=[nowhere()]) as gateway:
        before = os.umask(umask)
        try:
            gateway.process.start()
        finally:
            os.umask(before)
        assert comes_up(gateway)
        assert modes(gateway) == {"ledger.sqlite": 0o600} | {f"ledger.sqlite{end}": 0o600 for end in ("-wal", "-shm", ".lock")}
        # As a former version left them.
        gateway.kill()
        for path in gateway.directory.glob("ledger.sqlite*"):
            path.chmod(0o644)
        gateway.start()
        assert set(modes(gateway).values()) == {0o600}


def modes(gateway: servers.Gateway) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in gateway.directory.glob("ledger.sqlite*")}


@pytest.mark.fault("D14")
def test_head_is_answered_where_get_is(gateway):
    export = gateway.succeeded(gateway.create(bodies.report()))
    resources = ["", f"/{export['id']}", f"/{export['id']}/files", f"/{export['id']}/deliveries"]
    paths = ["/exports" + resource for resource in resources] + ["/providers", "/providers/power-bi"]
    for path in [*paths, "/livez", "/readyz", "/openapi.yaml"]:
        # Past the record of answers: the contract has an example of a signature, which the search for leaks would find.
        key = {"Authorization": f"Bearer {gateway.key}"}
        get, head = (call(gateway.address, method, path, key) for method in ("GET", "HEAD"))
        assert head.status == get.status == 200, (path, head.status)
        assert head.body == b"" and get.body
        assert head.headers["content-length"] == str(len(get.body)), path
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.headers.get("etag") == get.headers.get("etag")
    assert gateway.call("HEAD", "/metrics").status == 200
    assert gateway.call("HEAD", "/exports/00000000-0000-7000-8000-000000000000").status == 404
    allowed = gateway.call("PUT", "/providers").headers["allow"]
    assert {word.strip() for word in allowed.split(",")} == {"GET", "HEAD"}


@pytest.mark.fault("D14")
@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip,chunked", "identity, chunked"])
def test_a_body_in_an_unknown_transfer_coding_is_refused(gateway, coding):
    body = json.dumps(bodies.report()).encode()
    head = f"POST /exports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\nContent-Type: application/json\r\n"
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), 20) as wire:
        wire.sendall(f"{head}Transfer-Encoding: {coding}\r\n\r\n".encode() + chunk)
        seen = raw_client.parse(*raw_client.read_all(wire, 20))
    assert seen.status in (400, 501), seen.status
    assert seen.fields["connection"] == "close"
    assert gateway.get("/exports").json["value"] == []


# E12: a byte order mark


@pytest.mark.fault("E12")
def test_a_create_body_may_begin_with_a_byte_order_mark(gateway):
    body = b"\xef\xbb\xbf" + json.dumps(bodies.report()).encode()
    answer = gateway.call("POST", "/exports", {"Content-Type": "application/json"}, body)
    assert answer.status == 202, (answer.status, answer.body)
    gateway.succeeded(answer.json)
