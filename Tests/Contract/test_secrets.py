"""Secrets in a request go upstream, and nowhere else: not into the ledger, and so not over a crash."""

import json
import secrets

import bodies
import evidence
import servers


def into_own_container(sas: str) -> dict:
    """An export into the caller's own storage: the former eDiscovery dialect takes a SAS for it."""
    body = bodies.review_set(connection="purview-former")
    body["graphEDiscovery"] |= {
        "azureBlobContainer": "https://contoso.blob.core.windows.net/exports",
        "azureBlobToken": sas,
    }
    return body


def new_sas() -> str:
    """A SAS that no other test uses; the leak test looks for its signature."""
    signature = "c2ln" + secrets.token_hex(16)
    evidence.keep_secrets([signature])
    return f"?sv=2018-03-28&sr=c&sp=rwl&sig={signature}"


def test_an_export_into_the_callers_own_storage(gateway, upstream):
    sas = new_sas()
    export = gateway.succeeded(gateway.create(into_own_container(sas)))
    assert export["destination"] == "https://contoso.blob.core.windows.net/exports"
    assert export["files"] == []
    assert "azureBlobToken" not in export["source"]
    gateway.get(f"{export['href']}/content").problem(409, "delivered-elsewhere")
    assert sas not in json.dumps(gateway.get("/exports").json)
    assert len(upstream.jobs()) == 1


def test_a_secret_is_lost_with_the_process_and_the_export_says_so():
    with servers.sandbox() as upstream, servers.gateway(upstream) as gateway:
        # The start is put off, so that the secret is still needed when the process dies.
        upstream.rule("compliance.export", {"kind": "throttled", "retryAfter": "4"})
        export = gateway.create(into_own_container(new_sas()))
        gateway.watch(export, until=lambda export: export.get("notice", {}).get("code") == "upstream-throttled")
        gateway.kill()
        upstream.remove_rules()
        gateway.start()
        ended = gateway.watch(export)
        assert ended["status"] == "failed" and ended["error"]["code"] == "secret-lost", ended
        assert upstream.jobs() == []


def test_a_callers_token_is_lost_with_the_process_and_asked_for_again():
    with servers.sandbox(job_duration="5s") as upstream, servers.gateway(upstream) as gateway:
        export = gateway.create(bodies.goals())
        gateway.watch(export, until=lambda export: "id" in export.get("upstream", {}))
        gateway.kill()
        gateway.start()

        def waits():
            return gateway.get(f"/exports/{export['id']}").json.get("notice", {}).get("code")

        servers.poll("the export waits for a token", lambda: waits() == "upstream-authorization-required")
        gateway.succeeded(export)  # watches with the token
        assert len(upstream.jobs()) == 1
