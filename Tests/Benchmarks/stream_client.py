"""Many connections with a stream of one export each: a process of its own, led by lines on its standard input.

It opens all connections and asks once on each for the export; prints `idle`; then, for the next line it reads, asks for the stream
on all of them, and prints `open` when each has its first event. It then reads all streams to their ends, and prints what came as one
line of JSON.
"""

import argparse
import collections
import json
import selectors
import sys
import time
from urllib.parse import urlsplit

from watch_client import STEP, Watcher, collect

END = "\r\n\r\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--authorization", required=True)
    parser.add_argument("--connections", type=int, required=True)
    options = parser.parse_args()
    parts = urlsplit(options.url)
    fields = f" HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: {options.authorization}\r\nUser-Agent: benchmark\r\n\r\n"
    # A field that is not known to the event loop's own answers has a task answer, as it does for streams.
    plain = f"GET {parts.path}{fields.removesuffix(END)}\r\nX-Task: 1{END}".encode()
    stream = f"GET {parts.path}/events{fields}".encode()
    selector = selectors.DefaultSelector()
    watchers: list[Watcher] = []

    def ask(request: bytes, fresh: list[Watcher], take) -> None:
        for watcher in fresh:
            watcher.socket.sendall(request)
        take(fresh)

    while len(watchers) < options.connections:
        count = min(STEP, options.connections - len(watchers))
        fresh = [Watcher((parts.hostname, parts.port), selector) for _ in range(count)]
        ask(plain, fresh, lambda fresh: collect(selector, len(fresh)))
        watchers += fresh
    print("idle", flush=True)

    sys.stdin.readline()
    received = {watcher: b"" for watcher in watchers}
    for place in range(0, len(watchers), STEP):
        ask(stream, watchers[place : place + STEP], lambda fresh: _read(selector, received, fresh, lambda text: b"\ndata: " in text))
    print("open", flush=True)

    last = _read(selector, received, watchers, lambda text: text.endswith(b"\r\n0\r\n\r\n"))
    events = collections.Counter(text.count(b"\ndata: ") for text in received.values())
    succeeded = sum(b'"status":"succeeded"' in text for text in received.values())
    json.dump({"events": dict(events), "succeeded": succeeded, "last": last}, sys.stdout)
    print(flush=True)


def _read(selector, received, watchers, is_enough) -> float:
    """Reads until each has enough; the time of the last one."""
    waiting = {watcher for watcher in watchers if not is_enough(received[watcher])}
    while waiting:
        for key, _ in selector.select():
            watcher = key.data
            piece = watcher.socket.recv(65_536)
            if not piece:
                raise SystemExit(f"a stream was cut after {received[watcher]!r}")
            received[watcher] += piece
            if is_enough(received[watcher]):
                waiting.discard(watcher)
    return time.time()


if __name__ == "__main__":
    main()
