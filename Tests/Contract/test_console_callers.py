"""The console and its callers: who is asked for a credential, where it is kept, and where there is no console."""

from playwright.sync_api import expect

import bodies
import console
import servers
from client import poll
from console import row

EVENTS = {"events": {"heartbeat": "1s", "retry": "100ms"}}


def test_who_is_not_known_is_asked(browser, gateway, findings):
    with console.console(browser, gateway, findings) as page:
        # In memory only: another load of the page asks again.
        page.reload()
        page.get_by_label("API key").fill("wrong")
        page.get_by_role("button", name="Sign in with the key").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("Keep it in this tab").check()
        console.sign_in(page, gateway.key)
        page.reload()
        expect(page.get_by_role("heading", name="Exports")).to_be_visible()
        assert gateway.key not in page.url
        assert page.evaluate("Object.keys(localStorage).length + document.cookie.length") == 0
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0


def test_without_callers_nobody_is_asked(browser, findings, upstream):
    with servers.gateway(upstream, authenticated=False) as gateway:
        gateway.create(bodies.intune("Anonymous"))
        with console.console(browser, gateway, findings) as page:
            expect(row(page, "Anonymous")).to_be_visible()
            expect(page.get_by_role("button", name="Sign out")).to_be_hidden()


def test_metrics_elsewhere_are_not_shown(browser, findings, upstream):
    section = {"operations": {"port": servers.free_port()}}
    with servers.gateway(upstream, server=section) as gateway, console.console(browser, gateway, findings) as page:
        page.get_by_role("link", name="Connections").click()
        expect(page.get_by_text("serves its metrics on an address of its own")).to_be_visible()
        expect(page.get_by_role("heading", name="purview", exact=True)).to_be_visible()


def test_not_served_where_it_is_not_enabled(upstream):
    with servers.gateway(upstream, server={"console": {"enabled": False}}) as gateway:
        gateway.get("/console").problem(404, "not-found")
        gateway.get("/console/main.js").problem(404, "not-found")


def test_a_table_goes_on_after_the_gateway_was_killed(browser, findings, upstream):
    with servers.gateway(upstream, server=EVENTS) as gateway, console.console(browser, gateway, findings) as page:
        expect(page.locator(".grid-foot .state")).to_have_text("Live")
        gateway.kill()
        expect(page.locator(".grid-foot .state")).to_have_text("Connecting …")
        gateway.start()
        gateway.create(bodies.intune("After the restart"))
        expect(row(page, "After the restart")).to_be_visible()
        poll("the stream", lambda: page.locator(".grid-foot .state").inner_text() == "Live")
        findings.errors = [error for error in findings.errors if "ERR_" not in error]
