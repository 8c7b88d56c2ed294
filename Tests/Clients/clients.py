"""The generated clients of Deploy/clients: how one is made, and what its scenario has to print and leave behind."""

import hashlib
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import servers
from client import ended_deliveries

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "Deploy/clients"
BUILT = ROOT / ".build-clients"
PACKAGES = CLIENTS / "requirements.txt"
# What a file has that breaks off in the middle: more than waits in buffers on the way.
SIZE = 4 << 20
# Who reads the header fields of an answer checks the first download against its delivery, and the second against its digest.
STEPS = [
    ("created", 1),
    ("ended succeeded", 0),
    ("listed", 1),
    ("downloaded, checked by delivery", 1),
    ("downloaded, checked by header field", 1),
    ("404 not-found", 1),
    ("401 unauthenticated", 1),
    ("304", 0),
]


@dataclass
class Client:
    """One folder of Deploy/clients."""

    name: str

    @property
    def folder(self) -> Path:
        return CLIENTS / self.name

    @property
    def built(self) -> Path:
        return BUILT / self.name

    def build(self) -> float:
        """Generates and compiles it where that is not done yet. Returns the seconds that it took."""
        began = time.monotonic()
        stamp, wanted = self.built / ".stamp", self._inputs()
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(self.built, ignore_errors=True)
            self.built.mkdir(parents=True)
            command([self.folder / "build", self.built], timeout=600)
            stamp.write_text(wanted)
        return time.monotonic() - began

    def run(self, address: str, key: str, file: Path) -> list[str]:
        """What its scenario prints."""
        # What a client leaves in temporary files is removed with the file.
        environment = {"EXPORT_GATEWAY_KEY": key, "HOME": str(file.parent), "TMPDIR": str(file.parent)}
        return command([self.folder / "run", self.built, address, file], 120, environment).splitlines()

    def run_cut(self, gateway: servers.Gateway, file: Path) -> str:
        """Who notices that a download breaks off in the middle: the client, or the scenario's check of what came."""
        try:
            self.run(gateway.address, gateway.key, file)
        except Failed as failure:
            steps = [line.partition(":")[0] for line in failure.output.splitlines()]
            if steps != ["created", "ended succeeded", "listed"] or file.exists():
                raise
            return "the check" if "the download ended as " in failure.errors else "the client"
        raise Failed("half a file was taken for a whole one")

    def run_at_a_page(self, file: Path) -> bool:
        """Whether the status is told of an error that is no problem document: 502 with a page, as a proxy sends it."""
        with ThreadingHTTPServer(("127.0.0.1", 0), BadGateway) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                self.run(f"http://127.0.0.1:{server.server_port}", "any", file)
            except Failed as failure:
                if failure.output or file.exists():
                    raise
                return re.search(r"\b502\b", failure.errors) is not None
            finally:
                server.shutdown()
                thread.join()
        raise Failed("a page was taken for an answer of the gateway")

    def _inputs(self) -> str:
        inputs = [ROOT / "openapi.yaml", PACKAGES, *sorted(path for path in self.folder.rglob("*") if path.is_file())]
        return hashlib.sha256(b"".join(path.read_bytes() + b"\0" for path in inputs)).hexdigest()


class BadGateway(BaseHTTPRequestHandler):
    """Answers every request as a proxy does whose gateway is gone."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        page = b"<html><body>The gateway is gone</body></html>"
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(502)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *arguments):
        """Nothing is printed."""


def command(words: list, timeout: float, environment: dict | None = None) -> str:
    """What a command prints. It may leave nothing running, and has to end with 0."""
    done = subprocess.run(
        words,
        env=os.environ | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{words[0]} ended with {done.returncode}", done.stdout, done.stderr)
    return done.stdout


class Failed(Exception):
    """A client that could not be built, or did not do its scenario; and what it said."""

    def __init__(self, what: str, output: str = "", errors: str = ""):
        super().__init__("\n".join([what, output[-4000:], errors[-4000:]]).rstrip())
        self.output, self.errors = output, errors


def check(gateway: servers.Gateway, lines: list[str], file: Path) -> Iterator[str]:
    """What is wrong with what a scenario printed, compared with what the gateway knows."""
    if len(lines) != len(STEPS):
        yield f"printed {len(lines)} lines, not {len(STEPS)}: {lines}"
        return
    told = []
    for line, (step, count) in zip(lines, STEPS, strict=True):
        if line.split(": ")[0] != step or line.count(": ") != count:
            yield f"printed {line!r}, not {step!r}"
            return
        told.append(line.partition(": ")[2])
    created, _, listed, first, second, missing, refused, _ = told
    export = gateway.get(f"/exports/{created}").json
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if listed != created:
        yield f"listed {listed}, not {created}"
    if {first, second} != {digest} or export["files"][0]["sha256"] != digest or not content:
        yield f"downloaded {first} and {second}, and saved {digest} of {export['files']}"
    deliveries = ended_deliveries(lambda: gateway.get(f"/exports/{created}/deliveries"), 2)
    if [delivery["outcome"] for delivery in deliveries] != ["whole"] * 2:
        yield f"the gateway counts {deliveries}"
    # A typed problem is known by its own member, which is that of the answer's field.
    if not missing or not refused or missing == refused:
        yield f"read the request ids {missing!r} and {refused!r} of the problems"


@dataclass
class Scene:
    """The servers, and the file that a client saves."""

    upstream: servers.Sandbox
    gateway: servers.Gateway
    #: A recipe saves more than one, in a directory of this name.
    file: Path
