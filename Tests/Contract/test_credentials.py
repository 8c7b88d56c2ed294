"""Who the gateway is to Entra ID: for every kind of credential a whole export, and what becomes of its typical mistakes.

The sandbox checks what Entra ID checks: signature, thumbprint, audience, times, and that an assertion comes once.
"""

import base64
import concurrent.futures
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import bodies
import evidence
import identities
import servers
from client import call, poll

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
APPLICATION = {"tenantId": bodies.TENANT, "clientId": bodies.CLIENT}
PASSPHRASE = "s3same-open"
PIN = "pin-of-the-token-7731"


@pytest.fixture
def upstream():
    with servers.sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def directory(tmp_path):
    """Keys and tokens lie apart from what servers write, in which the leak test looks for them."""
    return tmp_path


@pytest.fixture(scope="module")
def identity():
    evidence.keep_secrets([PASSPHRASE, PIN])
    return identities.identity()


def connection(upstream, credential, provider="graph-ediscovery") -> dict:
    more = {"proxyHosts": [upstream.proxy], "blobHosts": [upstream.blob]} if provider == "graph-ediscovery" else {}
    return more | {
        "name": "it",
        "provider": provider,
        "apiRoot": upstream.api,
        "allowPlainHTTP": True,
        "requestsPerMinute": 0,
        "pollInterval": "200ms",
        "credential": credential,
    }


def written(directory: Path, name: str, data: bytes) -> str:
    (directory / name).write_bytes(data)
    return str(directory / name)


def hardware_module(directory: Path, identity) -> tuple[str, dict[str, str]]:
    """The key in a SoftHSM token: its URI, and the environment in which the module finds it."""
    if not (
        SOFTHSM.exists() and shutil.which("softhsm2-util") and any(Path("/usr/lib").glob("*/engines-3/pkcs11.so"))
    ):
        pytest.skip("softhsm2 and libengine-pkcs11-openssl are not installed")
    (directory / "tokens").mkdir()
    file = written(directory, "softhsm2.conf", f"directories.tokendir = {directory}/tokens\n".encode())
    environment = {"SOFTHSM2_CONF": file}
    key = written(directory, "key.p8", identity.key_pem())
    for arguments in [
        ["--init-token", "--free", "--label", "gateway", "--so-pin", "135791", "--pin", PIN],
        ["--import", key, "--token", "gateway", "--label", "signing", "--id", "a1", "--pin", PIN],
    ]:
        subprocess.run(["softhsm2-util", *arguments], env=os.environ | environment, check=True, capture_output=True)
    os.unlink(key)
    return f"pkcs11:token=gateway;object=signing;type=private?module-path={SOFTHSM}", environment


def credential(kind: str, upstream, directory: Path, identity) -> tuple[dict, dict[str, str], str]:
    """What stands in the configuration, the environment, and how the sandbox calls the proof."""
    application = APPLICATION | {"authority": upstream.api}
    certificate = application | {"type": "certificate"}
    pem = written(directory, "certificate.pem", identity.certificate_pem)
    upstream.register(identity.certificate_pem)
    variables = {
        "AZURE_TENANT_ID": bodies.TENANT,
        "AZURE_CLIENT_ID": bodies.CLIENT,
        "AZURE_AUTHORITY_HOST": upstream.api + "/",
    }
    opened = {"PASSPHRASE": PASSPHRASE}
    match kind:
        case "client secret":
            return application | {"type": "clientSecret", "clientSecret": "env:S"}, {"S": bodies.CLIENT_SECRET}, "clientSecret"
        case "certificate":
            key = written(directory, "key.pem", identity.key_pem())
            return certificate | {"certificate": pem, "key": key}, {}, "certificate"
        case "certificate, RS256, with chain":
            both = written(directory, "both.pem", identity.pem())
            return certificate | {"certificate": both, "algorithm": "RS256", "sendChain": True}, {}, "certificate"
        case "certificate, encrypted PEM":
            both = written(directory, "both.pem", identity.pem(PASSPHRASE))
            return certificate | {"certificate": both, "passphrase": "env:PASSPHRASE"}, opened, "certificate"
        case "certificate, PKCS#12":
            both = written(directory, "both.pfx", identity.pkcs12(PASSPHRASE))
            return certificate | {"certificate": both, "passphrase": "env:PASSPHRASE"}, opened, "certificate"
        case "certificate, hardware module":
            uri, environment = hardware_module(directory, identity)
            settings = certificate | {"certificate": pem, "key": uri, "passphrase": "env:PIN"}
            return settings, environment | {"PIN": PIN}, "certificate"
        case "federated token":
            cluster = identities.Cluster()
            cluster.federate(upstream)
            file = written(directory, "token", cluster.token().encode())
            return application | {"type": "federatedToken", "tokenFile": file}, {}, "federatedCredential"
        case "managed identity":
            return {"type": "managedIdentity", "endpoint": upstream.api}, {}, "imds"
        case "managed identity of App Service":
            environment = {"IDENTITY_ENDPOINT": f"{upstream.api}/msi/token", "IDENTITY_HEADER": bodies.IDENTITY_HEADER}
            return {"type": "managedIdentity"}, environment, "appService"
        case "environment, secret":
            return "environment", variables | {"AZURE_CLIENT_SECRET": bodies.CLIENT_SECRET}, "clientSecret"
        case "environment, certificate":
            both = written(directory, "both.pem", identity.pem())
            return "environment", variables | {"AZURE_CLIENT_CERTIFICATE_PATH": both}, "certificate"
        case "environment, federated token":
            cluster = identities.Cluster()
            cluster.federate(upstream)
            file = written(directory, "token", cluster.token().encode())
            return "environment", variables | {"AZURE_FEDERATED_TOKEN_FILE": file}, "federatedCredential"
        case "on behalf of the user":
            key = written(directory, "key.pem", identity.key_pem())
            return certificate | {"certificate": pem, "key": key, "onBehalfOf": True}, {}, "onBehalfOf"
    raise AssertionError(kind)


KINDS = [
    "client secret",
    "certificate",
    "certificate, RS256, with chain",
    "certificate, encrypted PEM",
    "certificate, PKCS#12",
    "certificate, hardware module",
    "federated token",
    "managed identity",
    "managed identity of App Service",
    "environment, secret",
    "environment, certificate",
    "environment, federated token",
    "on behalf of the user",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_export(upstream, directory, identity, kind):
    """eDiscovery, because its downloads need a second token; each token is asked for once."""
    settings, environment, proof = credential(kind, upstream, directory, identity)
    caller = {"Upstream-Authorization": f"Bearer {upstream.mint()}"} if proof == "onBehalfOf" else {}
    with servers.gateway(upstream, connections=[connection(upstream, settings)], environment=environment) as gateway:
        answer = gateway.call("POST", "/exports", caller, bodies.search_result(connection="it"))
        assert answer.status == 202, answer.body
        export = gateway.succeeded(answer.json)
        (job,) = upstream.jobs()
        expected = {file["name"]: file for file in job["files"]}
        assert len(export["files"]) == len(expected) > 0
        for file in export["files"]:
            got = gateway.download(file["href"], caller)
            assert (got.status, got.sha256) == (200, expected[file["name"]]["sha256"])
        assert upstream.tokens() == {proof: 2}


MISTAKES = {
    "certificate of another application": ("certificate", "700027"),
    "federated token for somebody else": ("federated token", "700213"),
    "federated token that has expired": ("federated token", "700024"),
    "wrong secret": ("client secret", "7000215"),
    "no managed identity": ("managed identity", "Identity not found"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_entra_refuses_is_explained(upstream, directory, identity, mistake):
    """Once: the authority is not asked again at once for what it would refuse again."""
    kind, words = MISTAKES[mistake]
    settings, environment, _ = credential(kind, upstream, directory, identity)
    match mistake:
        case "certificate of another application":
            other = identities.identity("other")
            written(directory, "certificate.pem", other.certificate_pem)
            written(directory, "key.pem", other.key_pem())
        case "federated token for somebody else" | "federated token that has expired":
            cluster = identities.Cluster()
            cluster.federate(upstream)
            claims = {"sub": "system:serviceaccount:exports:other"} if "somebody" in mistake else {}
            lifetime = -3600 if "expired" in mistake else 3600
            written(directory, "token", cluster.token(lifetime, **claims).encode())
        case "wrong secret":
            environment = {"S": "not-the-secret-at-all"}
        case "no managed identity":
            upstream.rule("managed-identity.imds", {"kind": "identityNotFound"})
    with servers.gateway(upstream, connections=[connection(upstream, settings)], environment=environment) as gateway:
        export = gateway.create(bodies.search_result(connection="it"))
        ended = gateway.watch(export)
        assert ended["status"] == "failed", ended
        assert ended["error"]["code"] == "upstream-unauthenticated"
        assert words in json.dumps(ended["error"])
        again = gateway.watch(gateway.create(bodies.search_result(connection="it")))
        assert again["error"]["code"] == "upstream-unauthenticated"
        assert upstream.account()["counts"].get("managed-identity.imds" if "managed" in kind else "entra.token") == 1
        assert not upstream.jobs()


def test_a_certificate_is_replaced_while_it_runs(upstream, directory, identity):
    """The first is withdrawn: only who uses the second gets further tokens."""
    settings, _, _ = credential("certificate", upstream, directory, identity)
    with servers.gateway(upstream, connections=[connection(upstream, settings)]) as gateway:
        export = gateway.succeeded(gateway.create(bodies.search_result(connection="it")))
        second = identities.identity("second")
        assert call(upstream.api, "DELETE", "/_sandbox/certificates").status == 204
        upstream.register(second.certificate_pem)
        written(directory, "certificate.pem", second.certificate_pem)
        written(directory, "key.pem", second.key_pem())
        # The download needs a token that has not been asked for yet.
        for file in export["files"]:
            assert gateway.download(file["href"]).status == 200
        assert upstream.tokens() == {"certificate": 2}


def test_a_challenge_and_a_missing_consent_reach_the_caller(upstream, directory, identity):
    settings, environment, _ = credential("on behalf of the user", upstream, directory, identity)
    claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
    encoded = base64.b64encode(claims.encode()).decode()
    with servers.gateway(upstream, connections=[connection(upstream, settings)], environment=environment) as gateway:
        body = bodies.search_result(connection="it")
        without = gateway.call("POST", "/exports", None, body)
        assert without.problem(403, "upstream-authorization-required")
        # Before the start, the challenge stands where the caller looks: in the export.
        upstream.rule("entra.token", {"kind": "interactionRequired", "claims": claims})
        first = {"Upstream-Authorization": f"Bearer {upstream.mint()}"}
        export = gateway.call("POST", "/exports", first, body).json
        waiting = gateway.watch(export, until=lambda export: "notice" in export)
        assert waiting["notice"]["code"] == "upstream-claims-required"
        assert encoded in waiting["notice"]["detail"]
        calls = upstream.token_calls()
        upstream.remove_rules()
        second = {"Upstream-Authorization": f"Bearer {upstream.mint(claims={'acrs': 'c1'})}"}
        assert gateway.call("GET", f"/exports/{export['id']}", second).status == 200
        export = gateway.succeeded(export)
        assert calls == 1
        # With a download, it is the answer.
        upstream.rule("entra.token", {"kind": "interactionRequired", "claims": claims})
        third = {"Upstream-Authorization": f"Bearer {upstream.mint(claims={'acrs': 'c2'})}"}
        refused = gateway.call("GET", export["files"][0]["href"], third)
        refused.problem(401, "upstream-claims-required")
        field = refused.headers["www-authenticate"]
        assert 'error="insufficient_claims"' in field and f'claims="{encoded}"' in field
        assert f'authorization_uri="{upstream.api}/{bodies.TENANT}/oauth2/v2.0/authorize"' in field
        upstream.remove_rules()
        upstream.rule("entra.token", {"kind": "consentRequired"})
        fourth = {"Upstream-Authorization": f"Bearer {upstream.mint(claims={'acrs': 'c3'})}"}
        denied = gateway.call("GET", export["files"][0]["href"], fourth)
        problem = denied.problem(403, "upstream-consent-required")
        assert "administrator" in problem["detail"]
        upstream.remove_rules()
        assert gateway.download(export["files"][0]["href"], second).status == 200


def test_a_thousand_requests_on_a_cold_connection_are_one_token_call(upstream, directory, identity):
    """The authority takes its time, so that all of them come before its answer."""
    settings, environment, _ = credential("certificate", upstream, directory, identity)
    upstream.rule("entra.token", {"kind": "slow", "milliseconds": 2000})
    cold = connection(upstream, settings, provider="power-bi")
    with servers.gateway(upstream, connections=[cold], environment=environment) as gateway:
        with concurrent.futures.ThreadPoolExecutor(100) as callers:
            made = list(callers.map(lambda _: gateway.create(bodies.report()), range(1000)))
        assert len({export["id"] for export in made}) == 1000
        poll("the first jobs", lambda: len(upstream.jobs()) >= 100, within=120, every=1)
        assert upstream.token_calls() == 1
        assert upstream.tokens() == {"certificate": 1}
