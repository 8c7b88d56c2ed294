"""Receivers of webhook messages: one in the process of a test, and one that a test can kill.

    python webhook_receiver.py FILE

is the second one: it takes connections from the listening socket that is its standard input, and appends each message to FILE, as a
line of JSON, before it answers.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from client import poll
from cloudevents.core.bindings.http import HTTPMessage, from_http
from cloudevents.core.formats.json import JSONFormat
from standardwebhooks import Webhook


@dataclass(frozen=True)
class Message:
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: bytes
    time: float
    #: The port from which it came.
    port: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict:
        return json.loads(self.body)

    def verified(self, secret: str) -> dict:
        """The event, after the libraries of Standard Webhooks and of CloudEvents have taken it."""
        event = Webhook(secret).verify(self.body, self.headers)
        read = from_http(HTTPMessage(self.headers, self.body), JSONFormat())
        assert (read.get_specversion(), read.get_id(), read.get_type()) == ("1.0", self.id, event["type"])
        assert read.get_subject() == event["subject"] == event["data"]["id"]
        assert read.get_data() == event["data"] and read.get_time() is not None and read.get_source() == event["source"]
        return event


def handler(take) -> type[BaseHTTPRequestHandler]:
    """`take` gets each message and gives back status and fields, or None to break off without an answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = take(Message(self.path, headers, body, time.monotonic(), self.client_address[1]))
            self.close_connection = True
            if answer is None:
                return
            status, fields = answer
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    return Handler


class Receiver:
    """Keeps what comes. `answers` says what is answered, by the path: a list is used up, and then it is 204. An event is waited for
    before the answer 204."""

    def __init__(self):
        self.messages: list[Message] = []
        self.answers: dict[str, list] = {}
        self._lock = threading.Lock()
        self._stalls = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self._take))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def url(self, path: str) -> str:
        return f"http://localhost:{self._server.server_address[1]}{path}"

    def _take(self, message: Message):
        with self._lock:
            self.messages.append(message)
            answers = self.answers.get(message.path, [])
            answer = answers.pop(0) if answers else 204
        if answer == "stall":
            self._stalls.wait()
            return None
        if answer == "break":
            return None
        if isinstance(answer, threading.Event):
            answer.wait()
            answer = 204
        return answer if isinstance(answer, tuple) else (answer, {})

    def at(self, path: str) -> list[Message]:
        with self._lock:
            return [message for message in self.messages if message.path == path]

    def types(self, path: str) -> list[str]:
        return [message.event["type"] for message in self.at(path)]

    def await_messages(self, path: str, count: int, within: float = 60) -> list[Message]:
        poll(f"{count} messages at {path}", lambda: len(self.at(path)) >= count, within)
        return self.at(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stalls.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class MortalReceiver:
    """A receiver in a process of its own. Its listening socket outlives it, so that connections wait for the next one."""

    def __init__(self, directory: Path):
        self.file = directory / "received.jsonl"
        self._log = directory / "receiver.log"
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://localhost:{self._socket.getsockname()[1]}/"
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([sys.executable, __file__, str(self.file)], stdin=self._socket, stderr=log)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def received(self) -> list[dict]:
        """What it has written, without a last line that was cut off."""
        text = self.file.read_text() if self.file.exists() else ""
        return [json.loads(line) for line in text.split("\n")[:-1] if line]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        self._socket.close()


def main(path: str) -> None:
    # One write for each line: lines are whole, or the last one is cut off, whenever this process is killed.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    # The process before may have been killed in the middle of a line.
    os.write(file, b"\n")

    def take(message: Message):
        data = message.event["data"]
        kept = {"id": message.id, "type": message.event["type"], "export": data["id"], "revision": data.get("revision")}
        os.write(file, json.dumps(kept).encode() + b"\n")
        # A kill can fall between the two: the message was taken, and its sender does not know it.
        time.sleep(0.002)
        return 204, {}

    listening = socket.socket(fileno=os.dup(0))
    server = ThreadingHTTPServer(listening.getsockname(), handler(take), bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
