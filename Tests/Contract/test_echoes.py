"""Authorities, services and storage hosts that repeat what they were sent: nothing of it is shown, logged or kept."""

import json
import secrets
from urllib.parse import quote

import pytest

import bodies
import evidence
import servers
from client import poll
from credentials import app_service, application
from test_secrets import into_own_container

WRITINGS = ["plain", "percentEncoded", "escaped"]


def new_secret() -> str:
    """A secret as Entra ID makes them, 40 characters; the leak test looks for it too."""
    secret = f"aB3~{secrets.token_hex(16)}.+/="
    evidence.keep_secrets([secret])
    return secret


def writings(secret: str) -> set[str]:
    """The secret as it is, and as it would stand in a JSON text. `evidence.occurrences` adds the percent-encoded form."""
    numbers = "".join(f"\\u{ord(character):04x}" for character in secret)
    encoded = "".join(f"%{ord(character):02x}" for character in secret)
    return {secret, secret.replace("/", "\\/"), numbers, encoded, encoded.upper()}


def nothing_of(secret: str, directory, *texts: str) -> None:
    """No file in `directory` and none of `texts` holds the secret, or its beginning."""
    needles = writings(secret) | writings(secret[:16])
    for text in texts:
        assert not [needle for needle in needles if needle in text], text
    files = [file for file in directory.iterdir() if file.is_file()]
    assert {"stderr.log", "ledger.sqlite", "ledger.sqlite-wal", "answers.log"} <= {file.name for file in files}
    assert evidence.occurrences(files, needles) == []


def with_client_secret(upstream) -> list[dict]:
    credential = application(upstream, "clientSecret", clientSecret="env:ECHOED_SECRET")
    return [
        connection if connection["provider"] == "viva-goals" else connection | {"credential": credential}
        for connection in servers.connections(upstream)
    ]


def words_of(export: dict) -> dict:
    """What the upstream said of the export's failure, or of what it waits for."""
    return (export.get("error") or export.get("notice") or {}).get("upstream") or {}


def noticed(gateway, export: dict) -> dict:
    """The export as it shows what the upstream said."""
    return gateway.watch(export, until=lambda export: "message" in words_of(export))


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_client_secret(upstream, writing):
    secret = new_secret()
    upstream.rule("entra.token", {"kind": "echo", "status": 401, "writing": writing})
    environment = {"ECHOED_SECRET": secret}
    with servers.gateway(upstream, connections=with_client_secret(upstream), environment=environment) as gateway:
        export = noticed(gateway, gateway.create(bodies.report()))
        assert words_of(export)["code"] == "AADSTS7000215"
        assert "provided: '<redacted>'" in words_of(export)["message"]
        assert words_of(export)["requestId"] == "<redacted>"
        checked = servers.run(
            "check", "--config", str(gateway.directory / "gateway.yaml"), environment=environment
        )
        assert checked.returncode == 1
        assert "provided: '<redacted>'" in checked.stdout + checked.stderr
        gateway.kill()  # So that the write-ahead log stays.
        nothing_of(secret, gateway.directory, json.dumps(export), checked.stdout, checked.stderr)


def test_the_header_of_app_service(upstream, tmp_path):
    secret = new_secret()
    credential = app_service(upstream, tmp_path)
    environment = credential.environment | {"IDENTITY_HEADER": secret, "SANDBOX_CLIENT_SECRET": bodies.CLIENT_SECRET}
    upstream.rule("managed-identity.*", {"kind": "echo", "status": 401, "writing": "percentEncoded"})
    connections = [connection | {"credential": credential.section} for connection in servers.connections(upstream)[-1:]]
    with servers.gateway(upstream, connections=connections, environment=environment) as gateway:
        export = noticed(gateway, gateway.create(bodies.report()))
        assert words_of(export)["message"] == "Refused: '<redacted>'"
        checked = servers.run(
            "check", "--config", str(gateway.directory / "gateway.yaml"), environment=environment
        )
        assert "Refused: '<redacted>'" in checked.stdout + checked.stderr
        gateway.kill()
        nothing_of(secret, gateway.directory, json.dumps(export), checked.stdout, checked.stderr)


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("writing", WRITINGS)
def test_a_callers_token(upstream, writing, status):
    """Opaque, with nothing about it that looks like a token."""
    secret = new_secret()
    upstream.rule("goals.start", {"kind": "echo", "status": status, "writing": writing})
    with servers.gateway(upstream) as gateway:
        body, headers = bodies.goals(), {"Upstream-Authorization": f"Bearer {secret}"}
        answer = gateway.call("POST", "/exports", headers, body)
        assert answer.status == 202, answer.body
        latest = {}

        def said():
            latest.update(gateway.call("GET", f"/exports/{answer.json['id']}", headers).json)
            return "message" in words_of(latest)

        poll("the upstream's words", said, every=0.1)
        assert words_of(latest)["message"].startswith("Refused: '<redacted>'")
        gateway.kill()
        nothing_of(secret, gateway.directory, json.dumps(latest))


def test_the_gateways_own_token(upstream):
    """Graph repeats a token that the sandbox issued."""
    known = set(upstream.secrets())
    upstream.rule("security.exportResult", {"kind": "echo", "status": 403, "writing": "escaped"})
    with servers.gateway(upstream) as gateway:
        export = noticed(gateway, gateway.create(bodies.search_result()))
        assert words_of(export)["message"].startswith("Refused: '<redacted>'")
        gateway.kill()
        (token,) = set(upstream.secrets()) - known
        nothing_of(token, gateway.directory, json.dumps(export))


def test_a_sas(upstream):
    signature = new_secret().removesuffix("=")
    sas = f"?sv=2018-03-28&sr=c&sp=rwl&sig={quote(signature, safe='')}"
    upstream.rule("compliance.export", {"kind": "echo", "writing": "plain"})
    with servers.gateway(upstream) as gateway:
        export = noticed(gateway, gateway.create(into_own_container(sas)))
        assert words_of(export)["message"].startswith("Refused: '<redacted>'")
        gateway.kill()
        nothing_of(signature, gateway.directory, json.dumps(export))


def test_the_signature_of_a_link(upstream):
    known = set(upstream.secrets())
    upstream.rule("*.start", {"kind": "preAuthorizedLink"})
    upstream.rule("download.blob", {"kind": "echo", "status": 403, "writing": "escaped"})
    with servers.gateway(upstream) as gateway:
        export = gateway.succeeded(gateway.create(bodies.search_result()))
        answer = gateway.get(export["files"][0]["href"])
        assert answer.status == 403, answer.body
        assert answer.json["upstream"]["message"].startswith("Refused: '<redacted>'")
        gateway.kill()
        issued = set(upstream.secrets()) - known
        assert len(issued) >= 2  # A token, and a signature.
        for secret in issued:
            nothing_of(secret, gateway.directory, json.dumps(answer.json))
