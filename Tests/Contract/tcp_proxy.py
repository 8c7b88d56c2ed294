"""A TCP proxy on loopback that cuts, stalls and resumes connections: what a network between two processes does to them.

`TCPProxy` starts it as a process of its own, so that what the test does meanwhile delays nothing. Run as a program, it listens on
`--port` of 127.0.0.1, forwards to the port `--to`, and carries out what standard input says, one word a line:

- `cut`: every connection is reset (TCP RST). New ones are forwarded.
- `refuse`: every connection is reset, and every new one too, as soon as it is there.
- `stall`: nothing is forwarded any more, no end either; new connections are taken, and hear nothing.
- `resume`: everything is forwarded again, what came meanwhile included.

It answers each with `done`, and ends with its standard input.
"""

import argparse
import contextlib
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

#: So much of one direction is kept while the other side does not read.
BUFFER = 1 << 18


class TCPProxy:
    """A running proxy to a port of 127.0.0.1. It ends with this process."""

    def __init__(self, to: int, port: int = 0):
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), "--to", str(to), "--port", str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )
        self._turn = threading.Lock()
        self.port = int(self._process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def cut(self) -> None:
        self._tell("cut")

    def refuse(self) -> None:
        self._tell("refuse")

    def stall(self) -> None:
        self._tell("stall")

    def resume(self) -> None:
        self._tell("resume")

    def _tell(self, word: str) -> None:
        with self._turn:
            self._process.stdin.write(word + "\n")
            answer = self._process.stdout.readline()
        assert answer == "done\n", f"the proxy has ended with {self._process.poll()}"

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


class _End:
    """One end of a connection, and what is to be written to it."""

    def __init__(self, end: socket.socket):
        self.socket = end
        self.peer: _End = self
        self.waiting = bytearray()
        # Whether its sender has ended, and whether its peer was told.
        self.ended = self.told = False


class _Proxy:
    def __init__(self, listener: socket.socket, to: int):
        self._listener, self._to = listener, to
        self._selector = selectors.DefaultSelector()
        self._ends: set[_End] = set()
        self._refuses = self._stalls = False
        # Taken while everything is stalled: the server does not know of them.
        self._late: list[socket.socket] = []
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(sys.stdin, selectors.EVENT_READ)

    def run(self) -> None:
        while True:
            for key, events in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is sys.stdin:
                    if not (line := os.read(0, 64).decode()):
                        return
                    for word in line.split():
                        self._carry_out(word)
                        print("done", flush=True)
                elif key.data in self._ends:
                    self._serve(key.data, events)

    def _carry_out(self, word: str) -> None:
        self._refuses, self._stalls = word == "refuse", word == "stall"
        if word in ("cut", "refuse"):
            for end in list(self._ends):
                self._drop(end)
        for end in list(self._ends):
            self._watch(end)
        if not self._stalls:
            late, self._late = self._late, []
            for near in late:
                self._forward(near)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        self._late.append(near) if self._stalls else self._forward(near)

    def _forward(self, near: socket.socket) -> None:
        if self._refuses:
            _reset(near)
            return
        far = socket.socket()
        try:
            far.connect(("127.0.0.1", self._to))
        except OSError:
            _reset(near)
            far.close()
            return
        ends = _End(near), _End(far)
        for end, peer in (ends, ends[::-1]):
            end.peer = peer
            end.socket.setblocking(False)
            end.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._ends.add(end)
        for end in ends:
            self._watch(end)

    def _serve(self, end: _End, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                block = end.socket.recv(1 << 16)
                end.ended = not block
                end.peer.waiting += block
                self._flush(end.peer)
            if events & selectors.EVENT_WRITE:
                self._flush(end)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(end)
            return
        if end.told and end.peer.told:
            self._drop(end, resets=False)
        else:
            self._watch(end)
            self._watch(end.peer)

    def _flush(self, end: _End) -> None:
        with contextlib.suppress(BlockingIOError):
            while end.waiting:
                del end.waiting[: end.socket.send(end.waiting)]
        if end.peer.ended and not end.waiting and not end.told:
            end.told = True
            end.socket.shutdown(socket.SHUT_WR)

    def _watch(self, end: _End) -> None:
        events = 0
        if not self._stalls:
            if not end.ended and len(end.peer.waiting) < BUFFER:
                events |= selectors.EVENT_READ
            if end.waiting:
                events |= selectors.EVENT_WRITE
        known = end.socket in self._selector.get_map()
        if events and known:
            self._selector.modify(end.socket, events, end)
        elif events:
            self._selector.register(end.socket, events, end)
        elif known:
            self._selector.unregister(end.socket)

    def _drop(self, end: _End, resets: bool = True) -> None:
        for each in (end, end.peer):
            if each in self._ends:
                self._ends.discard(each)
                if each.socket in self._selector.get_map():
                    self._selector.unregister(each.socket)
                _reset(each.socket) if resets else each.socket.close()


def _reset(connection: socket.socket) -> None:
    """Closes it with RST: no time to linger."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    # Whoever started it ends it by its standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listener = socket.create_server(("127.0.0.1", options.port), backlog=256)
    print(listener.getsockname()[1], flush=True)
    _Proxy(listener, options.to).run()


if __name__ == "__main__":
    main()
