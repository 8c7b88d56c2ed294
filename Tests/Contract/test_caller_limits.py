"""Limits of callers: what is beyond them is refused with 429, whoever answers, and is nobody else's loss."""

import hashlib
import http.client
import os
import secrets
import threading
import time
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest

import bodies
import evidence
import servers
from client import poll

SECONDS = float(os.environ.get("EXPORT_GATEWAY_LIMITS_SECONDS", "0"))


@pytest.fixture
def keys():
    """The keys of two callers, and their entries for the configuration."""
    made = {name: f"{name}-{secrets.token_hex(16)}" for name in ["limited", "other"]}
    evidence.keep_secrets(list(made.values()))
    return made, [{"id": name, "sha256": hashlib.sha256(key.encode()).hexdigest()} for name, key in made.items()]


class Caller:
    """One caller of a gateway."""

    def __init__(self, gateway, key: str):
        self.gateway = gateway
        self.own = {"Authorization": f"Bearer {key}"}

    def call(self, method: str, path: str, headers: dict | None = None, body=None):
        return self.gateway.call(method, path, self.own | (headers or {}), body)

    def create(self, **headers: str):
        body = bodies.paginated_csv()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", "/exports", bodies.headers_for(body) | named, body)

    def open(self, path: str, headers: dict | None = None) -> http.client.HTTPResponse:
        """The head of an answer; its connection is closed with the response."""
        address = urlsplit(self.gateway.address)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        connection.request("GET", path, headers=self.own | (headers or {}))
        return connection.getresponse()


def refused(answer, name: str) -> dict:
    """The quota of a refusal."""
    quota = answer.problem(429, "too-many-requests")["quota"]
    assert quota["name"] == name, quota
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["ratelimit-policy"].startswith(f'"{name}";q={quota["limit"]};qu="{quota["unit"]}"')
    assert answer.headers["ratelimit"].startswith(f'"{name}";r=0;t=')
    return quota


def test_each_limit_is_met(upstream, keys):
    made, entries = keys
    limits = {
        "callers": [
            {
                "caller": "limited",
                "requestsPerMinute": 60,
                "requestBurst": 200,
                "waits": 2,
                "createsPerDay": 2,
                "downloadBytes": 1,
            }
        ]
    }
    server = {"apiKeys": entries, "limits": limits}
    with servers.gateway(upstream, server=server, authenticated=False) as gateway:
        limited, other = (Caller(gateway, made[name]) for name in ["limited", "other"])
        first = limited.create(Idempotency_Key='"one"')
        assert first.status == 202, first.body
        assert first.headers["ratelimit-policy"] == '"requests";q=60;qu="requests";w=60'
        assert limited.create().status == 202
        assert refused(limited.create(), "creates")["window"] == 86400
        replayed = limited.create(Idempotency_Key='"one"')
        assert replayed.status == 202 and replayed.json["id"] == first.json["id"]
        refused(limited.create(Idempotency_Key='"two"'), "creates")
        created = other.create()
        assert created.status == 202 and "ratelimit" not in created.headers

        # A start that a kill falls into would have to be resolved by hand.
        path = first.json["href"]
        poll("its end", lambda: limited.call("GET", path).json["status"] == "succeeded", every=1)

        # What was created is counted in the ledger.
        gateway.kill()
        gateway.start()
        refused(limited.create(Idempotency_Key='"two"'), "creates")

        assert limited.call("GET", f"{path}/content").status == 200

        def used_up():
            answer = limited.call("GET", f"{path}/content")
            return answer if answer.status == 429 else None

        assert refused(poll("the count of what was sent", used_up), "download-bytes")["unit"] == "content-bytes"
        assert limited.call("HEAD", f"{path}/content").status == 200

        with ExitStack() as streams:
            for _ in range(2):
                stream = streams.enter_context(limited.open("/exports/events"))
                assert stream.status == 200
            refused(limited.call("GET", "/exports/events"), "waits")
            assert streams.enter_context(other.open("/exports/events")).status == 200

        answers = [limited.call("GET", path) for _ in range(300)]
        assert refused(next(answer for answer in answers if answer.status == 429), "requests")["window"] == 60
        assert {answer.status for answer in answers} == {200, 429}
        assert other.call("GET", created.json["href"]).status == 200
        assert gateway.metric("export_gateway_caller_limit_refusals_total", limit="requests") >= 1
        assert gateway.metric("export_gateway_caller_limit_refusals_total", limit="creates") >= 1


class Reader(threading.Thread):
    """Asks for an export again and again on one connection, for a time, and keeps how long each answer took."""

    def __init__(self, caller: Caller, path: str, seconds: float):
        super().__init__(daemon=True)
        self.caller, self.path, self.seconds = caller, path, seconds
        self.times: list[float] = []
        self.errors = 0

    def run(self) -> None:
        address = urlsplit(self.caller.gateway.address)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        end = time.monotonic() + self.seconds
        while (begun := time.monotonic()) < end:
            connection.request("GET", self.path, headers=self.caller.own)
            answer = connection.getresponse()
            answer.read()
            self.times.append(time.monotonic() - begun)
            self.errors += answer.status != 200
            time.sleep(0.002)

    def p99(self) -> float:
        return sorted(self.times)[int(len(self.times) * 0.99)]


def abuse(rate: float, stop: threading.Event, act) -> threading.Thread:
    """Does something so many times a second, until it is to stop."""

    def run() -> None:
        due = time.monotonic()
        while not stop.is_set():
            with suppress(OSError, http.client.HTTPException):
                act()
            due += 1 / rate
            stop.wait(max(0.0, due - time.monotonic()))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.skipif(not SECONDS, reason="a measurement: set EXPORT_GATEWAY_LIMITS_SECONDS, such as 20")
def test_an_abusive_caller_costs_the_others_little(upstream, keys):
    made, entries = keys
    # Five times each limit is 50 requests a second, 50 waits, 5 creates and 5 downloads a second.
    limits = {
        "callers": [
            {
                "caller": "limited",
                "requestsPerMinute": 600,
                "waits": 10,
                "createsPerDay": int(SECONDS),
                "downloadBytes": 1 << 20,
                "downloadPeriod": "60s",
                "downloads": 1,
            }
        ]
    }
    upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": 1 << 20, "content": "csv"})
    server = {"apiKeys": entries, "limits": limits}
    with servers.gateway(upstream, server=server, authenticated=False) as gateway:
        limited, other = (Caller(gateway, made[name]) for name in ["limited", "other"])
        paths = {}
        for name, caller in {"limited": limited, "other": other}.items():
            paths[name] = caller.create().json["href"]
            poll("its end", lambda caller=caller, name=name: caller.call("GET", paths[name]).json["status"] == "succeeded")

        def watch() -> Reader:
            reader = Reader(other, paths["other"], SECONDS)
            reader.start()
            reader.join()
            return reader

        alone = watch()
        figures = [("alone", alone)]
        acts = {
            "requests": (50, lambda: limited.call("GET", paths["limited"])),
            "waits": (50, lambda: limited.open("/exports/events").close()),
            "creates": (5, limited.create),
            "downloads": (5, lambda: limited.call("GET", f"{paths['limited']}/content")),
        }
        for name, (rate, act) in [*acts.items(), ("all", (0, None))]:
            stop = threading.Event()
            chosen = acts.values() if act is None else [(rate, act)]
            threads = [abuse(each, stop, do) for each, do in chosen]
            figures.append((name, watch()))
            stop.set()
            for thread in threads:
                thread.join()
        for name, reader in figures:
            print(f"{name}: {len(reader.times)} answers, p99 {reader.p99() * 1000:.2f} ms, errors {reader.errors}")
        for limit in ["requests", "creates", "download-bytes"]:
            assert gateway.metric("export_gateway_caller_limit_refusals_total", limit=limit) >= 1, limit
        for name, reader in figures:
            assert reader.errors == 0, name
            assert reader.p99() <= 3 * alone.p99(), name
