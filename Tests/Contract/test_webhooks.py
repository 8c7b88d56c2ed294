"""Webhooks: every change arrives, signed and in order, whoever is killed; and nobody gets what it may not see.

A thousand kills are made by hand:

    EXPORT_GATEWAY_WEBHOOK_KILLS=1000 EXPORT_GATEWAY_BINARY=.build/release/export-gateway .build-venv/bin/python -m pytest -q Tests/Contract/test_webhooks.py -k kills
"""

import base64
import contextlib
import hashlib
import http.client
import itertools
import os
import random
import secrets
import sqlite3
import threading
import time
from collections import defaultdict
from contextlib import closing, contextmanager

import pytest
from standardwebhooks import WebhookVerificationError

import bodies
import evidence
import servers
from client import call, poll
from webhook_receiver import MortalReceiver, Receiver

#: How often the gateway or the receiver is killed.
KILLS = int(os.environ.get("EXPORT_GATEWAY_WEBHOOK_KILLS", "6"))
SETTINGS = {"allowHosts": ["localhost"], "allowPlainHTTP": True, "timeout": "1s"}


def sealing() -> dict:
    return {"sealing": {"keys": [{"id": "one", "key": "env:SEALING_KEY"}]}, "environment": {"SEALING_KEY": KEY}}


KEY = base64.b64encode(secrets.token_bytes(32)).decode()


@contextmanager
def running(webhooks: dict | None = None, job_duration: str = "300ms", **options):
    evidence.keep_secrets([KEY])
    with servers.sandbox(job_duration=job_duration) as upstream, Receiver() as receiver:
        with servers.gateway(upstream, webhooks=SETTINGS | (webhooks or {}), **sealing(), **options) as gateway:
            yield gateway, receiver


def webhook(gateway, url: str, key: str | None = None, **members) -> dict:
    answer = secretly(gateway, "/webhooks", key, {"url": url} | members)
    assert answer.status == 201, answer.body
    made = answer.json
    evidence.keep_secrets([made["secret"]])
    assert gateway.call("GET", made["href"], authorization(key)).json.get("secret") is None
    return made


def secretly(gateway, path: str, key: str | None = None, body: dict | None = None):
    """An answer with a secret: it is not kept with the others, which must have none."""
    return call(gateway.address, "POST", path, authorization(key or gateway.key), body)


def authorization(key: str | None) -> dict:
    return {"Authorization": f"Bearer {key}"} if key else {}


def changes(gateway) -> set[tuple[str, int]]:
    """Every change: its export and the revision after it."""
    path = gateway.directory / "ledger.sqlite"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return set(database.execute("SELECT export_id, revision FROM export_event").fetchall())


def told(messages) -> list[tuple[str, int]]:
    return [(message.event["data"]["id"], message.event["data"]["revision"]) for message in messages]


def deliveries(gateway, made: dict, query: str = "") -> list[dict]:
    answer = gateway.get(f"/webhooks/{made['id']}/deliveries?limit=200{query}")
    assert answer.status == 200, answer.body
    return answer.json["value"]


def test_every_change_arrives_signed_and_in_order():
    with running() as (gateway, receiver):
        made = webhook(gateway, receiver.url("/all"), label="All")
        ended = webhook(gateway, receiver.url("/ended"), types=["export.succeeded"], provider="power-bi")
        exports = [gateway.create(body) for body in (bodies.report("One"), bodies.report("Two"), bodies.goals("Three"))]
        for export in exports:
            gateway.succeeded(export)
        poll("every change", lambda: set(told(receiver.at("/all"))) == changes(gateway))
        events = [message.verified(made["secret"]) for message in receiver.at("/all")]
        for export in exports:
            own = [event for event in events if event["data"]["id"] == export["id"]]
            assert [event["data"]["revision"] for event in own] == sorted({event["data"]["revision"] for event in own})
            types = [event["type"] for event in own]
            assert types[0] == "export.created" and types.count("export.succeeded") == 1
            assert set(types) <= {"export.created", "export.updated", "export.succeeded"}
            last = next(event["data"] for event in own if event["type"] == "export.succeeded")
            assert (last["status"], last["ended"], last["name"]) == ("succeeded", True, export["name"])
        received = receiver.await_messages("/ended", 2)
        assert {message.verified(ended["secret"])["data"]["id"] for message in received} == {export["id"] for export in exports[:2]}
        with pytest.raises(WebhookVerificationError):
            received[0].verified(made["secret"])
        poll("the deliveries", lambda: {entry["state"] for entry in deliveries(gateway, made)} == {"delivered"})
        assert {entry["id"] for entry in deliveries(gateway, made)} == {message.id for message in receiver.at("/all")}


def test_what_fails_comes_again_and_nothing_overtakes_it():
    answers = {"/fails": [500], "/breaks": ["break"], "/stalls": ["stall"], "/asks": [(429, {"Retry-After": "7"})],
               "/moves": [(307, {"Location": "/elsewhere"})]}
    with running() as (gateway, receiver):
        receiver.answers = {path: list(given) for path, given in answers.items()}
        made = {path: webhook(gateway, receiver.url(path)) for path in answers}
        export = gateway.succeeded(gateway.create(bodies.report("Report")))
        wanted = {change for change in changes(gateway) if change[0] == export["id"]}
        for path in answers:
            messages = receiver.await_messages(path, len(wanted) + 1)
            # The first one once more, and then the others.
            assert [revision for _, revision in told(messages)] == sorted([1, *(revision for _, revision in wanted)])
            assert messages[0].id == messages[1].id and messages[0].body == messages[1].body
            waited = messages[1].time - messages[0].time
            assert (7 if path == "/asks" else 4.5) <= waited < 30, (path, waited)
            assert messages[1].verified(made[path]["secret"])["type"] == "export.created"
        assert receiver.at("/elsewhere") == []
        poll("the outcome", lambda: {entry["state"] for entry in deliveries(gateway, made["/fails"])} == {"delivered"})
        first = deliveries(gateway, made["/fails"])[-1]
        assert (first["type"], first["attempts"], first["lastStatus"]) == ("export.created", 2, 204)
        assert gateway.metric("export_gateway_webhook_attempts_total", outcome="timeout") == 1
        assert gateway.metric("export_gateway_webhook_attempts_total", outcome="redirect") == 1


def test_gone_ends_a_webhook_until_its_owner_enables_it():
    with running() as (gateway, receiver):
        receiver.answers = {"/gone": [410]}
        made = webhook(gateway, receiver.url("/gone"))
        gateway.succeeded(gateway.create(bodies.report("First")))
        poll("the end", lambda: gateway.get(made["href"]).json["state"] == "disabledByGateway")
        assert gateway.get(made["href"]).json["disabledReason"] == "gone"
        gateway.succeeded(gateway.create(bodies.report("Second")))
        assert len(receiver.at("/gone")) == 1
        gateway.call("POST", f"{made['href']}/test").problem(409, "webhook-disabled")
        patch = gateway.call("PATCH", made["href"], {"Content-Type": "application/merge-patch+json"}, b'{"state":"enabled"}')
        assert patch.status == 200 and "disabledReason" not in patch.json
        # What was given up comes when it is asked for; what happened meanwhile comes of itself.
        poll("what was missed", lambda: "export.succeeded" in receiver.types("/gone"))
        replayed = gateway.call("POST", f"{made['href']}/replay", None, {"since": "2020-01-01T00:00:00Z"})
        assert replayed.status == 202 and replayed.json["replayed"] >= 1
        poll("every change", lambda: set(told(receiver.at("/gone"))) == changes(gateway))


def test_secrets_are_rotated_and_messages_sent_again():
    with running() as (gateway, receiver):
        made = webhook(gateway, receiver.url("/hook"))
        first = gateway.call("POST", f"{made['href']}/test")
        assert first.status == 202 and first.json["type"] == "webhook.test"
        receiver.await_messages("/hook", 1)[0].verified(made["secret"])
        rotated = secretly(gateway, f"{made['href']}/secret").json
        evidence.keep_secrets([rotated["secret"]])
        assert rotated["secret"] != made["secret"] and rotated["olderSecretsUntil"] > rotated["updatedAt"]
        poll("the outcome", lambda: deliveries(gateway, made)[0]["state"] == "delivered")
        again = gateway.call("POST", f"{made['href']}/deliveries/{first.json['id']}/replay")
        assert (again.status, again.json["id"], again.json["attempts"]) == (202, first.json["id"], 0)
        messages = receiver.await_messages("/hook", 2)
        assert messages[1].id == messages[0].id
        for secret in (made["secret"], rotated["secret"]):
            assert messages[1].verified(secret)["type"] == "webhook.test"
        gateway.call("POST", f"{made['href']}/deliveries/unknown/replay").problem(404, "not-found")


def test_a_caller_gets_its_own_and_nothing_else():
    keys = {name: "key-" + secrets.token_hex(16) for name in ("alice", "bob", "auditor")}
    evidence.keep_secrets(list(keys.values()))
    own = ["Exports.Create", "Exports.Read", "Exports.Download", "Webhooks.Manage", "Connections.Use:*"]
    callers = [{"id": name, "sha256": hashlib.sha256(key.encode()).hexdigest(),
                "permissions": own + (["Exports.ReadAll"] if name == "auditor" else [])} for name, key in keys.items()]
    with running(authenticated=False, server={"apiKeys": callers}, webhooks={"perCaller": 2}) as (gateway, receiver):
        made = {name: webhook(gateway, receiver.url(f"/{name}"), key) for name, key in keys.items()}
        exports = {}
        for name, key in keys.items():
            answer = gateway.call("POST", "/exports", authorization(key), bodies.report(f"Report of {name}"))
            exports[name] = answer.json["id"]
        poll("all of them", lambda: {subject for subject, _ in told(receiver.at("/auditor"))} == set(exports.values()))
        for name in ("alice", "bob"):
            poll("its own", lambda name=name: receiver.at(f"/{name}"))
            assert {subject for subject, _ in told(receiver.at(f"/{name}"))} == {exports[name]}
        seen = gateway.call("GET", "/webhooks", authorization(keys["bob"])).json["value"]
        assert [entry["id"] for entry in seen] == [made["bob"]["id"]]
        gateway.call("GET", made["alice"]["href"], authorization(keys["bob"])).problem(404, "not-found")
        gateway.call("DELETE", made["alice"]["href"], authorization(keys["bob"])).problem(404, "not-found")
        assert gateway.call("GET", made["alice"]["href"], authorization(keys["auditor"])).status == 200
        webhook(gateway, receiver.url("/more"), keys["bob"])
        more = gateway.call("POST", "/webhooks", authorization(keys["bob"]), {"url": receiver.url("/most")})
        assert "webhooks.perCaller" in more.problem(409, "webhook-limit")["detail"]
        assert gateway.call("DELETE", made["bob"]["href"], authorization(keys["bob"])).status == 204


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://169.254.169.254/latest/meta-data", "http://example.com/", "https://[::1]/"])
def test_what_must_not_be_called_is_refused(url, hooks_only):
    problem = hooks_only.call("POST", "/webhooks", None, {"url": url}).problem(422, "invalid-webhook")
    assert [fault["pointer"] for fault in problem["errors"]] == ["/url"]


@pytest.fixture(scope="module")
def hooks_only():
    with servers.sandbox() as upstream, servers.gateway(upstream, **sealing()) as gateway:
        yield gateway


def test_without_a_sealing_key_the_answer_says_what_is_missing(gateway):
    problem = gateway.call("POST", "/webhooks", None, {"url": "https://example.com/"}).problem(409, "webhooks-unavailable")
    assert "sealing.keys" in problem["detail"]


def test_files_that_expire_are_told_before():
    # What expires within this time, which is longer than Power BI keeps files, expires soon.
    with running(webhooks={"expiryLead": "48h"}) as (gateway, receiver):
        made = webhook(gateway, receiver.url("/soon"), types=["export.expiring"])
        left, taken = (gateway.succeeded(gateway.create(bodies.report(name))) for name in ("Left", "Taken"))
        assert gateway.download(taken["files"][0]["href"]).status == 200
        # The last one is told after the others would have been.
        last = gateway.succeeded(gateway.create(bodies.report("Last")))
        # A gateway looks when it starts, and every few minutes.
        gateway.process.stop()
        gateway.start()
        poll("the last one", lambda: last["id"] in {subject for subject, _ in told(receiver.at("/soon"))})
        received = receiver.await_messages("/soon", 2)
        assert {message.event["type"] for message in received} == {"export.expiring"}
        assert sorted((message.event["data"]["id"], message.event["data"]["expiresAt"]) for message in received) == sorted(
            (export["id"], export["expiresAt"]) for export in (left, last))
        # The ledger has no other one either.
        assert sorted(entry["exportId"] for entry in deliveries(gateway, made)) == sorted([left["id"], last["id"]])


def create_until_killed(gateway, wanted, dead: threading.Event) -> None:
    """Creates one export after the other, as long as somebody answers."""
    for body in wanted:
        if dead.is_set():
            return
        with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
            gateway.create(body)


@pytest.mark.alone
def test_kills_of_gateway_and_receiver_lose_nothing(figure):
    seed = random.randrange(1 << 32)
    figure(f"seed {seed}")
    dice = random.Random(seed)
    number = itertools.count(1)
    directory = evidence.directory("receiver")
    evidence.keep_secrets([KEY])
    # One attempt may meet a killed receiver: it is made again after five seconds.
    options = {"webhooks": SETTINGS | {"timeout": "5s", "pendingLimit": 1_000_000}, **sealing()}
    with servers.sandbox(job_duration="300ms") as upstream, MortalReceiver(directory) as receiver:
        with servers.gateway(upstream, **options) as gateway:
            webhook(gateway, receiver.url)
            killed = defaultdict(int)
            for _ in range(KILLS):
                dead = threading.Event()
                count = max(2, min(10, 3_000 // KILLS))
                wanted = [bodies.report(f"Export {next(number)}") for _ in range(count)]
                creator = threading.Thread(target=create_until_killed, args=(gateway, wanted, dead))
                creator.start()
                time.sleep(dice.uniform(0.05, 0.8))
                victim = dice.choice(["gateway", "receiver"])
                killed[victim] += 1
                if victim == "gateway":
                    gateway.kill()
                    dead.set()
                    gateway.start()
                else:
                    receiver.kill()
                    receiver.start()
                creator.join()
            exports = {export for export, _ in changes(gateway)}
            for export in exports:
                gateway.watch(gateway.get(f"/exports/{export}").json, until=lambda export: "completedAt" in export)
            # What met two kills comes after five minutes.
            wanted = changes(gateway)
            poll("every change", lambda: wanted <= {(kept["export"], kept["revision"]) for kept in receiver.received()}, 400)
            received = receiver.received()
        missing = wanted - {(kept["export"], kept["revision"]) for kept in received}
        by_export = defaultdict(list)
        for kept in received:
            by_export[kept["export"]].append(kept["revision"])
        disordered = [export for export, revisions in by_export.items() if revisions != sorted(revisions)]
        repeated = len(received) - len({kept["id"] for kept in received})
        figure(f"{KILLS} kills {dict(killed)}, {len(exports)} exports, {len(wanted)} changes: "
               f"missing {len(missing)}, exports out of order {len(disordered)}, sent again {repeated}")
        assert not missing and not disordered
        assert {(kept["export"], kept["revision"]) for kept in received} == wanted
