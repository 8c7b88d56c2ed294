"""A scripted Microsoft: Entra ID, Graph eDiscovery, Viva Goals and Power BI on one bare-socket listener.

Without a script, every operation answers well: a start makes a job, the job has succeeded, and its file can be downloaded. A test
says, operation by operation, what is answered instead:

    with Scripted() as upstream, scripted_gateway(upstream) as gateway:
        upstream.content = b"a,b\n1,2\n" * 2500
        upstream.script("bi.file", Reply(200, {"error": {"code": "X"}}))            # once, then as without a script
        upstream.script("bi.status", Reply(404), Reply(404), GOOD, stays=True)      # the last one stays
        upstream.script("graph.start", lambda request: Reply(504))                  # by the request
        upstream.script("bi.file", Raw(b"HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\nab"))   # these bytes, then the end
        ...
        assert len(upstream.calls("bi.start")) == 1

Operations: `entra.token`; `graph.start`, `graph.list`, `graph.operation`, `graph.link` (getDownloadUrl of the former
dialect), `graph.file`; `goals.start`, `goals.list`, `goals.job`, `goals.file`; `bi.start`, `bi.status`, `bi.file`; and
`other`, which is 404.

An entry of a script is a `Reply`, `Raw`, `Hang` (silence, until the client leaves), `Reset` (the connection ends without an
answer), `GOOD` (as without a script), or a function from the `Request` to one of these.
"""

import json
import re
import threading
import time
import uuid
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from urllib.parse import unquote

import bodies
import evidence
import servers
from raw_upstream import RawUpstream


@dataclass
class Reply:
    """One answer. A `dict` or `list` as body is sent as JSON, a `str` as UTF-8.

    `framing`: `fixed` (Content-Length), `chunked`, or `close` (neither: the end of the connection ends the body).
    `cut`: only so many bytes of the body go out, then the connection ends; the framing promised them all.
    `fields` are (name, value) pairs, or a dict; a Content-Type of one's own replaces the default.
    """

    status: int = 200
    body: object = b""
    fields: object = ()
    framing: str = "fixed"
    cut: int | None = None

    def send(self, wire) -> None:
        fields = list(self.fields.items() if isinstance(self.fields, dict) else self.fields)
        named = {name.lower() for name, _ in fields}
        body = self.body
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            if "content-type" not in named:
                fields.append(("Content-Type", "application/json"))
        elif isinstance(body, str):
            body = body.encode()
        sent = body if self.cut is None else body[: self.cut]
        if self.framing == "chunked":
            fields.append(("Transfer-Encoding", "chunked"))
            size = 16_384
            pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
            payload = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
            payload += b"0\r\n\r\n" if self.cut is None else b""
        else:
            if self.framing == "fixed":
                fields.append(("Content-Length", str(len(body))))
            payload = sent
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in fields)]
        wire.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + payload)
        if self.cut is not None or self.framing == "close":
            wire.end("fin")


@dataclass
class Raw:
    """These bytes, and then the end of the connection; `stays` keeps it open."""

    data: bytes
    stays: bool = False

    def send(self, wire) -> None:
        wire.send(self.data)
        if not self.stays:
            wire.end("fin")


class Hang:
    """Says nothing until the client has gone."""

    def send(self, wire) -> None:
        wire.end("stall")


class Reset:
    """Ends the connection by a reset, without an answer."""

    def send(self, wire) -> None:
        wire.end("rst")


GOOD = object()


@dataclass
class Request:
    """A call as it came."""

    operation: str
    method: str
    path: str
    fields: dict[str, str]
    body: bytes
    # Of `time.monotonic()`.
    at: float
    # What the route's pattern found in the path: ids.
    ids: tuple[str, ...] = ()

    @property
    def json(self):
        return json.loads(self.body or b"null")


@dataclass
class Job:
    """A job as the upstream keeps it; a test may change its members."""

    id: str
    kind: str
    start: Request
    created: str
    # Members that are put over the job's JSON.
    extra: dict = field(default_factory=dict)


class Scripted(RawUpstream):
    """See the head of this file. `content` is every file's bytes, `file_name` and `file_type` its name and type."""

    def __init__(self):
        super().__init__()
        self.content = b"id,amount\n" + b"".join(b"%d,%d\n" % (row, row * row) for row in range(1800))
        self.file_name = "file.csv"
        self.file_type = "text/csv"
        # Whether an eDiscovery operation tells its files' sizes.
        self.tells_size = True
        # Every job that was started, in order.
        self.jobs: list[Job] = []
        # Every call, in order.
        self.requests: list[Request] = []
        self._scripts: dict[str, tuple[deque, bool]] = {}
        self._guard = threading.RLock()

    # What a test says

    def script(self, operation: str, *answers, stays: bool = False) -> None:
        """What the next calls of `operation` are answered; with `stays`, the last answer is given from then on."""
        with self._guard:
            self._scripts[operation] = (deque(answers), stays)

    def unscript(self, operation: str) -> None:
        with self._guard:
            self._scripts.pop(operation, None)

    def calls(self, operation: str) -> list[Request]:
        with self._guard:
            return [request for request in self.requests if request.operation == operation]

    def clear(self) -> None:
        """Drops the calls so far."""
        with self._guard:
            self.requests.clear()

    def good(self, request: Request) -> Reply:
        """What is answered without a script. A function in a script may call it."""
        return getattr(self, "_good_" + request.operation.replace(".", "_"))(request)

    # What is answered

    def _answer(self, wire, raw) -> None:
        target = raw.path.partition("?")[0]
        for pattern, operation in ROUTES:
            if match := re.fullmatch(pattern, f"{raw.method} {target}", re.I):
                request = Request(operation, raw.method, raw.path, raw.fields, raw.body, time.monotonic(), tuple(map(unquote, match.groups())))
                break
        else:
            request = Request("other", raw.method, raw.path, raw.fields, raw.body, time.monotonic())
        with self._guard:
            self.requests.append(request)
            answer = self._next(request.operation)
        if callable(answer):
            answer = answer(request)
        if answer is GOOD:
            answer = self.good(request)
        answer.send(wire)

    def _next(self, operation: str):
        answers, stays = self._scripts.get(operation, (deque(), False))
        if not answers:
            return GOOD
        return answers[0] if stays and len(answers) == 1 else answers.popleft()

    def start_job(self, request: Request, kind: str, id: str | None = None) -> Job:
        """What a start does, whatever is answered to it."""
        job = Job(id or uuid.uuid4().hex, kind, request, now())
        with self._guard:
            self.jobs.append(job)
        return job

    def job(self, id: str) -> Job | None:
        with self._guard:
            return next((job for job in self.jobs if job.id == id), None)

    def _good_other(self, request) -> Reply:
        return Reply(404, {"error": {"code": "NotFound", "message": "no such path"}})

    def _good_entra_token(self, request) -> Reply:
        with self._guard:
            self.tokens.append("scripted-" + uuid.uuid4().hex)
        return Reply(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": self.tokens[-1]})

    def _good_graph_start(self, request) -> Reply:
        job = self.start_job(request, "graph", str(uuid.uuid4()))
        return Reply(202, b"", {"Location": self.operation_address(job)})

    def operation_address(self, job: Job) -> str:
        case = re.match(r"(/.+?/cases/(?:[^/]+/)?" + CASE_ID + ")", job.start.path, re.I)[1]
        return f"{self.address}{case}/operations('{job.id}')"

    def operation_json(self, job: Job) -> dict:
        """An eDiscovery operation that has succeeded, with one file."""
        file = {"fileName": self.file_name, "downloadUrl": f"{self.address}/blob/{job.id}/0"}
        if self.tells_size:
            file["size"] = len(self.content)
        body = job.start.json or {}
        base = {
            "id": job.id,
            "action": "exportResult" if "/searches/" in job.start.path else "contentExport",
            "status": "succeeded",
            "percentProgress": 100,
            "createdDateTime": job.created,
            "completedDateTime": now(),
            "createdBy": {"application": {"id": bodies.CLIENT}, "user": None},
            "description": body.get("description"),
            "outputName": body.get("outputName") or body.get("displayName"),
            "exportFileMetadata": [file],
        }
        return base | job.extra

    def _good_graph_list(self, request) -> Reply:
        with self._guard:
            jobs = [job for job in self.jobs if job.kind == "graph"]
        return Reply(200, {"value": [self.operation_json(job) for job in jobs]})

    def _good_graph_operation(self, request) -> Reply:
        job = self.job(request.ids[-1])
        return Reply(200, self.operation_json(job)) if job else Reply(404, {"error": {"code": "NotFound", "message": "?"}})

    def _good_graph_link(self, request) -> Reply:
        return Reply(200, {"value": f"{self.address}/blob/{request.ids[-1]}/0"})

    def _good_graph_file(self, request) -> Reply:
        return self.file_reply()

    def file_reply(self) -> Reply:
        return Reply(200, self.content, {"Content-Type": self.file_type})

    def _good_goals_start(self, request) -> Reply:
        job = self.start_job(request, "goals", "j!" + uuid.uuid4().hex)
        location = f"{self.address}/beta/employeeExperience/goals/exportJobs('{job.id}')"
        return Reply(201, self.goals_json(job) | {"status": "notStarted"}, {"Location": location})

    def goals_json(self, job: Job) -> dict:
        expires = datetime.fromtimestamp(time.time() + 86_400, timezone.utc).isoformat().replace("+00:00", "Z")
        return {
            "id": job.id,
            "status": "succeeded",
            "createdDateTime": job.created,
            "expirationDateTime": expires,
            "resourceLocation": f"{self.address}/beta/employeeExperience/goals/exportJobs/{job.id}/content",
        } | job.start.json | job.extra

    def _good_goals_list(self, request) -> Reply:
        with self._guard:
            jobs = [job for job in self.jobs if job.kind == "goals"]
        return Reply(200, {"value": [self.goals_json(job) for job in jobs]})

    def _good_goals_job(self, request) -> Reply:
        job = self.job(request.ids[-1])
        return Reply(200, self.goals_json(job)) if job else Reply(404, {"error": {"code": "NotFound", "message": "?"}})

    def _good_goals_file(self, request) -> Reply:
        return self.file_reply()

    def _good_bi_start(self, request) -> Reply:
        job = self.start_job(request, "bi")
        return Reply(202, {"id": job.id, "status": "NotStarted", "percentComplete": 0})

    def bi_json(self, job: Job) -> dict:
        expires = datetime.fromtimestamp(time.time() + 86_400, timezone.utc).isoformat().replace("+00:00", "Z")
        extension = "." + self.file_name.rpartition(".")[2]
        return {
            "id": job.id,
            "status": "Succeeded",
            "percentComplete": 100,
            "createdDateTime": job.created,
            "lastActionDateTime": now(),
            "reportName": self.file_name.rpartition(".")[0],
            "resourceFileExtension": extension,
            "expirationTime": expires,
        } | job.extra

    def _good_bi_status(self, request) -> Reply:
        job = self.job(request.ids[-1])
        return Reply(200, self.bi_json(job)) if job else Reply(404, {"error": {"code": "EntityNotFound", "message": "?"}})

    def _good_bi_file(self, request) -> Reply:
        return self.file_reply()


CASE_ID = r"[0-9a-f-]{36}"
_ID = r"(?:/|\(')([^/()']+)(?:'\))?"
_CASE = r"/(?:v1\.0/security/cases/ediscoveryCases|beta/security/cases/ediscoveryCases|beta/compliance/ediscovery/cases)/[^/]+"
_GOALS = r"/beta/employeeExperience/goals/exportJobs"
_REPORT = r"/v1\.0/myorg(?:/groups/[^/]+)?/reports/[^/]+"
ROUTES = [
    (r"POST /[^/]+/oauth2/v2\.0/token", "entra.token"),
    (rf"POST {_CASE}/searches/[^/]+/(?:microsoft\.graph\.security\.)?export\w+", "graph.start"),
    (rf"POST {_CASE}/reviewSets/[^/]+/(?:queries/[^/]+/)?(?:microsoft\.graph\.\w+\.)?export", "graph.start"),
    (rf"GET {_CASE}/operations", "graph.list"),
    (rf"\w+ {_CASE}/operations{_ID}/[\w./]*getDownloadUrl(?:\(\))?", "graph.link"),
    (rf"GET {_CASE}/operations{_ID}", "graph.operation"),
    (r"GET /blob/([^/]+)/(\d+)", "graph.file"),
    (rf"POST {_GOALS}", "goals.start"),
    (rf"GET {_GOALS}", "goals.list"),
    (rf"GET {_GOALS}{_ID}/content", "goals.file"),
    (rf"GET {_GOALS}{_ID}", "goals.job"),
    (rf"POST {_REPORT}/ExportTo", "bi.start"),
    (rf"GET {_REPORT}/exports/([^/]+)/file", "bi.file"),
    (rf"GET {_REPORT}/exports/([^/]+)", "bi.status"),
]


def now() -> str:
    """The time in Microsoft's form."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def scripted_gateway(upstream: Scripted, **options):
    """A running gateway with the connections `purview`, `purview-former`, `goals` and `bi` on a scripted upstream.

    `options` are those of `servers.gateway`. Create bodies are those of `bodies`: `search_result()`, `review_set()`,
    `goals()`, `paginated_csv()`, `report()`.
    """
    options.setdefault("connections", scripted_connections(upstream))
    try:
        with servers.gateway(upstream, **options) as gateway:
            yield gateway
    finally:
        evidence.keep_secrets(upstream.tokens)


def scripted_connections(upstream: Scripted, **more) -> list[dict]:
    """The connections of `scripted_gateway`; `more` goes into each."""
    application = {
        "type": "clientSecret",
        "authority": upstream.address,
        "tenantId": bodies.TENANT,
        "clientId": bodies.CLIENT,
        "clientSecret": "env:SANDBOX_CLIENT_SECRET",
    }
    common = {"apiRoot": upstream.address, "allowPlainHTTP": True, "requestsPerMinute": 0, "pollInterval": "50ms"} | more
    ediscovery = common | {
        "provider": "graph-ediscovery",
        "proxyHosts": [],
        "blobHosts": [upstream.address],
        "credential": application,
    }
    return [
        ediscovery | {"name": "purview", "dialect": "security"},
        ediscovery | {"name": "purview-former", "dialect": "ediscovery"},
        common | {"name": "goals", "provider": "viva-goals", "credential": {"type": "passThrough"}},
        common | {"name": "bi", "provider": "power-bi", "credential": application},
    ]
