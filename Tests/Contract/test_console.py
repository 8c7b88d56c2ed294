"""The console, as people use it: every provider, the keyboard, errors beside their fields, downloads, and the chain of custody."""

import hashlib
import json
import re

import pytest
from playwright.sync_api import expect

import bodies
import console
import servers
from console import option, row


@pytest.fixture(scope="module")
def pair():
    """A gateway on a sandbox whose jobs take long enough to be seen running."""
    with servers.sandbox(job_duration="4s") as upstream, servers.gateway(upstream, server=EVENTS) as gateway:
        yield gateway


EVENTS = {"events": {"heartbeat": "1s", "retry": "100ms"}}


def test_every_file_is_served(pair):
    page = pair.get("/console")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert page.body == (console.FILES / "index.html").read_bytes()
    for path in console.FILES.iterdir():
        if path.name == "index.html":
            continue
        answer = pair.get(f"/console/{path.name}")
        assert (answer.status, answer.body) == (200, path.read_bytes()), path.name
        assert answer.headers["content-security-policy"] == policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert pair.get(f"/console/{path.name}", If_None_Match=answer.headers["etag"]).status == 304
    # Nothing inline: the policy would refuse it.
    assert not re.search(rb"<script(?![^>]* src=)|<style| style=| on[a-z]+=", page.body)


FORMS = {
    "graph-ediscovery": {"caseId": bodies.CASE, "searchId": bodies.SEARCH, "exportCriteria": "searchHits", "exportFormat": "pst"},
    "power-bi": {"groupId": bodies.GROUP, "reportId": bodies.REPORT, "format": "PDF"},
    "intune": {"reportName": "DeviceCompliance"},
    "viva-goals": {
        "goalsOrganizationId": bodies.ORGANIZATION,
        "explorerViewId": bodies.VIEW,
        "Upstream-Authorization": bodies.GOALS_TOKEN,
    },
}


@pytest.mark.long
@pytest.mark.parametrize("provider", FORMS)
def test_an_export_from_the_form_to_the_file(provider, browser, pair, findings, tmp_path, figure):
    name = f"Made for {provider}"
    with console.console(browser, pair, findings) as page, console.console(browser, pair, findings) as watcher:
        page.goto(f"{page.url.partition('#')[0]}#/new/{provider}")
        page.get_by_label("Name", exact=True).fill(name)
        if provider == "graph-ediscovery":
            page.get_by_label("Connection").select_option("purview")
            page.get_by_label("Kind").select_option(index=1)
        for field, value in FORMS[provider].items():
            control = option(page, field)
            control.select_option(value) if control.evaluate("node => node.tagName") == "SELECT" else control.fill(value)
        page.get_by_role("button", name="Create export").click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        # Nobody loads these pages again: the events show it.
        expect(row(watcher, name).locator(".cell-status")).to_have_text(re.compile("^(Not started|Running)"))
        expect(row(watcher, name).locator(".cell-status")).to_have_text("Succeeded")
        expect(page.locator(".standing .status")).to_have_text("Succeeded")
        timeline = page.locator(".timeline .title")
        expect(timeline.filter(has_text="Accepted")).to_be_visible()
        expect(timeline.filter(has_text="Started")).to_be_visible()
        export = export_in(page, pair)
        file = export["files"][0]
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download {file['name']}").click()
        download.value.save_as(tmp_path / "file")
        digest = hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest()
        expect(page.locator(".download-state").first).to_contain_text(digest)
        record = deliveries_of(export, pair)[-1]
        assert (record["outcome"], record["sha256"], record["fileId"]) == ("whole", digest, file["id"])
        expect(timeline.filter(has_text="Download: whole")).to_be_visible()
        figure(f"{provider}: {download.value.suggested_filename}, SHA-256 of the saved file is the record's")


_PICKER = """
() => {
  window.showSaveFilePicker = async ({ suggestedName }) => {
    window.saved = await (await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true });
    return window.saved;
  };
}
"""

_SAVED = """
async () => Array.from(new Uint8Array(await (await window.saved.getFile()).arrayBuffer()), (byte) => byte)
"""


def test_a_file_without_a_ticket_is_written_as_it_comes(browser, pair, findings):
    export = pair.succeeded(pair.create(bodies.goals()))
    with console.console(browser, pair, findings) as page:
        # In place of the dialog, a file of the page's own.
        page.evaluate(_PICKER)
        page.evaluate("async (token) => (await import('/console/session.js')).takeUpstreamToken('goals', token)", bodies.GOALS_TOKEN)
        page.evaluate("id => { location.hash = `#/exports/${id}`; }", export["id"])
        page.get_by_role("button", name="Download").click()
        expect(page.locator(".download-state")).to_contain_text("SHA-256 verified")
        digest = hashlib.sha256(bytes(page.evaluate(_SAVED))).hexdigest()
        assert deliveries_of(export, pair)[-1]["sha256"] == digest
        # A file that comes otherwise than its record says is not saved.
        saved = []
        page.on("download", lambda download: saved.append(download))
        page.route("**/files/*", lambda route: route.fulfill(body=b"other bytes", headers={"X-Request-Id": "none"}))
        page.get_by_role("button", name="Download").click()
        expect(page.locator(".download-state")).to_contain_text("Nothing was saved")
        assert saved == []
        assert hashlib.sha256(bytes(page.evaluate(_SAVED))).hexdigest() == digest


def export_in(page, gateway) -> dict:
    """The export whose page is open."""
    return gateway.get(f"/exports/{re.search('#/exports/([^/]+)', page.url)[1]}").json


def deliveries_of(export, gateway) -> list[dict]:
    return gateway.get(f"/exports/{export['id']}/deliveries?limit=200").json["value"]


def test_errors_stand_beside_their_fields(browser, pair, findings):
    with console.console(browser, pair, findings) as page:
        page.goto(f"{page.url.partition('#')[0]}#/new/power-bi")
        option(page, "reportId").fill("no-uuid")
        option(page, "format").select_option("PDF")
        page.get_by_text("Power BI report configuration").click()
        page.get_by_role("button", name="Add page").click()
        option(page, "visualName").fill("VisualContainer1")
        page.get_by_role("button", name="Create export").click()
        wrong = option(page, "reportId")
        expect(wrong).to_be_focused()
        expect(wrong).to_have_attribute("aria-invalid", "true")
        expect(wrong).to_have_accessible_description(re.compile("UUID"))
        missing = option(page, "pageName")
        expect(missing).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_role("alert").get_by_role("listitem")).to_have_count(2)
        console.accessible(page, findings, "a refused form")
        # The same form, corrected.
        wrong.fill(bodies.REPORT)
        missing.fill("ReportSection1")
        option(page, "groupId").fill(bodies.GROUP)
        page.get_by_role("button", name="Create export").click()
        expect(page.locator(".standing .status")).to_be_visible()
        assert export_in(page, pair)["source"]["powerBIReportConfiguration"]["pages"][0]["pageName"] == "ReportSection1"


def test_a_form_sent_twice_creates_one_export(browser, pair, findings):
    with console.console(browser, pair, findings) as page:
        page.goto(f"{page.url.partition('#')[0]}#/new/intune")
        option(page, "reportName").fill("DeviceCompliance")
        answers = []

        def lose(route):
            # The gateway has it, and the browser never gets the answer.
            answers.append(route.fetch().json())
            route.abort()

        page.route("**/exports", lose, times=1)
        page.get_by_role("button", name="Create export").click()
        expect(page.get_by_role("alert")).to_have_text("The gateway cannot be reached.")
        page.get_by_role("button", name="Create export").click()
        expect(page.locator(".standing .status")).to_be_visible()
        assert export_in(page, pair)["id"] == answers[0]["id"]
        findings.errors = [error for error in findings.errors if "ERR_FAILED" not in error]


def test_the_keyboard_is_enough(browser, pair, findings):
    for number in range(3):
        pair.create(bodies.intune(f"Keyboard {number}"))
    with console.console(browser, pair, findings) as page:
        expect(row(page, "Keyboard 0")).to_be_visible()
        page.get_by_label("Name or caller").focus()
        page.keyboard.type("Keyboard")
        expect(page.locator(".grid-body [role=row]")).to_have_count(3)
        expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "4")
        page.locator(".grid-body [role=row][tabindex='0']").focus()
        page.keyboard.press("End")
        expect(row(page, "Keyboard 0")).to_be_focused()
        expect(row(page, "Keyboard 0")).to_have_attribute("aria-rowindex", "4")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Keyboard 1")).to_be_focused()
        page.go_back()
        expect(row(page, "Keyboard 1")).to_be_focused()


def test_a_cancel_is_confirmed_first(browser, findings):
    with servers.sandbox(job_duration="60s") as upstream, servers.gateway(upstream, server=EVENTS) as gateway:
        export = gateway.create(bodies.report("To be canceled"))
        with console.console(browser, gateway, findings) as page:
            page.goto(f"{page.url.partition('#')[0]}#/exports/{export['id']}")
            cancel = page.get_by_role("button", name="Cancel export")
            cancel.click()
            expect(page.get_by_role("dialog")).to_be_visible()
            console.accessible(page, findings, "the question")
            page.keyboard.press("Escape")
            expect(cancel).to_be_focused()
            assert gateway.export(export)["status"] in ("notStarted", "running")
            cancel.click()
            page.get_by_role("dialog").get_by_role("button", name="Cancel the export").click()
            expect(page.locator(".standing .status")).to_have_text("Canceled")
            assert gateway.export(export)["status"] == "canceled"
            expect(cancel).to_be_hidden()


def test_the_chain_of_custody_is_whole(browser, pair, findings, tmp_path):
    export = pair.succeeded(pair.create(bodies.report("Custody")))
    href = f"/exports/{export['id']}/files/{export['files'][0]['id']}"
    # More than a page of the interface has, 200.
    for _ in range(203):
        assert pair.download(href).status == 200
    with console.console(browser, pair, findings) as page:
        page.goto(f"{page.url.partition('#')[0]}#/exports/{export['id']}/custody")
        expect(page.locator("caption")).to_have_text("203 deliveries")
        with page.expect_download() as download:
            page.get_by_role("button", name="Save as JSON").click()
        download.value.save_as(tmp_path / "custody.json")
        record = json.loads((tmp_path / "custody.json").read_text())
        assert len({delivery["id"] for delivery in record["deliveries"]}) == 203
        assert record["export"]["files"][0]["sha256"] == record["deliveries"][0]["sha256"]
        page.emulate_media(media="print")
        expect(page.locator(".bar")).to_be_hidden()
        expect(page.get_by_role("cell", name=record["deliveries"][202]["sha256"]).last).to_be_visible()
