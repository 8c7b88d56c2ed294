"""Clients that people use follow exports to every kind of end, unmodified, and stop there."""

import hashlib
import json
import subprocess
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urljoin

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import HeadersPolicy, RequestIdPolicy
from azure.core.polling import LROPoller
from azure.core.polling.base_polling import LROBasePolling
from azure.core.rest import HttpRequest

import bodies
import servers
from client import poll
from scripted import Reply, Scripted, scripted_connections

CLIENTS = Path(__file__).with_name("clients")


def scripted(operation: str, **members) -> Callable:
    """The jobs, with other members."""

    def prepare(upstream):
        def answer(request):
            job = upstream.job(request.ids[-1])
            good = upstream.operation_json(job) if operation == "graph.operation" else upstream.bi_json(job)
            return Reply(200, good | {name: value() if callable(value) else value for name, value in members.items()})

        upstream.script(operation, answer, stays=True)

    return prepare


def soon() -> str:
    return (datetime.now(timezone.utc) + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")


def cancel(gateway, id):
    assert gateway.call("DELETE", f"/exports/{id}").status == 200


def until_expired(gateway, id):
    poll("the end of the files", lambda: gateway.get(f"/exports/{id}").json["status"] == "expired")


@dataclass
class End:
    """How an export ends, and what clients have to see of it."""

    status: str
    # The code of `error`.
    code: str | None = None
    # What Azure's clients see, and the code they are given.
    operation: str = "Failed"
    operation_code: str | None = None
    # The problem of a download; None where there is a file.
    problem: tuple[int, str] | None = (409, "no-result")
    body: Callable = bodies.paginated_csv
    prepare: Callable = lambda upstream: None
    # What happens before the client looks for the first time.
    act: Callable = lambda gateway, id: None


ENDS = {
    "succeeded": End("succeeded", operation="Succeeded", problem=None),
    "partially succeeded": End(
        "partiallySucceeded",
        "export-partially-succeeded",
        operation="Succeeded",
        problem=None,
        body=bodies.search_result,
        prepare=scripted("graph.operation", status="partiallySucceeded"),
    ),
    "failed": End(
        "failed",
        "export-failed",
        operation_code="export-failed",
        prepare=scripted("bi.status", status="Failed", error={"code": "Broken", "message": "It broke."}),
    ),
    "canceled": End(
        "canceled", "canceled", "Canceled", "canceled", prepare=scripted("bi.status", status="Running"), act=cancel
    ),
    "expired": End(
        "expired",
        "expired",
        operation_code="expired",
        problem=(410, "expired"),
        prepare=scripted("bi.status", expirationTime=soon),
        act=until_expired,
    ),
    "unknown, given up": End(
        "unknown",
        "tracking-timed-out",
        operation_code="tracking-timed-out",
        prepare=scripted("bi.status", status="Wobbling"),
    ),
}


@pytest.fixture(scope="module")
def upstream():
    with Scripted() as upstream:
        yield upstream


@contextmanager
def gateway_in_front_of(upstream, **more):
    """A gateway that gives up soon; `more` goes into its section `server`."""
    sections = {"connections": scripted_connections(upstream), "engine": {"unknownBound": "500ms"}}
    with servers.gateway(upstream, start=False, **sections) as gateway:
        gateway.configuration["server"] |= {
            name: value.replace("{address}", gateway.address) for name, value in more.items()
        }
        (gateway.directory / "gateway.yaml").write_text(json.dumps(gateway.configuration))
        gateway.start()
        yield gateway


@pytest.fixture(scope="module")
def gateway(upstream):
    with gateway_in_front_of(upstream) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def public_gateway(upstream):
    """One that knows its address, as Azure's clients need it."""
    with gateway_in_front_of(upstream, publicURL="{address}") as gateway:
        yield gateway


@pytest.fixture(params=ENDS)
def end(request, upstream):
    end = ENDS[request.param]
    for operation in ("bi.status", "graph.operation"):
        upstream.unscript(operation)
    end.prepare(upstream)
    return end


def test_java(gateway, upstream, end):
    """The default `HttpClient`, which asks for h2c with every request and waits for ever."""
    command = ["java", "-XX:TieredStopAtLevel=1", str(CLIENTS / "Follow.java")]
    command += [f"{gateway.address}/exports", f"Bearer {gateway.key}", json.dumps(end.body())]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as java:
        try:
            _, status, location = java.stdout.readline().split()
            assert status == "202" and location.startswith(f"{gateway.address}/exports/")
            end.act(gateway, location.rpartition("/")[2])
            output, errors = java.communicate("\n", timeout=60)
        finally:
            java.kill()
    ended, file = output.splitlines()
    assert ended == f"ended {end.status} {end.code or 'null'}", errors
    seen = end.problem or (200, hashlib.sha256(upstream.content).hexdigest())
    assert file == "file {} {}".format(*seen)


def test_curl_http2(gateway, upstream, end, tmp_path):
    """Each command asks twice on one connection, whose first request asks for h2c."""

    def curl(*arguments: str) -> list[str]:
        more = ["--http2", "--max-time", "20", "--output", str(tmp_path / "body"), "--dump-header", str(tmp_path / "head")]
        # The second address comes behind --next: options are valid up to there.
        told = ["--write-out", "%{http_code} %{num_connects}\n"]
        again = ["--next", "--silent", *told, "--output", "/dev/null", gateway.address + "/livez"]
        command = gateway.curl(*more, *told, *arguments, *again)
        result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert result.returncode == 0, result
        first, second = result.stdout.splitlines()
        assert second == "200 0", result
        return first.split()

    def body() -> dict:
        return json.loads((tmp_path / "body").read_bytes())

    address = f"{gateway.address}/exports"
    options = ["--json", json.dumps(end.body()), address]
    assert curl(*options) == ["202", "1"]
    location = next(
        line.partition(":")[2].strip()
        for line in (tmp_path / "head").read_text().splitlines()
        if line.lower().startswith("location:")
    )
    export = urljoin(address, location)
    end.act(gateway, export.rpartition("/")[2])
    answers = 0
    while answers == 0 or "completedAt" not in body():
        assert curl("--header", "Prefer: wait=5", export) == ["200", "1"]
        answers += 1
        assert answers < 20, body()
    assert body()["status"] == end.status
    assert body().get("error", {}).get("code") == end.code
    files = body()["files"]
    content = urljoin(export, files[0]["href"]) if files else export + "/content"
    status, _ = curl(content)
    if end.problem:
        assert (int(status), body()["code"]) == end.problem
    else:
        assert status == "200" and (tmp_path / "body").read_bytes() == upstream.content


def azure_client(gateway) -> PipelineClient:
    """As generated clients have it: the poller wants their request id."""
    policies = [RequestIdPolicy(), HeadersPolicy({"Authorization": f"Bearer {gateway.key}"})]
    return PipelineClient(gateway.address, policies=policies)


def test_azure_core(public_gateway, upstream, end):
    """`LROPoller` by `Operation-Location`, to the file or the exception."""
    gateway = public_gateway
    with azure_client(gateway) as client:
        started = client._pipeline.run(HttpRequest("POST", f"{gateway.address}/exports", json=end.body()))
        response = started.http_response
        export = response.json()
        assert response.headers["Operation-Location"] == f"{gateway.address}/exports/{export['id']}/operation"
        end.act(gateway, export["id"])
        poller = LROPoller(client, started, lambda final: final.http_response.json(), LROBasePolling(timeout=0.1))
        if end.operation == "Succeeded":
            poller.wait(30)
            assert poller.done(), f"{poller.status()} for ever"
            final = poller.result()
            assert (final["id"], final["status"]) == (export["id"], end.status)
            file = client.send_request(HttpRequest("GET", final["files"][0]["href"]))
            assert file.status_code == 200 and file.read() == upstream.content
        else:
            with pytest.raises(HttpResponseError) as failure:
                poller.wait(30)
            assert failure.value.error.code == end.operation_code
            assert len(failure.value.error.message) > 10
        assert poller.done() and poller.status() == end.operation


def test_azure_core_keeps_to_the_pace(public_gateway, upstream):
    """While the export runs, it comes back after `Retry-After` and no sooner; then it sees the end."""
    upstream.script("bi.status", *[scripted_running(upstream)] * 3)
    gateway = public_gateway
    with azure_client(gateway) as client:
        started = client._pipeline.run(HttpRequest("POST", f"{gateway.address}/exports", json=bodies.paginated_csv()))
        assert int(started.http_response.headers["Retry-After"]) >= 1
        poller = LROPoller(client, started, lambda final: final.http_response.json(), LROBasePolling(timeout=30))
        poller.wait(30)
        assert poller.done() and poller.result()["status"] == "succeeded"


def scripted_running(upstream) -> Callable:
    return lambda request: Reply(200, upstream.bi_json(upstream.job(request.ids[-1])) | {"status": "Running"})
