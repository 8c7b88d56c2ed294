"""Plain HTTP calls on the standard library, so that nothing is done behind a test's back."""

import gzip
import hashlib
import http.client
import json
import time
import zlib
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit


@dataclass
class Answer:
    """An answer with its whole body. Field names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    # What was asked for.
    path: str = "/"

    @property
    def json(self):
        """The JSON of the body; each `href` in it resolved, so that it can be asked for."""
        return json.loads(self.body, object_hook=self._resolved)

    def _resolved(self, members: dict) -> dict:
        return members | {"href": urljoin(self.path, members["href"])} if "href" in members else members

    def problem(self, status: int, code: str) -> dict:
        """The problem document, which has to have this status and code (RFC 9457)."""
        assert self.status == status, f"{self.status}, not {status}: {self.body[:2000]!r}"
        assert self.headers["content-type"] == "application/problem+json"
        document = self.json
        assert document["code"] == code, document
        assert document["status"] == status, document
        assert document["type"] == f"urn:export-gateway:problem:{code}", document
        assert document["title"] and document["detail"], document
        return document


@dataclass
class Download:
    """What arrived of a file: never the bytes, so that a gibibyte can be looked at."""

    status: int
    headers: dict[str, str]
    sha256: str
    size: int
    wire_size: int
    head: bytes = field(repr=False, default=b"")


def call(address: str, method: str, path: str, headers: dict | None = None, body=None, timeout: float = 60) -> Answer:
    """One request on its own connection. A `dict` or `list` body goes as JSON; `bytes` as they are."""
    connection, response = _request(address, method, path, headers, body, timeout)
    try:
        return Answer(response.status, _fields(response), response.read(), path)
    finally:
        connection.close()


def download(address: str, path: str, headers: dict | None = None, pace=None, timeout: float = 120) -> Download:
    """Reads a file to its end and digests it, decompressed where it came as gzip.

    `pace` is called with the bytes read so far after each block. Raises `http.client.IncompleteRead` on a cut body.
    """
    connection, response = _request(address, "GET", path, headers, None, timeout)
    try:
        coded = response.getheader("Content-Encoding") == "gzip"
        inflater = _Inflater() if coded else None
        digest, size, wire, head = hashlib.sha256(), 0, 0, b""
        while block := response.read(65_536):
            wire += len(block)
            plain = inflater.add(block) if inflater else block
            digest.update(plain)
            size += len(plain)
            head = (head + plain)[:4096]
            if pace:
                pace(wire)
        expected = response.getheader("Content-Length")
        if expected is not None and wire != int(expected):
            raise http.client.IncompleteRead(b"", int(expected) - wire)
        if inflater:
            inflater.finish()
        return Download(response.status, _fields(response), digest.hexdigest(), size, wire, head)
    finally:
        connection.close()


class _Inflater:
    """gzip with any number of members, one after the other (RFC 1952, 2.2)."""

    def __init__(self):
        self._member = None

    def add(self, block: bytes) -> bytes:
        plain = b""
        while block:
            if self._member is None:
                self._member = zlib.decompressobj(wbits=31)
            plain += self._member.decompress(block)
            block = self._member.unused_data if self._member.eof else b""
            if self._member.eof:
                self._member = None
        return plain

    def finish(self):
        if self._member is not None:
            raise gzip.BadGzipFile("the gzip stream ended in the middle of a member")


def poll(what: str, condition, within: float = 60, every: float = 0.05):
    """The first true value that `condition` gives; fails with the last one after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {within} s in vain: {what}; the last value was {value!r}")
        time.sleep(every)


def ended_deliveries(answer, count: int | None = None) -> list[dict]:
    """The rows of `answer()`, a page of deliveries, once all have ended: `count` of them, or at least one.

    A delivery is stored as ended after its last byte has been sent, which may be after a client has read it.
    """

    def rows():
        page = answer()
        assert page.status == 200, page.body
        found = page.json["value"]
        assert count is None or len(found) <= count, found
        return found if len(found) >= (count or 1) and all(row["outcome"] != "underWay" for row in found) else None

    return poll("the end of the deliveries", rows)


def _request(address, method, path, headers, body, timeout):
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    target = urlsplit(address)
    connection = http.client.HTTPConnection(target.hostname, target.port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers)
        return connection, connection.getresponse()
    except BaseException:
        connection.close()
        raise


def _fields(response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}
