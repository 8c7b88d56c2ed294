"""Who the gateway is to Microsoft: every kind of credential through a whole export, and every kind's typical mistake.

The sandbox checks what Entra ID checks: secrets, signatures, thumbprints, audiences, times, and that an assertion comes
once. Its numbers for a refusal are Entra's.
"""

import asyncio
import json
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import bodies
import evidence
import identities
import servers
from client import poll
from credential_mistakes import MISTAKES, unregistered
from credentials import (
    KINDS,
    OF_THE_CALLER,
    Credential,
    application,
    certificate,
    in_ediscovery,
    pass_through,
    put,
    registered,
)


def connections(upstream, credential: Credential) -> list[dict]:
    """The usual connections with another credential, but for the one of Viva Goals."""
    return [
        connection if connection["provider"] == "viva-goals" else connection | {"credential": credential.section}
        for connection in servers.connections(upstream)
    ]


def gateway(upstream, credential: Credential, **sections):
    return servers.gateway(
        upstream, connections=connections(upstream, credential), environment=credential.environment, **sections
    )


def checked(gateway, upstream, export: dict, headers: dict) -> None:
    """The export's files, as the sandbox made them."""
    (job,) = [job for job in upstream.jobs() if job["id"] == export["upstream"]["id"]]
    got = [gateway.download(file["href"], headers) for file in export["files"]]
    assert {file.status for file in got} == {200}
    assert sorted(file.sha256 for file in got) == sorted(file["sha256"] for file in job["files"])


def succeeded(gateway, credential: Credential, body: dict) -> dict:
    """An export that ended well, watched as its caller has to."""
    answer = gateway.call("POST", "/exports", credential.headers, body)
    assert answer.status == 202, answer.body
    latest = {}

    def ended():
        latest.update(gateway.call("GET", f"/exports/{answer.json['id']}", credential.headers).json)
        return latest["status"] in servers.TERMINAL

    poll(f"export {answer.json['id']}", ended, every=0.1)
    assert latest["status"] == "succeeded", json.dumps(latest, indent=1)
    return latest


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_whole_export(upstream, tmp_path, kind):
    credential = kind(upstream, tmp_path)
    with gateway(upstream, credential) as server:
        export = succeeded(server, credential, bodies.report())
        checked(server, upstream, export, credential.headers)
        assert upstream.tokens() == {KINDS[kind]: 1}
        # A token of Graph's, and one of the download host's own.
        credential = in_ediscovery(credential, upstream)
        export = succeeded(server, credential, bodies.search_result())
        checked(server, upstream, export, credential.headers | credential.with_downloads)
        assert upstream.tokens() == {KINDS[kind]: 3}
        # Storage's links need no token, and refuse one. The connection is another one, and has a token for Graph of its own,
        # unless its callers have.
        export = succeeded(server, credential, bodies.review_set(connection="purview-former"))
        checked(server, upstream, export, credential.headers)
        assert upstream.tokens() == {KINDS[kind]: 3 if kind is pass_through else 4}
        counts = upstream.account()["counts"]
        assert counts["download.proxy"] > 0 and counts["download.blob"] > 0


# Mistakes


def check(name: str, upstream, credential: Credential) -> subprocess.CompletedProcess:
    """`export-gateway check` on one connection."""
    directory = evidence.directory(name)
    (connection,) = [entry for entry in connections(upstream, credential) if entry["name"] == "bi"]
    configuration = {
        "server": {"host": "127.0.0.1", "port": 0},
        "ledger": {"path": str(directory / "ledger.sqlite")},
        "connections": [connection],
    }
    file = directory / "gateway.yaml"
    file.write_text(json.dumps(configuration))
    variables = {"SANDBOX_CLIENT_SECRET": bodies.CLIENT_SECRET} | credential.environment
    result = servers.run("check", "--config", str(file), environment=variables)
    (directory / "stderr.log").write_text(result.stderr)
    (directory / "stdout.log").write_text(result.stdout)
    return result


@pytest.mark.parametrize("mistake", MISTAKES)
def test_check_names_the_mistake(upstream, tmp_path, mistake):
    make, words, code = MISTAKES[mistake]
    result = check("check", upstream, make(upstream, tmp_path))
    assert result.returncode == code, result
    said = result.stdout + result.stderr
    for word in words:
        assert word in said, said
    for secret in ("wrong-secret-77aa", "wrong-password-31cd", "wrong-pin-31cd", "eyJ", bodies.EXPIRED_SECRET):
        assert secret not in said


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in OF_THE_CALLER], ids=lambda kind: kind.__name__)
def test_check_finds_nothing_wrong(upstream, tmp_path, kind):
    result = check("check", upstream, kind(upstream, tmp_path))
    assert result.returncode == 0, result
    assert upstream.tokens() == {KINDS[kind]: 1}


# While it runs


@pytest.mark.parametrize(
    ("mistake", "words"),
    {
        "wrong secret": "AADSTS7000215",
        "unregistered certificate": "AADSTS700027",
        "federated subject": "AADSTS700213",
        "no managed identity": "Identity not found",
    }.items(),
)
def test_what_entra_refuses_is_explained_and_not_asked_again(upstream, tmp_path, mistake, words):
    credential = MISTAKES[mistake][0](upstream, tmp_path)
    with gateway(upstream, credential) as server:
        for _ in range(2):
            ended = server.watch(server.create(bodies.report()))
            assert ended["status"] == "failed" and ended["error"]["code"] == "upstream-unauthenticated", ended
            assert words in json.dumps(ended["error"])
        counts = upstream.account()["counts"]
        assert counts.get("entra.token", 0) + counts.get("managed-identity.imds", 0) == 1
        assert upstream.jobs() == []


def needs_a_new_token(upstream) -> None:
    """The next start is refused once, as with a token that was taken back."""
    upstream.remove_rules()
    upstream.rule("power-bi.start", {"kind": "tokenRevoked"}, times=1)


def test_a_replaced_certificate_is_taken_up_without_a_restart(upstream, tmp_path):
    credential = certificate(upstream, tmp_path)
    with gateway(upstream, credential) as server:
        succeeded(server, credential, bodies.report())
        unregistered(credential, upstream, tmp_path)
        put(tmp_path / "identity.pem", registered(upstream).pem())
        needs_a_new_token(upstream)
        succeeded(server, credential, bodies.report("Second"))
        assert upstream.tokens() == {"certificate": 2}
        # One that cannot be used changes nothing, as long as the former one is good.
        put(tmp_path / "identity.pem", "half a file")
        needs_a_new_token(upstream)
        succeeded(server, credential, bodies.report("Third"))
        assert upstream.tokens() == {"certificate": 3}


def test_a_replaced_passphrase_opens_the_replaced_key(upstream, tmp_path):
    def replace(passphrase: str) -> tuple[str, str]:
        evidence.keep_secrets([passphrase])
        pfx = put(tmp_path / "identity.pfx", registered(upstream).pkcs12(passphrase))
        return pfx, put(tmp_path / "passphrase", passphrase + "\n")

    pfx, passphrase = replace("first-password-9f20")
    section = application(upstream, "certificate", certificate=pfx, passphrase=f"file:{passphrase}")
    credential = Credential(section)
    with gateway(upstream, credential) as server:
        succeeded(server, credential, bodies.report())
        unregistered(credential, upstream, tmp_path)
        replace("second-password-9f20")
        needs_a_new_token(upstream)
        succeeded(server, credential, bodies.report("Second"))
    assert upstream.tokens() == {"certificate": 2}


def test_a_replaced_client_secret_is_the_one_that_is_shown(upstream, tmp_path):
    file = put(tmp_path / "secret", bodies.CLIENT_SECRET)
    credential = Credential(application(upstream, "clientSecret", clientSecret=f"file:{file}"))
    with gateway(upstream, credential) as server:
        succeeded(server, credential, bodies.report())
        # A file that is gone changes nothing.
        Path(file).unlink()
        needs_a_new_token(upstream)
        succeeded(server, credential, bodies.report("Second"))
        assert upstream.tokens() == {"clientSecret": 2}
        put(Path(file), bodies.EXPIRED_SECRET)
        needs_a_new_token(upstream)
        ended = server.watch(server.create(bodies.report("Third")))
        assert ended["status"] == "failed" and "AADSTS7000222" in json.dumps(ended["error"]), ended


def test_a_federated_token_is_read_anew(upstream, tmp_path):
    cluster = identities.Cluster()
    cluster.federate(upstream)
    file = put(tmp_path / "token", cluster.token())
    credential = Credential(application(upstream, "federatedToken", tokenFile=file))
    with gateway(upstream, credential) as server:
        succeeded(server, credential, bodies.report())
        # The cluster has a new key, and no token of the old one's is good any more.
        fresh = identities.Cluster()
        upstream.control("issuer-keys", {"issuer": identities.ISSUER, "keys": [fresh.jwk]})
        put(tmp_path / "token", fresh.token())
        needs_a_new_token(upstream)
        succeeded(server, credential, bodies.report("Second"))
    assert upstream.tokens() == {"federatedCredential": 2}


@pytest.mark.long
def test_over_tls_with_an_authority_of_its_own(tmp_path):
    files = identities.server_files(tmp_path)
    with servers.sandbox(tls_certificate=str(files.certificate), tls_key=str(files.key)) as upstream:
        credential = certificate(upstream, tmp_path)
        credential.section["authority"] = upstream.secure
        unknown = check("unknown", upstream, credential)
        assert unknown.returncode == 1 and upstream.token_calls() == 0, unknown
        credential.environment["SSL_CERT_FILE"] = str(files.authority)
        known = check("known", upstream, credential)
        assert known.returncode == 0, known
        with gateway(upstream, credential) as server:
            export = succeeded(server, credential, bodies.report())
            checked(server, upstream, export, {})
        assert upstream.tokens() == {"certificate": 2}


# One call for a thousand


CALLERS = 1000


@pytest.mark.alone
def test_a_thousand_requests_on_a_cold_connection_are_one_token_call(upstream, tmp_path, figure):
    credential = certificate(upstream, tmp_path)
    limits = {"downloads": {"perCaller": CALLERS}, "server": {"memory": 1 << 40, "maximumConnections": CALLERS + 16}}
    with gateway(upstream, credential, **limits) as server:
        export = succeeded(server, credential, bodies.report())
        (job,) = upstream.jobs()
        path = f"{export['href']}/content"
        # A new process knows no token. Everybody is there before the first one comes.
        server.process.stop()
        upstream.rule("entra.token", {"kind": "slow", "milliseconds": 5000})
        before = upstream.token_calls()
        server.start()
        answers = asyncio.run(get_at_once(server, path, CALLERS))
        assert answers == [(200, job["files"][0]["size"])] * CALLERS
        calls = upstream.token_calls() - before
        figure(f"{CALLERS} concurrent requests on a cold connection: token calls {calls}")
        assert calls == 1


async def get_at_once(server, path: str, count: int) -> list[tuple[int, int]]:
    """The same file over so many connections, which are all open before the first one asks: statuses and lengths."""
    address = urlsplit(server.address)
    head = (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\nAccept-Encoding: identity\r\n"
        "Connection: close\r\n\r\n"
    )
    opened = [await asyncio.open_connection(address.hostname, address.port) for _ in range(count)]

    async def get(reader, writer) -> tuple[int, int]:
        writer.write(head.encode())
        fields, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(fields.split()[1]), len(body)

    return await asyncio.gather(*(get(reader, writer) for reader, writer in opened))
