"""The main job: create an export, watch it, download it, on every provider."""

import time
import uuid
from urllib.parse import urljoin

import pytest

import bodies

KINDS = {
    "ediscovery-search": bodies.search_result,
    "ediscovery-review-set": bodies.review_set,
    "ediscovery-former-dialect": lambda: bodies.review_set(connection="purview-former"),
    "viva-goals": bodies.goals,
    "power-bi": bodies.report,
    "power-bi-paginated": bodies.paginated_csv,
    "intune": bodies.intune,
}


@pytest.mark.parametrize("kind", KINDS)
def test_create_watch_download(gateway, upstream, kind):
    body = KINDS[kind]()
    answer = gateway.call("POST", "/exports", bodies.headers_for(body), body)
    assert answer.status == 202, answer.body
    accepted = answer.json
    assert urljoin("/exports", answer.headers["location"]) == accepted["href"] == f"/exports/{accepted['id']}"
    assert "operation-location" not in answer.headers
    assert int(answer.headers["retry-after"]) >= 0
    assert accepted["provider"] == body["provider"] and accepted["name"] == body["name"]
    assert uuid.UUID(accepted["id"]).version == 7

    export = gateway.succeeded(accepted)
    (job,) = upstream.jobs()
    assert export["upstream"]["id"] == job["id"]
    files = {file["name"]: file for file in job["files"]}
    assert len(export["files"]) == len(files) > 0
    listed = gateway.call("GET", f"/exports/{export['id']}/files", bodies.headers_for(body)).json["value"]
    assert listed == export["files"]

    for file in export["files"]:
        # Goals and Power BI name no file upstream: there is one, and it is the one.
        expected = files.get(file["name"]) or next(iter(files.values()))
        for coding in ("identity", "gzip"):
            headers = bodies.headers_for(body) | {"Accept-Encoding": coding}
            got = gateway.download(file["href"], headers)
            assert got.status == 200
            assert (got.sha256, got.size) == (expected["sha256"], expected["size"]), (file, coding)
            assert file["name"].rpartition(".")[2] in got.headers["content-disposition"]
            # The length is told where it is known before the bytes are: without compression.
            if "content-encoding" not in got.headers:
                assert int(got.headers["content-length"]) == expected["size"]
            else:
                assert coding == "gzip" and got.wire_size < got.size
                assert "accept-encoding" in got.headers["vary"].lower()
            head = gateway.call("HEAD", file["href"], headers)
            assert head.status == 200 and head.body == b""
            assert head.headers.get("content-encoding") == got.headers.get("content-encoding")

    content = gateway.call("GET", f"/exports/{export['id']}/content", bodies.headers_for(body))
    if len(files) == 1:
        assert content.status == 200 and len(content.body) == export["files"][0].get("size", len(content.body))
    else:
        problem = content.problem(409, "several-files")
        assert [file["href"] for file in problem["files"]] == [file["href"] for file in export["files"]]


def test_text_is_compressed_for_those_who_take_it(gateway, upstream):
    export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
    path = f"/exports/{export['id']}/content"
    plain = gateway.download(path, {"Accept-Encoding": "identity"})
    packed = gateway.download(path, {"Accept-Encoding": "br, gzip;q=0.5"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip" and packed.wire_size < plain.wire_size
    assert plain.sha256 == packed.sha256 == upstream.jobs()[0]["files"][0]["sha256"]
    kept = gateway.download(path, {"Accept-Encoding": "gzip", "Cache-Control": "no-transform"})
    assert "content-encoding" not in kept.headers and kept.sha256 == plain.sha256
    if "etag" in plain.headers or "etag" in packed.headers:
        assert plain.headers["etag"] != packed.headers["etag"]


def test_an_unchanged_export_is_304(gateway):
    export = gateway.succeeded(gateway.create(bodies.report()))
    first = gateway.get(export["href"])
    assert first.status == 200 and "retry-after" not in first.headers
    again = gateway.get(export["href"], If_None_Match=first.headers["etag"])
    assert again.status == 304 and again.body == b"" and again.headers["etag"] == first.headers["etag"]
    other = gateway.get(export["href"], If_None_Match='"another"')
    assert other.status == 200 and other.json == first.json


def test_prefer_wait_holds_until_the_export_changes(upstream, gateway):
    upstream.rule("power-bi.*", {"kind": "stuck"})
    export = gateway.create(bodies.report())
    export = gateway.watch(export, until=lambda export: export["status"] == "running")

    # Nothing changes: the answer comes when the time is over.
    etag = gateway.get(export["href"]).headers["etag"]
    began = time.monotonic()
    held = gateway.get(export["href"], Prefer="wait=2", If_None_Match=etag)
    assert held.headers["preference-applied"] == "wait=2"
    assert held.status in (200, 304) and (held.status == 200 or time.monotonic() - began >= 1.9)

    # It changes: the answer comes long before that.
    upstream.remove_rules()
    export = gateway.create(bodies.paginated_csv())
    began = time.monotonic()
    while export["status"] != "succeeded":
        answer = gateway.get(export["href"], Prefer="wait=30")
        assert answer.status == 200
        export = answer.json
    assert time.monotonic() - began < 20


def test_pages_are_stable_and_newest_first(gateway):
    made = [gateway.create(bodies.report(f"Report {number}"))["id"] for number in range(7)]
    first = gateway.get("/exports?limit=3").json
    assert [export["id"] for export in first["value"]] == made[:3:-1]
    newer = gateway.create(bodies.report("Newer"))["id"]
    second = gateway.get(f"/exports?limit=3&cursor={first['nextCursor']}").json
    third = gateway.get(f"/exports?limit=3&cursor={second['nextCursor']}").json
    assert [export["id"] for export in second["value"] + third["value"]] == made[3::-1]
    assert "nextCursor" not in third
    assert gateway.get("/exports?limit=1").json["value"][0]["id"] == newer


def test_filters(gateway):
    bi = gateway.succeeded(gateway.create(bodies.report()))
    search = gateway.succeeded(gateway.create(bodies.search_result()))

    def ids(query):
        return [export["id"] for export in gateway.get(f"/exports?{query}").json["value"]]

    assert ids("provider=power-bi") == [bi["id"]]
    assert ids("connection=purview") == [search["id"]]
    assert ids("status=succeeded") == [search["id"], bi["id"]]
    assert ids("status=failed") == []
    assert ids(f"createdAfter={search['createdAt']}") == [search["id"]]
    assert ids(f"createdBefore={search['createdAt']}") == [bi["id"]]


def test_an_idempotency_key_makes_one_export(gateway, upstream):
    body = bodies.report()
    first = gateway.call("POST", "/exports", {"Idempotency-Key": '"one"'}, body)
    again = gateway.call("POST", "/exports", {"Idempotency-Key": '"one"'}, body)
    assert first.status == again.status == 202
    assert again.json["id"] == first.json["id"]
    assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    # The same request in another spelling is the same request.
    spelled = gateway.call("POST", "/exports", {"Idempotency-Key": "one"}, dict(reversed(body.items())))
    assert spelled.status == 202 and spelled.json["id"] == first.json["id"]
    other = gateway.call("POST", "/exports", {"Idempotency-Key": '"one"'}, bodies.report("Another"))
    other.problem(422, "idempotency-key-reused")
    gateway.succeeded(first.json)
    assert len(upstream.jobs()) == 1


def test_a_cancelled_export_says_what_became_of_the_wish(gateway, upstream):
    upstream.rule("*", {"kind": "stuck"})
    # None of them can stop a running job upstream: the answer does not claim it.
    for body in (bodies.report(), bodies.goals(), bodies.search_result()):
        export = gateway.watch(gateway.create(body), until=lambda export: export["status"] == "running")
        answer = gateway.call("DELETE", export["href"], bodies.headers_for(body))
        assert answer.status == 200, answer.body
        assert answer.json["cancellation"] == "unsupported" and answer.json["status"] == "canceled", answer.json
        again = gateway.call("DELETE", export["href"], bodies.headers_for(body))
        assert again.status == 200 and again.json == answer.json
        gateway.call("GET", f"{export['href']}/content").problem(409, "no-result")

    upstream.remove_rules()
    ended = gateway.succeeded(gateway.create(bodies.paginated_csv()))
    unchanged = gateway.call("DELETE", ended["href"])
    assert unchanged.status == 200 and unchanged.json["status"] == "succeeded"


def test_a_failed_export_is_an_answer_not_an_error(gateway, upstream):
    upstream.rule("power-bi.*", {"kind": "failed"})
    export = gateway.watch(gateway.create(bodies.report()))
    assert export["status"] == "failed" and export["error"]["code"] == "export-failed"
    assert export["error"]["type"] == "urn:export-gateway:problem:export-failed"
    assert export["upstream"]["status"] == "Failed"


def test_a_caller_without_its_own_token_is_told_so(gateway):
    answer = gateway.call("POST", "/exports", body=bodies.goals())
    problem = answer.problem(answer.status, "upstream-authorization-required")
    assert answer.status in (401, 403) and "Upstream-Authorization" in problem["detail"]
