"""The proxies of `Deploy/proxies`, each run with its file there, without privileges, on loopback.

Of a file, only what a machine of its own would have is replaced: the gateway's address, the port that is listened on, the
certificate's place, and the site's name. Around it stands what an installation brings along: places for the process's own
files, and no more.
"""

import contextlib
import ctypes
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "Deploy/proxies"


@dataclass
class Place:
    """Where one proxy runs."""

    directory: Path
    port: int
    # Host and port.
    gateway: str
    # A certificate for 127.0.0.1 and its key, and both in one file.
    chain: Path
    key: Path
    pair: Path

    @property
    def gateway_port(self) -> str:
        return self.gateway.rpartition(":")[2]


class Proxy:
    """One proxy. `has_http2`: it can speak HTTP/2 with clients. `is_tls`: it ends TLS."""

    name: str
    has_http2 = True
    is_tls = True
    # What is replaced in its file: patterns, each of which has to be found.
    replaced: ClassVar[dict[str, str]] = {}
    # The replacement that switches HTTP/2 on, where its file leaves it off.
    http2_on: ClassVar[dict[str, str]] = {}

    def __init__(self, place: Place, is_variant: bool = False):
        """With `is_variant`, HTTP/2 is switched on, whatever its file says."""
        self.place, self.is_variant = place, is_variant
        self.title = self.name + (" with HTTP/2 on" if is_variant else "")
        # A client with TLS may always ask for HTTP/2, and gets what there is; without TLS it has to know beforehand.
        may_ask = self.has_http2 and (self.is_tls or is_variant or not self.http2_on)
        self.versions = ["1.1", "2"] if may_ask else ["1.1"]
        if is_variant:
            self.versions = ["2"]
        scheme = "https" if self.is_tls else "http"
        self.address = f"{scheme}://127.0.0.1:{place.port}"
        # Where something else ends TLS in front of it, it says https all the same.
        self.public = f"https://127.0.0.1:{place.port}"
        self.log = place.directory / "output.log"
        self._process: subprocess.Popen | None = None

    def text(self, file: str, replaced: dict[str, str], is_main: bool = True) -> str:
        """A file of `Deploy/proxies` for this place."""
        text = (DEPLOY / file).read_text()
        for pattern, by in (replaced | (self.http2_on if self.is_variant and is_main else {})).items():
            text, count = re.subn(pattern, self._filled(by), text, flags=re.M)
            assert count, f"{file} has no {pattern}"
        return text

    def write(self, name: str, text: str) -> Path:
        path = self.place.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._filled(text))
        return path

    def _filled(self, text: str) -> str:
        """With the values of this place for what stands in `<>`."""
        return re.sub(r"<([a-z_]+)>", lambda match: str(getattr(self.place, match[1])), text)

    def command(self) -> list[str]:
        """Writes what it needs, and gives its command line; it stays in the foreground."""
        raise NotImplementedError

    def start(self) -> None:
        command = self.command()
        give_away(self.place.directory)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.place.directory,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.place.directory)},
                start_new_session=True,
                preexec_fn=lay_down_privileges,
            )

    def wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"{self.name} ended: {self.log.read_text(errors='replace')[-3000:]}"
            try:
                socket.create_connection(("127.0.0.1", self.place.port), timeout=5).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"{self.name} does not listen: {self.log.read_text(errors='replace')[-3000:]}")

    def stop(self) -> Iterator[str]:
        """SIGTERM, and what is wrong with how it ended."""
        if self._process.poll() is not None:
            yield f"{self.title} had ended: {self.log.read_text(errors='replace')[-3000:]}"
            return
        self._process.terminate()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and (self._process.poll() is None or members(self._process.pid)):
            time.sleep(0.02)
        if left := members(self._process.pid):
            yield f"{self.title} runs on after SIGTERM: {left}"

    def kill(self) -> None:
        """Ends whatever is left of it."""
        if self._process is not None:
            for process in members(self._process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._process.wait()


class Nginx(Proxy):
    name = "nginx"
    replaced = {
        r"listen 443 ": "listen 127.0.0.1:<port> ",
        r"127\.0\.0\.1:8080": "<gateway>",
        r"/etc/ssl/exports\.example\.com/chain\.pem": "<chain>",
        r"/etc/ssl/exports\.example\.com/key\.pem": "<key>",
    }

    def command(self):
        self.write("site.conf", self.text("nginx.conf", self.replaced))
        temporary = "".join(f"    {kind}_temp_path <directory>/{kind};\n" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))  # fmt: skip
        main = self.write("main.conf", "daemon off;\npid <directory>/pid;\nerror_log <directory>/error.log;\nevents {}\nhttp {\n"
                          + "    access_log off;\n" + temporary + "    include <directory>/site.conf;\n}\n")  # fmt: skip
        return ["nginx", "-c", str(main), "-e", str(self.place.directory / "error.log")]


class HAProxy(Proxy):
    name = "haproxy"
    http2_on = {r"alpn http/1\.1": "alpn h2,http/1.1"}
    replaced = {
        r"^    user haproxy\n    group haproxy\n": "",
        r"bind :443 ": "bind 127.0.0.1:<port> ",
        r"127\.0\.0\.1:8080": "<gateway>",
        r"/etc/haproxy/exports\.example\.com\.pem": "<pair>",
    }

    def command(self):
        return ["haproxy", "-db", "-f", str(self.write("haproxy.cfg", self.text("haproxy.cfg", self.replaced)))]


class Caddy(Proxy):
    name = "caddy"
    replaced = {
        r"^exports\.example\.com \{": "https://127.0.0.1:<port> {\n\tbind 127.0.0.1\n\ttls <chain> <key>",
        r"127\.0\.0\.1:8080": "<gateway>",
    }

    def command(self):
        options = "{\n\tadmin off\n\tauto_https off\n\tstorage file_system <directory>\n}\n"
        file = self.write("Caddyfile", options + self.text("Caddyfile", self.replaced))
        return ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]


class Apache(Proxy):
    name = "apache2"
    replaced = {
        r"<VirtualHost \*:443>": "<VirtualHost 127.0.0.1:<port>>",
        r"127\.0\.0\.1:8080": "<gateway>",
        r"/etc/ssl/exports\.example\.com/chain\.pem": "<chain>",
        r"/etc/ssl/exports\.example\.com/key\.pem": "<key>",
    }
    modules = "mpm_event authz_core unixd headers env ssl http2 proxy proxy_http"

    def command(self):
        modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                          for name in self.modules.split() if name != "unixd") # fmt: skip
        file = self.write(
            "apache2.conf",
            "ServerRoot <directory>\nPidFile <directory>/pid\nErrorLog <directory>/error.log\nDefaultRuntimeDir <directory>\n"
            + "Mutex file:<directory> default\nServerName 127.0.0.1\nGracefulShutdownTimeout 1\nListen 127.0.0.1:<port>\n"
            + modules + self.text("apache2.conf", self.replaced),
        )  # fmt: skip
        return ["apache2", "-DFOREGROUND", "-f", str(file)]


class Varnish(Proxy):
    name = "varnish"
    is_tls = False
    http2_on = {r"varnish\.vcl": r"varnish.vcl -p feature=+http2"}

    def command(self):
        text = self.text("varnish.vcl", {r'\.port = "8080"': f'.port = "{self.place.gateway_port}"'})
        file = self.write("varnish.vcl", text)
        # The command line stands at the head of the file.
        parameters = re.findall(r"-p (\S+)", text.partition("vcl 4.1;")[0])
        assert parameters
        options = [word for parameter in parameters for word in ("-p", parameter)]
        workspace = self.place.directory / "workspace"
        return ["varnishd", "-F", "-j", "none", "-n", str(workspace), "-a", f"127.0.0.1:{self.place.port}", "-f", str(file), *options]


class Squid(Proxy):
    name = "squid"
    has_http2 = False
    replaced = {
        r"https_port 443 ": "https_port 127.0.0.1:<port> ",
        r"127\.0\.0\.1 parent 8080": "127.0.0.1 parent <gateway_port>",
        r"/etc/ssl/exports\.example\.com/chain\.pem": "<chain>",
        r"/etc/ssl/exports\.example\.com/key\.pem": "<key>",
    }

    def command(self):
        file = self.write(
            "squid.conf",
            self.text("squid.conf", self.replaced)
            + "pid_filename none\ncache_log <directory>/cache.log\naccess_log none\ncoredump_dir <directory>\n"
            + "netdb_filename none\nshutdown_lifetime 1 seconds\npinger_enable off\nvisible_hostname exports.example.com\n",
        )  # fmt: skip
        return ["squid", "--foreground", "-f", str(file), "-n", f"gateway{self.place.port}"]


class TrafficServer(Proxy):
    name = "trafficserver"
    http2_on = {r":proto=http$": ""}

    def command(self):
        etc = self.place.directory / "etc"
        etc.mkdir()
        # What the package brings; the files of ours are put over it.
        for file in Path("/etc/trafficserver").iterdir():
            if file.is_file():
                shutil.copy(file, etc)
        records = self.text(
            "trafficserver/records.config",
            {
                r"443:ssl": "<port>:ip-in=127.0.0.1:ssl",
                r"/etc/ssl/exports\.example\.com$": str(self.place.chain.parent),
            },
        )
        records += "CONFIG proxy.config.admin.user_id STRING #-1\nCONFIG proxy.config.diags.logfile.filename STRING stderr\n"
        self.write("etc/records.config", records)
        site = {r"https://exports\.example\.com/": "https://127.0.0.1:<port>/", r"127\.0\.0\.1:8080": "<gateway>"}
        self.write("etc/remap.config", self.text("trafficserver/remap.config", site, False))
        self.write("etc/forwarded.config", self.text("trafficserver/forwarded.config", {}, False))
        names = {"chain.pem": self.place.chain.name, "key.pem": self.place.key.name}
        self.write("etc/ssl_multicert.config", self.text("trafficserver/ssl_multicert.config", names, False))
        for name in ("run", "log", "cache"):
            (self.place.directory / name).mkdir()
        self.write("etc/storage.config", "<directory>/cache 32M\n")
        self.write(
            "runroot.yaml",
            "prefix: <directory>\nexec_prefix: <directory>\nbindir: /usr/bin\nsbindir: /usr/bin\nsysconfdir: <directory>/etc\n"
            + "datadir: <directory>/etc\nincludedir: /usr/include\nlibdir: /usr/lib/trafficserver\n"
            + "libexecdir: /usr/lib/trafficserver/modules\nlocalstatedir: <directory>/run\nruntimedir: <directory>/run\n"
            + "logdir: <directory>/log\nmandir: /usr/share/man\ninfodir: /usr/share/info\ncachedir: <directory>/cache\n",
        )
        return ["traffic_server", f"--run-root={self.place.directory}/runroot.yaml"]


class Lighttpd(Proxy):
    name = "lighttpd"
    http2_on = {r'"server\.h2proto" => "disable"': '"server.h2proto" => "enable"'}
    replaced = {
        r"^server\.port = 443": 'server.bind = "127.0.0.1"\nserver.port = <port>',
        r'"port" => 8080': '"port" => <gateway_port>',
        r"/etc/ssl/exports\.example\.com/chain\.pem": "<chain>",
        r"/etc/ssl/exports\.example\.com/key\.pem": "<key>",
    }

    def command(self):
        text = self.text("lighttpd.conf", self.replaced)
        text += 'server.upload-dirs = ("<directory>")\nserver.errorlog = "<directory>/error.log"\n'
        return ["lighttpd", "-D", "-f", str(self.write("lighttpd.conf", text))]


ALL: list[type[Proxy]] = [Nginx, HAProxy, Caddy, Apache, Varnish, Squid, TrafficServer, Lighttpd]
# Those that are part of `Tests/run`.
COMMON: list[type[Proxy]] = [Nginx, HAProxy, Caddy]


def unprivileged() -> pwd.struct_passwd:
    """Who the proxies run as: nobody, where this runs as root; else whoever runs this."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())


def give_away(directory: Path) -> None:
    """Lets the proxy write in its directory."""
    user = unprivileged()
    for path in (directory, *directory.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)


def lay_down_privileges() -> None:
    user = unprivileged()
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    # PR_SET_PDEATHSIG, after the user has changed, which clears it: a proxy that ends so takes its workers along.
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def members(session: int) -> list[int]:
    """The processes of a session, dead ones aside."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, number = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(number) == session and state != "Z":
                found.append(int(entry.name))
    return found
