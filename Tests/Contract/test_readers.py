"""What the gateway sends is read by the programs that people use; and a broken file is an error to each of them."""

import gzip
import hashlib
import http.client
import os
import queue
import shutil
import signal
import socket
import subprocess
import threading
import urllib.request
import zlib
from contextlib import contextmanager
from pathlib import Path

import pytest

import raw_servers
from raw_upstream import Fault, Source
from truncation_cases import csv

READERS = Path(__file__).with_name("readers")
# Several blocks of every encoder.
CONTENT = csv(7, 3_000_017)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def pair():
    with raw_servers.pair(downloads={"resumeAttempts": 1}) as pair:
        yield pair


@pytest.fixture(scope="module")
def whole(pair):
    """The address of a file."""
    return pair.gateway.address + pair.export([Source(CONTENT)]) + "/content"


@pytest.fixture
def broken(pair):
    """The address of a file that breaks in the middle whenever it is asked for."""
    source = Source(CONTENT, framing="chunked", faults=[Fault("rst", at=2_000_000)], has_tag=False)
    return pair.gateway.address + pair.export([source]) + "/content"


def curl(pair, address, *arguments, to: Path):
    command = pair.gateway.curl(*arguments, "--output", str(to), "--write-out", "%header{content-encoding}", address)
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_curl(pair, whole, broken, tmp_path):
    result = curl(pair, whole, "--compressed", to=tmp_path / "file")
    assert result.returncode == 0, result.stderr
    # Debian's curl takes both codings, with the same weight.
    assert result.stdout == "zstd"
    assert (tmp_path / "file").read_bytes() == CONTENT
    for arguments in (["--compressed"], []):
        # 61: the invalid block that a broken encoded answer ends in comes before the end of the connection is seen.
        assert curl(pair, broken, *arguments, to=tmp_path / "broken").returncode in (18, 56, 61)


def test_gzip(pair, whole, broken, tmp_path):
    for address, code in ((whole, 0), (broken, 1)):
        curl(pair, address, "-H", "Accept-Encoding: gzip", to=tmp_path / "file.gz")
        result = subprocess.run(["gzip", "--decompress", "--stdout", tmp_path / "file.gz"], capture_output=True)
        assert result.returncode == code, result.stderr
        assert (result.stdout == CONTENT) == (code == 0)


def test_python(pair, whole, broken):
    def opened(address):
        return urllib.request.urlopen(urllib.request.Request(address, headers=pair.key | {"Accept-Encoding": "gzip"}))

    with opened(whole) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        packed = answer.read()
    assert gzip.decompress(packed) == CONTENT
    member = zlib.decompressobj(wbits=31)
    assert member.decompress(packed) + member.flush() == CONTENT
    # One member and nothing behind it: some readers stop after the first (RFC 1952, 2.2 allows several).
    assert member.eof and member.unused_data == b""
    with opened(whole) as answer, gzip.GzipFile(fileobj=answer) as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == DIGEST
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)), opened(broken) as answer:
        answer.read()
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError, EOFError)), opened(broken) as answer:
        gzip.GzipFile(fileobj=answer).read()


def test_java(pair, whole, broken):
    def run(address):
        # Compiled and run at once; the fast start matters more than fast code.
        command = ["java", "-XX:TieredStopAtLevel=1", str(READERS / "Reader.java"), address, pair.key["Authorization"]]
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)

    result = run(whole)
    assert result.returncode == 0, result.stderr
    clients = ("HttpClient", "HttpURLConnection")
    expected = {f"{client} {coding} {DIGEST}" for client in clients for coding in ("identity", "gzip")}
    assert set(result.stdout.splitlines()) == expected
    result = run(broken)
    assert result.returncode != 0 and "IOException" in result.stderr, result


def test_chromium(pair, whole, broken, tmp_path):
    # Of an address of this machine, Chromium takes zstd too, if its version has it.
    assert outcome_in_chromium(pair, whole, tmp_path / "first") in {f"whole {coding} {DIGEST}" for coding in ("gzip", "zstd")}
    assert outcome_in_chromium(pair, broken, tmp_path / "second") == "failed TypeError"


def outcome_in_chromium(pair, address: str, directory: Path) -> str:
    command = [shutil.which("chromium-headless-shell"), "--headless", "--no-sandbox", "--disable-gpu"]
    # The port keeps it open until it is ended.
    command += [f"--user-data-dir={directory}", "--remote-debugging-port=0"]
    with page(pair, "/" + address.split("/", 3)[3]) as (origin, outcomes):
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([*command, origin], **quiet, start_new_session=True) as chromium:
            try:
                return outcomes.get(timeout=60)
            finally:
                os.killpg(chromium.pid, signal.SIGKILL)


@contextmanager
def page(pair, path: str):
    """An origin with one page, whose outcome is put into a queue, and behind it the gateway."""
    html = (READERS / "page.html").read_text().replace("FILE", path).replace("KEY", pair.key["Authorization"]).encode()
    outcomes = queue.Queue()

    def answer(connection: socket.socket, content: bytes):
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + content)

    def serve(connection: socket.socket):
        with connection:
            request = connection.recv(65_536)
            if request.startswith(b"POST /outcome "):
                while not (outcome := request.partition(b"\r\n\r\n")[2]):
                    request += connection.recv(65_536)
                answer(connection, b"")
                outcomes.put(outcome.decode())
            elif request.startswith(b"GET /exports/"):
                relay(connection, request)
            else:
                answer(connection, html)

    def relay(connection: socket.socket, request: bytes):
        with socket.create_connection(("127.0.0.1", pair.gateway.port)) as gateway:
            # One exchange on each connection: what comes after it would not be seen.
            gateway.sendall(request.replace(b"Connection: keep-alive", b"Connection: close"))
            try:
                while block := gateway.recv(65_536):
                    connection.sendall(block)
            except OSError:
                pass

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", outcomes
        listener.shutdown(socket.SHUT_RDWR)
