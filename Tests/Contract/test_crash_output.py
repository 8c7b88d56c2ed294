"""A process that dies hard tells none of its secrets: not in what it prints, not in its ledger, not in a core file.

Every place that holds a secret gets one of its own: configuration, key files, header fields, bodies, and what the
authority and the storage issue. The process's memory is searched first, to prove that they were there to be told.
"""

import base64
import http.client
import json
import os
import re
import resource
import secrets
import signal
import ssl
from pathlib import Path
from urllib.parse import quote

import pytest

import bodies
import credentials
import evidence
import identities
import servers
from client import Answer, poll

# As `Operations, Crashes` has it for traces that show no memory.
TRACES = "enable=yes,color=no,registers=none,images=none"
DEADLY = [signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGTRAP, signal.SIGFPE]


def new(kind: str) -> str:
    return f"{kind}-{secrets.token_urlsafe(24)}"


class Planted:
    """A gateway with a secret in every place, by the place's name."""

    def __init__(self, upstream, directory: Path, environment: dict[str, str]):
        self.upstream = upstream
        self.secrets: dict[str, str] = {}
        self.identities: dict[str, identities.Identity] = {}
        self.context = ssl._create_unverified_context()
        plant = self._plant

        encrypted, plain, tls = self._key("pkcs12"), self._key("pem"), self._key("tls")
        pkcs12 = credentials.put(directory / "identity.pfx", encrypted.pkcs12(plant("PKCS#12 password")))
        pem = credentials.put(directory / "identity.pem", plain.pem())
        cluster = identities.Cluster()
        cluster.federate(upstream)
        token = cluster.token()
        self.secrets["federated token"] = token
        application = {"authority": upstream.api, "tenantId": bodies.TENANT, "clientId": bodies.CLIENT}
        certificate = application | {"type": "certificate"}
        by_provider = {
            "purview": certificate | {"certificate": pkcs12, "passphrase": "env:KEY_PASSPHRASE"},
            "purview-former": certificate | {"certificate": pem},
            "goals": {"type": "passThrough"},
            "devices": application | {"type": "clientSecret", "clientSecret": "env:SANDBOX_CLIENT_SECRET"},
            "bi": application | {"type": "clientSecret", "clientSecret": "env:SANDBOX_CLIENT_SECRET"},
        }
        connections = [
            connection | {"credential": by_provider[connection["name"]]} for connection in servers.connections(upstream)
        ]
        purview, bi = connections[0], connections[-1]
        more = {
            "bi-federated": application
            | {"type": "federatedToken", "tokenFile": credentials.put(directory / "token", token)},
            "bi-identity": {"type": "managedIdentity"},
            "bi-user": certificate | {"certificate": pem, "onBehalfOf": True, "keepRefreshTokens": True},
        }
        connections += [bi | {"name": name, "credential": credential} for name, credential in more.items()]
        connections.append(purview | {"name": "purview-user", "credential": {"type": "passThrough"}})
        self.bi = ["bi", *more]
        self.secrets["client secret"] = bodies.CLIENT_SECRET
        self.secrets["IDENTITY_HEADER"] = bodies.IDENTITY_HEADER
        sealing = secrets.token_bytes(32)
        self.secrets |= {"sealing key": base64.b64encode(sealing).decode(), "sealing key's bytes": sealing.hex()}
        variables = {
            "SEALING_KEY": self.secrets["sealing key"],
            "KEY_PASSPHRASE": self.secrets["PKCS#12 password"],
            "CURSOR_KEY": plant("cursor key"),
            "IDENTITY_ENDPOINT": f"{upstream.api}/msi/token",
            "IDENTITY_HEADER": bodies.IDENTITY_HEADER,
        }
        door = {
            "tls": {
                "certificate": credentials.put(directory / "tls.crt", tls.certificate_pem),
                "key": credentials.put(directory / "tls.key", tls.key_pem()),
            },
            "cursorKey": "env:CURSOR_KEY",
        }
        self._gateway = servers.gateway(
            upstream,
            start=False,
            connections=connections,
            environment=variables | environment,
            server=door,
            sealing={"keys": [{"id": "a", "key": "env:SEALING_KEY"}]},
        )

    def _plant(self, place: str) -> str:
        return self.secrets.setdefault(place, new(place.split()[-1]))

    def _key(self, place: str) -> identities.Identity:
        """A private key: each line of its PEM counts, and its private exponent."""
        identity = identities.identity() if place == "tls" else credentials.registered(self.upstream)
        lines = [line for line in identity.key_pem().decode().splitlines() if not line.startswith("-")]
        # The first lines of PKCS#8 hold the public half.
        self.secrets |= {f"{place} key, line {number}": line for number, line in enumerate(lines) if len(line) == 64}
        exponent = identity.key.private_numbers().d
        self.secrets[f"{place} key, exponent"] = f"{exponent:x}"
        return identity

    def __enter__(self):
        self.server = self._gateway.__enter__()
        self.secrets["API key"] = self.server.key
        return self

    def __exit__(self, *error):
        self.server.kill()
        return self._gateway.__exit__(*error)

    def start(self) -> None:
        self.server.start(ready=False)
        poll("the gateway's readiness", self._is_ready)

    def _is_ready(self) -> bool:
        assert self.server.process.exit_code is None, self.server.process.lines()[-4000:]
        try:
            return self.call("GET", "/readyz").status == 200
        except OSError:
            return False

    def call(self, method: str, path: str, headers: dict | None = None, body: dict | None = None) -> Answer:
        connection = http.client.HTTPSConnection("localhost", self.server.port, timeout=60, context=self.context)
        headers = {"Authorization": f"Bearer {self.server.key}"} | (headers or {})
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        try:
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read(), path)
        finally:
            connection.close()

    def work(self) -> None:
        """Uses each of the secrets."""
        user = {"Upstream-Authorization": f"Bearer {self.upstream.mint()}"}
        sas = f"?sv=2018-03-28&sr=c&sp=rwl&sig={self._plant('SAS of the caller')}"
        former = bodies.review_set(connection="purview-former")
        own = former | {
            "graphEDiscovery": former["graphEDiscovery"]
            | {"azureBlobContainer": "https://contoso.blob.core.windows.net/exports", "azureBlobToken": sas}
        }
        wanted = [(bodies.search_result(), {}), (own, {}), (former, {}), (bodies.goals(), bodies.GOALS_CALLER)]
        wanted += [
            (bodies.report() | {"connection": name}, user if name == "bi-user" else {}) for name in self.bi
        ]
        graph = credentials.bearing(self.upstream, credentials.GRAPH)
        files = credentials.bearing(
            self.upstream, credentials.PURVIEW_DOWNLOAD, "Upstream-Download-Authorization"
        )
        wanted.append((bodies.search_result(connection="purview-user"), graph))
        self.secrets["user's token"] = user["Upstream-Authorization"].split()[1]
        self.secrets["token for Graph"] = graph["Upstream-Authorization"].split()[1]
        self.secrets["token for downloads"] = files["Upstream-Download-Authorization"].split()[1]
        self.secrets["token for Viva Goals"] = bodies.GOALS_TOKEN
        for body, headers in wanted:
            keyed = headers | {"Idempotency-Key": f'"{new("idempotent")}"', "Cookie": f"session={self._plant('cookie')}"}
            created = self.call("POST", "/exports", keyed, body)
            assert created.status == 202, created.body
            path = f"/exports/{created.json['id']}"

            def ended(path=path, headers=headers):
                export = self.call("GET", path, headers).json
                return export if export["status"] in servers.TERMINAL else None

            export = poll(path, ended, every=0.1)
            assert export["status"] == "succeeded", export
            for file in export["files"]:
                assert self.call("GET", file["href"], headers | (files if headers is graph else {})).status == 200
        # Refused, each with a secret that it must not repeat.
        self.call("GET", f"/exports?sig={self._plant('query')}")
        self.call("GET", "/exports", {"Authorization": f"Bearer {self._plant('wrong key')}"})
        self.call("GET", f"/{self._plant('path')}")
        self.call("POST", "/exports", None, {"provider": self._plant("body")})

    def die(self, number: int) -> str:
        """Sends the signal; gives back what was printed from then on."""
        process = self.server.process
        before = process.log.stat().st_size

        def said() -> str:
            return process.log.read_bytes()[before:].decode(errors="replace")

        def has_returned() -> bool:
            return "Backtrace took" in said() and not process.children() and not process.handles(number)

        process.deadly.add(number)
        process.signal(number)
        name = signal.Signals(number).name
        # After its trace, Swift's handler returns, for the instruction to fail once more. None did here, so that a second
        # signal stands for it. Until then the handler reads memory with its own SIGSEGV and SIGBUS handlers, which take
        # any such signal for their own fault, and go astray.
        poll(f"the trace of {name}", lambda: process.exit_code is not None or has_returned())
        if process.exit_code is None:
            process.signal(number)
        assert process.wait() == -number, name
        return said()

    def everything(self) -> dict[str, str]:
        """All secrets, those that were issued on the way included."""
        issued = {f"issued {number}": value for number, value in enumerate(self.upstream.secrets())}
        return issued | self.secrets

    def in_memory(self) -> set[str]:
        """The places whose secret stands in the memory of the process as it is."""
        found = set()
        needles = {place: value.encode() for place, value in self.everything().items()}
        process = self.server.process.pid
        with Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:
            for line in Path(f"/proc/{process}/maps").read_text().splitlines():
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                if "rw" not in line or end - start > 1 << 30:
                    continue
                try:
                    memory.seek(start)
                    content = memory.read(end - start)
                except OSError:
                    continue
                found |= {place for place, value in needles.items() if value in content}
        return found


def forms(secret: str) -> set[bytes]:
    """How a secret can look: as it is, in hexadecimal, percent-encoded, and in base 64 wherever it begins."""
    plain = secret.encode()
    found = {plain, plain.hex().encode(), plain.hex().upper().encode(), plain.hex(" ").encode(), quote(secret, safe="").encode()}
    for shift in range(3):
        # Without the characters that depend on what stands before and behind.
        coded = base64.b64encode(b"\0" * shift + plain)[4 * ((shift + 2) // 3) :].rstrip(b"=")[:-1]
        found |= {coded, coded.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def hits(planted: dict[str, str], *texts: bytes) -> list[str]:
    return [place for place, value in planted.items() for form in forms(value) if any(form in text for text in texts)]


def parts(planted: dict[str, str], text: str) -> list[str]:
    """The places of which a part shows: eight characters in a row, or their bytes in hexadecimal."""
    bare = re.sub(r"\s+", "", text.lower())
    return [
        place
        for place, value in planted.items()
        if any(char.isdigit() for char in value)
        for piece in [value[at : at + 8] for at in range(0, len(value) - 7, 4)]
        if piece in text or piece.encode().hex() in bare
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        pytest.param({"SWIFT_BACKTRACE": TRACES}, DEADLY, id="traces without memory"),
        # Swift's own default shows what registers point to.
        pytest.param({}, [signal.SIGSEGV, signal.SIGABRT], id="Swift's default"),
        pytest.param(
            {"SWIFT_BACKTRACE": "enable=yes,color=no,registers=all"}, [signal.SIGSEGV, signal.SIGILL], id="registers"
        ),
    ],
)
def test_a_hard_death_tells_nothing(upstream, tmp_path, figure, settings, numbers):
    with Planted(upstream, tmp_path, settings) as gateway:
        printed = ""
        for round, number in enumerate(numbers):
            gateway.start()
            if round == 0:
                gateway.work()
                there = gateway.in_memory()
                assert {"client secret", "API key", "token for Viva Goals"} <= there, there
            else:
                assert gateway.call("GET", "/exports").status == 200
            last = gateway.die(number)
            printed += last
            # A trace where none shows memory, and none elsewhere.
            assert ("Program crashed" in last) == bool(settings.get("SWIFT_BACKTRACE") == TRACES), last[:2000]
            assert "Registers:" not in last and not re.search(r"\br[a-d]x 0x", last)
        planted = gateway.everything()
        files = [path for path in gateway.server.directory.iterdir() if path.is_file()]
        assert {"stderr.log", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"} <= {path.name for path in files}
        found = hits(planted, *(path.read_bytes() for path in files)) + parts(planted, printed)
        figure(
            f"{len(planted)} secrets planted, {len(there)} of them found in memory; {len(numbers)} deaths printed "
            f"{len(printed)} bytes; {len(files)} files; hits {len(found)}"
        )
        evidence.keep_secrets(gateway.secrets.values())
        assert found == []


def test_a_secret_that_is_printed_would_be_found():
    secret = new("secret")
    for text in [secret, secret.encode().hex(), quote(secret), *(base64.b64encode(b"x" * at + secret.encode()).decode() for at in range(5))]:
        assert hits({"place": secret}, f"<{text}>".encode()) != []
    dump = "rax 0x00007f 20 20 " + secret[4:14].encode().hex(" ") + "  ··········"
    assert parts({"place": secret}, dump) != []
    assert hits({"place": secret}, new("secret").encode()) == parts({"place": secret}, new("secret")[7:]) == []


def test_no_core_file_is_left(upstream, tmp_path):
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    former = resource.getrlimit(resource.RLIMIT_CORE)
    # As on a machine that keeps cores.
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    try:
        with Planted(upstream, tmp_path, {}) as gateway:
            gateway.start()
            limits = Path(f"/proc/{gateway.server.process.pid}/limits").read_text()
            assert re.search(r"^Max core file size +1 +1 +bytes", limits, re.M), limits
            gateway.server.process.deadly.add(signal.SIGSEGV)
            gateway.server.process.signal(signal.SIGSEGV)
            ended = os.waitid(os.P_PID, gateway.server.process.pid, os.WEXITED | os.WNOWAIT)
            assert (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGSEGV)
            gateway.server.process.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, former)


# Secrets where they do not belong: each configuration is refused, and the refusal repeats none.
SECRET = "planted-Zk3v9Qp7Lw2x8Rt5"
PEM = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"
APPLICATION = {"authority": "https://login.example", "tenantId": bodies.TENANT, "clientId": bodies.CLIENT}
WRONG_PLACES = {
    "client secret": {"credential": {"type": "clientSecret", "clientSecret": SECRET}},
    "variable": {"credential": {"type": "clientSecret", "clientSecret": f"env: {SECRET}"}},
    "certificate": {"credential": {"type": "certificate", "certificate": PEM}},
    "key": {"credential": {"type": "certificate", "certificate": "/nonexistent.pem", "key": PEM}},
    "passphrase": {"credential": {"type": "certificate", "certificate": "/dev/null", "passphrase": SECRET}},
    "PIN in the key's address": {
        "credential": {
            "type": "certificate",
            "certificate": "/dev/null",
            "key": f"pkcs11:token=t;object=o?pin-value={SECRET}",
        }
    },
    "token": {"credential": {"type": "federatedToken", "tokenFile": f"eyJhbGciOiJSUzI1NiJ9.{SECRET}.c2ln"}},
    "type": {"credential": {"type": SECRET}},
    "credential": {"credential": SECRET},
    "digest": {"server": {"apiKeys": [{"id": "a", "sha256": SECRET}]}},
    "cursor key": {"server": {"cursorKey": SECRET}},
    "TLS key": {"server": {"tls": {"certificate": "/dev/null", "key": PEM}}},
    "TLS certificate": {"server": {"tls": {"certificate": PEM, "key": "/dev/null"}}},
    "address with a user": {"apiRoot": f"https://user:{SECRET}@graph.example"},
    "address with a signature": {"apiRoot": f"https://graph.example/?sig={SECRET}"},
    "port": {"server": {"port": SECRET}},
    "port from the environment": {"environment": {"EXPORT_GATEWAY_SERVER_PORT": SECRET}},
}


@pytest.mark.parametrize("place", WRONG_PLACES)
@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_start_that_fails_tells_nothing(tmp_path, command, place):
    parts = dict(WRONG_PLACES[place])
    environment = {"BI_SECRET": SECRET} | parts.pop("environment", {})
    server = {"host": "127.0.0.1", "port": 0, "apiKeys": [{"id": "a", "sha256": "0" * 64}]} | parts.pop("server", {})
    credential = parts.pop("credential", {"type": "clientSecret", "clientSecret": "env:BI_SECRET"})
    if isinstance(credential, dict):
        credential = APPLICATION | credential
    connection = {"name": "bi", "provider": "power-bi", "credential": credential} | parts
    file = tmp_path / "gateway.yaml"
    configuration = {"server": server, "ledger": {"path": str(tmp_path / "ledger.sqlite")}, "connections": [connection]}
    file.write_text(json.dumps(configuration, indent=2))
    ended = servers.run(command, "--config", str(file), environment=environment)
    assert ended.returncode in (1, 78), ended
    said = ended.stdout + ended.stderr
    assert said.strip() and hits({place: SECRET}, said.encode()) == [], said


def test_yaml_that_cannot_be_read_is_not_repeated(tmp_path):
    file = tmp_path / "gateway.yaml"
    for text in [f"server: {{ cursorKey: '{SECRET}", f"server:\n\tcursorKey: {SECRET}\n", f"cursorKey: [{SECRET}"]:
        file.write_text(text)
        ended = servers.run("check", "--config", str(file))
        assert ended.returncode == 78
        assert hits({"file": SECRET}, (ended.stdout + ended.stderr).encode()) == [], ended.stderr
