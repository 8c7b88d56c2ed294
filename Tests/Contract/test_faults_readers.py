"""Faults that were found in how upstreams' answers are read: rows D7, D8 and E of the article `Faults.md`."""

import base64
import gzip
import json
import threading
import time
from datetime import datetime, timedelta, timezone

import bodies
import evidence
import pytest
from client import call, poll
from scripted import GOOD, Raw, Reply, Scripted, now, scripted_connections, scripted_gateway

# For each connection: a create body, and the operations that start, watch and fetch.
KINDS = {
    "purview": (bodies.search_result, "graph.start", "graph.operation", "graph.file"),
    "purview-former": (lambda: bodies.review_set(connection="purview-former"), "graph.start", "graph.operation", "graph.file"),
    "goals": (bodies.goals, "goals.start", "goals.job", "goals.file"),
    "bi": (bodies.paginated_csv, "bi.start", "bi.status", "bi.file"),
}


@pytest.fixture(scope="module")
def world():
    """One gateway for all tests of this file that need no other connections."""
    with Scripted() as upstream, scripted_gateway(upstream) as gateway:
        yield upstream, gateway


@pytest.fixture
def pair(world):
    upstream, _ = world
    yield world
    for operation in ["entra.token", "graph.list", "graph.link", *(name for kind in KINDS.values() for name in kind[1:])]:
        upstream.unscript(operation)


def fetched(gateway, export):
    return gateway.call("GET", f"/exports/{export['id']}/content", bodies.headers_for(export))




def zipped(upstream, head=()):
    """An answer as it would be, its JSON in gzip."""

    def answer(request):
        reply = upstream.good(request)
        if isinstance(reply.body, dict):
            fields = dict(reply.fields) | {"Content-Type": "application/json", "Content-Encoding": "gzip"} | dict(head)
            return Reply(reply.status, gzip.compress(json.dumps(reply.body).encode()), fields)
        return reply

    return answer


# D7


@pytest.mark.alone
@pytest.mark.fault("D7")
def test_large_answers_do_not_hold_up_the_probes(figure):
    entry = {"displayName": "x" * 40, "status": "running", "action": "holdUpdate", "createdDateTime": now(), "percentProgress": 1}
    names = [f"case-{number}" for number in range(8)]
    with Scripted() as upstream:
        purview = next(connection for connection in scripted_connections(upstream) if connection["name"] == "purview")
        lists = []

        def long_list(request):
            lists.append(request)
            jobs = upstream.good(request).body["value"]
            return Reply(200, {"value": [entry | {"id": f"{index:032x}"} for index in range(19_000)] + jobs})

        with scripted_gateway(upstream, connections=[purview | {"name": name} for name in names]) as gateway:
            call(gateway.address, "GET", "/livez")
            held = {"done": False, "worst": 0.0}

            def watch():
                while not held["done"]:
                    began = time.monotonic()
                    call(gateway.address, "GET", "/livez")
                    held["worst"] = max(held["worst"], time.monotonic() - began)

            # The answers to the starts are lost, so that the jobs are looked for in the lists.
            upstream.script("graph.start", started_without_an_answer(upstream), stays=True)
            upstream.script("graph.list", long_list, stays=True)
            watcher = threading.Thread(target=watch)
            watcher.start()
            try:
                exports = [gateway.create(bodies.search_result(name, name)) for name in names]
                for export in exports:
                    gateway.succeeded(export, within=60)
            finally:
                held["done"] = True
                watcher.join()
            assert len(lists) >= len(names)
            figure(f"/livez waited {held['worst'] * 1000:.0f} ms at most while eight lists of 4 MB were read")
    assert held["worst"] < 1, f"/livez waited {held['worst']:.1f} s"


# D8


@pytest.mark.fault("D8")
def test_long_texts_of_upstreams_are_cut(pair):
    upstream, gateway = pair
    name = "éé" + "x" * 3_000_000
    upstream.script("bi.status", lambda request: Reply(200, upstream.good(request).body | {"reportName": name}))
    bi = gateway.succeeded(gateway.create(bodies.paginated_csv("long name")))
    files = [{"fileName": name + ".csv", "size": 1, "downloadUrl": f"{upstream.address}/blob/x/0"}]
    upstream.script("graph.operation", lambda request: Reply(200, upstream.good(request).body | {"exportFileMetadata": files}))
    purview = gateway.succeeded(gateway.create(bodies.search_result("long name")))
    upstream.script("goals.job", lambda request: Reply(200, upstream.good(request).body | {"status": name}), GOOD)
    goals = gateway.create(bodies.goals("long status"))
    goals = gateway.watch(goals, lambda latest: latest.get("upstream", {}).get("status") not in (None, "notStarted"), within=60)
    for export in (bi, purview):
        told = export["files"][0]["name"]
        assert len(told.encode()) <= 255, len(told)
        assert told.startswith("éé")
        assert told.endswith(".csv")
    assert len(goals["upstream"]["status"].encode()) <= 128
    assert len(gateway.get("/exports?limit=200").body) < 500_000


# E1


@pytest.mark.fault("E1")
def test_a_wait_is_a_wait_in_whatever_form(pair):
    upstream, gateway = pair

    def busy(wait):
        return lambda request: Reply(200, upstream.good(request).body | {"status": "Failed"}, {"Retry-After": wait() if callable(wait) else wait})

    # The form of RFC 850.
    older = lambda: (datetime.now(timezone.utc) + timedelta(seconds=2)).strftime("%A, %d-%b-%y %H:%M:%S GMT")  # noqa: E731
    upstream.script("bi.status", busy("1, 3"), busy("soon"), busy(older), GOOD, stays=True)
    before = len(upstream.calls("bi.start")), len(upstream.calls("bi.status"))
    gateway.succeeded(gateway.create(bodies.paginated_csv("busy")), within=40)
    starts = upstream.calls("bi.start")[before[0] :]
    assert len(starts) == 4, "each of three busy answers starts it again"
    first = upstream.calls("bi.status")[before[1]]
    assert starts[1].at - first.at >= 2.9, "the longest of a list is waited for"


@pytest.mark.fault("E1")
def test_a_start_that_is_put_off_in_words_is_tried_again(pair):
    upstream, gateway = pair
    kinds = ("goals", "bi", "purview")
    for kind in kinds:
        upstream.script(KINDS[kind][1], Reply(503, "", {"Retry-After": "in a while"}), stays=True)
    exports = [gateway.create(KINDS[kind][0]()) for kind in kinds]
    for export in exports:
        noted = gateway.watch(export, lambda latest: "notice" in latest or "error" in latest or latest["status"] == "succeeded", within=60)
        assert noted.get("notice", {}).get("code") == "upstream-throttled", noted
    for kind in kinds:
        upstream.unscript(KINDS[kind][1])
    for export in exports:
        gateway.succeeded(export)


# E2


@pytest.mark.fault("E2")
def test_answers_in_gzip_are_read():
    with Scripted() as upstream, scripted_gateway(upstream) as gateway:
        for operation in ("entra.token", "graph.operation", "graph.list", "graph.link", "goals.start", "goals.job", "bi.start", "bi.status"):
            upstream.script(operation, zipped(upstream), stays=True)
        exports = [gateway.create(KINDS[kind][0]()) for kind in ("purview", "goals", "bi")]
        for export in exports:
            ended = gateway.succeeded(export, within=60)
            assert fetched(gateway, ended).body == upstream.content
        # What decodes to more than an answer can be is not taken, and harms nobody.
        upstream.script("bi.status", Reply(200, gzip.compress(b" " * (256 << 20)), {"Content-Encoding": "gzip"}), GOOD, stays=True)
        gateway.succeeded(gateway.create(bodies.paginated_csv("after a bomb")), within=60)
        # An error in gzip has words too.
        words = gzip.compress(json.dumps({"error": {"code": "X", "message": "zipped words"}}).encode())
        upstream.script("bi.file", Reply(500, words, {"Content-Encoding": "gzip", "Retry-After": "1"}))
        assert "zipped words" in fetched(gateway, gateway.succeeded(gateway.create(bodies.paginated_csv("words")))).json["upstream"]["message"]


# E3

SHAPES = {
    "oauth": ("application/json", '{"error":"some_code","error_description":"OAuth words here"}', "OAuth words here", "some_code"),
    "text in error": ("application/json", '{"error":"Sentence words here"}', "Sentence words here", None),
    "Message": ("application/json", '{"Message":"Capital words here"}', "Capital words here", None),
    "message": ("application/json", '{"message":"Small words here"}', "Small words here", None),
    "details": (
        "application/json",
        '{"error":{"code":"Outer","message":"","details":[{"code":"d","message":"Detail words here"}]}}',
        "Detail words here",
        "Outer",
    ),
    "inner": (
        "application/json",
        '{"error":{"code":"Outer","message":"Inner words here","innerError":{"code":"Deepest"}}}',
        "Inner words here",
        "Deepest",
    ),
    "storage": (
        "application/xml",
        '<?xml version="1.0" encoding="utf-8"?><Error><Code>OutOfRange</Code><Message>Storage words here</Message></Error>',
        "Storage words here",
        "OutOfRange",
    ),
    "page": ("text/html", "<!doctype html><html><head><title>Page words &amp; more</title></head><body>x</body></html>", "Page words & more", None),
    "proxy": ("text/plain", "upstream connect error: proxy words here", "proxy words here", None),
}


def told(upstream_member, shape):
    _, _, words, code = SHAPES[shape]
    if upstream_member is None or words not in upstream_member.get("message", ""):
        return f"{shape}: {upstream_member}"
    if code and upstream_member.get("code") != code:
        return f"{shape}: code {upstream_member.get('code')}"
    return None


def refusal(shape, status, **fields):
    media_type, body, _, _ = SHAPES[shape]
    return Reply(status, body, {"Content-Type": media_type} | fields)


@pytest.mark.fault("E3")
@pytest.mark.parametrize("kind", list(KINDS))
def test_what_upstreams_say_of_a_failure_is_told(pair, kind):
    upstream, gateway = pair
    make, start, status, file = KINDS[kind]
    wrong = []
    # A start that is refused.
    for shape in SHAPES:
        upstream.script(start, refusal(shape, 400))
        ended = gateway.watch(gateway.create(make()), within=60)
        wrong.append(("start", told(ended.get("error", {}).get("upstream"), shape)))
    # A file that cannot be opened now.
    export = gateway.succeeded(gateway.create(make()), within=60)
    for shape in SHAPES:
        upstream.script(file, refusal(shape, 500, **{"Retry-After": "1"}))
        problem = fetched(gateway, export).json
        wrong.append(("file", told(problem.get("upstream"), shape)))
    # A status that cannot be read now.
    upstream.script(status, refusal("proxy", 403), stays=True)
    noted = gateway.watch(gateway.create(make()), lambda latest: "notice" in latest, within=60)
    upstream.unscript(status)
    wrong.append(("status", told(noted["notice"].get("upstream"), "proxy")))
    assert not [(step, what) for step, what in wrong if what]


@pytest.mark.fault("E3")
@pytest.mark.parametrize(
    ("kind", "status"), [("purview", 401), ("purview", 402), ("purview", 403), ("bi", 401), ("bi", 403), ("bi", 404), ("goals", 403)]
)
def test_a_guess_is_told_as_a_guess(pair, kind, status):
    upstream, gateway = pair
    make, start, _, _ = KINDS[kind]
    upstream.script(start, Reply(status, {"error": {"code": "SomethingNew", "message": "no"}}), stays=True)
    export = gateway.create(make())
    ended = gateway.watch(export, lambda latest: "error" in latest or "notice" in latest, within=60)
    assert "Perhaps" in (ended.get("error") or ended["notice"])["detail"]


# E4


def known_in_any_case(pair, kind, spelling):
    upstream, gateway = pair
    make, _, status, _ = KINDS[kind]
    upstream.script(status, lambda request: Reply(200, upstream.good(request).body | {"status": spelling}), stays=True)
    ended = gateway.watch(gateway.create(make()), lambda latest: latest["status"] not in ("notStarted", "running"), within=60)
    assert ended["status"] == "succeeded"
    assert ended["upstream"]["status"] == spelling


@pytest.mark.fault("E4")
@pytest.mark.parametrize(("kind", "spelling"), [("purview", "Succeeded"), ("purview-former", "SUCCEEDED")])
def test_a_status_is_known_in_any_case(pair, kind, spelling):
    known_in_any_case(pair, kind, spelling)


@pytest.mark.parametrize(("kind", "spelling"), [("goals", "SUCCEEDED"), ("bi", "succeeded")])
def test_other_services_statuses_are_known_in_any_case(pair, kind, spelling):
    known_in_any_case(pair, kind, spelling)


# E5


def started_without_an_answer(upstream):
    def answer(request):
        upstream.good(request)
        return Reply(504)

    return answer


@pytest.mark.fault("E5")
@pytest.mark.parametrize(("kind", "operation"), [("purview", "graph.list"), ("goals", "goals.list")])
def test_one_odd_entry_does_not_cost_the_list(pair, kind, operation):
    upstream, gateway = pair
    make, start, _, _ = KINDS[kind]
    odd = {"id": "0" * 32, "displayName": "half \ud83d of it", "outputName": "\udc00", "description": "\ud83d", "createdDateTime": now()}
    before = len(upstream.calls(start))

    def page(request):
        return Reply(200, {"value": [odd, 5, None, "text", *upstream.good(request).body["value"]]})

    upstream.script(operation, page, stays=True)
    upstream.script(start, started_without_an_answer(upstream), GOOD, stays=True)
    export = gateway.create(make())
    gateway.succeeded(export, within=60)
    assert len(upstream.calls(start)) - before == 1
    assert gateway.metric("export_gateway_upstream_unreadable_entries_total", connection=kind) >= 3


# E7


@pytest.mark.fault("E7")
@pytest.mark.parametrize("kind", ["purview", "goals", "bi"])
def test_one_length_twice_is_one_length(pair, kind):
    upstream, gateway = pair
    make, _, status, file = KINDS[kind]

    def twice(request):
        reply = upstream.good(request)
        body = json.dumps(reply.body).encode() if isinstance(reply.body, dict) else reply.body
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {'application/json' if body[:1] == b'{' else 'text/csv'}\r\n"
        return Raw(head.encode() + f"Content-Length: {len(body)}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)

    upstream.script(status, twice, GOOD, stays=True)
    upstream.script(file, twice)
    answer = fetched(gateway, gateway.succeeded(gateway.create(make()), within=60))
    assert answer.status == 200, answer.body
    assert answer.body == upstream.content


@pytest.mark.fault("E7")
@pytest.mark.parametrize("kind", ["purview", "goals", "bi"])
@pytest.mark.parametrize("framing", ["Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5\r\nTransfer-Encoding: chunked"])
def test_lengths_that_contradict_each_other_are_told(pair, kind, framing):
    upstream, gateway = pair
    make, _, _, file = KINDS[kind]
    export = gateway.succeeded(gateway.create(make()), within=60)
    upstream.script(file, Raw(f"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n{framing}\r\n\r\n5\r\na,b,c\r\n0\r\n\r\n".encode()), stays=True)
    problem = fetched(gateway, export).problem(502, "upstream-broken")
    assert "length" in problem["detail"]


# E8

PAGE = "<html><head><title>Out of order</title></head></html>"
ODD_TOKENS = {
    "a redirect": Reply(302, "", {"Location": "https://portal.example/"}),
    "nothing": Reply(204),
    "a page": Reply(200, PAGE, {"Content-Type": "text/html"}),
    "a page that forbids": Reply(403, PAGE, {"Content-Type": "text/html"}),
    "half an answer": Reply(200, '{"token_type":"Bearer","expires_in":3600,"acc', {"Content-Type": "application/json"}),
}


@pytest.mark.fault("E8")
def test_what_is_no_refusal_of_entras_passes():
    with Scripted() as upstream:
        bi = next(connection for connection in scripted_connections(upstream) if connection["name"] == "bi")
        with scripted_gateway(upstream, connections=[bi | {"name": f"bi-{number}"} for number in range(len(ODD_TOKENS))]) as gateway:
            for number, (what, odd) in enumerate(ODD_TOKENS.items()):
                upstream.script("entra.token", odd)
                export = gateway.create(bodies.paginated_csv() | {"connection": f"bi-{number}"})
                ended = gateway.watch(export, within=60)
                assert ended["status"] == "succeeded", (what, ended)
            assert len(upstream.calls("entra.token")) == 2 * len(ODD_TOKENS)


# E9

FULL = "Your request can't be started because the maximum number of jobs for your organization are currently running."


@pytest.mark.fault("E9")
@pytest.mark.parametrize("kind", list(KINDS))
def test_an_upstream_at_its_capacity_is_tried_again(pair, kind):
    upstream, gateway = pair
    make, start, _, _ = KINDS[kind]
    upstream.script(start, Reply(400, {"error": {"code": "activityLimitReached", "message": FULL}}, {"Retry-After": "1"}), stays=True)
    before = len(upstream.calls(start))
    export = gateway.create(make())
    noted = gateway.watch(export, lambda latest: "notice" in latest or "error" in latest, within=60)
    assert noted.get("notice", {}).get("code") == "upstream-busy", noted
    upstream.unscript(start)
    gateway.succeeded(export, within=60)
    assert len(upstream.calls(start)) - before >= 2


def test_words_decide_where_the_operator_says_so(pair):
    upstream, _ = pair
    full = Reply(400, {"error": {"code": "BadRequest", "message": FULL}}, {"Retry-After": "1"})
    purview, *_ = scripted_connections(upstream)
    connections = [purview, purview | {"name": "trusting", "retryOnCapacityText": True}]
    with scripted_gateway(upstream, connections=connections) as gateway:
        upstream.script("graph.start", full, GOOD, stays=True)
        gateway.succeeded(gateway.create(bodies.search_result("trusting", "trusting")), within=60)
        upstream.script("graph.start", full, GOOD, stays=True)
        ended = gateway.watch(gateway.create(bodies.search_result("not trusting", "purview")), within=60)
    assert ended["error"]["code"] == "upstream-invalid-request"
    assert "retryOnCapacityText" in ended["error"]["detail"]


# E10


@pytest.mark.fault("E10")
@pytest.mark.parametrize("kind", ["purview", "goals", "bi"])
def test_a_file_that_is_not_there_yet_is_told_so(pair, kind):
    upstream, gateway = pair
    make, _, _, file = KINDS[kind]
    export = gateway.succeeded(gateway.create(make()), within=60)
    for status in (408, 409, 423, 425):
        upstream.script(file, Reply(status, "", {"Retry-After": "7"}))
        answer = fetched(gateway, export)
        assert (answer.status, answer.headers.get("retry-after")) == (503, "7"), (status, answer.body)
        upstream.script(file, Reply(status, ""))
        answer = fetched(gateway, export)
        assert answer.status == 503, (status, answer.body)
        assert "retry-after" in answer.headers, status
    assert fetched(gateway, export).body == upstream.content


@pytest.mark.fault("E10")
def test_a_link_that_is_not_there_yet_is_told_so(pair):
    upstream, gateway = pair
    export = gateway.succeeded(gateway.create(bodies.review_set("link", connection="purview-former")), within=60)
    upstream.script("graph.link", Reply(400, {"error": {"code": "BadRequest", "message": "The export is not ready."}}))
    answer = fetched(gateway, export)
    assert answer.status == 503, answer.body
    assert "retry-after" in answer.headers
    assert "not ready" in answer.json["upstream"]["message"]


# E11


@pytest.mark.fault("E11")
def test_links_are_read_as_browsers_read_them(pair):
    upstream, gateway = pair
    file = {"fileName": "file.csv", "downloadUrl": f"{upstream.address}/blob/job/0?name=a b [1] é.csv"}
    upstream.script("graph.operation", lambda request: Reply(200, upstream.good(request).body | {"exportFileMetadata": [file]}), stays=True)
    export = gateway.succeeded(gateway.create(bodies.search_result("odd link")), within=60)
    answer = fetched(gateway, export)
    assert answer.status == 200, answer.body
    assert upstream.calls("graph.file")[-1].path == "/blob/job/0?name=a%20b%20%5B1%5D%20%C3%A9.csv"
    # A redirect with the same in it.
    redirect = b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: ../job/0?again=[x y] " + "é".encode() + b"\r\n\r\n"
    upstream.script("graph.file", Raw(redirect))
    answer = fetched(gateway, export)
    assert answer.status == 200, answer.body
    # What cannot be used is named.
    file["downloadUrl"] = "ftp://files.example/1"
    assert "neither an http nor an https address" in fetched(gateway, export).problem(502, "upstream-broken")["detail"]


@pytest.mark.fault("E11")
@pytest.mark.parametrize(("kind", "operation"), [("purview", "graph.list"), ("goals", "goals.list")])
def test_next_links_may_be_relative_or_empty(pair, kind, operation):
    upstream, gateway = pair
    make, start, _, _ = KINDS[kind]

    def page(request):
        if "skiptoken" in request.path:
            return Reply(200, upstream.good(request).body | {"@odata.nextLink": ""})
        return Reply(200, {"value": [], "@odata.nextLink": request.path.partition("?")[0].rpartition("/")[2] + "?$skiptoken=a b"})

    before = len(upstream.calls(start))
    upstream.script(operation, page, stays=True)
    upstream.script(start, started_without_an_answer(upstream), GOOD, stays=True)
    gateway.succeeded(gateway.create(make()), within=60)
    assert len(upstream.calls(start)) - before == 1
    assert upstream.calls(operation)[-1].path.endswith("?$skiptoken=a%20b")


# E13


def token_for(audience):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part({'aud': audience, 'scp': 'x'})}.c2lnbmF0dXJl"


@pytest.mark.fault("E13")
def test_a_token_for_another_audience_is_not_sent(pair):
    upstream, gateway = pair
    token = token_for("https://management.azure.com/")
    evidence.keep_secrets([token])
    before = len(upstream.calls("goals.start"))
    answer = gateway.call("POST", "/exports", {"Upstream-Authorization": f"Bearer {token}"}, bodies.goals())
    assert answer.status == 202, answer.body
    # Read without a token: another one would set it going.
    export = f"/exports/{answer.json['id']}"
    poll("a notice", lambda: "notice" in gateway.get(export).json or len(upstream.calls("goals.start")) > before, within=60)
    noted = gateway.get(export).json
    assert len(upstream.calls("goals.start")) == before
    assert noted["notice"]["code"] == "upstream-authorization-required"
    assert "management.azure.com" in noted["notice"]["detail"]
    assert "graph.microsoft.com" in noted["notice"]["detail"]


@pytest.mark.fault("E13")
def test_an_unknown_identity_is_thought_of(pair):
    upstream, gateway = pair
    identities = [{"username": "nobody@contoso.example", "roles": ["r"], "datasets": ["d"]}]
    upstream.script("bi.start", Reply(404, {"error": {"code": "PowerBIEntityNotFound"}}))
    ended = gateway.watch(gateway.create(bodies.report("with identity", powerBIReportConfiguration={"identities": identities})), within=60)
    assert "effective identity" in ended["error"]["detail"]


@pytest.mark.fault("E13")
def test_a_user_without_access_is_told_as_a_user(pair):
    upstream, _ = pair
    bi = next(connection for connection in scripted_connections(upstream) if connection["name"] == "bi")
    bi["credential"] = bi["credential"] | {"onBehalfOf": True}
    token = "opaque-user-token-" + "x" * 24
    evidence.keep_secrets([token])
    with scripted_gateway(upstream, connections=[bi]) as gateway:
        upstream.script("bi.start", Reply(401, "", {"x-powerbi-error-info": "GroupNotAccessible"}))
        answer = gateway.call("POST", "/exports", {"Upstream-Authorization": f"Bearer {token}"}, bodies.report())
        ended = gateway.watch(answer.json, within=60)
    assert "user whose token" in ended["error"]["detail"]
    assert "service principal" not in ended["error"]["detail"]


# E14


@pytest.mark.fault("E14")
def test_words_fit_what_they_are():
    contract = " ".join((evidence.ROOT / "openapi.yaml").read_text().split())
    example = " ".join((evidence.ROOT / "Deploy/gateway.example.yaml").read_text().replace("#", " ").split())
    titles = " ".join((evidence.ROOT / "Sources/Core/Exports/ProblemCode.swift").read_text().split())
    # `expired` is what the upstream says or its time, not a guess of the gateway's.
    assert "its files are over: the upstream says so, or the time that it named has passed" in contract
    # What Microsoft allows is the application's in its tenant, and so is a budget.
    assert "Connections of one application in one tenant share what Microsoft allows" in example
    assert "connections of one provider with the same application and tenant share one budget" in contract
    # A refusal of an export is not what a download meets.
    assert "never of a download" in contract
    assert 'case .expired: "The upstream no longer keeps the files of this export"' in titles
