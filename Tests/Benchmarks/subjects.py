"""What is measured: the gateway and its peers, each in front of the same origin.

A subject is started for one scenario: upstream over HTTP or TLS, on these cores, with or without gzip. `address(name)` is
where the file `name` is downloaded.
"""

from pathlib import Path

from gateways import UNMEASURED, Gateway, connection, start_gateway
from nginx import start_nginx
from origin import Origin
from processes import Server, free_port


class Subject:
    """A running server, and how it is asked."""

    def __init__(self, name: str, server: Server, base: str, detail: str):
        self.name, self.server, self.base, self.detail = name, server, base, detail

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()

    @property
    def command(self) -> str:
        return " ".join(self.server.command) + (f"  # {self.detail}" if self.detail else "")


class _Proxy(Subject):
    def __init__(self, name: str, server: Server, port: int, origin: Origin, detail: str):
        super().__init__(name, server, f"http://127.0.0.1:{port}", detail)
        self._origin = origin

    def address(self, file: str) -> str:
        return self.base + self._origin.file_path(file)


def nginx(directory: Path, origin: Origin, cores: str, *, tls: bool, gzip: int = 0) -> Subject:
    """`proxy_pass`, buffering on, no temporary files; a worker for each core."""
    port = free_port()
    upstream = origin.https if tls else origin.http
    compression = f"gzip on; gzip_comp_level {gzip}; gzip_types text/csv; gzip_min_length 1024;" if gzip else "gzip off;"
    trust = f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {origin.authority}; proxy_ssl_protocols TLSv1.3;"
    proxying = (
        f"proxy_pass {upstream}; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering on; "
        f"proxy_max_temp_file_size 0;"
    )
    server = start_nginx("nginx", directory, cores, port, f"""  access_log off;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    {compression}
    location / {{ {proxying} {trust if tls else ""} }}
  }}""", workers=cores.count(",") + 1)
    return _Proxy(f"nginx -{gzip}" if gzip else "nginx", server, port, origin, f"{proxying} {compression}")


def haproxy(directory: Path, origin: Origin, cores: str, *, tls: bool, gzip: int = 0) -> Subject:
    """As Debian ships it: gzip by libslz, which knows one level."""
    port = free_port()
    address = (origin.https if tls else origin.http).partition("//")[2]
    trust = f" ssl verify required ca-file {origin.authority}" if tls else ""
    compression = "  compression algo gzip\n  compression type text/csv\n" if gzip else ""
    threads = cores.count(",") + 1
    configuration = directory / "haproxy.cfg"
    configuration.write_text(f"""global
  nbthread {threads}
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
frontend front
  bind 127.0.0.1:{port}
  default_backend origin
backend origin
{compression}  server origin {address}{trust}
""")
    server = Server(["haproxy", "-db", "-f", str(configuration)], cores, directory / "haproxy.log", port)
    detail = f"nbthread {threads}" + ("; compression algo gzip; compression type text/csv" if gzip else "")
    return _Proxy("haproxy", server, port, origin, detail)


def caddy(directory: Path, origin: Origin, cores: str, *, tls: bool, gzip: int = 0, zstd: bool = False) -> Subject:
    port = free_port()
    encode = "encode zstd" if zstd else "encode gzip" if gzip else ""
    upstream = origin.https if tls else origin.http
    trust = f" {{\n transport http {{\n tls_trusted_ca_certs {origin.authority}\n }}\n }}" if tls else ""
    configuration = directory / "Caddyfile"
    configuration.write_text(f"""{{
 admin off
 auto_https off
}}
http://127.0.0.1:{port} {{
 {encode}
 reverse_proxy {upstream}{trust}
}}
""")
    server = Server(
        ["caddy", "run", "--adapter", "caddyfile", "--config", str(configuration)],
        cores,
        directory / "caddy.log",
        port,
        {"XDG_DATA_HOME": str(directory), "XDG_CONFIG_HOME": str(directory), "GOMAXPROCS": str(cores.count(",") + 1)},
    )
    return _Proxy("caddy", server, port, origin, "reverse_proxy" + (f"; {encode}" if encode else ""))


def gateway(
    directory: Path, origin: Origin, cores: str, *, tls: bool, gzip: str | None = None, zstd: str | None = None
) -> "Downloads":
    """Ours. Its files are those of exports that have been made and have succeeded, as in daily use."""
    efforts = {coding: effort for coding, effort in (("gzip", gzip), ("zstd", zstd)) if effort}
    ledger = directory / "ledger.sqlite"
    for old in directory.glob("ledger.sqlite*"):
        old.unlink()
    started = start_gateway(
        directory, cores, ledger, [connection(origin.https if tls else origin.http)],
        name=" ".join(["gateway", *efforts.values()]), callers=False, authority=origin.authority if tls else None,
        detail=", ".join(f"downloads.{coding}: {effort}" for coding, effort in efforts.items()), log={"level": "warning", "format": "text"},
        downloads=UNMEASURED | efforts,
    )
    return Downloads(started, origin)


class Downloads(Subject):
    """The gateway, asked for files."""

    def __init__(self, started: Gateway, origin: Origin):
        super().__init__(started.name, started.server, started.base, started.detail)
        self._gateway, self._origin = started, origin
        self._exports: dict[str, str] = {}

    def address(self, file: str) -> str:
        if file not in self._exports:
            self._exports[file] = self._gateway.create(self._origin.reports[file], file)
            self._gateway.await_status(self._exports[file], "succeeded")
        return f"{self.base}/exports/{self._exports[file]}/content"
