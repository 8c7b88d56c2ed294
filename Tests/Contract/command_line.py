"""`export-gateway` as a client: run in a pipe or on a terminal, against a gateway, a stand-in for one, or a proxy that lies."""

import fcntl
import http.client
import http.server
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import evidence
import servers


@dataclass
class Ended:
    """A command that has ended. On a terminal, `err` is everything that stood there."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Caller:
    """Whoever runs commands: an address, a key and a home of its own."""

    def __init__(self, address: str, key: str | None, home: Path, **environment: str):
        self.address, self.key, self.home = address, key, home
        self._more = environment
        self._log = evidence.directory("command-line") / "command-line.log"

    def environment(self) -> dict[str, str]:
        found = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.home), "TERM": "xterm"}
        if self.address:
            found["EXPORT_GATEWAY_URL"] = self.address
        if self.key:
            found["EXPORT_GATEWAY_KEY"] = self.key
        return found | self._more

    def start(self, *words: str | Path, stdin=subprocess.DEVNULL) -> subprocess.Popen:
        """A command in a pipe that is under way."""
        return subprocess.Popen(
            [str(servers.BINARY), *map(str, words)], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.environment(), text=True,
        )

    def run(self, *words: str | Path, stdin: str | None = None, within: float = 120) -> Ended:
        """A command in a pipe, run to its end."""
        process = self.start(*words, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        return self.end(process, stdin, within)

    def end(self, process: subprocess.Popen, stdin: str | None = None, within: float = 120) -> Ended:
        try:
            out, err = process.communicate(stdin, timeout=within)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return self._kept(Ended(process.returncode, out or "", err))

    def on_terminal(
        self, *words: str | Path, meanwhile: Callable[["Terminal"], None] = lambda _: None, columns: int = 100,
        within: float = 120,
    ) -> Ended:
        """A command whose input, output and errors are one terminal, run to its end beside `meanwhile`."""
        terminal = Terminal([str(servers.BINARY), *map(str, words)], self.environment(), columns)
        try:
            meanwhile(terminal)
            code = terminal.end(within)
        finally:
            terminal.close()
        return self._kept(Ended(code, "", terminal.text))

    def _kept(self, ended: Ended) -> Ended:
        with self._log.open("a") as log:
            log.write(ended.out + ended.err)
        return ended


class Terminal:
    """A process that is the leader of a session of its own, on a pseudo-terminal: Ctrl-C reaches it as from a keyboard."""

    def __init__(self, command: list[str], environment: dict[str, str], columns: int):
        self.text = ""
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, environment)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._descriptor)[3] & termios.ECHO)

    def until(self, shown: str, within: float = 60, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Reads until this stands there, and does something before each read."""
        deadline = time.monotonic() + within
        while shown not in self.text:
            assert time.monotonic() < deadline, f"{shown!r} did not come: {self.text!r}"
            meanwhile()
            assert self._read(1), f"it ended without {shown!r}: {self.text!r}"

    def end(self, within: float) -> int:
        deadline = time.monotonic() + within
        while self._read(1):
            assert time.monotonic() < deadline, f"it does not end: {self.text!r}"
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def _read(self, within: float) -> bool:
        if select.select([self._descriptor], [], [], within)[0]:
            try:
                block = os.read(self._descriptor, 1 << 16)
            except OSError:  # Linux says so when the other end is closed.
                return False
            self.text += block.decode(errors="replace")
            return bool(block)
        return True

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._descriptor)


class Standin:
    """An HTTP server whose answers a function makes: (method, path, fields, body) to (status, fields, body).

    A body that is a `dict` goes as JSON; one that is None ends the connection without an answer.
    """

    def __init__(self, answer: Callable):
        standin = self
        self.calls: list[tuple[str, str, dict[str, str]]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                fields = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(fields.get("content-length", 0)))
                standin.calls.append((self.command, self.path, fields))
                answer(self, self.command, self.path, fields, body)

            do_GET = do_POST = do_DELETE = handle_one

            def log_message(self, *_) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def reply(handler, status: int, body=b"", fields: dict[str, str] | None = None) -> None:
    """Sends a whole answer; a `dict` goes as JSON."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    handler.send_response(status)
    for name, value in (fields or {}).items():
        handler.send_header(name, value)
    if "Transfer-Encoding" not in (fields or {}):
        handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def standin(status: int, body=b"", fields: dict[str, str] | None = None) -> Standin:
    """A server that answers everything so."""
    return Standin(lambda handler, *_: reply(handler, status, body, fields))


def problem(status: int, code: str, **more) -> Standin:
    """A server that refuses everything."""
    return standin(status, {"code": code, "detail": f"This is {code}.", "status": status} | more)


#: What belongs to one connection, or to the whole body, and is not passed on by a proxy that makes its own.
OWN = {"connection", "keep-alive", "transfer-encoding", "trailer", "content-length", "te", "host"}


class CompletingProxy(Standin):
    """A proxy that ends the body of a file in the middle as if it were whole, with a length or a last chunk of its own.

    `keeps` are fields of the gateway's that it passes on; all others of a file are lost on the way. `spares` says from which
    request for a file on it is honest.
    """

    def __init__(self, gateway: str, *, chunked: bool, drops: set[str] = frozenset(), spares: int = 1 << 30):
        target = urlsplit(gateway)
        files = []

        def answer(handler, method, path, fields, body) -> None:
            connection = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
            try:
                passed = {name: value for name, value in fields.items() if name not in OWN}
                connection.request(method, path, body or None, passed)
                response = connection.getresponse()
                data = response.read()
            finally:
                connection.close()
            kept = {name: value for name, value in response.getheaders() if name.lower() not in OWN | drops}
            if "/files/" in path and response.status in (200, 206):
                files.append(path)
                if len(files) < spares:
                    data = data[: len(data) // 2]
                if chunked:
                    kept["Transfer-Encoding"] = "chunked"
                    data = f"{len(data):x}\r\n".encode() + data + b"\r\n0\r\n\r\n"
            reply(handler, response.status, data, kept)

        super().__init__(answer)
