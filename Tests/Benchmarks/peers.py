"""What the gateway's status is compared with: each gives the same JSON, with the same entity tag, for the same keys."""

import http.client
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gateways import BINARY, KEYS, ROOT, Gateway
from nginx import start_nginx
from processes import Server, free_port

BARE_NIO = Path(os.environ.get("EXPORT_GATEWAY_BARE_NIO", BINARY.with_name("bare-nio")))
_HERE = Path(__file__).resolve().parent


@dataclass
class Answer:
    """What the gateway answered, head and body as they came, and the files that they are in."""

    path: str
    tag: str
    body: Path
    whole: Path


def answer_of(gateway: Gateway, path: str, directory: Path) -> Answer:
    connection = http.client.HTTPConnection(gateway.base.partition("//")[2])
    connection.request("GET", path, headers=gateway.headers)
    found = connection.getresponse()
    body = found.read()
    connection.close()
    if found.status != 200:
        raise SystemExit(f"GET {path}: {found.status} {body.decode(errors='replace')}")
    answer = Answer(path, found.headers["ETag"], directory / "body.json", directory / "answer")
    answer.body.write_bytes(body)
    head = "".join(f"{name}: {value}\r\n" for name, value in found.getheaders())
    answer.whole.write_bytes(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)
    return answer


class Peer:
    """A running server that is asked like the gateway."""

    def __init__(self, name: str, server: Server, port: int, path: str, log: Path, detail: str = ""):
        self.name, self.server, self.path, self.log, self.detail = name, server, path, log, detail
        self.base = f"http://127.0.0.1:{port}"
        self.headers = {"Authorization": f"Bearer {KEYS['caller-0']}"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()

    @property
    def command(self) -> str:
        return " ".join(self.server.command) + (f"  # {self.detail}" if self.detail else "")


def nginx_cache(directory: Path, cores: str, answer: Answer, *, buffered: bool = False) -> Peer:
    """A `proxy_cache` that always hits. `Authorization` is looked up among the same ten keys, in a hash table, and what is
    cached is kept by caller; the gateway also hashes the key (SHA-256) first. The log line has the gateway's members. nginx
    writes each at once, as is its default; with `buffered`, 64 KiB of them at a time.

    Every address below `/exports/` hits the same entry, so that a million addresses are as cheap as one.
    """
    port, source = free_port(), free_port()
    log = directory / "access.log"
    callers = "\n".join(f'    "Bearer {key}" {caller};' for caller, key in KEYS.items())
    server = start_nginx("cache", directory, cores, port, f"""  log_format gateway escape=json
    '{{"bytes":"$body_bytes_sent","caller":"$caller","duration_ms":"$request_time","export":"$export",'
    '"level":"info","logger":"export-gateway","message":"request","method":"$request_method","request_id":"$request_id",'
    '"route":"/exports/{{id}}","status":"$status","time":"$time_iso8601"}}';
  access_log off;
  keepalive_requests 100000000;
  map_hash_bucket_size 128;
  map $http_authorization $caller {{
    default "";
{callers}
  }}
  proxy_cache_path {directory}/cache keys_zone=status:1m;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location ~ ^/exports/(?<export>[^/]+)$ {{
      access_log {log} gateway{" buffer=64k flush=1s" if buffered else ""};
      if ($caller = "") {{ return 401; }}
      proxy_pass http://127.0.0.1:{source};
      proxy_cache status;
      proxy_cache_key $caller;
      proxy_cache_valid 200 1d;
      proxy_ignore_headers Cache-Control;
      add_header X-Request-Id $request_id;
    }}
  }}
  server {{
    listen 127.0.0.1:{source};
    location / {{
      etag off;
      default_type application/json;
      add_header ETag '{answer.tag}';
      add_header Cache-Control no-cache;
      add_header X-Content-Type-Options nosniff;
      root /;
      try_files {answer.body} =404;
    }}
  }}""")
    return Peer("nginx, log buffered" if buffered else "nginx", server, port, answer.path, log,
                "proxy_cache hit; map $http_authorization" + ("; buffer=64k" if buffered else ""))


def fastapi(directory: Path, cores: str, answer: Answer) -> Peer:
    """uvicorn with uvloop and httptools, one worker, its own access log."""
    port = free_port()
    keys = directory / "keys.json"
    keys.write_text(json.dumps({key: caller for caller, key in KEYS.items()}))
    log = directory / "uvicorn.log"
    server = Server(
        [str(_venv() / "bin/uvicorn"), "--app-dir", str(_HERE), "--port", str(port), "--workers", "1", "--loop", "uvloop",
         "--http", "httptools", "fastapi_status:app"],
        cores, log, port,
        {"STATUS_ANSWER": str(answer.body), "STATUS_TAG": answer.tag, "STATUS_KEYS": str(keys)},
    )
    return Peer("FastAPI", server, port, answer.path, log, (_HERE / "requirements.txt").read_text().replace("\n", " "))


def bare_nio(directory: Path, cores: str, answer: Answer) -> Peer | None:
    """SwiftNIO's HTTP/1 pipeline and nothing else; None where it is not built."""
    if not BARE_NIO.exists():
        return None
    port = free_port()
    log = directory / "bare-nio.log"
    server = Server([str(BARE_NIO), str(port), str(answer.whole), KEYS["caller-0"]], cores, log, port)
    return Peer("bare NIO", server, port, answer.path, log)


def _venv() -> Path:
    """Made once, and again when the requirements or the interpreter have changed."""
    place = ROOT / ".build-benchmarks-venv"
    wanted = sys.version + (_HERE / "requirements.txt").read_text()
    stamp = place / ".made-of"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        subprocess.run([str(place / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r",
                        str(_HERE / "requirements.txt")], check=True)
        stamp.write_text(wanted)
    return place
