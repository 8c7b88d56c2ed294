"""A collector of spans: takes OTLP over HTTP, and reads it with the classes that OpenTelemetry publishes."""

import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.proto.trace.v1.trace_pb2 import SpanFlags, Status

#: The kinds of spans, by their names without `SPAN_KIND_`.
KINDS = {number: name.removeprefix("SPAN_KIND_").lower() for name, number in Message.SpanKind.items()}


@dataclass(frozen=True)
class Span:
    """One span as it came."""

    trace: str
    id: str
    parent: str
    is_parent_remote: bool
    name: str
    kind: str
    start: int
    end: int
    failed: bool
    links: tuple[tuple[str, str], ...]
    attributes: dict = field(hash=False)

    @property
    def place(self) -> tuple[str, str]:
        return self.trace, self.id


def read(message: Message) -> Span:
    """A span, which must be whole and well-formed."""
    assert len(message.trace_id) == 16 and any(message.trace_id), message
    assert len(message.span_id) == 8 and any(message.span_id), message
    assert len(message.parent_span_id) in (0, 8) and message.name and message.kind, message
    assert message.flags & SpanFlags.SPAN_FLAGS_TRACE_FLAGS_MASK == 1, message
    assert message.flags & SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK, message
    assert 1_500_000_000 * 10**9 < message.start_time_unix_nano <= message.end_time_unix_nano, message
    names = [attribute.key for attribute in message.attributes]
    assert len(names) == len(set(names)), message
    return Span(
        trace=message.trace_id.hex(),
        id=message.span_id.hex(),
        parent=message.parent_span_id.hex(),
        is_parent_remote=bool(message.flags & SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK),
        name=message.name,
        kind=KINDS[message.kind],
        start=message.start_time_unix_nano,
        end=message.end_time_unix_nano,
        failed=message.status.code == Status.STATUS_CODE_ERROR,
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in message.links),
        attributes={item.key: getattr(item.value, item.value.WhichOneof("value")) for item in message.attributes},
    )


class Collector:
    """What came, and what is answered next: statuses, 200 where none are left."""

    def __init__(self, port: int):
        self.spans: list[Span] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.resources: list[dict[str, str]] = []
        self.answers: deque[int] = deque()
        #: How many spans of the next request are refused.
        self.rejects = 0
        self._lock = threading.Lock()
        self.endpoint = f"http://127.0.0.1:{port}"

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        with self._lock:
            self.requests.append((headers, body))
            status = self.answers.popleft() if self.answers else 200
            if status != 200:
                return status, b""
            assert path == "/v1/traces" and headers["content-type"] == "application/x-protobuf", (path, headers)
            request = ExportTraceServiceRequest.FromString(body)
            # Nothing came, at any depth, that the classes do not know.
            whole = request.SerializeToString()
            request.DiscardUnknownFields()
            assert whole and request.SerializeToString() == whole
            for resource in request.resource_spans:
                self.resources.append({item.key: item.value.string_value for item in resource.resource.attributes})
                for scope in resource.scope_spans:
                    assert scope.scope.name == "export-gateway"
                    known = {span.place for span in self.spans}
                    # A request whose answer did not arrive comes again.
                    self.spans += [span for span in map(read, scope.spans) if span.place not in known]
            rejected, self.rejects = self.rejects, 0
            answer = ExportTraceServiceResponse()
            if rejected:
                answer.partial_success.CopyFrom(ExportTracePartialSuccess(rejected_spans=rejected, error_message="no"))
            return 200, answer.SerializeToString()

    def named(self, name: str) -> list[Span]:
        """The spans of this name."""
        return [span for span in list(self.spans) if span.name == name]

    def of_export(self, export: dict) -> list[Span]:
        """The spans of an export's own trace, which has its id."""
        trace = export["id"].replace("-", "")
        return [span for span in list(self.spans) if span.trace == trace]


@contextmanager
def collector():
    """A running collector."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            status, answer = state.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state = Collector(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
