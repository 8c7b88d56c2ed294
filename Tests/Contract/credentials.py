"""Every kind of credential that a connection can have, made for one sandbox."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import bodies
import evidence
import identities
from client import call

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")

# The resources whose tokens are wanted upstream.
GRAPH = "https://graph.microsoft.com"
POWER_BI = "https://analysis.windows.net/powerbi/api"
PURVIEW_DOWNLOAD = "b26e684c-5068-4120-a679-64a5d2c909d9"


@dataclass
class Credential:
    """A connection's `credential` and what it needs around it."""

    section: dict | str
    environment: dict[str, str] = field(default_factory=dict)
    # What a caller has to send.
    headers: dict[str, str] = field(default_factory=dict)
    # What a caller has to send besides, with downloads.
    with_downloads: dict[str, str] = field(default_factory=dict)


def application(upstream, type: str, **more) -> dict:
    return {"type": type, "authority": upstream.api, "tenantId": bodies.TENANT, "clientId": bodies.CLIENT} | more


def registered(upstream) -> identities.Identity:
    """A new identity whose certificate the tenant knows."""
    identity = identities.identity()
    upstream.register(identity.certificate_pem)
    return identity


def put(path: Path, content: bytes | str) -> str:
    """Replaces a file in one step, as a careful operator does."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(content.encode() if isinstance(content, str) else content)
    new.rename(path)
    return str(path)


def password(value: str) -> dict[str, str]:
    """The variable that holds a key's password; no server may write it down."""
    evidence.keep_secrets([value])
    return {"KEY_PASSPHRASE": value}


# The kinds


def client_secret(upstream, directory):
    return Credential(application(upstream, "clientSecret", clientSecret="env:SANDBOX_CLIENT_SECRET"))


def certificate(upstream, directory):
    file = put(directory / "identity.pem", registered(upstream).pem())
    return Credential(application(upstream, "certificate", certificate=file))


def certificate_rs256(upstream, directory):
    file = put(directory / "identity.pem", registered(upstream).pem())
    return Credential(application(upstream, "certificate", certificate=file, algorithm="RS256", sendChain=True))


def certificate_and_key(upstream, directory):
    identity = registered(upstream)
    key = put(directory / "identity.key", identity.key_pem())
    file = put(directory / "identity.crt", identity.certificate_pem)
    return Credential(application(upstream, "certificate", certificate=file, key=key))


def encrypted_certificate(upstream, directory):
    file = put(directory / "identity.pem", registered(upstream).pem("a password of PEM"))
    section = application(upstream, "certificate", certificate=file, passphrase="env:KEY_PASSPHRASE")
    return Credential(section, password("a password of PEM"))


def pkcs12(upstream, directory):
    file = put(directory / "identity.pfx", registered(upstream).pkcs12("a password of PKCS 12"))
    section = application(upstream, "certificate", certificate=file, passphrase="env:KEY_PASSPHRASE")
    return Credential(section, password("a password of PKCS 12"))


def pkcs11(upstream, directory):
    """A key that never leaves its module."""
    assert SOFTHSM.exists(), "softhsm2 is not installed: run Deploy/install-packages --test"
    identity = registered(upstream)
    (directory / "tokens").mkdir()
    configuration = put(directory / "softhsm2.conf", f"directories.tokendir = {directory}/tokens\n")
    variables = {"SOFTHSM2_CONF": configuration, "PKCS11_MODULE_PATH": str(SOFTHSM)}
    key = put(directory / "identity.key", identity.key_pem())
    pin = password("pin-of-the-gateway-49263")

    def softhsm(*arguments: str) -> None:
        subprocess.run(["softhsm2-util", *arguments], env=variables, check=True, capture_output=True)

    softhsm("--init-token", "--free", "--label", "gateway", "--pin", "pin-of-the-gateway-49263", "--so-pin", "11223344")
    softhsm("--import", key, "--token", "gateway", "--label", "identity", "--id", "01", "--pin", "pin-of-the-gateway-49263")
    Path(key).unlink()
    section = application(
        upstream,
        "certificate",
        key="pkcs11:token=gateway;object=identity;type=private",
        certificate=put(directory / "identity.crt", identity.certificate_pem),
        passphrase="env:KEY_PASSPHRASE",
    )
    return Credential(section, variables | pin)


def federated_token(upstream, directory):
    cluster = identities.Cluster()
    cluster.federate(upstream)
    file = put(directory / "token", cluster.token())
    return Credential(application(upstream, "federatedToken", tokenFile=file))


def metadata_service(upstream, directory):
    return Credential({"type": "managedIdentity", "endpoint": upstream.api})


def app_service(upstream, directory):
    variables = {"IDENTITY_ENDPOINT": f"{upstream.api}/msi/token", "IDENTITY_HEADER": bodies.IDENTITY_HEADER}
    return Credential({"type": "managedIdentity"}, variables)


def azure_variables(upstream, **more: str) -> dict[str, str]:
    variables = {"TENANT_ID": bodies.TENANT, "CLIENT_ID": bodies.CLIENT, "AUTHORITY_HOST": f"{upstream.api}/"}
    return {f"AZURE_{name}": value for name, value in (variables | more).items()}


def environment_secret(upstream, directory):
    return Credential("environment", azure_variables(upstream, CLIENT_SECRET=bodies.CLIENT_SECRET))


def environment_certificate(upstream, directory):
    file = put(directory / "identity.pfx", registered(upstream).pkcs12("a password of Azure's"))
    evidence.keep_secrets(["a password of Azure's"])
    more = {"CLIENT_CERTIFICATE_PATH": file, "CLIENT_CERTIFICATE_PASSWORD": "a password of Azure's"}
    return Credential("environment", azure_variables(upstream, **more))


def environment_federation(upstream, directory):
    cluster = identities.Cluster()
    cluster.federate(upstream)
    file = put(directory / "token", cluster.token())
    return Credential("environment", azure_variables(upstream, FEDERATED_TOKEN_FILE=file))


def on_behalf_of(upstream, directory):
    file = put(directory / "identity.pem", registered(upstream).pem())
    section = application(upstream, "certificate", certificate=file, onBehalfOf=True)
    return Credential(section, headers={"Upstream-Authorization": f"Bearer {upstream.mint()}"})


def pass_through(upstream, directory):
    return Credential({"type": "passThrough"}, headers=bearing(upstream, POWER_BI))


def in_ediscovery(credential: Credential, upstream) -> Credential:
    """The same for eDiscovery's callers, whose tokens are for other resources where they are passed through."""
    if credential.section != {"type": "passThrough"}:
        return credential
    downloads = bearing(upstream, PURVIEW_DOWNLOAD, "Upstream-Download-Authorization")
    return replace(credential, headers=bearing(upstream, GRAPH), with_downloads=downloads)


def bearing(upstream, resource: str, header: str = "Upstream-Authorization") -> dict[str, str]:
    return {header: f"Bearer {application_token(upstream, resource)}"}


def application_token(upstream, resource: str) -> str:
    """A token that somebody else got."""
    form = (
        f"grant_type=client_credentials&client_id={bodies.CLIENT}&client_secret={bodies.CLIENT_SECRET}"
        f"&scope={resource}/.default"
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return call(upstream.api, "POST", f"/{bodies.TENANT}/oauth2/v2.0/token", headers, form.encode()).json["access_token"]


# Each kind with the sandbox's name of it.
KINDS: dict[Callable, str] = {
    client_secret: "clientSecret",
    certificate: "certificate",
    certificate_rs256: "certificate",
    certificate_and_key: "certificate",
    encrypted_certificate: "certificate",
    pkcs12: "certificate",
    pkcs11: "certificate",
    federated_token: "federatedCredential",
    metadata_service: "imds",
    app_service: "appService",
    environment_secret: "clientSecret",
    environment_certificate: "certificate",
    environment_federation: "federatedCredential",
    on_behalf_of: "onBehalfOf",
    pass_through: "clientSecret",
}
OF_THE_CALLER = {on_behalf_of, pass_through}
