"""Who somebody is, made on the spot: certificates and their authority, and the tokens of a cluster."""

import base64
import datetime
import ipaddress
import json
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

ISSUER = "https://oidc.example/cluster/"
SUBJECT = "system:serviceaccount:exports:gateway"


@dataclass
class Identity:
    """A key and its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self, password: str | None = None) -> bytes:
        """PKCS#8, encrypted where there is a password."""
        protection = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)

    def pem(self, password: str | None = None) -> bytes:
        """The key, and the certificate behind it."""
        return self.key_pem(password) + self.certificate_pem

    def pkcs12(self, password: str) -> bytes:
        protection = serialization.BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(b"gateway", self.key, self.certificate, None, protection)

    @property
    def sha1(self) -> str:
        return self.certificate.fingerprint(hashes.SHA1()).hex()


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def identity(name: str = "gateway", days: tuple[int, int] = (-1, 30), key=None, issuer: Identity | None = None, **more):
    """A certificate that is good between these days from now, signed by itself or by `issuer`.

    `hosts`: the names and addresses of a server. `authority`: whether it may sign others.
    """
    key = key or new_key()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=more.get("authority", False), path_length=None), critical=True)
    )
    if hosts := more.get("hosts"):
        names = [_general_name(host) for host in hosts]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signer = issuer.key if issuer else key
    return Identity(key, builder.sign(signer, hashes.SHA256()))


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@dataclass
class ServerFiles:
    """What a server with TLS needs, and what its clients do."""

    certificate: Path
    key: Path
    authority: Path


def server_files(directory: Path) -> ServerFiles:
    """A certificate authority made on the spot, and a certificate of its for this machine."""
    authority = identity("Sandbox CA", authority=True)
    server = identity("sandbox", issuer=authority, hosts=["localhost", "127.0.0.1"])
    files = ServerFiles(directory / "server.pem", directory / "server.key", directory / "ca.pem")
    files.certificate.write_bytes(server.certificate_pem)
    files.key.write_bytes(server.key_pem())
    files.authority.write_bytes(authority.certificate_pem)
    return files


class Cluster:
    """Somebody else's token service, as Kubernetes has one."""

    def __init__(self):
        self.key = new_key()

    @property
    def jwk(self) -> dict:
        numbers = self.key.public_key().public_numbers()
        return {"kty": "RSA", "kid": "cluster", "n": _number(numbers.n), "e": _number(numbers.e)}

    def federate(self, sandbox) -> None:
        """The application trusts this cluster's tokens for one service account."""
        sandbox.control("federated-credentials", {"issuer": ISSUER, "subject": SUBJECT, "keys": [self.jwk]})

    def token(self, lifetime: int = 3600, **claims) -> str:
        """A token for the service account, or with other claims."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": SUBJECT,
            "aud": ["api://AzureADTokenExchange"],
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
        } | claims
        text = ".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "cluster"}, claims))
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_base64(signature)}"


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
