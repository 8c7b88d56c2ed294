"""A reload applies the whole configuration or nothing, and cuts nothing that is under way.

EXPORT_GATEWAY_RELOADS=1000 is the full size.
"""

import hashlib
import http.client
import itertools
import json
import os
import secrets
import signal
import threading
import time
from urllib.parse import urlsplit

import pytest

import bodies
import evidence
import servers
from client import Answer, call, poll

RELOADS = int(os.environ.get("EXPORT_GATEWAY_RELOADS", "60"))
SIZE = 64 << 20
# What a caller sees of each configuration: the status of a list, and the policy of its limit.
FIRST = (200, '"requests";q=6000000;qu="requests";w=60')
SECOND = (403, '"requests";q=7000000;qu="requests";w=60')


@pytest.fixture
def keys():
    """The keys of callers, and their digests."""
    made = {name: f"{name}-{secrets.token_hex(16)}" for name in ["steady", "changing", "leaving"]}
    evidence.keep_secrets(list(made.values()))
    return made, {name: hashlib.sha256(key.encode()).hexdigest() for name, key in made.items()}


def entries(digests: dict[str, str], *, first: bool, leaving: bool = True) -> list[dict]:
    """`server.apiKeys` of the first configuration, or of the second."""
    all_rights = ["Exports.Create", "Exports.Read", "Exports.Download", "Connections.Use:*"]
    rights = {"steady": all_rights, "changing": all_rights if first else ["Exports.Create"]}
    if leaving:
        rights["leaving"] = [*all_rights, "Exports.ReadAll"]
    return [{"id": name, "sha256": digests[name], "permissions": granted} for name, granted in rights.items()]


def callers(digests: dict[str, str], *, first: bool) -> dict:
    """The whole of what differs between the two configurations."""
    perMinute = 6_000_000 if first else 7_000_000
    return {
        "server": {"apiKeys": entries(digests, first=first), "limits": {"requestsPerMinute": perMinute, "requestBurst": 1_000_000}},
        "log": {"level": "info" if first else "notice"},
    }


class Operations:
    """The listener for operators."""

    def __init__(self):
        self.port = servers.free_port()
        self.address = f"http://127.0.0.1:{self.port}"

    def reload(self, **headers: str) -> Answer:
        return call(self.address, "POST", "/reload", headers)

    def metrics(self) -> str:
        return call(self.address, "GET", "/metrics").body.decode()


class Prober(threading.Thread):
    """Asks for a list again and again on one connection, and keeps what it saw."""

    def __init__(self, gateway, key: str):
        super().__init__(daemon=True)
        self.gateway, self.key = gateway, key
        self.stop = threading.Event()
        self.seen: dict[tuple[int, str], int] = {}
        self.failed: list[str] = []

    def run(self) -> None:
        address = urlsplit(self.gateway.address)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        while not self.stop.wait(0.002):
            try:
                connection.request("GET", "/exports?limit=1", headers={"Authorization": f"Bearer {self.key}"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                return
            view = (answer.status, answer.getheader("RateLimit-Policy"))
            self.seen[view] = self.seen.get(view, 0) + 1


def test_nothing_is_cut_and_nothing_is_half_applied(upstream, keys, figure):
    made, digests = keys
    operations = Operations()
    first, second = callers(digests, first=True), callers(digests, first=False)
    invalid = [
        {"server": {"idleTimout": "30s"}},
        {"server": {"apiKeys": [{"id": "steady", "sha256": "none"}]}},
        {"server": {"maximumConnections": 2000}},
        {"server": {"limits": {"requestBurst": 5}}},
    ]
    upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": SIZE, "content": "csv"})
    server = {"operations": {"port": operations.port}} | first["server"]
    downloads = {"minimumRate": 0, "minimumRateWindow": "3600s"}
    with servers.gateway(upstream, server=server, log=first["log"], downloads=downloads, authenticated=False) as gateway:
        gateway.key = made["steady"]
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        probers = {name: Prober(gateway, made[name]) for name in ["steady", "changing"]}
        for prober in probers.values():
            prober.start()
        done, got, longest = threading.Event(), [], 0.0
        pace = 0.05 * max(1.0, RELOADS / 60)
        # As fast as it goes, once the reloads are done.
        reader = threading.Thread(
            target=lambda: got.append(gateway.download(f"{export['href']}/content", pace=lambda read: done.wait(pace), timeout=600)),
            daemon=True,
        )
        reader.start()
        poll("the download's beginning", lambda: "export_gateway_downloads_under_way 1" in operations.metrics())
        applied = refused = 0
        faults = itertools.cycle(invalid)
        stood = json.loads(json.dumps(gateway.configuration))
        for number in range(RELOADS):
            good = second if number % 2 == 0 else first
            gateway.configuration = json.loads(json.dumps(stood))
            gateway.reconfigure(good)
            bad = number % 3 == 2
            if bad:
                fault = next(faults)
                gateway.reconfigure({name: gateway.configuration.get(name, {}) | section for name, section in fault.items()})
            begun = time.monotonic()
            answer = operations.reload()
            longest = max(longest, time.monotonic() - begun)
            if bad:
                refused += 1
                code = "restart-needed" if "maximumConnections" in fault["server"] else "invalid-configuration"
                problem = answer.problem(422, code)
                assert problem["configuration"][0]["key"].startswith("server."), problem
            else:
                applied += 1
                assert answer.status == 200, answer.body
                stood = json.loads(json.dumps(gateway.configuration))
        assert not got, "the download was over before the reloads were"
        done.set()
        reader.join(60)
        for prober in probers.values():
            prober.stop.set()
            prober.join()
        (download,) = got
        assert download.size == SIZE
        (job,) = [job for job in upstream.jobs() if job["files"][0]["size"] == SIZE]
        assert download.sha256 == job["files"][0]["sha256"]
        assert [prober.failed for prober in probers.values()] == [[], []]
        assert {status for status, _ in probers["steady"].seen} == {200}
        # A list of one configuration with a limit of the other would be a third pair.
        assert probers["changing"].seen.keys() == {FIRST, SECOND}
        text = operations.metrics()
        assert f'export_gateway_configuration_reloads_total{{outcome="applied"}} {applied}\n' in text
        counted = sum(
            int(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith("export_gateway_configuration_reloads_total") and "applied" not in line
        )
        assert counted == refused
        requests = sum(sum(prober.seen.values()) for prober in probers.values())
        figure(f"{applied} applied and {refused} refused, the longest in {longest * 1000:.0f} ms; {requests} requests, 0 failed; 0 downloads cut")


def test_a_caller_that_was_removed_keeps_its_download_and_nothing_else(upstream, keys):
    made, digests = keys
    operations = Operations()
    upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": SIZE, "content": "csv"})
    server = {"operations": {"port": operations.port}, "apiKeys": entries(digests, first=True)}
    with servers.gateway(upstream, server=server, authenticated=False) as gateway:
        gateway.key = made["steady"]
        export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
        own = {"Authorization": f"Bearer {made['leaving']}"}
        address = urlsplit(gateway.address)
        kept = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        kept.request("GET", export["href"], headers=own)
        assert kept.getresponse().read()
        reached, removed, got = threading.Event(), threading.Event(), []

        def pace(read: int) -> None:
            if read > SIZE // 8 and not removed.is_set():
                reached.set()
                removed.wait(60)

        reader = threading.Thread(target=lambda: got.append(gateway.download(f"{export['href']}/content", own, pace=pace)), daemon=True)
        reader.start()
        assert reached.wait(60)
        gateway.reconfigure({"server": {"apiKeys": entries(digests, first=True, leaving=False)}})
        answer = operations.reload()
        assert answer.status == 200 and answer.json == {"changed": ["server.apiKeys[leaving]"]}
        # Also on the connection that knew it.
        kept.request("GET", export["href"], headers=own)
        assert kept.getresponse().status == 401
        kept.close()
        removed.set()
        reader.join(60)
        (download,) = got
        assert download.status == 200 and download.size == SIZE
        # Applied again, it is no change.
        assert operations.reload().json == {"changed": []}


def test_a_signal_reloads(upstream):
    with servers.gateway(upstream) as gateway:

        def reload_by_signal(what: str, told: str) -> None:
            before = gateway.process.lines().count(told)
            gateway.process.signal(signal.SIGHUP)
            poll(what, lambda: gateway.process.lines().count(told) > before)

        gateway.reconfigure({"log": {"level": "notice"}})
        reload_by_signal("the reload", '"changed":"log.level"')
        request_id = secrets.token_hex(8)
        assert gateway.get("/livez", X_Request_Id=request_id).status == 200
        gateway.reconfigure({"server": {"port": gateway.port + 1}, "log": {"level": "debug"}})
        # This line is written at once, together with those before it.
        reload_by_signal("the refusal", '"key":"server.port"')
        assert request_id not in gateway.process.lines()
        assert gateway.metric("export_gateway_configuration_refused") == 1
        gateway.reconfigure({"server": {"port": gateway.port}})
        reload_by_signal("the reload", '"changed":"log.level"')
        assert gateway.metric("export_gateway_configuration_refused") == 0
        assert gateway.metric("export_gateway_configuration_reloads_total", outcome="restart-needed") == 1
        assert gateway.metric("export_gateway_configuration_reloads_total", outcome="applied") == 2
        assert gateway.process.exit_code is None


def test_another_secret_is_used_for_the_next_token(upstream):
    operations = Operations()
    connections = servers.connections(upstream)
    wrong = json.loads(json.dumps(connections))
    for connection in wrong:
        if connection["name"] == "bi":
            connection["credential"]["clientSecret"] = "env:FORMER_SECRET"
            connection["requestsPerMinute"] = 600
    environment = {"FORMER_SECRET": bodies.EXPIRED_SECRET}
    server = {"operations": {"port": operations.port}}
    with servers.gateway(upstream, server=server, connections=wrong, environment=environment) as gateway:
        failed = gateway.watch(gateway.create(bodies.paginated_csv()))
        assert failed["status"] == "failed" and "AADSTS7000222" in json.dumps(failed["error"]), failed
        for connection in gateway.configuration["connections"]:
            if connection["name"] == "bi":
                connection["credential"]["clientSecret"] = "env:SANDBOX_CLIENT_SECRET"
                connection["requestsPerMinute"] = 1200
        gateway.reconfigure({})
        answer = operations.reload()
        assert answer.json == {"changed": ["connections[bi].credential.clientSecret", "connections[bi].requestsPerMinute"]}
        gateway.succeeded(gateway.create(bodies.paginated_csv()))
        (budget,) = gateway.get("/providers/power-bi").json["budgets"]
        assert budget["limit"] == 1200

        # A connection of another application is another one.
        gateway.configuration["connections"][-1]["credential"]["clientId"] = "33333333-3333-3333-3333-333333333333"
        gateway.configuration["connections"].append(servers.connections(upstream)[-1] | {"name": "new"})
        gateway.reconfigure({})
        problem = operations.reload().problem(422, "restart-needed")
        assert [fault["key"] for fault in problem["configuration"]] == ["connections[bi].credential.clientId", "connections[new]"]
        gateway.succeeded(gateway.create(bodies.paginated_csv()))


def test_what_cannot_be_read_changes_nothing(upstream, tmp_path):
    operations, file = Operations(), tmp_path / "cursor-key"

    def put(secret: str) -> None:
        evidence.keep_secrets([secret])
        file.write_text(secret)

    def keys_in_the_way(code: str) -> list[str]:
        return [fault["key"] for fault in operations.reload().problem(422, code)["configuration"]]

    put(former := secrets.token_hex(16))
    server = {"operations": {"port": operations.port}, "cursorKey": f"file:{file}"}
    with servers.gateway(upstream, server=server) as gateway:
        configuration = gateway.directory / "gateway.yaml"
        text = configuration.read_text()
        configuration.unlink()
        assert keys_in_the_way("invalid-configuration") == ["--config"]
        configuration.write_text("server: [")
        assert keys_in_the_way("invalid-configuration") == ["configuration"]
        configuration.write_text(text)
        file.unlink()
        assert keys_in_the_way("invalid-configuration") == ["server.cursorKey"]
        put(secrets.token_hex(16))
        assert keys_in_the_way("restart-needed") == ["server.cursorKey"]
        assert gateway.get("/exports").status == 200
        assert "export_gateway_configuration_refused 1\n" in operations.metrics()
        put(former)
        assert operations.reload().json == {"changed": []}
        assert "export_gateway_configuration_refused 0\n" in operations.metrics()


def test_only_operators_ask(upstream):
    operations = Operations()
    with servers.gateway(upstream, server={"operations": {"port": operations.port}}) as gateway:
        gateway.call("POST", "/reload").problem(404, "not-found")
        operations.reload(Origin="http://127.0.0.1:3000").problem(403, "forbidden")
        assert "export_gateway_configuration_reloads_total{" in operations.metrics()
        assert 'outcome="applied"} 0' in operations.metrics()
        # Those that ask at the same time share reloads.
        answers: list[Answer] = []
        asking = [threading.Thread(target=lambda: answers.append(operations.reload())) for _ in range(20)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        assert [answer.status for answer in answers] == [200] * 20
        assert call(operations.address, "GET", "/readyz").status == 200
    with servers.gateway(upstream) as gateway:
        gateway.call("POST", "/reload").problem(404, "not-found")
