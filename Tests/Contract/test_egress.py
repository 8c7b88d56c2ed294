"""The way out: a proxy that the upstream is reached by, and by nothing else, because only the proxy finds its name."""

import base64
import json
import secrets
from urllib.parse import urlsplit

import bodies
import evidence
import servers
from client import poll
from connect_proxy import ConnectProxy

#: A name that no resolver knows (RFC 6761, 6.2).
NAME = "sandbox.test"


def password() -> str:
    """A password that no server may log or store."""
    value = "proxy-" + secrets.token_hex(16)
    evidence.keep_secrets([value, base64.b64encode(f"gateway:{value}".encode()).decode()])
    return value


def behind(upstream, proxy, shown: str) -> dict:
    """The sections and the environment of a gateway that finds the sandbox under its name only, and shows the proxy this password."""
    named = json.loads(json.dumps(servers.connections(upstream)).replace("127.0.0.1", NAME))
    entra = {
        "authority": upstream.api.replace("127.0.0.1", NAME),
        "tenantIds": [bodies.TENANT],
        "audiences": [bodies.CLIENT],
        "allowPlainHTTP": True,
    }
    return {
        "connections": named,
        "server": {"entra": entra},
        "egress": {"proxy": proxy.address, "proxyUser": "gateway", "proxyPassword": "env:PROXY_PASSWORD"},
        "environment": {"PROXY_PASSWORD": shown},
    }


def check(gateway, shown: str) -> str:
    """What `export-gateway check` prints of the gateway's configuration."""
    environment = {"PROXY_PASSWORD": shown, "SANDBOX_CLIENT_SECRET": bodies.CLIENT_SECRET}
    return servers.run("check", "--config", str(gateway.directory / "gateway.yaml"), environment=environment).stdout


def test_the_life_of_an_export_through_a_proxy(upstream):
    word = password()
    with ConnectProxy("gateway", word) as proxy, servers.gateway(upstream, **behind(upstream, proxy, word)) as gateway:
        export = gateway.succeeded(gateway.create(bodies.search_result()))
        (job,) = upstream.jobs()
        files = {file["name"]: file for file in job["files"]}
        assert export["files"]
        for file in export["files"]:
            got = gateway.download(file["href"], {"Accept-Encoding": "identity"})
            assert (got.status, got.sha256) == (200, files[file["name"]]["sha256"])
        # The authority and the API are one host here; the files come from another.
        ports = {urlsplit(f"//{target}").port for target in proxy.targets}
        assert urlsplit(upstream.api).port in ports
        assert ports & {urlsplit(upstream.proxy).port, urlsplit(upstream.blob).port}
        assert {target.partition(":")[0] for target in proxy.targets} == {NAME}
        assert proxy.refusals == 0 and gateway.metric("export_gateway_proxy_failures_total") == 0
        found = check(gateway, word)
        for name in ("server.entra", "bi"):
            assert f"ok   {name}: goes out through the proxy {proxy.address} as gateway\n" in found
        assert f"key(s) of tenant {bodies.TENANT}" in found and "ok   bi: token for" in found
        assert word not in found and word not in gateway.process.lines()


def test_a_proxy_that_refuses_the_password_is_named_and_asked_once(upstream):
    word = password()
    with ConnectProxy("gateway", password()) as proxy, servers.gateway(upstream, **behind(upstream, proxy, word)) as gateway:
        export = gateway.create(bodies.report())
        refused = {"connection": "bi", "reason": "credentials"}
        poll("the refusal", lambda: gateway.metric("export_gateway_proxy_failures_total", **refused) > 0)
        assert gateway.export(export)["status"] == "notStarted"
        # The next try comes a minute later: an account must not be locked by a wrong password.
        assert gateway.metric("export_gateway_proxy_failures_total", **refused) == 1
        lines = [line for line in gateway.process.lines().splitlines() if "did not get through the proxy" in line]
        assert lines and all("proxy: credentials" in line and f"127.0.0.1:{proxy.port}" in line for line in lines)
        found = check(gateway, word)
        reason = "was not asked: the proxy on the way out does not accept the gateway's credentials"
        for name in ("server.entra", "bi"):
            assert any(line.startswith(f"FAIL {name}: ") and reason in line for line in found.splitlines()), found
        assert proxy.targets == [] and upstream.token_calls() == 0
        assert word not in found and word not in gateway.process.lines()
