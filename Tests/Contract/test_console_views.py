"""How the console looks, and whom it shuts out: axe-core in every view, pictures in three widths and two schemes."""

import pytest
from playwright.sync_api import expect

import bodies
import console
import servers
from console import option


@pytest.fixture(scope="module")
def gateway():
    """A gateway with an export of every kind of end, and some under way."""
    with servers.sandbox(job_duration="1s") as upstream:
        connections = servers.connections(upstream)
        for connection in connections:
            connection["requestsPerMinute"] = 600
        with servers.gateway(upstream, connections=connections) as gateway:
            # Power BI reports fail from here on.
            done = [gateway.create(body) for body in [
                bodies.paginated_csv("Quarterly ledger"), bodies.intune("Device compliance"),
                bodies.search_result("Search for project Falcon"), bodies.review_set("Case 2026-114, review set"),
                bodies.goals("Objectives of the second half of the year"),
            ]]
            for export in done:
                gateway.succeeded(export)
            upstream.rule("power-bi.*", {"kind": "failed"})
            failed = gateway.watch(gateway.create(bodies.report("Sales report of June")))
            assert failed["status"] == "failed"
            upstream.remove_rules()
            ledger = gateway.export(done[0])
            href = f"/exports/{ledger['id']}/files/{ledger['files'][0]['id']}"
            assert gateway.download(href).status == 200
            gateway.download(href, {"Range": "bytes=0-9"})
            gateway.create(bodies.intune("Defender agents, under way"))
            yield gateway


VIEWS = ["sign-in", "exports", "export", "failed", "custody", "new", "refused", "connections"]


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1440])
def test_every_view(width, scheme, browser, gateway, figure):
    findings = console.Findings()
    ids = {export["name"]: export["id"] for export in gateway.get("/exports").json["value"]}
    context = {"width": width, "scheme": scheme, "reduced_motion": "reduce"}
    with console.console(browser, gateway, findings, **context) as page:
        address = page.url.partition("#")[0]

        def show(view: str) -> None:
            if view in ("export", "failed", "custody"):
                name = "Sales report of June" if view == "failed" else "Quarterly ledger"
                page.goto(f"{address}#/exports/{ids[name]}{'/custody' if view == 'custody' else ''}")
                expect(page.get_by_role("heading", name="Source")).to_be_visible()
            elif view == "exports":
                page.goto(f"{address}#/exports")
                expect(console.row(page, "Quarterly ledger")).to_be_visible()
            elif view in ("new", "refused"):
                page.goto(f"{address}#/new/{'power-bi' if view == 'refused' else 'graph-ediscovery'}")
                expect(page.get_by_role("heading", name="New export")).to_be_visible()
            elif view == "connections":
                page.goto(f"{address}#/connections")
                expect(page.locator(".plot").first).to_be_visible()
            if view == "refused":
                option(page, "reportId").fill("no-uuid")
                page.get_by_role("button", name="Create export").click()
                expect(page.locator(".field-error:visible").first).to_be_visible()
            if view == "sign-in":
                page.get_by_role("button", name="Sign out").click()
                expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

        # Signing out is the end.
        for view in VIEWS[1:] + VIEWS[:1]:
            show(view)
            console.accessible(page, findings, f"{view}, {width}, {scheme}")
            console.screenshot(page, f"{view}-{width}-{scheme}")
            overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if overflow > 0:
                findings.errors.append(f"{view} is {overflow} pixels wider than the window of {width}")
    figure(
        f"{width} pixels, {scheme}, {len(VIEWS)} views: axe-core found {len(findings.errors)} faults "
        f"and {findings.passes} rules kept; {len(findings.violations)} violations of the policy"
    )
    assert findings.passes > 10 * len(VIEWS)
    findings.none()
