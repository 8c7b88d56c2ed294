"""Many connections that watch one export: a process of its own, led by lines on its standard input.

It opens all connections and asks once on each; prints a line; then, for each line it reads, sends the next request on all of
them: `wait` with `Prefer: wait=60`, whose answers it collects, and prints what came as one line of JSON.
"""

import argparse
import collections
import json
import selectors
import socket
import sys
import time
from urllib.parse import urlsplit

#: Connections opened, and first requests sent, at a time: fewer than the server's backlog.
STEP = 100


class Watcher:
    """One connection."""

    def __init__(self, address: tuple[str, int], selector: selectors.BaseSelector):
        self.socket = socket.create_connection(address)
        self.socket.setblocking(False)
        selector.register(self.socket, selectors.EVENT_READ, self)
        self._received = b""

    def answer(self) -> tuple[int, bytes] | None:
        """Status and body, once they have come."""
        try:
            piece = self.socket.recv(65_536)
        except BlockingIOError:
            return None
        if not piece:
            return 0, b""
        self._received += piece
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return None
        fields = head.lower().split(b"\r\n")
        length = next((int(field.partition(b":")[2]) for field in fields if field.startswith(b"content-length:")), 0)
        if len(body) < length:
            return None
        self._received = b""
        return int(head.split(b" ", 2)[1]), body


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--authorization", required=True)
    parser.add_argument("--connections", type=int, required=True)
    options = parser.parse_args()
    parts = urlsplit(options.url)
    plain = (f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: {options.authorization}\r\n"
             "User-Agent: benchmark\r\n")
    selector = selectors.DefaultSelector()
    watchers: list[Watcher] = []
    while len(watchers) < options.connections:
        fresh = [Watcher((parts.hostname, parts.port), selector)
                 for _ in range(min(STEP, options.connections - len(watchers)))]
        for watcher in fresh:
            watcher.socket.sendall(f"{plain}\r\n".encode())
        collect(selector, len(fresh))
        watchers += fresh
    print("idle", flush=True)

    sys.stdin.readline()
    for watcher in watchers:
        watcher.socket.sendall(f"{plain}Prefer: wait=60\r\n\r\n".encode())
    print("sent", flush=True)

    answers = collect(selector, len(watchers))
    json.dump(answers, sys.stdout)
    print(flush=True)


def collect(selector: selectors.BaseSelector, count: int) -> dict:
    """Waits for so many answers: how often each status of an export came, and the seconds from the first to the last."""
    seen = collections.Counter()
    first = last = None
    while sum(seen.values()) < count:
        for key, _ in selector.select():
            answer = key.data.answer()
            if answer is None:
                continue
            last = time.monotonic()
            first = first or last
            status, body = answer
            seen[json.loads(body)["status"] if status == 200 else f"HTTP {status}"] += 1
            if status == 0:
                selector.unregister(key.fileobj)
    return {"answers": dict(seen), "seconds": (last or 0) - (first or 0)}


if __name__ == "__main__":
    main()
