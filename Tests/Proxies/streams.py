"""Streams of events through each proxy: an event has to arrive as it happens, and a stream has to last."""

import json
import selectors
import subprocess
import time

from cells import Scene, Side
from client import poll

#: How long an event may take to any client, in seconds.
LATEST = 1.0


class Line:
    """One stream through one side, read by curl as it comes."""

    def __init__(self, scene: Scene, side: Side, version: str):
        self.name = f"{side.name}, HTTP/{version}"
        command = scene.curl.command(version, f"{side.address}/exports/events", "--no-buffer", "-H", "Accept-Encoding: gzip")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        # When what each line says came.
        self.seen: dict[str, float] = {}
        self.has_begun = False
        self._event, self._rest = "", b""

    def read(self, block: bytes) -> None:
        *lines, self._rest = (self._rest + block).split(b"\n")
        for line in lines:
            field, _, value = line.decode().partition(": ")
            if field == "event":
                self._event = value
            elif field == "data" and self._event == "snapshot":
                self.has_begun = True
            elif field == "data":
                self.seen.setdefault(json.loads(value)["name"], time.monotonic())


class Streams:
    """A stream through each side, and exports that are created one after the other meanwhile."""

    def __init__(self, scene: Scene, versions: dict[str, list[str]], count: int = 5):
        self.scene, self.count = scene, count
        self.lines = [Line(scene, side, version) for side in scene.sides for version in versions[side.name]]
        self._selector = selectors.DefaultSelector()
        for line in self.lines:
            self._selector.register(line.process.stdout, selectors.EVENT_READ, line)

    def check(self):
        """What is not as it has to be."""
        try:
            self._read(20, lambda: all(line.has_begun for line in self.lines))
            for line in self.lines:
                if not line.has_begun:
                    yield f"{line.name}: no first event of a stream"
            took: dict[str, float] = {}
            for number in range(self.count):
                name = f"Event {number}"
                began = time.monotonic()
                self._create(name)
                self._read(5, lambda name=name: all(name in line.seen for line in self.lines))
                for line in self.lines:
                    took[line.name] = max(took.get(line.name, 0), line.seen.get(name, float("inf")) - began)
            for name, seconds in took.items():
                print(f"{name:36} an event took {seconds * 1000:5.0f} ms at most")
                if seconds > LATEST:
                    yield f"{name}: an event took {seconds:.1f} s"
        finally:
            for line in self.lines:
                line.process.kill()
                line.process.wait()
                line.process.stdout.close()
        poll("the ends of the streams", lambda: self.scene.pair.gateway.metric("export_gateway_event_streams") == 0)

    def _create(self, name: str) -> None:
        options = {"graphEDiscovery": self.scene.pair.upstream.add_search([])}
        self.scene.pair.gateway.create({"provider": "graph-ediscovery", "connection": "graph", "name": name} | options)

    def _read(self, seconds: float, is_done) -> None:
        deadline = time.monotonic() + seconds
        while not is_done() and (rest := deadline - time.monotonic()) > 0:
            for key, _ in self._selector.select(rest):
                if block := key.fileobj.read1():
                    key.data.read(block)
                else:
                    self._selector.unregister(key.fileobj)
