"""Who may do what, against the running gateway: keys with permissions, TLS on its own port, and client certificates."""

import hashlib
import http.client
import json
import secrets
import ssl
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import bodies
import credentials
import evidence
import identities
import servers
from client import Answer, ended_deliveries, poll

OWN = ["Exports.Create", "Exports.Read", "Exports.Download", "Exports.Cancel", "Connections.Use:*"]


def ways(path: str, tag: str) -> list[tuple[str, str, dict]]:
    """Every way of asking for an export."""
    return [
        ("GET", path, {}), ("GET", path, {"Cache-Control": "no-cache"}), ("GET", path, {"Prefer": "wait=2"}),
        ("GET", path, {"If-None-Match": tag}), ("GET", path, {"If-None-Match": "*"}),
        ("GET", path, {"Upstream-Authorization": "Bearer another"}), ("DELETE", path, {}),
        ("GET", f"{path}/files", {}), ("GET", f"{path}/deliveries", {}), ("GET", f"{path}/content", {}),
        ("GET", f"{path}/operation", {}), ("GET", f"{path}/operation", {"If-None-Match": "*"}),
        ("HEAD", f"{path}/content", {}), ("GET", f"{path}/files/1", {}), ("HEAD", f"{path}/files/1", {}),
        ("GET", f"{path}/content", {"Accept": "application/zip"}), ("GET", f"{path}/content", {"Range": "bytes=0-0"}),
    ]  # fmt: skip


@pytest.fixture
def keys():
    """Keys by their callers' ids, and their entries for the configuration."""
    made = {name: f"{name}-{secrets.token_hex(16)}" for name in ["owner", "other", "auditor", "reader"]}
    permissions = {
        "other": OWN,
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

        for method, target, headers in ways(path, created.headers["etag"]):
            assert call("other", method, target, headers).status == 404, (method, target, headers)
            unknown = target.replace(export["id"], "01981f3e-7c1a-7b52-9d3e-0242ac120002")
            assert call("other", method, unknown, headers).status == 404
        assert call("other", "GET", "/exports").json == {"value": []}
        assert call("other", "GET", "/exports?status=succeeded").json == {"value": []}
        again = call("other", "POST", "/exports", bodies.headers_for(body) | key, body)
        assert again.status == 202 and again.json["id"] != export["id"] and "idempotency-replayed" not in again.headers
        replayed = call("owner", "POST", "/exports", bodies.headers_for(body) | key, body)
        assert replayed.json["id"] == export["id"] and replayed.headers["idempotency-replayed"] == "true"

        assert {row["id"] for row in call("auditor", "GET", "/exports").json["value"]} >= {export["id"], again.json["id"]}
        assert call("auditor", "GET", f"{path}/content").status == 200
        refused = call("auditor", "DELETE", path)
        assert refused.problem(403, "forbidden")["permission"] == "Exports.Cancel"
        assert 'error="insufficient_scope", scope="Exports.Cancel"' in refused.headers["www-authenticate"]
        rows = ended_deliveries(lambda: call("owner", "GET", f"{path}/deliveries"), 2)
        assert [row["caller"] for row in rows] == ["owner", "auditor"]

        assert call("reader", "POST", "/exports", bodies.headers_for(body), body).problem(403, "forbidden")
        shown = {entry["id"]: entry["connections"] for entry in call("reader", "GET", "/providers").json["value"]}
        assert shown == {"graph-ediscovery": [], "viva-goals": ["goals"], "power-bi": [], "intune": []}


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


def test_tls_on_the_gateways_port(upstream):
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


@dataclass
class Visitor:
    """Somebody who calls over TLS, and by what."""

    # Who the gateway takes it for; `None`: for nobody.
    id: str | None
    headers: dict[str, str] = field(default_factory=dict)
    certificate: Path | None = None


class Door:
    """A gateway that takes every kind of caller at once: keys, users, applications and certificates."""

    OTHER = "99999999-8888-4777-8666-555555555555"
    AUDIT = ["Exports.ReadAll", "Exports.Download"]

    def __init__(self, upstream, directory: Path):
        self.upstream = upstream
        self.directory = directory
        self.authority = identities.identity("clients", authority=True)
        self.keys, self.certificates = [], []
        user, application = (f"{kind}:{bodies.TENANT}" for kind in ("user", "app"))
        self.owners = [
            self._key("key", OWN),
            self._user(f"{user}:{self._claims()['oid']}", OWN),
            self._application(f"{application}:{self._claims('application')['azp']}", OWN),
            self._certificate("certificate", OWN),
        ]
        self.auditors = [
            self._key("auditing-key", self.AUDIT),
            self._user(f"{user}:{self.OTHER}", self.AUDIT, oid=self.OTHER),
            self._application(f"{application}:{self.OTHER}", self.AUDIT, azp=self.OTHER, oid=self.OTHER, sub=self.OTHER),
            self._certificate("auditing-certificate", self.AUDIT),
        ]
        self.nobodies = [
            Visitor(None),
            Visitor(None, {"Authorization": "Bearer wrong"}),
            Visitor(None, {"Authorization": f"Bearer {upstream.mint(lifetime=-600, claims={'scp': ' '.join(OWN)})}"}),
            Visitor(None, certificate=self._shown("nobody")),
            Visitor(None, {"Authorization": "Bearer wrong"}, self.owners[-1].certificate),
        ]

    def _claims(self, kind: str = "user") -> dict:
        return self.upstream.control("tokens", {"kind": kind}).json["claims"]

    def _key(self, id: str, permissions: list[str]) -> Visitor:
        key = f"{id}-{secrets.token_hex(16)}"
        evidence.keep_secrets([key])
        digest = hashlib.sha256(key.encode()).hexdigest()
        self.keys.append({"id": id, "sha256": digest, "permissions": permissions})
        return Visitor(id, {"Authorization": f"Bearer {key}"})

    def _user(self, id: str, permissions: list[str], **claims: str) -> Visitor:
        token = self.upstream.mint(kind="user", claims=claims | {"scp": " ".join(permissions)})
        return Visitor(id, {"Authorization": f"Bearer {token}"})

    def _application(self, id: str, permissions: list[str], **claims: str) -> Visitor:
        token = self.upstream.mint(kind="application", claims=claims | {"roles": permissions})
        return Visitor(id, {"Authorization": f"Bearer {token}"})

    def _certificate(self, id: str, permissions: list[str]) -> Visitor:
        self.certificates.append({"id": id, "subject": f"CN={id}", "permissions": permissions})
        return Visitor(id, certificate=self._shown(id))

    def _shown(self, name: str) -> Path:
        shown = identities.identity(name, issuer=self.authority)
        return Path(credentials.put(self.directory / f"{name}.pem", shown.pem()))

    @property
    def section(self) -> dict:
        """`server` of the configuration."""
        files = identities.server_files(self.directory)
        clients = credentials.put(self.directory / "clients.pem", self.authority.certificate_pem)
        tls = {
            "certificate": str(files.certificate),
            "key": str(files.key),
            "clientAuthority": clients,
            "callers": self.certificates,
        }
        entra = {
            "authority": self.upstream.api,
            "tenantIds": [bodies.TENANT],
            "audiences": [bodies.CLIENT],
            "allowPlainHTTP": True,
        }
        return {"apiKeys": self.keys, "entra": entra, "tls": tls}

    def call(self, gateway, visitor: Visitor, method: str, path: str, headers: dict | None = None, body=None) -> Answer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.directory / "ca.pem")
        if visitor.certificate:
            context.load_cert_chain(visitor.certificate)
        connection = http.client.HTTPSConnection("localhost", gateway.port, timeout=90, context=context)
        headers = visitor.headers | (headers or {})
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read(), path)
        finally:
            connection.close()


def test_every_kind_of_caller_over_tls(upstream, tmp_path, figure):
    """Each kind has an export, and asks for everybody's in every way."""
    door = Door(upstream, tmp_path)
    with servers.gateway(upstream, start=False, authenticated=False, server=door.section) as gateway:
        gateway.start(ready=False)

        def call(visitor, method, path, headers=None, body=None):
            return door.call(gateway, visitor, method, path, headers, body)

        def is_ready():
            try:
                return call(door.nobodies[0], "GET", "/readyz").status == 200
            except OSError:
                return False

        def ended(owner, path):
            poll("its end", lambda: call(owner, "GET", path).json["status"] == "succeeded")

        def delivered(owner, path, count):
            """To whom, once so many deliveries have ended."""
            return [row["caller"] for row in ended_deliveries(lambda: call(owner, "GET", f"{path}/deliveries"), count)]

        poll("the gateway's readiness", is_ready)
        created = []
        for owner in door.owners:
            answer = call(owner, "POST", "/exports", body=bodies.paginated_csv())
            assert answer.status == 202 and answer.json["createdBy"] == owner.id, answer.body
            created.append(answer)
        everything = {answer.json["id"] for answer in created}
        asked = 0
        for owner, answer in zip(door.owners, created, strict=True):
            path = answer.json["href"]
            ended(owner, path)
            assert [row["id"] for row in call(owner, "GET", "/exports").json["value"]] == [answer.json["id"]]
            assert call(owner, "GET", f"{path}/content").status == 200
            for visitor in door.owners + door.nobodies:
                if visitor is owner:
                    continue
                for method, target, headers in ways(path, answer.headers["etag"]):
                    status = call(visitor, method, target, headers).status
                    assert status == (404 if visitor.id else 401), (owner, visitor, method, target, headers)
                    asked += 1
            for auditor in door.auditors:
                assert call(auditor, "GET", path).json["createdBy"] == owner.id
                assert call(auditor, "GET", f"{path}/content").status == 200
                assert call(auditor, "DELETE", path).problem(403, "forbidden")["permission"] == "Exports.Cancel"
            assert delivered(owner, path, 5) == [owner.id, *(auditor.id for auditor in door.auditors)]
        for auditor in door.auditors:
            assert {row["id"] for row in call(auditor, "GET", "/exports").json["value"]} == everything
            refused = call(auditor, "POST", "/exports", body=bodies.paginated_csv())
            assert refused.problem(403, "forbidden")["permission"] == "Exports.Create"
        figure(f"{asked} questions after others' exports, all refused")
        gateway.process.stop()
