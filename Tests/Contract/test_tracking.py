"""What brings an export on: the gateway by itself, or its caller, where the caller's token is all there is."""

import bodies
import servers
import test_credentials
from credentials import pass_through


def show(server, export: dict, headers: dict | None = None):
    answer = server.call("GET", f"/exports/{export['id']}", headers)
    assert answer.status == 200, answer.body
    return answer


def test_a_token_that_ends_in_the_middle(tmp_path):
    with servers.sandbox(job_duration="5s") as upstream:
        credential = pass_through(upstream, tmp_path)
        with test_credentials.gateway(upstream, credential) as server:
            upstream.rule("power-bi.status", {"kind": "tokenRevoked"}, times=1)
            created = server.call("POST", "/exports", credential.headers, bodies.report()).json
            assert created["tracking"] == "background"
            waiting = server.watch(created, until=lambda export: export["tracking"] == "onRequest")
            assert waiting["status"] not in servers.TERMINAL and waiting["stale"]
            assert waiting["notice"]["code"] == "upstream-authorization-required"
            (listed,) = server.get("/exports").json["value"]
            assert listed["tracking"] == "onRequest"
            before = show(server, created)
            # Nobody is asked as long as nobody asks.
            calls = upstream.account()["counts"]["power-bi.status"]
            assert show(server, created).headers["etag"] == before.headers["etag"]

            # The request with a new token is what brings it on, before it is answered.
            after = show(server, created, pass_through(upstream, tmp_path).headers)
            assert upstream.account()["counts"]["power-bi.status"] > calls
            assert after.headers["etag"] != before.headers["etag"]
            assert after.json["tracking"] == "background" and "notice" not in after.json, after.json
            assert after.json["status"] not in servers.TERMINAL and "observedAt" in after.json
            ended = server.succeeded(created)
            assert "tracking" not in ended
            assert "tracking" not in show(server, created).json


def test_an_application_needs_nobody(gateway):
    seen = set()

    def ended(export: dict) -> bool:
        seen.add(export.get("tracking"))
        return export["status"] == "succeeded"

    created = gateway.create(bodies.report())
    seen.add(created["tracking"])
    gateway.watch(created, until=ended)
    assert seen == {"background", None}
