"""Whose token Microsoft is shown, where exports run on their callers' own: nobody acts with another's."""

import hashlib
import secrets

import pytest

import bodies
import evidence
from client import ended_deliveries, poll
from credentials import on_behalf_of
from test_credentials import gateway

WANTED = "upstream-authorization-required"
# Another user of the tenant.
AUDITOR = "99999999-9999-9999-9999-999999999999"
PERMISSIONS = {"auditor": ["Exports.ReadAll", "Exports.Download", "Exports.Cancel"]}


@pytest.fixture
def server(upstream, tmp_path):
    """On behalf of users, for an owner and an auditor."""
    keys = {name: f"{name}-{secrets.token_hex(16)}" for name in ["owner", "auditor"]}
    evidence.keep_secrets(list(keys.values()))
    entries = [
        {"id": name, "sha256": hashlib.sha256(key.encode()).hexdigest()}
        | ({"permissions": PERMISSIONS[name]} if name in PERMISSIONS else {})
        for name, key in keys.items()
    ]
    credential = on_behalf_of(upstream, tmp_path)
    with gateway(upstream, credential, authenticated=False, server={"apiKeys": entries}) as server:
        server.keys = keys
        yield server


def ask(server, name, method, path, token=None, body=None, **headers):
    """A request of `name`'s, with an upstream token or without."""
    own = {"Authorization": f"Bearer {server.keys[name]}"} | headers
    return server.call(method, path, own | ({"Upstream-Authorization": f"Bearer {token}"} if token else {}), body)


def finished(server, upstream) -> dict:
    """An export of eDiscovery's that the owner made; its token is in the gateway's memory."""
    created = ask(server, "owner", "POST", "/exports", upstream.mint(), bodies.search_result())
    assert created.status == 202, created.body
    return poll(
        "its end",
        lambda: (export := ask(server, "owner", "GET", created.json["href"]).json)["status"] == "succeeded" and export,
    )


def test_no_ticket_stands_for_a_callers_token(server, upstream):
    path = finished(server, upstream)["files"][0]["href"]
    before = asked(upstream)
    problem = ask(server, "owner", "POST", f"{path}/tickets").problem(409, "ticket-not-possible")
    assert "Upstream-Authorization" in problem["detail"]
    assert asked(upstream) == before


def asked(upstream) -> tuple:
    """What was asked upstream so far: which tokens, and how many files."""
    counts = upstream.account()["counts"]
    return upstream.token_calls(), counts.get("download.proxy", 0) + counts.get("download.blob", 0)


def test_an_auditor_downloads_with_its_own_token(server, upstream):
    path = finished(server, upstream)["files"][0]["href"]
    assert ask(server, "owner", "GET", path).status == 200

    def delivered(callers: list[str]) -> None:
        address = path.split("/files/")[0] + "/deliveries"
        rows = ended_deliveries(lambda: ask(server, "owner", "GET", address), len(callers))
        assert [row["caller"] for row in rows] == callers

    before = asked(upstream)
    problem = ask(server, "auditor", "GET", path).problem(403, WANTED)
    assert "Upstream-Authorization: Bearer <token>" in problem["detail"]
    assert asked(upstream) == before

    # Its own is exchanged, for Graph and for the download host, and is good for this one call.
    own = upstream.mint(claims={"oid": AUDITOR})
    assert ask(server, "auditor", "GET", path, own).status == 200
    assert asked(upstream) == (before[0] + 2, before[1] + 1)
    ask(server, "auditor", "GET", path).problem(403, WANTED)
    assert asked(upstream) == (before[0] + 2, before[1] + 1)
    # One that is refused takes nothing from the owner.
    broken = upstream.mint(claims={"oid": AUDITOR}, signature="broken")
    ask(server, "auditor", "GET", path, broken).problem(403, WANTED)
    after = asked(upstream)
    assert ask(server, "owner", "GET", path).status == 200
    assert asked(upstream) == (after[0], after[1] + 1)
    delivered(["owner", "auditor", "owner"])

    # Another process knows no token; the auditor's own is enough for the auditor, and for nobody else.
    server.kill()
    server.start()
    ask(server, "auditor", "GET", path).problem(403, WANTED)
    assert ask(server, "auditor", "GET", path, own).status == 200
    ask(server, "auditor", "GET", path).problem(403, WANTED)
    ask(server, "owner", "GET", path).problem(403, WANTED)
    assert ask(server, "owner", "GET", path, upstream.mint()).status == 200
    delivered(["owner", "auditor", "owner", "auditor", "owner"])


def test_an_auditors_token_does_not_set_the_owners_export_going(server, upstream):
    upstream.rule("security.start", {"kind": "tokenRevoked"})
    created = ask(server, "owner", "POST", "/exports", upstream.mint(), bodies.search_result()).json
    path = created["href"]

    def waiting():
        export = ask(server, "auditor", "GET", path).json
        return export["tracking"] == "onRequest" and export

    held = poll("the export waits", waiting)
    upstream.remove_rules()
    before = upstream.account()["counts"]
    own = upstream.mint(claims={"oid": AUDITOR})
    for headers in [{}, {"Cache-Control": "no-cache"}]:
        assert ask(server, "auditor", "GET", path, own, **headers).json == held
    assert upstream.account()["counts"] == before and upstream.jobs() == []
    assert ask(server, "owner", "GET", path, upstream.mint()).json["tracking"] == "background"
    poll("its end", lambda: ask(server, "auditor", "GET", path).json["status"] == "succeeded")
