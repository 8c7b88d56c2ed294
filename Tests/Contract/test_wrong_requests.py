"""Every kind of wrong request is answered with a problem that names the field and the fix."""

import socket

import pytest

import bodies
import servers


@pytest.fixture(scope="module")
def upstream():
    with servers.sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def gateway(upstream):
    with servers.gateway(upstream) as gateway:
        yield gateway


def fault(problem: dict, pointer: str) -> str:
    """The words about one field."""
    (found,) = [error["detail"] for error in problem["errors"] if error["pointer"] == pointer]
    return found


def test_unknown_provider(gateway):
    problem = gateway.call("POST", "/exports", body={"provider": "powerbi", "powerBI": {}}).problem(422, "invalid-export")
    assert "power-bi" in fault(problem, "/provider")


def test_unknown_member_with_a_suggestion(gateway, upstream):
    body = bodies.report(powerBIReportConfiguration={"identites": [{"username": "adele@contoso.com"}]})
    problem = gateway.call("POST", "/exports", body=body).problem(422, "invalid-export")
    assert "identities" in fault(problem, "/powerBI/powerBIReportConfiguration/identites")
    top = gateway.call("POST", "/exports", body=bodies.report() | {"nmae": "x"}).problem(422, "invalid-export")
    assert "name" in fault(top, "/nmae")


def test_csv_of_a_power_bi_report(gateway):
    body = bodies.report(format="CSV", reportType="PowerBIReport")
    problem = gateway.call("POST", "/exports", body=body).problem(422, "invalid-export")
    words = fault(problem, "/powerBI/format")
    assert "PDF" in words and "PPTX" in words


def test_two_option_objects(gateway):
    body = bodies.report() | {"vivaGoals": bodies.goals()["vivaGoals"]}
    problem = gateway.call("POST", "/exports", body=body).problem(422, "invalid-export")
    assert "vivaGoals" in fault(problem, "/powerBI")
    other = {"provider": "power-bi", "vivaGoals": bodies.goals()["vivaGoals"]}
    problem = gateway.call("POST", "/exports", body=other).problem(422, "invalid-export")
    assert "powerBI" in fault(problem, "/vivaGoals")


def test_no_option_object(gateway):
    problem = gateway.call("POST", "/exports", body={"provider": "power-bi"}).problem(422, "invalid-export")
    assert "powerBI" in str(problem["errors"])


def test_every_fault_at_once(gateway):
    body = bodies.report(reportId="not-a-guid", format="GIF", wat=1)
    problem = gateway.call("POST", "/exports", body=body).problem(422, "invalid-export")
    pointers = {error["pointer"] for error in problem["errors"]}
    assert {"/powerBI/reportId", "/powerBI/format", "/powerBI/wat"} <= pointers, problem


def test_a_connection_that_must_be_named(gateway):
    body = bodies.search_result()
    del body["connection"]
    problem = gateway.call("POST", "/exports", body=body).problem(422, "invalid-export")
    words = fault(problem, "/connection")
    assert "purview" in words and "purview-former" in words
    body["connection"] = "purvue"
    problem = gateway.call("POST", "/exports", body=body).problem(422, "invalid-export")
    assert "purview" in fault(problem, "/connection")


def test_a_secret_in_a_refused_request_is_not_repeated(gateway):
    body = bodies.review_set()
    planted = "sig=planted-sas-signature-9c1d"
    body["graphEDiscovery"] |= {"azureBlobContainer": "https://a.blob.core.windows.net/b", "azureBlobToken": planted}
    answer = gateway.call("POST", "/exports", body=body)
    problem = answer.problem(422, "invalid-export")
    assert planted not in answer.body.decode()
    assert any("azureBlob" in error["pointer"] for error in problem["errors"])


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%00", "a" * 600, "AZgfPnwae1KdPgJCrBIAAn0zR1FhU2xk"])
def test_a_made_up_cursor(gateway, cursor):
    problem = gateway.get(f"/exports?cursor={cursor}").problem(400, "invalid-parameter")
    assert "cursor" in problem["detail"]


@pytest.mark.parametrize(
    "query, named",
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("status=done", "status"),
        ("provider=powerbi", "provider"),
        ("createdAfter=yesterday", "createdAfter"),
        ("stauts=failed", "stauts"),
    ],
)
def test_a_wrong_parameter(gateway, query, named):
    problem = gateway.get(f"/exports?{query}").problem(400, "invalid-parameter")
    assert named in problem["detail"], problem


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer ", "Basic YTpi", "wrong"])
def test_a_bad_key(gateway, authorization):
    headers = {"Authorization": authorization} if authorization is not None else {}
    answer = servers.call(gateway.address, "GET", "/exports", headers)
    answer.problem(401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "wrong" not in answer.body.decode()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b'{"provider": "power-bi",}', b"\xff\xfe", b'{"a":1,"a":2}', b"{}x"]
)
def test_malformed_json(gateway, body):
    answer = gateway.call("POST", "/exports", {"Content-Type": "application/json"}, body)
    assert answer.status in (400, 422), answer.body
    problem = answer.problem(answer.status, answer.json["code"])
    assert problem["code"] in ("malformed-request", "invalid-export")


def test_another_media_type(gateway):
    answer = gateway.call("POST", "/exports", {"Content-Type": "text/plain"}, b"{}")
    answer.problem(415, "unsupported-media-type")
    assert answer.headers["accept-post"] == "application/json"


def test_a_body_that_is_too_large(gateway):
    body = b'{"name":"' + b"a" * (8 << 20) + b'"}'
    try:
        answer = gateway.call("POST", "/exports", {"Content-Type": "application/json"}, body)
    except (BrokenPipeError, ConnectionResetError):
        # The gateway may answer and close before all of it is sent; then the answer is read with a client that looks
        # for it in time.
        answer = None
    if answer is not None:
        answer.problem(413, "content-too-large")
    head = (
        f"POST /exports HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {gateway.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {8 << 20}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(head.encode() + b"{")
        reply = connection.recv(65_536)
    assert reply.startswith(b"HTTP/1.1 413 "), reply


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("PUT", "/exports", {"GET", "POST"}),
        ("POST", "/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002", {"GET", "DELETE"}),
        ("DELETE", "/providers", {"GET"}),
        ("POST", "/livez", {"GET"}),
        ("PATCH", "/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002/content", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_is_not_there(gateway, method, path, allowed):
    answer = gateway.call(method, path)
    answer.problem(405, "method-not-allowed")
    assert allowed <= {name.strip() for name in answer.headers["allow"].split(",")}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/export",
        "/exports/",
        "/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002",
        "/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002/files",
        "/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002/files/1",
        "/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002/content",
        "/providers/powerbi",
        "/exports/..%2f..%2fetc",
    ],
)
def test_nothing_there(gateway, path):
    answer = gateway.get(path)
    assert answer.status in (400, 404), answer.body
    answer.problem(answer.status, answer.json["code"])


@pytest.mark.parametrize("identifier", ["1", "x" * 36, "01981f3e-7c1a-7b52-9d3e-0242ac12000", "%00", "%FF"])
def test_bad_ids(gateway, identifier):
    answer = gateway.get(f"/exports/{identifier}")
    assert answer.status in (400, 404), answer.body
    answer.problem(answer.status, answer.json["code"])


def test_a_file_that_is_not_there(gateway):
    export = gateway.succeeded(gateway.create(bodies.report()))
    gateway.get(f"{export['href']}/files/99").problem(404, "not-found")


def test_too_early(gateway, upstream):
    upstream.rule("power-bi.*", {"kind": "stuck"})
    export = gateway.create(bodies.report())
    answer = gateway.get(f"{export['href']}/content")
    answer.problem(409, "not-ready")
    assert int(answer.headers["retry-after"]) >= 0
    upstream.remove_rules()


def test_what_the_upstream_refuses(gateway, upstream):
    body = bodies.report(reportId="00000000-1111-4222-8333-444444444444")
    export = gateway.watch(gateway.create(body))
    assert export["status"] == "failed"
    assert export["error"]["upstream"]["status"] == 404
    assert export["error"]["upstream"]["code"] == "PowerBIEntityNotFound"
    assert export["error"]["upstream"]["requestId"]
