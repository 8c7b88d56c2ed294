"""Who may do what, against the running gateway: keys with permissions, TLS on its own port, and client certificates."""

import hashlib
import json
import secrets
import subprocess

import pytest

import bodies
import evidence
import servers
from client import poll

OWN = ["Exports.Create", "Exports.Read", "Exports.Download", "Exports.Cancel", "Connections.Use:*"]


@pytest.fixture
def keys():
    """Keys by their callers' ids, and their entries for the configuration."""
    made = {name: f"{name}-{secrets.token_hex(16)}" for name in ["owner", "stranger", "auditor", "reader"]}
    permissions = {
        "stranger": OWN,
        "auditor": ["Exports.ReadAll", "Exports.Download"],
        "reader": ["Exports.Read", "Connections.Use:goals"],
    }
    entries = []
    for name, key in made.items():
        entry = {"id": name, "sha256": hashlib.sha256(key.encode()).hexdigest()}
        entries.append(entry | ({"permissions": permissions[name]} if name in permissions else {}))
    evidence.keep_secrets(list(made.values()))
    return made, entries


def test_each_sees_its_own(upstream, keys):
    made, entries = keys
    with servers.gateway(upstream, server={"apiKeys": entries}, authenticated=False) as gateway:

        def call(name, method, path, headers=None, body=None):
            own = {"Authorization": f"Bearer {made[name]}"}
            return gateway.call(method, path, own | (headers or {}), body)

        body = bodies.paginated_csv()
        key = {"Idempotency-Key": '"shared-by-accident"'}
        created = call("owner", "POST", "/exports", bodies.headers_for(body) | key, body)
        assert created.status == 202, created.body
        export = created.json
        assert export["createdBy"] == "owner"
        path = export["href"]
        poll("its end", lambda: call("owner", "GET", path).json["status"] == "succeeded")
        assert call("owner", "GET", f"{path}/content").status == 200

        ways = [
            ("GET", path, {}), ("GET", path, {"Cache-Control": "no-cache"}), ("GET", path, {"Prefer": "wait=2"}),
            ("GET", path, {"If-None-Match": created.headers["etag"]}), ("GET", path, {"If-None-Match": "*"}),
            ("GET", path, {"Upstream-Authorization": "Bearer strangers"}), ("DELETE", path, {}),
            ("GET", f"{path}/files", {}), ("GET", f"{path}/deliveries", {}), ("GET", f"{path}/content", {}),
            ("HEAD", f"{path}/content", {}), ("GET", f"{path}/files/1", {}), ("HEAD", f"{path}/files/1", {}),
            ("GET", f"{path}/content", {"Accept": "application/zip"}), ("GET", f"{path}/content", {"Range": "bytes=0-0"}),
        ]
        for method, target, headers in ways:
            assert call("stranger", method, target, headers).status == 404, (method, target, headers)
            unknown = target.replace(export["id"], "01981f3e-7c1a-7b52-9d3e-0242ac120002")
            assert call("stranger", method, unknown, headers).status == 404
        assert call("stranger", "GET", "/exports").json == {"value": []}
        assert call("stranger", "GET", "/exports?status=succeeded").json == {"value": []}
        again = call("stranger", "POST", "/exports", bodies.headers_for(body) | key, body)
        assert again.status == 202 and again.json["id"] != export["id"] and "idempotency-replayed" not in again.headers
        replayed = call("owner", "POST", "/exports", bodies.headers_for(body) | key, body)
        assert replayed.json["id"] == export["id"] and replayed.headers["idempotency-replayed"] == "true"

        assert {row["id"] for row in call("auditor", "GET", "/exports").json["value"]} >= {export["id"], again.json["id"]}
        assert call("auditor", "GET", f"{path}/content").status == 200
        refused = call("auditor", "DELETE", path)
        assert refused.problem(403, "forbidden")["permission"] == "Exports.Cancel"
        assert 'error="insufficient_scope", scope="Exports.Cancel"' in refused.headers["www-authenticate"]
        rows = poll("the deliveries", lambda: len(found := call("owner", "GET", f"{path}/deliveries").json["value"]) == 2 and found)
        assert [row["caller"] for row in rows] == ["owner", "auditor"]

        assert call("reader", "POST", "/exports", bodies.headers_for(body), body).problem(403, "forbidden")
        shown = {entry["id"]: entry["connections"] for entry in call("reader", "GET", "/providers").json["value"]}
        assert shown == {"graph-ediscovery": [], "viva-goals": ["goals"], "power-bi": []}


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def certificate(directory, name, subject, extensions="leaf", authority=None):
    """`<name>.pem` and `<name>.key`."""
    (directory / "openssl.cnf").write_text(
        "[req]\ndistinguished_name = name\n[name]\n"
        "[authority]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign\n"
        "[leaf]\nbasicConstraints = CA:FALSE\nsubjectAltName = DNS:localhost\n"
    )
    by = ["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key"] if authority else []
    openssl(
        directory, "req", "-x509", "-config", "openssl.cnf", "-extensions", extensions, "-newkey", "ec",
        "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", subject, *by,
        "-keyout", f"{name}.key", "-out", f"{name}.pem",
    )


def test_tls_at_the_door(upstream):
    directory = evidence.directory("tls")
    for authority in ["ca", "new-ca"]:
        certificate(directory, authority, f"/CN={authority}", "authority")
    certificate(directory, "server", "/CN=localhost", authority="ca")
    certificate(directory, "renewed", "/CN=localhost", authority="new-ca")
    certificate(directory, "client", "/O=Contoso/CN=reports", authority="ca")
    tls = {
        "certificate": str(directory / "server.pem"),
        "key": str(directory / "server.key"),
        "clientAuthority": str(directory / "ca.pem"),
        "callers": [{"id": "reports", "subject": "CN=reports,O=Contoso"}],
    }
    with servers.gateway(upstream, start=False, authenticated=False, server={"tls": tls}) as gateway:
        gateway.start(ready=False)

        def curl(path, *arguments, authority="ca"):
            """Status and body; status 0 where there is no agreement on TLS."""
            result = subprocess.run(
                ["curl", "-s", "--max-time", "20", "--cacert", directory / f"{authority}.pem", "-w", "\n%{http_code}",
                 *arguments, f"https://localhost:{gateway.port}{path}"],
                capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            text, _, status = result.stdout.rpartition("\n")
            return int(status), text

        poll("the gateway's readiness", lambda: curl("/readyz")[0] == 200)
        mine = ["--cert", directory / "client.pem", "--key", directory / "client.key"]
        assert curl("/exports")[0] == 401
        assert curl("/exports", *mine) == (200, '{"value":[]}')
        body = bodies.paginated_csv()
        post = ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        status, text = curl("/exports", *mine, *post)
        assert status == 202 and json.loads(text)["createdBy"] == "reports", text
        assert curl("/livez", "--tls-max", "1.1")[0] == 0
        assert curl("/livez", "--tls-max", "1.2")[0] == 200
        assert curl("/livez", authority="new-ca")[0] == 0
        for cipher, isTaken in [("ECDHE-ECDSA-AES128-GCM-SHA256", True), ("ECDHE-ECDSA-AES128-SHA", False)]:
            agreed = subprocess.run(
                ["openssl", "s_client", "-connect", f"localhost:{gateway.port}", "-tls1_2", "-cipher", cipher],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
            )  # fmt: skip
            assert (agreed.returncode == 0) == isTaken, (cipher, agreed)

        # Renewed while it runs, the key after the certificate.
        (directory / "server.pem").write_bytes((directory / "renewed.pem").read_bytes())
        assert curl("/livez")[0] == 200
        (directory / "server.key").write_bytes((directory / "renewed.key").read_bytes())
        poll("the new certificate", lambda: curl("/livez", authority="new-ca")[0] == 200)
        assert curl("/livez")[0] == 0
        gateway.process.stop()
