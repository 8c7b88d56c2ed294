"""What goes wrong with credentials, and what `export-gateway check` has to say of it."""

from collections.abc import Callable

import bodies
import identities
from client import call
from credentials import (
    Credential,
    certificate,
    certificate_and_key,
    client_secret,
    encrypted_certificate,
    environment_certificate,
    environment_secret,
    federated_token,
    metadata_service,
    pkcs11,
    pkcs12,
    put,
)

CONFIGURATION_ERROR = 78


def spoiled(kind: Callable, spoil: Callable) -> Callable:
    """A kind of credential with something wrong with it."""

    def make(upstream, directory):
        credential = kind(upstream, directory)
        return spoil(credential, upstream, directory) or credential

    return make


def with_section(**changes):
    def change(credential, upstream, directory):
        return Credential(credential.section | changes, credential.environment)

    return change


def with_environment(**changes):
    def change(credential, upstream, directory):
        variables = {name: value for name, value in (credential.environment | changes).items() if value is not None}
        return Credential(credential.section, variables)

    return change


def with_file(name: str, content: Callable):
    """The same configuration, with something else in a file."""

    def change(credential, upstream, directory):
        put(directory / name, content(upstream))

    return change


def registered_pem(upstream, days) -> bytes:
    identity = identities.identity(days=days)
    upstream.register(identity.certificate_pem)
    return identity.pem()


def unregistered(credential, upstream, directory):
    assert call(upstream.api, "DELETE", "/_sandbox/certificates").status == 204


def without_identity(credential, upstream, directory):
    upstream.rule("managed-identity.*", {"kind": "identityNotFound"})


def foreign_token(**claims):
    """A token that is signed well and says something else."""

    def change(credential, upstream, directory):
        cluster = identities.Cluster()
        upstream.control("issuer-keys", {"issuer": identities.ISSUER, "keys": [cluster.jwk]})
        put(directory / "token", cluster.token(**claims))

    return change


def same_key_again(upstream) -> bytes:
    identity = identities.identity()
    upstream.register(identity.certificate_pem)
    return identities.identity(key=identity.key).pem()


# The mistake, what `check` has to say of it, and its exit code.
MISTAKES = {
    "wrong secret": (
        spoiled(client_secret, with_environment(SANDBOX_CLIENT_SECRET="wrong-secret-77aa")),
        ["AADSTS7000215", "The client secret is wrong"],
        1,
    ),
    "expired secret": (
        spoiled(client_secret, with_environment(SANDBOX_CLIENT_SECRET=bodies.EXPIRED_SECRET)),
        ["AADSTS7000222", "has expired"],
        1,
    ),
    "unregistered certificate": (spoiled(certificate, unregistered), ["AADSTS700027", "not registered"], 1),
    "same key, another certificate": (
        spoiled(certificate, with_file("identity.pem", lambda upstream: same_key_again(upstream))),
        ["AADSTS700027", "not registered"],
        1,
    ),
    "expired certificate": (
        spoiled(certificate, with_file("identity.pem", lambda upstream: registered_pem(upstream, (-30, -1)))),
        ["credential.certificate", "has expired"],
        1,
    ),
    "certificate not valid yet": (
        spoiled(certificate, with_file("identity.pem", lambda upstream: registered_pem(upstream, (1, 30)))),
        ["credential.certificate", "not valid yet"],
        1,
    ),
    "key that does not fit": (
        spoiled(certificate_and_key, with_file("identity.key", lambda upstream: identities.identity().key_pem())),
        ["credential.certificate", "doesn't fit"],
        1,
    ),
    "no certificate": (
        spoiled(certificate, with_file("identity.pem", lambda upstream: identities.identity().key_pem())),
        ["credential.certificate", "no certificate"],
        1,
    ),
    "no key": (
        spoiled(certificate, with_file("identity.pem", lambda upstream: identities.identity().certificate_pem)),
        ["credential.certificate", "no private key"],
        1,
    ),
    "no such file": (
        spoiled(certificate, with_section(certificate="/not/there.pem")),
        ["credential.certificate", "cannot be opened"],
        1,
    ),
    "wrong password of PEM": (
        spoiled(encrypted_certificate, with_environment(KEY_PASSPHRASE="wrong-password-31cd")),
        ["credential.passphrase", "wrong"],
        1,
    ),
    "wrong password of PKCS#12": (
        spoiled(pkcs12, with_environment(KEY_PASSPHRASE="wrong-password-31cd")),
        ["credential.passphrase", "wrong"],
        1,
    ),
    "wrong PIN": (
        spoiled(pkcs11, with_environment(KEY_PASSPHRASE="wrong-pin-31cd")),
        ["credential.passphrase", "wrong"],
        1,
    ),
    "password missing": (
        spoiled(
            encrypted_certificate,
            lambda credential, upstream, directory: Credential(
                {name: value for name, value in credential.section.items() if name != "passphrase"}
            ),
        ),
        ["credential.passphrase", "needed"],
        1,
    ),
    "no federated token": (
        spoiled(federated_token, with_section(tokenFile="/not/there")),
        ["credential.tokenFile"],
        1,
    ),
    "federated issuer": (spoiled(federated_token, foreign_token(iss="https://other.example/")), ["AADSTS700211"], 1),
    "federated audience": (spoiled(federated_token, foreign_token(aud="api://other")), ["AADSTS700212"], 1),
    "federated subject": (
        spoiled(federated_token, foreign_token(sub="system:serviceaccount:exports:Gateway")),
        ["AADSTS700213", "subject"],
        1,
    ),
    "expired federated token": (spoiled(federated_token, foreign_token(lifetime=-600)), ["AADSTS700024"], 1),
    "no managed identity": (spoiled(metadata_service, without_identity), ["No managed identity"], 1),
    "another managed identity": (
        spoiled(metadata_service, with_section(clientId=bodies.CLIENT)),
        ["No managed identity", "Identity not found"],
        1,
    ),
    "environment without a tenant": (
        spoiled(environment_secret, with_environment(AZURE_TENANT_ID=None)),
        ["AZURE_TENANT_ID"],
        CONFIGURATION_ERROR,
    ),
    "environment's wrong password": (
        spoiled(environment_certificate, with_environment(AZURE_CLIENT_CERTIFICATE_PASSWORD="wrong-password-31cd")),
        ["AZURE_CLIENT_CERTIFICATE_PASSWORD", "wrong"],
        1,
    ),
    "unknown algorithm": (
        spoiled(certificate, with_section(algorithm="HS256")),
        ["credential.algorithm", "PS256"],
        CONFIGURATION_ERROR,
    ),
}
