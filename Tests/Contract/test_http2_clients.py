"""The programs that people use speak HTTP/2 over TLS by themselves: what is whole is read, and a broken file is an error to each."""

import hashlib
import os
import queue
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

import evidence
import http2_client
import raw_servers
import servers
from raw_upstream import Fault, Source
from test_callers import certificate
from test_readers import READERS, page
from truncation_cases import csv

CONTENT = csv(51, 3_000_017)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Secure:
    pair: raw_servers.Pair
    authority: Path
    whole: str
    broken: str

    def address(self, path: str) -> str:
        return f"https://localhost:{self.pair.gateway.port}{path}"


@pytest.fixture(scope="module")
def secure():
    directory = evidence.directory("tls")
    certificate(directory, "ca", "/CN=ca", "authority")
    certificate(directory, "server", "/CN=localhost", authority="ca")
    tls = {"certificate": str(directory / "server.pem"), "key": str(directory / "server.key")}
    with raw_servers.pair(downloads={"resumeAttempts": 1}) as pair:
        whole = pair.export([Source(CONTENT)]) + "/content"
        broken = Source(CONTENT, framing="chunked", faults=[Fault("rst", at=2_000_000)], has_tag=False)
        secure = Secure(pair, directory / "ca.pem", whole, pair.export([broken]) + "/content")
        # The same exports, over TLS.
        gateway = pair.gateway
        assert gateway.process.stop() == 0
        gateway.reconfigure({"server": {"tls": tls}})
        gateway.start(ready=False)
        servers.poll("the gateway's readiness", lambda: curl(secure, "/readyz").returncode == 0)
        yield secure
        assert gateway.process.stop() == 0


def curl(secure: Secure, path: str, *arguments: str, to: str = os.devnull):
    command = secure.pair.gateway.curl(
        "--fail", "--cacert", str(secure.authority), "--output", to, "--write-out", "%{http_version} %header{content-encoding}",
        *arguments, secure.address(path),
    )  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
def test_curl(secure, tmp_path, coding):
    arguments = ["--compressed", "-H", f"Accept-Encoding: {coding}"]
    result = curl(secure, secure.whole, *arguments, to=str(tmp_path / "file"))
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["2"] + ([coding] if coding != "identity" else [])
    assert (tmp_path / "file").read_bytes() == CONTENT
    # 92: the stream was reset. 61: the invalid block of an encoded answer comes before.
    assert curl(secure, secure.broken, *arguments).returncode in (61, 92)
    # Without decoding, the reset alone is seen.
    assert curl(secure, secure.broken, "-H", f"Accept-Encoding: {coding}").returncode == 92


def test_a_client_of_http_1_1_is_served_too(secure, tmp_path):
    result = curl(secure, secure.whole, "--http1.1", to=str(tmp_path / "file"))
    assert result.returncode == 0 and result.stdout.split() == ["1.1"]
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert curl(secure, secure.whole, "--no-alpn").stdout.split() == ["1.1"]


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_h2(secure, coding):
    fields = secure.pair.key | {"Accept-Encoding": coding}
    seen = http2_client.fetch(secure.pair.gateway.port, secure.whole, fields, authority=secure.authority)
    assert seen.looks_whole and seen.file() == CONTENT
    seen = http2_client.fetch(secure.pair.gateway.port, secure.broken, fields, authority=secure.authority)
    assert seen.status == 200 and not seen.is_complete
    assert seen.ended == f"reset {http2_client.INTERNAL_ERROR}"


def test_java(secure, tmp_path):
    trusted = tmp_path / "trusted.p12"
    subprocess.run(
        ["keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", secure.authority, "-keystore", trusted,
         "-storetype", "PKCS12", "-storepass", "changeit"],
        check=True, capture_output=True,
    )  # fmt: skip

    def run(path):
        store = [f"-Djavax.net.ssl.trustStore={trusted}", "-Djavax.net.ssl.trustStorePassword=changeit"]
        command = ["java", "-XX:TieredStopAtLevel=1", *store, str(READERS / "Http2Reader.java")]
        command += [secure.address(path), secure.pair.key["Authorization"]]
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)

    result = run(secure.whole)
    assert result.returncode == 0, result.stderr
    assert set(result.stdout.splitlines()) == {f"HTTP_2 {coding} {DIGEST}" for coding in ("identity", "gzip")}
    result = run(secure.broken)
    assert result.returncode != 0 and "IOException" in result.stderr, result


def test_chromium(secure, tmp_path):
    assert outcome_in_chromium(secure, secure.whole, tmp_path / "first").split()[::2] == ["whole", DIGEST]
    assert outcome_in_chromium(secure, secure.broken, tmp_path / "second") == "failed TypeError"


def outcome_in_chromium(secure: Secure, path: str, directory: Path) -> str:
    """What a page makes of a file that it asks for at the gateway itself; a proxy between them would speak HTTP/1.1."""
    command = [shutil.which("chromium-headless-shell"), "--headless", "--no-sandbox", "--disable-gpu"]
    command += ["--ignore-certificate-errors", "--disable-web-security"]
    command += [f"--user-data-dir={directory}", "--remote-debugging-port=0"]
    with page(secure.pair, secure.address(path)) as (origin, outcomes):
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([*command, origin], **quiet, start_new_session=True) as chromium:
            try:
                return outcomes.get(timeout=60)
            except queue.Empty:
                return "nothing"
            finally:
                os.killpg(chromium.pid, signal.SIGKILL)
