"""Links lead back to the gateway below any prefix of a proxy, and never to a place that a client chose."""

import json
from urllib.parse import urljoin

import pytest

import bodies
import servers
from client import call

# What a client may send to be led astray by, or to lead others.
MADE_UP = {
    "nothing": {},
    "host": {"Host": "evil.example"},
    "host with a port": {"Host": "evil.example:1"},
    "x-forwarded": {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/evil"},
    "forwarded": {"Forwarded": "for=127.0.0.1;host=evil.example;proto=https"},
    "other names": {"X-Original-Host": "evil.example", "X-Host": "evil.example", "X-Original-URL": "/evil"},
}


def created(gateway, fields: dict | None = None):
    """A new export's 202."""
    answer = gateway.call("POST", "/exports", fields, bodies.report())
    assert answer.status == 202, answer.body
    return answer


def raw_links(gateway, path: str, fields: dict | None = None) -> list[str]:
    """Every `href` in an answer as it stands there, inner ones first."""
    found = []

    def see(members):
        found.extend([members["href"]] if "href" in members else [])
        return members

    answer = gateway.call("GET", path, fields)
    assert answer.status == 200, answer.body
    json.loads(answer.body, object_hook=see)
    assert found, answer.body
    return found


@pytest.mark.parametrize("made_up", MADE_UP)
def test_nobody_chooses_where_links_lead(gateway, made_up):
    fields = MADE_UP[made_up]
    answer = created(gateway, fields)
    id = answer.json["id"]
    assert answer.headers["location"] == f"exports/{id}"
    assert "operation-location" not in answer.headers
    assert b"evil" not in answer.body
    gateway.succeeded(answer.json)
    for path in ("/exports", f"/exports/{id}", f"/exports/{id}/files"):
        for link in raw_links(gateway, path, fields):
            assert "://" not in link and not link.startswith("/") and "evil" not in link


@pytest.mark.parametrize("prefix", ["", "/gateway", "/a/b"])
def test_links_hold_below_a_prefix(gateway, prefix):
    """As a client resolves them that asked a proxy, which takes the prefix off."""
    outside = f"https://public.example{prefix}"
    answer = created(gateway)
    id = answer.json["id"]
    assert urljoin(f"{outside}/exports", answer.headers["location"]) == f"{outside}/exports/{id}"
    gateway.succeeded(answer.json)
    export, file = f"{outside}/exports/{id}", f"{outside}/exports/{id}/files/1"
    for path, expected in {
        "/exports?limit=1": {export, file},
        f"/exports/{id}": {export, file},
        f"/exports/{id}/files": {file},
    }.items():
        assert {urljoin(outside + path, link) for link in raw_links(gateway, path)} == expected


PROXIES = {
    "x-forwarded": (
        {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "public.example:8443", "X-Forwarded-Prefix": "/gateway"},
        "https://public.example:8443/gateway",
    ),
    "forwarded": ({"Forwarded": 'for=192.0.2.7;proto=https;host="public.example:8443"'}, "https://public.example:8443"),
    "appended": (
        {"Forwarded": "for=1.1.1.1;host=evil.example;proto=https, for=192.0.2.7;proto=https;host=public.example"},
        "https://public.example",
    ),
    # What a proxy of the one kind passes on of the other.
    "both, different": (
        {
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "public.example",
            "Forwarded": "host=evil.example;proto=https",
        },
        None,
    ),
    "half": ({"X-Forwarded-Proto": "https", "Host": "evil.example"}, None),
}


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_trusted_proxy_says_where(upstream, proxy):
    fields, base = PROXIES[proxy]
    with servers.gateway(upstream, server={"trustedProxies": ["10.0.0.0/8", "127.0.0.1"]}) as gateway:
        answer = created(gateway, fields)
        id = answer.json["id"]
        assert answer.headers["location"] == (f"{base}/exports/{id}" if base else f"exports/{id}")
        assert answer.headers.get("operation-location") == (base and f"{base}/exports/{id}/operation")
        gateway.succeeded(answer.json)
        links = raw_links(gateway, f"/exports/{id}", fields)
        assert links == ([f"{base}/exports/{id}/files/1", f"{base}/exports/{id}"] if base else [f"{id}/files/1", id])


def test_the_configured_address_comes_first(upstream):
    server = {"publicURL": "https://public.example/gateway/", "trustedProxies": "127.0.0.1"}
    with servers.gateway(upstream, server=server) as gateway:
        fields = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "other.example"}
        answer = created(gateway, fields)
        assert answer.headers["location"] == f"https://public.example/gateway/exports/{answer.json['id']}"
        assert answer.json["href"] == answer.headers["location"]


@pytest.mark.parametrize(
    "value, words",
    [
        ("proxy.example", "no IP address"),
        ("10.1.0.0/8", "10.0.0.0/8"),
        ("0.0.0.0/0", "everybody"),
        ("10.0.0.0/33", "1 to 32"),
    ],
)
def test_what_is_no_range_is_named(upstream, value, words):
    with servers.gateway(upstream, start=False, server={"trustedProxies": [value]}) as gateway:
        result = servers.run("serve", "--config", str(gateway.directory / "gateway.yaml"))
        assert result.returncode == 78
        assert "server.trustedProxies" in result.stderr and words in result.stderr, result.stderr


def test_the_operation(gateway):
    """`/exports/{id}/operation`: what Azure's clients read."""
    export = gateway.create(bodies.report())
    path = f"/exports/{export['id']}/operation"
    first = gateway.get(path)
    assert first.status == 200 and first.json["status"] in ("NotStarted", "Running", "Succeeded")
    gateway.succeeded(export)
    ended = gateway.get(path, Prefer="wait=5")
    assert ended.json == {"id": export["id"], "status": "Succeeded"}
    assert "retry-after" not in ended.headers and ended.headers["cache-control"] == "private, no-cache"
    assert gateway.get(path, If_None_Match=ended.headers["etag"]).status == 304
    call(gateway.address, "GET", path).problem(401, "unauthenticated")
    gateway.call("POST", path).problem(405, "method-not-allowed")
    gateway.get("/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002/operation").problem(404, "not-found")
