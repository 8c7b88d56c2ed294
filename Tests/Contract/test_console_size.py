"""The console with 10,000 exports: what its user waits for. Figures are reported, and nothing is judged by the clock."""

import contextlib
import json
import sqlite3
import time

import pytest
from playwright.sync_api import expect

import bodies
import console
import servers
from test_ending import ledgers

EXPORTS = 10_000

# Frames while the whole table passes in four seconds' worth of them, and the longest task meanwhile.
_SCROLL = """
async () => {
  const grid = document.querySelector(".grid");
  const end = grid.scrollHeight - grid.clientHeight;
  const frames = [];
  let rows = 0;
  let last = performance.now();
  for (let step = 1; step <= 240; step += 1) {
    grid.scrollTop = (end * step) / 240;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
    rows = Math.max(rows, document.querySelectorAll(".grid-body [role=row]").length);
  }
  frames.sort((one, two) => one - two);
  return { median: frames[120], p95: frames[228], longest: frames[239], rows };
}
"""

_WATCH = """
window.longTasks = [];
new PerformanceObserver((list) => { for (const entry of list.getEntries()) longTasks.push(entry.duration); })
  .observe({ type: "longtask", buffered: true });
"""


@pytest.mark.alone
def test_ten_thousand_exports(figure):
    with servers.sandbox() as upstream, servers.gateway(upstream) as gateway:
        gateway.succeeded(gateway.create(bodies.report("Sales report")))
        gateway.process.stop()
        fill(gateway.directory / "ledger.sqlite")
        gateway.start()
        findings = console.Findings()
        with console.chromium() as browser, console.console(browser, gateway, findings, key=gateway.key) as page:
            page.context.add_init_script(_WATCH)
            page.get_by_role("button", name="Sign out").click()
            page.get_by_label("Keep it in this tab").check()
            console.sign_in(page, gateway.key)
            began = time.monotonic()
            page.reload()
            expect(page.locator(".grid-body [role=row]").first).to_be_visible()
            first = time.monotonic() - began
            painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            figure(f"first paint after {painted:.0f} ms, first rows after {first * 1000:.0f} ms at most")
            began = time.monotonic()
            page.get_by_role("button", name="Load all").click()
            expect(page.locator(".grid-foot")).to_contain_text("10,000 exports", timeout=120_000)
            expect(page.get_by_role("button", name="Load all")).to_be_hidden(timeout=120_000)
            figure(f"all {EXPORTS} exports loaded in {time.monotonic() - began:.1f} s, longest task {longest_task(page):.0f} ms")
            expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", str(EXPORTS + 1))
            scrolled = page.evaluate(_SCROLL)
            figure(
                "scrolled from end to end in 240 frames: median {median:.1f} ms, 95 % {p95:.1f} ms, longest {longest:.1f} ms, "
                "{rows} rows as elements".format(**scrolled) + f", longest task {longest_task(page):.0f} ms"
            )
            assert scrolled["rows"] < 100
            page.locator(".grid-body [role=row][tabindex='0']").focus()
            page.keyboard.press("End")
            expect(page.locator(":focus")).to_have_attribute("aria-rowindex", str(EXPORTS + 1))
            page.keyboard.press("Home")
            expect(page.locator(":focus")).to_have_attribute("aria-rowindex", "2")
            # New exports come above, and the row that has the focus keeps it.
            focused = page.locator(":focus .cell-name a").get_attribute("href")
            gateway.create(bodies.report("Made meanwhile"))
            expect(page.locator(":focus")).to_have_attribute("aria-rowindex", "3")
            assert page.locator(":focus .cell-name a").get_attribute("href") == focused
        findings.none()


def longest_task(page) -> float:
    """The longest task since the last question, in milliseconds; 0 where none took 50."""
    return max(json.loads(page.evaluate("JSON.stringify(longTasks.splice(0))")), default=0)


def fill(path) -> None:
    """Copies the one export that there is."""
    tools, now = ledgers(), int(time.time() * 1000)
    with contextlib.closing(sqlite3.connect(path)) as ledger:
        ((template,),) = ledger.execute("SELECT id FROM export").fetchall()
    writer = tools.LedgerWriter(path)
    writer.add(tools.Copy(template, now - 3_600_000 + number) for number in range(EXPORTS - 1))
    writer.close()
