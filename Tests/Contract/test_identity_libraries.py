"""Microsoft's own libraries, unmodified, at the sandbox's authority: it answers and checks as they expect of Entra ID.

The authority is reached over TLS, with a certificate authority made on the spot; neither library takes less.
"""

import azure.identity
import msal
import pytest
from azure.core.exceptions import ClientAuthenticationError

import bodies
import identities
import servers
from client import call

GRAPH = "https://graph.microsoft.com/.default"
POWER_BI = "https://analysis.windows.net/powerbi/api/.default"
CASES = "/v1.0/security/cases/ediscoveryCases"


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return identities.server_files(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def entra(tls):
    """An authority with TLS. MSAL sends an assertion more than once, which the sandbox takes on request only."""
    with servers.sandbox(
        tls_certificate=str(tls.certificate), tls_key=str(tls.key), accept_repeated_assertions=True
    ) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def identity():
    return identities.identity()


@pytest.fixture(scope="module")
def cluster():
    return identities.Cluster()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    """The libraries look for credentials in the environment, and requests for authorities and proxies."""
    names = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT", "MSI_ENDPOINT", "AZURE_REGIONAL_AUTHORITY_NAME"]
    for name in [*names, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


def opens_graph(entra, token: str) -> bool:
    return call(entra.api, "GET", CASES, {"Authorization": f"Bearer {token}"}).status == 200


# MSAL


def application(entra, tls, credential, **options) -> msal.ConfidentialClientApplication:
    return msal.ConfidentialClientApplication(
        bodies.CLIENT,
        client_credential=credential,
        authority=f"{entra.secure}/{bodies.TENANT}",
        verify=str(tls.authority),
        **{"instance_discovery": False} | options,
    )


def msal_credential(kind: str, identity, cluster):
    """The credential in MSAL's form, and how the sandbox calls it."""
    certificate = identity.certificate_pem.decode()
    key = identity.key_pem().decode()
    return {
        "secret": (bodies.CLIENT_SECRET, "clientSecret"),
        "certificate PS256": ({"private_key": key, "public_certificate": certificate}, "certificate"),
        "certificate RS256": ({"private_key": key, "thumbprint": identity.sha1}, "certificate"),
        "certificate with chain": (
            {"private_key": key, "thumbprint": identity.sha1, "public_certificate": certificate},
            "certificate",
        ),
        "certificate, encrypted key": (
            {
                "private_key": identity.key_pem("a password").decode(),
                "passphrase": "a password",
                "public_certificate": certificate,
            },
            "certificate",
        ),
        "federation": ({"client_assertion": cluster.token}, "federatedCredential"),
    }[kind]


MSAL_KINDS = [
    "secret",
    "certificate PS256",
    "certificate RS256",
    "certificate with chain",
    "certificate, encrypted key",
    "federation",
]


@pytest.mark.parametrize("kind", MSAL_KINDS)
def test_msal_gets_tokens(entra, tls, identity, cluster, kind):
    entra.register(identity.certificate_pem)
    cluster.federate(entra)
    credential, proof = msal_credential(kind, identity, cluster)
    app = application(entra, tls, credential)
    first = app.acquire_token_for_client([GRAPH])
    assert "access_token" in first, first
    assert opens_graph(entra, first["access_token"])
    second = app.acquire_token_for_client([POWER_BI])
    assert "access_token" in second, second
    assert entra.tokens() == {proof: 2}
    assert app.acquire_token_for_client([GRAPH])["access_token"] == first["access_token"]
    assert entra.token_calls() == 2


def test_msal_with_a_pkcs12_file(entra, tls, identity, tmp_path):
    entra.register(identity.certificate_pem)
    file = tmp_path / "identity.pfx"
    file.write_bytes(identity.pkcs12("a password"))
    credential = {"private_key_pfx_path": str(file), "passphrase": "a password", "public_certificate": True}
    result = application(entra, tls, credential).acquire_token_for_client([GRAPH])
    assert "access_token" in result, result


# What goes wrong, and Entra's number for it.
MSAL_MISTAKES = {
    "secret": (lambda identity, cluster: "wrong-secret-19ab", 7000215),
    "expired secret": (lambda identity, cluster: bodies.EXPIRED_SECRET, 7000222),
    "certificate": (
        lambda identity, cluster: {
            "private_key": identity.key_pem().decode(),
            "public_certificate": identity.certificate_pem.decode(),
        },
        700027,
    ),
    "federation": (lambda identity, cluster: {"client_assertion": cluster.token}, 700211),
    "no token": (lambda identity, cluster: {"client_assertion": lambda: "not-a-token-19ab77"}, 50027),
}


@pytest.mark.parametrize("kind", MSAL_MISTAKES)
def test_msal_is_refused(entra, tls, identity, cluster, kind):
    credential, code = MSAL_MISTAKES[kind]
    result = application(entra, tls, credential(identity, cluster)).acquire_token_for_client([GRAPH])
    assert result.get("error_codes") == [code], result
    assert result["error_description"].startswith(f"AADSTS{code}: ")
    assert entra.tokens() == {}


def test_msal_on_behalf_of_a_user(entra, tls):
    app = application(entra, tls, bodies.CLIENT_SECRET)
    result = app.acquire_token_on_behalf_of(entra.mint(), [GRAPH])
    assert "access_token" in result, result
    assert opens_graph(entra, result["access_token"])
    assert entra.tokens() == {"onBehalfOf": 1}
    entra.rule("entra.token", {"kind": "consentRequired"}, match="on_behalf_of")
    refused = app.acquire_token_on_behalf_of(entra.mint(claims={"sub": "somebody else"}), [GRAPH])
    assert refused["error"] == "invalid_grant" and refused["suberror"] == "consent_required", refused


def test_msal_discovers_the_instance(entra, tls):
    """MSAL asks whether the host is an authority, unless told not to. The answer leads it to the tenant's document."""
    discovery = f"{entra.secure}/common/discovery/instance"
    application(entra, tls, bodies.CLIENT_SECRET, instance_discovery=discovery)
    counts = entra.account()["counts"]
    assert counts["entra.instance"] == 1 and counts["entra.configuration"] == 1


def test_a_client_that_does_not_trust_the_authority_is_told_nothing(entra, identity):
    """Without the certificate authority there is no connection, and so no secret on the way."""
    with pytest.raises(Exception, match="(?i)certificate"):
        msal.ConfidentialClientApplication(
            bodies.CLIENT,
            client_credential=bodies.CLIENT_SECRET,
            authority=f"{entra.secure}/{bodies.TENANT}",
            instance_discovery=False,
        )
    assert entra.account()["calls"] == []


# azure-identity


def azure_options(entra, tls) -> dict:
    return {
        "authority": entra.secure,
        "disable_instance_discovery": True,
        "connection_verify": str(tls.authority),
        "retry_total": 0,
    }


def azure_credential(kind: str, entra, tls, identity, cluster, tmp_path):
    """The credential, and how the sandbox calls it."""
    options = azure_options(entra, tls)
    tenant = {"tenant_id": bodies.TENANT, "client_id": bodies.CLIENT}
    if kind == "secret":
        credential = azure.identity.ClientSecretCredential(client_secret=bodies.CLIENT_SECRET, **tenant, **options)
        return credential, "clientSecret"
    if kind == "federation":
        file = tmp_path / "token"
        file.write_text(cluster.token())
        options.pop("disable_instance_discovery")
        credential = azure.identity.WorkloadIdentityCredential(token_file_path=str(file), **tenant, **options)
        return credential, "federatedCredential"
    options["send_certificate_chain"] = kind == "certificate with chain"
    if kind == "certificate, PKCS#12":
        options |= {"certificate_data": identity.pkcs12("a password"), "password": "a password"}
    else:
        options |= {"certificate_data": identity.pem()}
    return azure.identity.CertificateCredential(**tenant, **options), "certificate"


@pytest.mark.parametrize(
    "kind", ["secret", "certificate", "certificate with chain", "certificate, PKCS#12", "federation"]
)
def test_azure_identity_gets_tokens(entra, tls, identity, cluster, tmp_path, kind):
    entra.register(identity.certificate_pem)
    cluster.federate(entra)
    credential, proof = azure_credential(kind, entra, tls, identity, cluster, tmp_path)
    with credential:
        first = credential.get_token(GRAPH).token
        assert opens_graph(entra, first)
        assert credential.get_token(POWER_BI).token != first
        assert credential.get_token(GRAPH).token == first
    assert entra.tokens() == {proof: 2}
    assert entra.token_calls() == 2


@pytest.mark.parametrize(
    ("kind", "code"), [("certificate", 700027), ("certificate with chain", 700027), ("federation", 700211)]
)
def test_azure_identity_is_refused(entra, tls, identity, cluster, tmp_path, kind, code):
    credential, _ = azure_credential(kind, entra, tls, identity, cluster, tmp_path)
    with credential, pytest.raises(ClientAuthenticationError, match=f"AADSTS{code}: "):
        credential.get_token(GRAPH)
    assert entra.tokens() == {}


def test_azure_identity_from_the_environment(entra, tls, identity, tmp_path, monkeypatch):
    """The variables that the gateway understands mean the same to azure-identity."""
    entra.register(identity.certificate_pem)
    file = tmp_path / "identity.pem"
    file.write_bytes(identity.pem())
    monkeypatch.setenv("AZURE_TENANT_ID", bodies.TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", bodies.CLIENT)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", entra.secure)
    monkeypatch.setenv("AZURE_CLIENT_CERTIFICATE_PATH", str(file))
    options = azure_options(entra, tls)
    options.pop("authority")
    with azure.identity.EnvironmentCredential(**options) as credential:
        assert opens_graph(entra, credential.get_token(GRAPH).token)
    assert entra.tokens() == {"certificate": 1}


def test_azure_identity_on_behalf_of_a_user(entra, tls):
    credential = azure.identity.OnBehalfOfCredential(
        tenant_id=bodies.TENANT,
        client_id=bodies.CLIENT,
        client_secret=bodies.CLIENT_SECRET,
        user_assertion=entra.mint(),
        **azure_options(entra, tls),
    )
    with credential:
        assert opens_graph(entra, credential.get_token(GRAPH).token)
    assert entra.tokens() == {"onBehalfOf": 1}


def test_azure_identity_as_a_managed_identity(entra, monkeypatch):
    """Both endpoints, over plain HTTP as on the real machines."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", entra.api)
    with azure.identity.ManagedIdentityCredential(retry_total=0) as credential:
        assert opens_graph(entra, credential.get_token(GRAPH).token)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{entra.api}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", bodies.IDENTITY_HEADER)
    with azure.identity.ManagedIdentityCredential(retry_total=0) as credential:
        assert opens_graph(entra, credential.get_token(GRAPH).token)
    assert entra.tokens() == {"imds": 1, "appService": 1}
