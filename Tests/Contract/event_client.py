"""A client of event streams, as the HTML standard says that one works:
https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation"""

import http.client
import json
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class Event:
    """One event, as it is dispatched. `before`: what the client would have come back with before it."""

    name: str
    id: str
    data: str
    before: str = ""

    @property
    def json(self):
        return json.loads(self.data)


class Stream:
    """One connection. `last_id` is what the client would come back with."""

    def __init__(self, address: str, path: str, headers: dict | None = None, last_id: str = "", timeout: float = 60):
        target = urlsplit(address)
        self.connection = http.client.HTTPConnection(target.hostname, target.port, timeout=timeout)
        own = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        try:
            self.connection.request("GET", path, headers=own | dict(headers or {}))
            self.response = self.connection.getresponse()
        except BaseException:
            self.connection.close()
            raise
        self.status = self.response.status
        self.headers = {name.lower(): value for name, value in self.response.getheaders()}
        self.last_id = last_id
        self.retry: int | None = None
        self.comments = 0
        self._name, self._data, self._id = "", [], last_id

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        # The response has the socket too.
        self.response.close()
        self.connection.close()

    def events(self):
        """Events until the stream ends. Raises `http.client.IncompleteRead` or `OSError` where it is cut."""
        while line := self._line():
            if event := self._take(line):
                yield event

    def next(self) -> Event:
        return next(self.events())

    def until_comment(self) -> None:
        """Reads on to the next heartbeat, and to the end of its block. No event may come before."""
        seen = self.comments
        while self.comments == seen or self._was_comment:
            line = self._line()
            assert line, "the stream ended"
            assert self._take(line) is None, "an event came first"

    def _line(self) -> bytes:
        line = self.response.readline()
        # http.client takes the end of the connection for that of the body.
        if not line and self.response.fp is not None:
            raise http.client.IncompleteRead(b"")
        return line

    _was_comment = False

    def _take(self, line: bytes) -> Event | None:
        text = line.decode().removesuffix("\n").removesuffix("\r")
        if not text:
            self._was_comment = False
            before, self.last_id = self.last_id, self._id
            name, data = self._name or "message", self._data
            self._name, self._data = "", []
            return Event(name, self._id, "\n".join(data), before) if data else None
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if not field:
            self.comments += 1
            self._was_comment = True
        elif field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isdigit():
            self.retry = int(value)
        return None


class Follower:
    """A client that comes back after each cut, until 204. It keeps every event, and when it came."""

    def __init__(self, address: str, path: str, headers: dict | None = None, pause: float = 0.05):
        self.address, self.path, self.headers, self.pause = address, path, dict(headers or {}), pause
        self.events: list[Event] = []
        self.times: list[float] = []
        self.last_id = ""
        self.cuts = 0
        self.isDone = False

    def run(self, until=lambda follower: False, within: float = 120) -> None:
        """Follows until the gateway says that there is no more, or `until` holds after an event."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            try:
                with Stream(self.address, self.path, self.headers, self.last_id, timeout=20) as stream:
                    if stream.status == 204:
                        self.isDone = True
                        return
                    if stream.status != 200:
                        assert stream.status in (429, 502, 503, 504), (stream.status, stream.response.read())
                        raise ConnectionError(stream.status)
                    try:
                        for event in stream.events():
                            self.events.append(event)
                            self.times.append(time.time())
                            self.last_id = stream.last_id
                            if until(self):
                                return
                    finally:
                        self.last_id = stream.last_id
            except (OSError, http.client.HTTPException):
                self.cuts += 1
            time.sleep(self.pause)
        raise AssertionError(f"no end of {self.path} in {within} s; the last events: {self.events[-3:]}")

    def of(self, name: str) -> list[Event]:
        return [event for event in self.events if event.name == name]
