"""Who the gateway is to Entra ID: `export-gateway check` signs in with keys of every kind, a hardware module's among them."""

import base64
import contextlib
import http.server
import json
import os
import shutil
import subprocess
import threading
import urllib.parse
from pathlib import Path

import pytest

import evidence
import servers

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
CLIENT = "22222222-2222-2222-2222-222222222222"

CONFIGURATION = """\
server: {{ port: 0 }}
ledger: {{ path: {directory}/ledger.sqlite }}
connections:
  - name: bi
    provider: power-bi
    allowPlainHTTP: true
    credential:
      authority: {authority}
      tenantId: contoso.example
      clientId: {client}
      {credential}
"""


@contextlib.contextmanager
def authority(certificate: Path):
    """A token endpoint that knows one certificate, and checks an assertion's signature with the openssl command."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            seen.append(form)
            good = verified(form.get("client_assertion", ".."), certificate)
            body = json.dumps(
                {"token_type": "Bearer", "expires_in": 3599, "access_token": "granted"}
                if good
                else {"error": "invalid_client", "error_description": "AADSTS700027: no.", "error_codes": [700027]}
            ).encode()
            self.send_response(200 if good else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verified(assertion: str, certificate: Path) -> bool:
    header, claims, signature = assertion.split(".")
    if not signature or "=" in assertion:
        return False
    fields = json.loads(decoded(header))
    der = subprocess.run(["openssl", "x509", "-in", certificate, "-outform", "DER"], check=True, capture_output=True)
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-binary"], input=der.stdout, check=True, capture_output=True)
    if fields["alg"] != "PS256" or decoded(fields["x5t#S256"]) != digest.stdout:
        return False
    (certificate.parent / "signature").write_bytes(decoded(signature))
    public = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True, capture_output=True)
    (certificate.parent / "public.pem").write_bytes(public.stdout)
    options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]
    outcome = subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", "public.pem", *options, "-signature", "signature"],
        cwd=certificate.parent,
        input=f"{header}.{claims}".encode(),
        capture_output=True,
    )
    return outcome.returncode == 0


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def pair(directory: Path) -> None:
    subject = ["-subj", "/CN=gateway", "-days", "2"]
    openssl(directory, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "c.pem", *subject)


def check(directory: Path, credential: str, environment: dict[str, str] | None = None):
    with authority(directory / "c.pem") as (address, seen):
        file = directory / "gateway.yaml"
        file.write_text(
            CONFIGURATION.format(
                directory=directory,
                authority=address,
                client=CLIENT,
                credential=credential.replace("@", str(directory) + "/").replace("\n", "\n      "),
            )
        )
        result = servers.run("check", "--config", str(file), environment=environment or {})
    return result, seen


def test_every_form_of_a_certificate_signs_in():
    directory = evidence.directory("signing-in")
    pair(directory)
    openssl(directory, "pkcs8", "-topk8", "-in", "key.pem", "-passout", "pass:s3same", "-out", "encrypted.pem")
    openssl(
        directory,
        *["pkcs12", "-export", "-inkey", "key.pem", "-in", "c.pem", "-passout", "pass:s3same", "-out", "pair.pfx"],
    )
    for credential in [
        "type: certificate\ncertificate: @c.pem\nkey: @key.pem",
        "type: certificate\ncertificate: @c.pem\nkey: @encrypted.pem\npassphrase: env:PASSPHRASE",
        "type: certificate\ncertificate: @pair.pfx\npassphrase: env:PASSPHRASE",
    ]:
        result, seen = check(directory, credential, {"PASSPHRASE": "s3same"})
        assert result.returncode == 0, result.stdout + result.stderr
        assert "ok   bi: token for" in result.stdout
        assert len(seen) == 1
    result, seen = check(
        directory,
        "type: certificate\ncertificate: @pair.pfx\npassphrase: env:PASSPHRASE",
        {"PASSPHRASE": "wr0ng"},
    )
    assert result.returncode == 1
    assert "connections[0].credential.passphrase: is wrong" in result.stdout
    assert "wr0ng" not in result.stdout + result.stderr
    assert not seen


@pytest.fixture
def token():
    """A SoftHSM token that holds the key of `c.pem`, under the PIN 246810."""
    if not SOFTHSM.exists() or not shutil.which("softhsm2-util") or not any(
        Path("/usr/lib").glob("*/engines-3/pkcs11.so")
    ):
        pytest.skip("softhsm2 and libengine-pkcs11-openssl are not installed")
    directory = evidence.directory("hardware-module")
    pair(directory)
    (directory / "tokens").mkdir()
    configuration = directory / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {directory}/tokens\n")
    environment = os.environ | {"SOFTHSM2_CONF": str(configuration)}
    openssl(directory, "pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-out", "key.p8")
    for arguments in [
        ["--init-token", "--free", "--label", "gateway", "--so-pin", "135791", "--pin", "246810"],
        ["--import", "key.p8", "--token", "gateway", "--label", "signing", "--id", "a1", "--pin", "246810"],
    ]:
        subprocess.run(
            ["softhsm2-util", *arguments], cwd=directory, env=environment, check=True, capture_output=True
        )
    (directory / "key.pem").unlink()
    (directory / "key.p8").unlink()
    return directory, {"SOFTHSM2_CONF": str(configuration)}


def test_a_key_in_a_hardware_module_signs_in(token):
    directory, environment = token
    uri = f"pkcs11:token=gateway;object=signing;type=private?module-path={SOFTHSM}"
    credential = f"type: certificate\ncertificate: @c.pem\nkey: {uri}\npassphrase: env:PIN"
    result, seen = check(directory, credential, environment | {"PIN": "246810"})
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(seen) == 1
    result, seen = check(directory, credential, environment | {"PIN": "000000"})
    assert result.returncode == 1
    assert "connections[0].credential.passphrase: is wrong" in result.stdout
    assert "000000" not in result.stdout + result.stderr
    assert not seen


def test_without_the_engine_it_is_said_what_to_install():
    directory = evidence.directory("no-hardware-module")
    pair(directory)
    credential = "type: certificate\ncertificate: @c.pem\nkey: pkcs11:token=gateway\npassphrase: env:PIN"
    environment = {"PIN": "1", "OPENSSL_ENGINES": str(directory)}
    result, seen = check(directory, credential, environment)
    assert result.returncode == 1
    assert "connections[0].credential.key" in result.stdout
    assert "libengine-pkcs11-openssl" in result.stdout
    assert not seen


def test_the_engine_writes_nothing_of_its_own(token):
    directory, environment = token
    uri = f"pkcs11:token=gateway;object=absent;type=private?module-path={SOFTHSM}"
    credential = f"type: certificate\ncertificate: @c.pem\nkey: {uri}\npassphrase: env:PIN"
    result, seen = check(directory, credential, environment | {"PIN": "246810"})
    assert result.returncode == 1
    assert "connections[0].credential.key: cannot be opened" in result.stdout
    assert "pkcs11:" not in result.stdout + result.stderr
    assert not seen


def test_a_library_without_the_algorithms_is_named():
    directory = evidence.directory("no-algorithms")
    pair(directory)
    (directory / "openssl.cnf").write_text(
        "openssl_conf = all\n[all]\nproviders = providers\n[providers]\nbase = base\n[base]\nactivate = 1\n"
    )
    credential = "type: certificate\ncertificate: @c.pem\nkey: @key.pem"
    result, seen = check(directory, credential, {"OPENSSL_CONF": str(directory / "openssl.cnf")})
    assert result.returncode == 78, result.stdout + result.stderr
    assert "configuration: OpenSSL: " in result.stderr and "algorithm-unavailable" in result.stderr
    assert not seen
