"""The console's modules by themselves, in the browser that runs them, and its sign-in at Entra ID."""

import base64
import hashlib
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

import bodies
import console
import servers


@pytest.fixture
def page(browser, gateway, findings):
    with console.console(browser, gateway, findings) as page:
        yield page


def test_sha256(page):
    lengths = [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000, 200_003]
    digests = page.evaluate(
        """async (lengths) => {
          const { SHA256 } = await import("/console/sha256.js");
          return lengths.map((length) => {
            const bytes = new Uint8Array(length).map((_, index) => index * 7 + length);
            const hash = new SHA256();
            // In pieces that end before, at and after the ends of blocks.
            for (let at = 0, size = 1; at < length; at += size, size = (size * 5) % 131 + 1) hash.update(bytes.subarray(at, at + size));
            return hash.hexadecimal();
          });
        }""",
        lengths,
    )
    for length, digest in zip(lengths, digests, strict=True):
        content = bytes((index * 7 + length) % 256 for index in range(length))
        assert digest == hashlib.sha256(content).hexdigest(), length


def test_events_in_any_pieces(page):
    text = (
        "retry: 2000\n\n: heartbeat\nevent: change\nid: 7\ndata: {\"a\":1}\ndata:2\n\nid: 8\n\n"
        "data: with CR LF\r\n\r\ndata: with CR\r\revent: no data\n\nid: 9\ndata: without an end\n"
    )
    expected = [
        {"name": "change", "data": '{"a":1}\n2', "id": "7"},
        {"name": "message", "data": "with CR LF", "id": "8"},
        {"name": "message", "data": "with CR", "id": "8"},
    ]
    for size in (1, 2, 3, 7, 1000):
        events, retry = page.evaluate(
            """async ([text, size]) => {
              const { EventParser } = await import("/console/events.js");
              const parser = new EventParser();
              const events = [];
              for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)));
              return [events, parser.retry];
            }""",
            [text, size],
        )
        assert (events, retry) == (expected, 2000), size


def test_records_stay_in_order(page):
    rows = page.evaluate(
        """async () => {
          const { ExportRecords } = await import("/console/export-list.js");
          const record = (id, status, time) => ({ id, status, updatedAt: `2026-07-02T09:15:0${time}.000Z` });
          const all = new ExportRecords();
          const running = new ExportRecords("running");
          for (const records of [all, running]) {
            for (const [id, status, time] of [["b", "running", 1], ["d", "running", 1], ["a", "running", 1], ["c", "failed", 1],
              ["d", "succeeded", 3], ["d", "running", 2], ["e", "running", 1]]) records.merge(record(id, status, time));
          }
          return [all, running].map((records) => records.rows.map((row) => `${row.id} ${row.status}`));
        }"""
    )
    # A state that came late changes nothing that is known; with a filter, what does not match any more is gone.
    assert rows[0] == ["e running", "d succeeded", "c failed", "b running", "a running"]
    assert rows[1] == ["e running", "b running", "a running"]


def entra(upstream) -> dict:
    return {
        "authority": upstream.api,
        "tenantIds": [bodies.TENANT],
        "audiences": [bodies.CLIENT],
        "consoleClientId": "33333333-3333-4333-8333-333333333333",
        "allowPlainHTTP": True,
    }


def test_sign_in_at_entra(browser, findings, upstream):
    """The sandbox has no pages for people: the test answers in their place, as the protocol demands it."""
    asked, sent = {}, {}
    token = upstream.mint(kind="user", claims={"scp": "Exports.Read Exports.Create"})

    def authorize(route):
        asked.update({name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()})
        answer = f"{asked['redirect_uri']}#code=the-code&state={asked['state']}&session_state=x"
        route.fulfill(content_type="text/html", body=f"<script>location.replace({json.dumps(answer)})</script>")

    def redeem(route):
        sent.update({name: values[0] for name, values in parse_qs(route.request.post_data).items()})
        route.fulfill(headers={"Access-Control-Allow-Origin": "*"}, json={"access_token": token, "expires_in": 3600})

    with servers.gateway(upstream, authenticated=False, server={"entra": entra(upstream)}) as gateway:
        assert f"connect-src 'self' {upstream.api};" in gateway.get("/console").headers["content-security-policy"]
        with console.console(browser, gateway, findings) as page:
            page.context.route("**/oauth2/v2.0/authorize?*", authorize)
            page.context.route("**/oauth2/v2.0/token", redeem)
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
            page.goto(f"{gateway.address}/console#/connections")
            page.get_by_role("button", name="Sign in with Microsoft").click()
            expect(page.get_by_role("heading", name="Connections")).to_be_visible()
            assert page.url == f"{gateway.address}/console#/connections"
            # The token is in memory alone.
            assert page.evaluate("sessionStorage.length") == 0
            page.reload()
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
    assert asked["scope"] == f"{bodies.CLIENT}/.default"
    challenge = base64.urlsafe_b64encode(hashlib.sha256(sent["code_verifier"].encode()).digest()).rstrip(b"=").decode()
    assert asked["code_challenge"] == challenge
    assert (sent["grant_type"], sent["code"]) == ("authorization_code", "the-code")
    assert asked["redirect_uri"] == sent["redirect_uri"] == f"{gateway.address}/console"


def test_an_answer_to_no_sign_in_of_this_tab(browser, findings, upstream):
    with servers.gateway(upstream, authenticated=False, server={"entra": entra(upstream)}) as gateway:
        with console.console(browser, gateway, findings) as page:
            asked = []
            page.context.route("**/oauth2/v2.0/token", lambda route: asked.append(route.abort()))
            page.goto("about:blank")
            page.goto(f"{gateway.address}/console#code=anothers&state=anothers")
            expect(page.get_by_role("alert")).to_contain_text("belongs to no sign-in of this tab")
            assert (asked, "anothers" in page.url) == ([], False)
