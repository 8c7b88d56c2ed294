"""The console in headless Chromium: pages of it that note whatever a page must not do."""

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

import evidence
import servers

FILES = evidence.ROOT / "Sources/API/CConsole/files"
SCREENSHOTS = evidence.EVIDENCE / "console"
# What a page waits for: a server that other tests slow down.
WITHIN = 60_000

expect.set_options(timeout=WITHIN)

# Reported as they happen, because a navigation loses what a page has noted.
_WATCH = """
document.addEventListener("securitypolicyviolation", (event) => {
  reportViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


# A dialog of the browser's, which nobody answers here. A test that is about it has one of its own.
_NO_PICKER = "delete window.showSaveFilePicker;"


@dataclass
class Findings:
    """What went wrong in the pages of a test."""

    violations: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    # How many rules axe-core has found kept, so that a run that checked nothing is seen.
    passes: int = 0

    def none(self) -> None:
        assert (self.violations, self.errors) == ([], [])


@contextmanager
def chromium():
    """The browser of Debian's package."""
    with sync_playwright() as playwright:
        program = servers.program("chromium-headless-shell")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def console(browser: Browser, gateway, findings: Findings, width=1440, scheme="light", key=None, **options):
    """A page of the gateway's console, signed in with the caller's key. Refused requests are no findings: tests make them."""
    height = 844 if width < 600 else 900
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height}, **options)
    context.expose_binding("reportViolation", lambda _, text: findings.violations.append(text))
    context.add_init_script(_WATCH + _NO_PICKER)
    page = context.new_page()
    page.set_default_timeout(WITHIN)
    page.on("pageerror", lambda error: findings.errors.append(str(error)))
    page.on("console", lambda message: _note(message, findings))
    try:
        page.goto(f"{gateway.address}/console")
        if key or gateway.key:
            sign_in(page, key or gateway.key)
        yield page
    finally:
        context.close()


def _note(message, findings: Findings) -> None:
    is_refusal = re.match(r"Failed to load resource: the server responded with a status of 4", message.text)
    if message.type in ("error", "warning") and not is_refusal:
        findings.errors.append(message.text)


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in with the key").click()
    expect(page.get_by_role("heading", name="Exports")).to_be_visible()


def option(page: Page, name: str) -> Locator:
    """The control of an option, by Microsoft's name of it."""
    label = page.locator("label", has=page.locator("code", has_text=re.compile(f"^{name}$")))
    return page.locator(f"#{label.get_attribute('for')}")


def row(page: Page, name: str) -> Locator:
    """The row of an export in the table, by the export's name."""
    return page.locator(".grid-body [role=row]", has_text=name)


def accessible(page: Page, findings: Findings, what: str) -> None:
    """Checks what is in sight with axe-core (https://github.com/dequelabs/axe-core), every rule that is on by default."""
    answer = Axe().run(page).response
    findings.passes += len(answer["passes"])
    for violation in answer["violations"]:
        targets = [str(node["target"]) for node in violation["nodes"][:3]]
        findings.errors.append(f"{what}: {violation['id']}, {violation['help']}: {', '.join(targets)}")


def screenshot(page: Page, name: str) -> Path:
    """A picture of the whole page, in the evidence."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path
