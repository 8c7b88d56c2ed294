"""The real processes: `export-gateway-sandbox sandbox` and `export-gateway serve`, on free ports, with their own ledgers."""

import ctypes
import functools
import hashlib
import itertools
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

import bodies
import evidence
from client import Answer, Download, call, download, poll

BINARY = Path(os.environ.get("EXPORT_GATEWAY_BINARY", evidence.ROOT / ".build/debug/export-gateway"))
# Beside the gateway; a former gateway, as tests of faults may run on, is its own sandbox.
SANDBOX = BINARY.with_name("export-gateway-sandbox")
if not SANDBOX.exists():
    SANDBOX = BINARY
    if BINARY.exists() and subprocess.run([BINARY, "sandbox", "--help"], capture_output=True, check=False).returncode:
        raise SystemExit(f"there is no sandbox beside {BINARY}: build the product export-gateway-sandbox too")

TOOLS = evidence.ROOT / ".build-tools"


def program(name: str) -> Path:
    """A program that Deploy/install-packages puts here: named by a variable, on the path, or taken out of a package."""
    named = os.environ.get(name.upper()) or shutil.which(name)
    return Path(named) if named else TOOLS / name


TERMINAL = {"succeeded", "partiallySucceeded", "failed", "canceled", "expired"}


class Process:
    """One running server. It dies with the process that runs the tests, whatever happens to that."""

    started: ClassVar[list["Process"]] = []

    def __init__(
        self,
        arguments: list[str],
        directory: Path,
        environment: dict[str, str] | None = None,
        program: Path = BINARY,
    ):
        self.log = directory / "stderr.log"
        self._arguments = [str(program), *arguments]
        self._environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"} | (environment or {})
        self._process: subprocess.Popen | None = None
        # What a test killed it with.
        self.deadly: set[int] = {signal.SIGKILL}
        self.output = directory / "stdout.log"

    def start(self, *more: str) -> None:
        """Starts it, with `more` arguments this time."""
        assert self._process is None or self._process.poll() is not None, "already running"
        self.started.append(self)
        with self.log.open("ab") as log, self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [*self._arguments, *more],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env=self._environment,
                preexec_fn=_die_with_parent,
            )

    def replace(self, program: Path) -> None:
        """The next start runs this executable, with the same arguments."""
        self._arguments[0] = str(program)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, within: float = 60) -> int:
        return self._process.wait(timeout=within)

    def kill(self) -> None:
        """`kill -9`, and the corpse is buried."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def stop(self, within: float = 60) -> int | None:
        """SIGTERM; killed when it takes longer than `within` seconds, which fails the test."""
        if self._process is None or self._process.poll() is not None:
            return self.exit_code
        self._process.terminate()
        try:
            return self._process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self.kill()
            message = f"{self._arguments[1]} did not end within {within} s after SIGTERM; see {self.log}"
            raise AssertionError(message) from None

    def lines(self) -> str:
        return self.log.read_text(errors="replace")

    def resident_bytes(self) -> int:
        """The process's resident memory."""
        return self._memory("VmRSS")

    def peak_bytes(self) -> int:
        """The highest resident memory since the start, or since `reset_peak`; the kernel misses nothing."""
        return self._memory("VmHWM")

    def reset_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def handles(self, number: int) -> bool:
        """Whether it has a handler of its own for this signal."""
        return bool(int(self._status("SigCgt"), 16) >> (number - 1) & 1)

    def children(self) -> list[str]:
        """The ids of its child processes, dead ones that were not waited for included."""
        found = []
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # Threads end.
                found += (thread / "children").read_text().split()
        return found

    def _memory(self, name: str) -> int:
        return int(self._status(name).removesuffix(" kB")) * 1024

    def _status(self, name: str) -> str:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return re.search(rf"^{name}:\s+(.+)$", status, re.M)[1]


class Sandbox:
    """The stand-in for Entra ID, Graph and Power BI."""

    def __init__(self, options: dict[str, str]):
        arguments = [part for name, value in options.items() for part in (f"--{name}", value) if part is not True]
        ports = ["--port", "0", "--proxy-port", "0", "--blob-port", "0", "--secure-port", "0"]
        self.process = Process(["sandbox", *ports, *arguments], evidence.directory("sandbox"), program=SANDBOX)
        self.process.start()
        pattern = re.compile(r"^sandbox: api=(\S+) proxy=(\S+) blob=(\S+)(?: secure=(\S+))?$", re.M)

        def ready():
            assert self.process.exit_code is None, f"the sandbox ended: {self.process.lines()}"
            return pattern.search(self.process.output.read_text())

        try:
            self.api, self.proxy, self.blob, self.secure = poll("the sandbox's addresses", ready).groups()
        except BaseException:
            self.process.kill()
            raise

    def account(self) -> dict:
        """What happened so far: jobs, calls, counts."""
        return call(self.api, "GET", "/_sandbox/account").json

    def jobs(self, **wanted) -> list[dict]:
        """The jobs whose members are as given."""
        return [job for job in self.account()["jobs"] if all(job.get(name) == value for name, value in wanted.items())]

    def secrets(self) -> list[str]:
        return call(self.api, "GET", "/_sandbox/secrets").json["values"]

    def rule(self, operation: str, fault: dict, **more) -> None:
        """From now on, calls of `operation` go wrong in this way."""
        answer = call(self.api, "POST", "/_sandbox/rules", body={"operation": operation, "fault": fault} | more)
        assert answer.status == 204, answer.body

    def control(self, name: str, body: dict) -> Answer:
        """Something told to the tenant: `certificates`, `federated-credentials`, `issuer-keys`, `signing-keys`, `tokens`."""
        answer = call(self.api, "POST", f"/_sandbox/{name}", body=body)
        assert answer.status in (201, 204), answer.body
        return answer

    def register(self, certificate_pem: bytes) -> None:
        """The application may sign its assertions with this certificate's key."""
        self.control("certificates", {"pem": certificate_pem.decode()})

    def mint(self, **wanted) -> str:
        """A caller's access token for the application; see TokenMint.swift for what can be wished for."""
        return self.control("tokens", wanted).json["token"]

    def tokens(self) -> dict:
        """How many tokens were issued by each kind of proof."""
        return self.account()["tokens"]

    def token_calls(self) -> int:
        return self.account()["counts"].get("entra.token", 0)

    def remove_rules(self) -> None:
        assert call(self.api, "DELETE", "/_sandbox/rules").status == 204

    def close(self) -> None:
        try:
            if self.process.exit_code is None:
                evidence.keep_secrets(self.secrets())
        finally:
            self.process.stop()


class Gateway:
    """The server under test, and one caller of it."""

    def __init__(self, configuration: dict, environment: dict[str, str], key: str | None, program: Path = BINARY):
        self.directory = evidence.directory("gateway")
        self.configuration = configuration
        self.key = key
        self.port = free_port()
        configuration.setdefault("server", {})["port"] = self.port
        if "url" not in configuration.get("ledger", {}):
            configuration["ledger"] = {"path": str(self.directory / "ledger.sqlite")}
        self.address = f"http://127.0.0.1:{self.port}"
        self._file = self.directory / "gateway.yaml"
        self.reconfigure({})
        self.process = Process(["serve", "--config", str(self._file)], self.directory, environment, program)

    def reconfigure(self, sections: dict[str, dict]) -> None:
        """What the next start finds in the configuration: `sections` are merged over what stood there."""
        for name, section in sections.items():
            self.configuration[name] = self.configuration.get(name, {}) | section
        self._file.write_text(json.dumps(self.configuration, indent=2))  # JSON is YAML too.

    def start(self, ready: bool = True, restored: bool = False) -> None:
        """Starts the process; returns once it is ready to serve. With `restored`, its ledger was restored from a backup."""
        self.process.start(*(["--restored"] if restored else []))
        if ready:
            self.await_ready()

    def await_ready(self) -> None:
        poll("the gateway's readiness", self._is_ready)

    def _is_ready(self) -> bool:
        assert self.process.exit_code is None, f"the gateway ended: {self.process.lines()[-4000:]}"
        try:
            return call(self.address, "GET", "/readyz", timeout=5).status == 200
        except OSError:
            return False

    def kill(self) -> None:
        self.process.kill()

    def call(self, method: str, path: str, headers: dict | None = None, body=None, timeout: float = 90) -> Answer:
        """One request as the caller; the answer is kept for the leak test."""
        answer = call(self.address, method, path, self._authenticated(headers), body, timeout)
        with (self.directory / "answers.log").open("ab") as file:
            head = json.dumps({"method": method, "path": path, "status": answer.status, "headers": answer.headers})
            file.write(head.encode() + b"\n" + answer.body + b"\n")
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        """GET; underscores in header names stand for hyphens."""
        return self.call("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})

    def create(self, body: dict, **headers: str) -> dict:
        """An accepted export, as the 202 shows it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.call("POST", "/exports", bodies.headers_for(body) | named, body)
        assert answer.status == 202, (answer.status, answer.body)
        return answer.json

    def export(self, export: dict) -> dict:
        """The export as it is now; a watcher of Viva Goals shows its token again."""
        answer = self.call("GET", f"/exports/{export['id']}", bodies.headers_for(export))
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json

    def watch(self, export: dict, until=lambda export: export["status"] in TERMINAL, within: float = 120) -> dict:
        """Polls until `until` holds."""
        latest = {}

        def reached():
            latest.update(value=self.export(export))
            return until(latest["value"])

        try:
            poll(f"export {export['id']}", reached, within, every=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}: {json.dumps(latest, indent=1)}") from None
        return latest["value"]

    def succeeded(self, export: dict, within: float = 120) -> dict:
        """Polls until the export has ended, which has to be well."""
        ended = self.watch(export, within=within)
        assert ended["status"] == "succeeded", json.dumps(ended, indent=1)
        return ended

    def download(self, path: str, headers: dict | None = None, **options) -> Download:
        return download(self.address, path, self._authenticated(headers), **options)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's values over the series that have these labels; 0 where there is none."""
        total = 0.0
        for line in self.get("/metrics").body.decode().splitlines():
            match = re.match(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)", line)
            if match and match[1] == name:
                found = dict(re.findall(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"', match[2] or ""))
                if all(found.get(label) == value for label, value in labels.items()):
                    total += float(match[3])
        return total

    def curl(self, *arguments: str) -> list[str]:
        """A curl command line with the caller's key."""
        key = ["-H", f"Authorization: Bearer {self.key}"] if self.key else []
        return ["curl", "--silent", "--show-error", "--max-time", "120", *key, *arguments]

    def close(self) -> None:
        if self.process.exit_code is None and self._is_ready():
            self.get("/metrics")
            self.get("/exports?limit=200")
        code = self.process.stop()
        assert not code or -code in self.process.deadly, f"the gateway ended with {code}; see {self.process.log}"

    def _authenticated(self, headers: dict | None) -> dict[str, str]:
        own = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return own | dict(headers or {})


@contextmanager
def sandbox(**options: str):
    """A running sandbox; options are its command line's, with underscores: `job_duration="500ms"`; True for a flag."""
    server = Sandbox({"job-duration": "300ms"} | {name.replace("_", "-"): value for name, value in options.items()})
    try:
        yield server
    finally:
        server.close()


@contextmanager
def gateway(
    upstream: Sandbox | None,
    start: bool = True,
    authenticated: bool = True,
    environment: dict[str, str] | None = None,
    **sections: dict | list,
):
    """A running gateway, by default with a connection for each provider on a sandbox, and both dialects of eDiscovery.

    `sections` are merged over those of the configuration file; a list replaces one. Files are not measured unless
    `downloads` says so: tests count the calls of their upstream, and script what it answers first.
    """
    configuration, key = configured(upstream, authenticated, sections)
    variables = {"SANDBOX_CLIENT_SECRET": bodies.CLIENT_SECRET} | (environment or {})
    server = Gateway(configuration, variables, key)
    try:
        if start:
            server.start()
        yield server
    except BaseException:
        server.kill()
        raise
    else:
        server.close()


def configured(upstream: Sandbox | None, authenticated: bool, sections: dict) -> tuple[dict, str | None]:
    """The configuration of `gateway`, and the key of its caller."""
    key = "key-" + secrets.token_hex(16) if authenticated else None
    configuration = {
        "server": {"host": "127.0.0.1"},
        "log": {"level": "debug", "format": "json"},
        "engine": {"reconcileDelay": "300ms"},
        "connections": sections.pop("connections", None) or connections(upstream),
    }
    # The whole suite runs against both ways of answering: EXPORT_GATEWAY_DIRECT_ANSWERS=false is the one through tasks.
    if os.environ.get("EXPORT_GATEWAY_DIRECT_ANSWERS") == "false":
        configuration["server"]["directAnswers"] = False
    if knows_measuring():
        configuration["downloads"] = {"measure": "never"}
    if key:
        digest = hashlib.sha256(key.encode()).hexdigest()
        configuration["server"]["apiKeys"] = [{"id": "black-box", "sha256": digest}]
        evidence.keep_secrets([key])
    for name, section in sections.items():
        configuration[name] = configuration.get(name, {}) | section
    return configuration, key


@functools.cache
def knows_measuring() -> bool:
    """Whether the executable has the key `downloads.measure`: tests of faults also run on the one that had them."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        # Read up to the first mistake, which is the key or that there are no connections.
        file.write("ledger: {path: unused}\ndownloads: {measure: never}\nconnections: []\n")
        file.flush()
        checked = run("check", "--config", file.name)
    assert checked.returncode != 0, checked.stdout
    return "downloads.measure" not in checked.stdout + checked.stderr


@functools.cache
def knows_intune() -> bool:
    """Whether the executable has the provider `intune`, as `knows_measuring`."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        # Read up to the first mistake, which is the provider or what its connection lacks.
        file.write("ledger: {path: unused}\nconnections: [{name: devices, provider: intune}]\n")
        file.flush()
        checked = run("check", "--config", file.name)
    assert checked.returncode != 0, checked.stdout
    return "connections[0].provider" not in checked.stdout + checked.stderr


def connections(upstream: Sandbox) -> list[dict]:
    """One connection for each provider on the sandbox, and `purview-former` for the former eDiscovery dialect."""
    application = {
        "type": "clientSecret",
        "authority": upstream.api,
        "tenantId": bodies.TENANT,
        "clientId": bodies.CLIENT,
        "clientSecret": "env:SANDBOX_CLIENT_SECRET",
    }
    common = {"apiRoot": upstream.api, "allowPlainHTTP": True, "requestsPerMinute": 0, "pollInterval": "200ms"}
    ediscovery = common | {
        "provider": "graph-ediscovery",
        "proxyHosts": [upstream.proxy],
        "blobHosts": [upstream.blob],
        "credential": application,
    }
    return [
        ediscovery | {"name": "purview", "dialect": "security"},
        ediscovery | {"name": "purview-former", "dialect": "ediscovery"},
        common | {"name": "goals", "provider": "viva-goals", "credential": {"type": "passThrough"}},
        *([intune_connection(upstream)] if knows_intune() else []),
        common | {"name": "bi", "provider": "power-bi", "credential": application},
    ]


def intune_connection(upstream: Sandbox, **more) -> dict:
    """The connection of Intune; `more` goes into it."""
    application = {
        "type": "clientSecret",
        "authority": upstream.api,
        "tenantId": bodies.TENANT,
        "clientId": bodies.CLIENT,
        "clientSecret": "env:SANDBOX_CLIENT_SECRET",
    }
    return {
        "name": "devices",
        "provider": "intune",
        "apiRoot": upstream.api,
        "blobHosts": [upstream.blob],
        "allowPlainHTTP": True,
        "requestsPerMinute": 0,
        "pollInterval": "200ms",
        "credential": application,
    } | more


@functools.cache
def own_ports() -> tuple[socket.socket, Iterator[int]]:
    """Ports that no other process takes while this one runs tests: the socket's name is that of their block, and one process's.

    They are below the range that outgoing connections take theirs from: a server that is started again finds its port free.
    """
    size = 400
    for first in range(20_000, 32_000, size):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0export-gateway-tests-{first}")
        except OSError:
            claim.close()
        else:
            return claim, itertools.cycle(range(first, first + size))
    raise AssertionError("every block of ports is taken")


def free_port() -> int:
    """A port that nobody listens on, and that nobody else is given soon."""
    _, ports = own_ports()
    for port in itertools.islice(ports, 400):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


def run(*arguments: str, stdin: str | None = None, environment: dict | None = None) -> subprocess.CompletedProcess:
    """One command of the executable, run to its end."""
    return subprocess.run(
        [str(BINARY), *arguments],
        input=stdin if stdin is not None else "",
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"} | (environment or {}),
        capture_output=True,
        text=True,
        timeout=60,
    )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
