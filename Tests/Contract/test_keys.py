"""Key files of every kind: read as azure-identity reads them, or named with what helps; `check --offline` opens them all."""

import hashlib
import hmac
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from azure.identity import CertificateCredential

import bodies
import identities
import servers

PASSPHRASE = "key-passphrase-66b0"
OLD = "-provider legacy -provider default"


def openssl(directory: Path, arguments: str, command: str = "openssl") -> None:
    words = [command, *arguments.replace("PASS", PASSPHRASE).split()]
    result = subprocess.run(words, cwd=directory, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, (words, result.stderr)


def with_certificate(directory: Path) -> None:
    """`file` is the key; the certificate goes behind it."""
    file = directory / "file"
    file.write_bytes(file.read_bytes() + (directory / "certificate.pem").read_bytes())


def exported(options: str) -> Callable:
    return lambda directory: openssl(
        directory, f"pkcs12 -export -inkey key.pem -in certificate.pem -passout pass:PASS -out file {options}"
    )


def key_only(arguments: str) -> Callable:
    def make(directory):
        openssl(directory, f"{arguments} -in key.pem -passout pass:PASS -out file {OLD}")
        with_certificate(directory)

    return make


def java_keystore(directory: Path) -> None:
    exported("")(directory)
    (directory / "file").rename(directory / "pair.pfx")
    openssl(
        directory,
        "-importkeystore -srckeystore pair.pfx -srcstoretype PKCS12 -srcstorepass PASS -destkeystore file "
        "-deststoretype JKS -deststorepass PASS",
        "keytool",
    )


def element(tag: int, *contents: bytes) -> bytes:
    """An element of DER."""
    content = b"".join(contents)
    size = len(content)
    length = bytes([size]) if size < 128 else (b"\x82" + size.to_bytes(2))
    return bytes([tag]) + length + content


def first_element(data: bytes) -> tuple[bytes, bytes]:
    """The first element with its head, and what is behind it."""
    size, place = data[1], 2
    if size & 0x80:
        place = 2 + (size & 0x7F)
        size = int.from_bytes(data[2:place])
    return data[: place + size], data[place + size :]


def with_pbmac1(directory: Path) -> None:
    """PKCS#12 whose MAC is made as RFC 9579 says; an OpenSSL before 3.4 cannot write it."""
    exported("-nomac")(directory)
    whole = (directory / "file").read_bytes()
    content = whole[len(whole) - int.from_bytes(whole[2:4]) :]
    version, rest = first_element(content)
    safe, _ = first_element(rest)
    # ContentInfo: the type, and in [0] the octets that are authenticated.
    inner = safe[len(safe) - int.from_bytes(safe[2:4]) :]
    _, wrapped = first_element(inner)
    octets = wrapped[len(wrapped) - int.from_bytes(wrapped[2:4]) :]
    signed = octets[len(octets) - int.from_bytes(octets[2:4]) :]
    salt, rounds = b"8 octets", 2048
    key = hashlib.pbkdf2_hmac("sha256", PASSPHRASE.encode(), salt, rounds, 32)
    sha256 = element(0x30, bytes.fromhex("06082a864886f70d0209"), b"\x05\x00")  # hmacWithSHA256
    number = element(0x02, rounds.to_bytes(2))
    derivation = element(0x30, element(0x04, salt), number, element(0x02, b"\x20"), sha256)
    pbkdf2 = element(0x30, bytes.fromhex("06092a864886f70d01050c"), derivation)
    pbmac1 = element(0x30, bytes.fromhex("06092a864886f70d01050e"), element(0x30, pbkdf2, sha256))
    digest = element(0x30, pbmac1, element(0x04, hmac.digest(key, signed, "sha256")))
    mac = element(0x30, digest, element(0x04, b"NOT USED"))
    (directory / "file").write_bytes(element(0x30, version, safe, mac))


@dataclass
class KeyFile:
    make: Callable
    # What is said of it; None where it is read.
    words: list[str] | None = None
    # The command that is advised, on `file`; makes `new`, which is read.
    remedy: str | None = None
    passphrase: str | None = PASSPHRASE
    azure: bool = True


PKCS8 = f"pkcs8 -topk8 {OLD} -in file -passin pass:PASS -passout pass:PASS -out new"
FILES = {
    "PKCS#12": KeyFile(exported("")),
    "PKCS#12 without a MAC": KeyFile(exported("-nomac")),
    "PKCS#12 without a MAC, wrong passphrase": KeyFile(exported("-nomac"), ["passphrase", "is wrong"], passphrase="n0"),
    "PKCS#12 without a MAC, no passphrase": KeyFile(exported("-nomac"), ["passphrase", "is needed"], passphrase=None),
    "PKCS#12 without anything": KeyFile(exported("-nomac -keypbe NONE -certpbe NONE"), passphrase=None),
    "PKCS#12 with PBMAC1": KeyFile(
        with_pbmac1,
        ["PBMAC1", "-nomacver"],
        "pkcs12 -nomacver -in file -passin pass:PASS -passout pass:PASS -out new",
    ),
    "PKCS#12 in RC2-40": KeyFile(
        exported("-legacy -keypbe PBE-SHA1-RC2-40 -certpbe PBE-SHA1-RC2-40"),
        ["given up", "openssl pkcs12 -legacy"],
        "pkcs12 -legacy -in file -passin pass:PASS -passout pass:PASS -out new",
    ),
    "PKCS#12 in RC2-40 without a MAC": KeyFile(
        exported("-legacy -nomac -keypbe PBE-SHA1-RC2-40 -certpbe PBE-SHA1-RC2-40"),
        ["given up", "openssl pkcs12 -legacy"],
    ),
    "PEM in MD5 and DES": KeyFile(
        key_only("pkcs8 -topk8 -v1 PBE-MD5-DES"), ["given up", "openssl pkcs8 -topk8 -provider legacy"], PKCS8
    ),
    "PEM in DES, the traditional form": KeyFile(
        key_only("rsa -des -traditional"), ["given up", "openssl pkcs8 -topk8 -provider legacy"], PKCS8, azure=False
    ),
    "Java keystore": KeyFile(java_keystore, ["Java keystore", "keytool -importkeystore"], azure=False),
    "text": KeyFile(lambda directory: (directory / "file").write_text("no key\n"), ["no private key"], azure=False),
}


@pytest.fixture
def directory(tmp_path):
    openssl(tmp_path, "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -subj /CN=gateway -days 2")
    return tmp_path


class Checked:
    """What `export-gateway check --offline` says of a configuration, and whether it asked anybody."""

    def __init__(self, directory: Path, *credentials: dict, **sections):
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            connections = [
                {
                    "name": f"bi-{number}",
                    "provider": "power-bi",
                    "apiRoot": address,
                    "allowPlainHTTP": True,
                    "credential": {
                        "type": "certificate",
                        "authority": address,
                        "tenantId": bodies.TENANT,
                        "clientId": bodies.CLIENT,
                    }
                    | credential,
                }
                for number, credential in enumerate(credentials)
            ]
            ledger = {"path": str(directory / "ledger.sqlite")}
            file = directory / "gateway.yaml"
            file.write_text(yaml.safe_dump({"ledger": ledger, "connections": connections} | sections))
            variables = {"KEY_PASSPHRASE": PASSPHRASE, "WRONG_PASSPHRASE": "n0"}
            result = servers.run("check", "--offline", "--config", str(file), environment=variables)
            nobody.settimeout(0)
            with pytest.raises(BlockingIOError):
                nobody.accept()
        assert PASSPHRASE not in result.stdout + result.stderr
        self.code, self.output, self.errors = result.returncode, result.stdout, result.stderr
        self.lines = {line.split(":")[0]: line for line in result.stdout.splitlines()}


def credential(file: Path, passphrase: str | None = PASSPHRASE) -> dict:
    named = {None: {}, PASSPHRASE: {"passphrase": "env:KEY_PASSPHRASE"}}
    return {"certificate": str(file)} | named.get(passphrase, {"passphrase": "env:WRONG_PASSPHRASE"})


@pytest.mark.parametrize("name", FILES)
def test_what_is_said_of_a_key_file(directory, name):
    file = FILES[name]
    file.make(directory)
    checked = Checked(directory, credential(directory / "file", file.passphrase))
    if file.words is None:
        assert checked.code == 0, checked.output
        assert "CN=gateway" in checked.lines["ok   bi-0"]
    else:
        assert checked.code == 1, checked.output
        for word in file.words:
            assert word in checked.lines["FAIL bi-0"]


@pytest.mark.parametrize("name", [name for name, file in FILES.items() if file.remedy])
def test_what_is_advised_helps(directory, name):
    file = FILES[name]
    file.make(directory)
    openssl(directory, file.remedy)
    new = directory / "new"
    if b"BEGIN CERTIFICATE" not in new.read_bytes():
        new.write_bytes(new.read_bytes() + (directory / "certificate.pem").read_bytes())
    checked = Checked(directory, credential(new))
    assert checked.code == 0, checked.output


def test_a_java_keystore_that_was_converted_is_read(directory):
    java_keystore(directory)
    openssl(
        directory,
        "-importkeystore -srckeystore file -srcstorepass PASS -destkeystore new -deststoretype PKCS12 -deststorepass PASS",
        "keytool",
    )
    checked = Checked(directory, credential(directory / "new"))
    assert checked.code == 0, checked.output


@pytest.mark.parametrize("name", [name for name, file in FILES.items() if file.passphrase in (PASSPHRASE, None)])
def test_azure_identity_beside_it(directory, name):
    """What it reads is read here too, or is named with what helps."""
    file = FILES[name]
    file.make(directory)
    try:
        CertificateCredential(
            bodies.TENANT, bodies.CLIENT, certificate_path=str(directory / "file"), password=file.passphrase
        )
        is_read = True
    except ValueError:
        is_read = False
    if "no passphrase" not in name:
        assert is_read == file.azure
    if is_read and file.words:
        assert any(word in " ".join(file.words) for word in ("openssl", "-nomacver"))


def test_every_key_is_opened_and_every_fault_is_told(directory):
    exported("")(directory)
    (directory / "file").rename(directory / "good.pfx")
    other = identities.identity()
    (directory / "other.key").write_bytes(other.key_pem())
    (directory / "expired.pem").write_bytes(identities.identity(days=(-30, -1)).pem())
    checked = Checked(
        directory,
        credential(directory / "good.pfx"),
        credential(directory / "good.pfx", "n0"),
        credential(directory / "absent.pem", None),
        {"certificate": str(directory / "certificate.pem"), "key": str(directory / "other.key")},
        credential(directory / "expired.pem", None),
        server={"tls": {"certificate": str(directory / "certificate.pem"), "key": str(directory / "other.key")}},
    )
    assert checked.code == 78, checked.output
    assert "ok   bi-0" in checked.lines
    for number, words in enumerate(["is wrong", "cannot be opened", "doesn't fit", "has expired"], start=1):
        assert words in checked.lines[f"FAIL bi-{number}"]
    assert "server.tls.key" in checked.errors and "does not belong" in checked.errors


@pytest.mark.parametrize(
    "key, name, words",
    [
        ("certificate", "absent", "cannot be read"),
        ("certificate", "key.pem", "no certificate"),
        ("key", "certificate.pem", "no private key"),
        ("key", "encrypted.pem", "no private key"),
        ("clientAuthority", "key.pem", "no certificate"),
    ],
)
def test_the_files_of_tls(directory, key, name, words):
    openssl(directory, "pkcs8 -topk8 -in key.pem -passout pass:PASS -out encrypted.pem")
    tls = {name: str(directory / file) for name, file in (("certificate", "certificate.pem"), ("key", "key.pem"))}
    good = credential(directory / "key.pem", None) | {"certificate": str(directory / "both.pem")}
    (directory / "both.pem").write_bytes((directory / "key.pem").read_bytes() + (directory / "certificate.pem").read_bytes())
    assert Checked(directory, good, server={"tls": tls}).code == 0
    checked = Checked(directory, good, server={"tls": tls | {key: str(directory / name)}})
    assert checked.code == 78, checked.output
    assert f"server.tls.{key}" in checked.errors and words in checked.errors


def test_the_keys_that_seal(directory):
    (directory / "both.pem").write_bytes((directory / "key.pem").read_bytes() + (directory / "certificate.pem").read_bytes())
    good = credential(directory / "both.pem", None)
    (directory / "seal").write_text("not thirty-two bytes")
    checked = Checked(directory, good, sealing={"keys": [{"id": "one", "key": f"file:{directory / 'seal'}"}]})
    assert checked.code == 78 and "sealing.keys[0].key" in checked.errors
    openssl(directory, "rand -base64 -out seal 32")
    checked = Checked(directory, good, sealing={"keys": [{"id": "one", "key": f"file:{directory / 'seal'}"}]})
    assert checked.code == 0 and "one seals" in checked.output
