"""The gateway as a subject: its configuration, its start, and the calls that prepare a measurement."""

import hashlib
import http.client
import json
import os
import time
from pathlib import Path

from processes import Server, free_port

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("EXPORT_GATEWAY_BINARY", ROOT / ".build/release/export-gateway"))
#: A release that this one is compared with.
BASELINE = Path(os.environ["EXPORT_GATEWAY_BASELINE"]) if "EXPORT_GATEWAY_BASELINE" in os.environ else None

TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT = "22222222-2222-2222-2222-222222222222"
#: The key of each caller. There are several, as in daily use; `caller-0` is the one that is measured.
KEYS = {f"caller-{number}": f"benchmark-key-{number}-of-a-caller-long-enough" for number in range(10)}

#: What is read in the background, once for each file, is no part of what is measured here.
UNMEASURED = {"measure": "never"}


class Gateway:
    """A running gateway, asked as `caller-0` where it has callers."""

    path = "/"

    def __init__(self, name: str, server: Server, base: str, headers: dict[str, str], detail: str = ""):
        self.name, self.server, self.base, self.headers, self.detail = name, server, base, headers, detail

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()

    @property
    def command(self) -> str:
        return " ".join(self.server.command) + (f"  # {self.detail}" if self.detail else "")

    def call(self, method: str, path: str, body: dict | None = None) -> dict:
        connection = http.client.HTTPConnection(self.base.partition("//")[2])
        headers = self.headers | ({"Content-Type": "application/json"} if body else {})
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
        return json.loads(text)

    def create(self, report: str, name: str = "Quarterly ledger") -> str:
        """A paginated report, exported as CSV. Gives back the export's id."""
        return self.call("POST", "/exports", order(report, name))["id"]

    def await_status(self, export: str, status: str) -> None:
        deadline = time.monotonic() + 30
        while (found := self.call("GET", f"/exports/{export}"))["status"] != status:
            if time.monotonic() > deadline or found.get("completedAt"):
                raise SystemExit(f"the export did not become {status}: {json.dumps(found)}")
            time.sleep(0.05)


def order(report: str, name: str = "Quarterly ledger") -> dict:
    """What is sent to create an export."""
    return {
        "provider": "power-bi", "name": name, "connection": "bi",
        "powerBI": {"reportId": report, "format": "CSV", "paginatedReportConfiguration": {}},
    }


def connection(root: str, name: str = "bi", **settings) -> dict:
    """A Power BI connection to the upstream at `root`; without a budget, unless `settings` has one."""
    return {
        "name": name, "provider": "power-bi", "apiRoot": root, "allowPlainHTTP": True, "requestsPerMinute": 0,
        "pollInterval": "100ms",
        "credential": {
            "type": "clientSecret", "authority": root, "tenantId": TENANT, "clientId": CLIENT,
            "clientSecret": "env:BENCHMARK_SECRET",
        },
    } | settings


def configure(directory: Path, ledger: Path, connections: list[dict], *, callers: bool, port: int,
              log: dict | None = None, server: dict | None = None, downloads: dict | None = None,
              engine: dict | None = None, **sections: dict) -> Path:
    """Writes the configuration. With `callers` there are ten, each of whom sees its own exports only. `sections` go into it as they
    are."""
    keys = [
        {"id": caller, "sha256": hashlib.sha256(key.encode()).hexdigest(),
         "permissions": ["Exports.Create", "Exports.Read", "Connections.Use:*"]}
        for caller, key in KEYS.items()
    ]
    document = {
        "server": {"port": port} | ({"apiKeys": keys} if callers else {}) | (server or {}),
        "ledger": {"path": str(ledger)},
        "log": log or {"level": "info", "format": "json"},
        "downloads": UNMEASURED if downloads is None else downloads,
        "connections": connections,
    } | ({"engine": engine} if engine else {}) | sections
    path = directory / "gateway.yaml"
    # JSON is YAML.
    path.write_text(json.dumps(document, indent=1))
    return path


def start_gateway(directory: Path, cores: str, ledger: Path, connections: list[dict], *, name: str = "gateway",
                  binary: Path | None = None, callers: bool = True, authority: Path | None = None, detail: str = "",
                  environment: dict[str, str] | None = None, **settings) -> Gateway:
    """Starts a gateway and waits until it listens. `settings` are those of `configure`; the access log is on by default, in
    `directory`'s `gateway.log`."""
    port = free_port()
    configuration = configure(directory, ledger, connections, callers=callers, port=port, **settings)
    server = Server(
        [str(binary or BINARY), "serve", "--config", str(configuration)], cores, directory / "gateway.log", port,
        {"BENCHMARK_SECRET": "benchmark"} | ({"SSL_CERT_FILE": str(authority)} if authority else {}) | (environment or {}),
    )
    headers = {"Authorization": f"Bearer {KEYS['caller-0']}"} if callers else {}
    return Gateway(name, server, f"http://127.0.0.1:{port}", headers, detail)
