"""What a caller does besides downloading: through a proxy it has to be as it is without one."""

import json
import threading
import time
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from cells import CONTENT, Scene, Side
from client import poll
from curl import Answer
from raw_upstream import Source

FIRST, LAST = 70_001, 249_999


def check(scene: Scene, side: Side, version: str) -> Iterator[str]:
    """What is not as it has to be."""

    def ask(path: str, *options: str) -> Answer:
        return scene.curl.ask(version, side.address + path, *options)

    def faults() -> Iterator[str]:
        yield from creating(scene, side, ask)
        yield from reading(scene, ask)

    for fault in faults():
        yield f"{side.name}, HTTP/{version}: {fault}"


def creating(scene: Scene, side: Side, ask) -> Iterator[str]:
    body = {"provider": "graph-ediscovery", "connection": "graph"}
    body["graphEDiscovery"] = scene.pair.upstream.add_search([Source(b"a,b\r\n")])
    sent = ("-X", "POST", "-H", "Content-Type: application/json", "--data", json.dumps(body))
    # What a client says of where the gateway is has to end at the proxy.
    lies = [f"{name}: {value}" for name, value in (
        ("X-Forwarded-Host", "elsewhere.example"), ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-For", "192.0.2.7"),
        ("Forwarded", "for=192.0.2.7;host=elsewhere.example;proto=gopher"), ("X-Forwarded-Prefix", "/elsewhere"),
    )]  # fmt: skip
    for more in ([], lies) if side.public else ([],):
        created = ask("/exports", *sent, *(word for line in more for word in ("-H", line)))
        if created.status != 202:
            yield f"create: {created.status} {created.body[:200]}"
            continue
        location = created.fields["location"]
        if not location.startswith(f"{side.public}/exports/" if side.public else "exports/"):
            yield f"Location is {location}"
            continue
        if (followed := ask(urlsplit(urljoin(side.address + "/exports", location)).path)).status != 200:
            yield f"Location is answered with {followed.status}"
    refused = ask("/exports", "-H", "Authorization: Bearer " + "x" * 16_000)
    if refused.status != 401 or refused.fields.get("content-type") != "application/problem+json":
        yield f"a long token is answered with {refused.status} {refused.body[:200]}"


def reading(scene: Scene, ask) -> Iterator[str]:
    path = scene.export()
    plain = ask(path)
    if plain.fields.get("content-length") != str(len(CONTENT)) or "content-encoding" in plain.fields:
        yield f"a plain file comes with {plain.fields}"
    if ask(path, "-H", "Accept-Encoding: gzip").fields.get("content-encoding") != "gzip":
        yield "gzip is not served"
    tag = plain.fields.get("etag", "")
    for named, status in ((None, 206), (tag, 206), ('"another"', 200)):
        condition = ("-H", f"If-Range: {named}") if named else ()
        part = ask(path, "-H", f"Range: bytes={FIRST}-{LAST}", *condition)
        wanted = CONTENT[FIRST : LAST + 1] if status == 206 else CONTENT
        if part.status != status or part.body != wanted:
            yield f"Range with If-Range {named}: {part.status}, {len(part.body)} bytes"
    # The first whole delivery has told the file's digest, of which the tag is made since.
    if ask(path, "-H", f"If-None-Match: {part.fields['etag']}").status != 304:
        yield "If-None-Match is not heard"


class Waits:
    """`Prefer: wait` on an export that goes on for longer, through each side at once, in the background."""

    def __init__(self, scene: Scene, seconds: int):
        self.scene, self.seconds = scene, seconds
        self.faults: list[str] = []
        gateway = scene.pair.gateway
        options = scene.pair.upstream.add_search([])
        scene.pair.upstream.running.add(options["searchId"])
        export = gateway.create({"provider": "graph-ediscovery", "connection": "graph", "graphEDiscovery": options})
        poll("the export is running", lambda: gateway.export(export)["status"] == "running")
        self.path = export["href"]
        self.threads = [threading.Thread(target=self.wait, args=(side,)) for side in scene.sides]
        for thread in self.threads:
            thread.start()

    def wait(self, side: Side) -> None:
        began = time.monotonic()
        try:
            answer = self.scene.curl.ask(side.versions[-1], side.address + self.path, "-H", f"Prefer: wait={self.seconds}")
            took = time.monotonic() - began
            if answer.status != 200 or not self.seconds - 1 <= took < self.seconds + 10:
                self.faults.append(f"{side.name}: Prefer: wait={self.seconds}: {answer.status} after {took:.0f} s")
        except Exception as error:
            self.faults.append(f"{side.name}: Prefer: wait={self.seconds}: {error}")

    def join(self) -> list[str]:
        for thread in self.threads:
            thread.join()
        return self.faults
