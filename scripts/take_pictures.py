"""Take the pictures of docs/pictures from the demo, in Chromium.

The demo runs in a folder of its own until its simulated customers have filled the queue.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs/pictures"
BATON = Path(sys.executable).with_name("baton")
PORT = 8765
ROWS = 8
SECONDS = 240
LARGEST = 120_000

DESKTOP = (1100, 620)
PHONE = (390, 720)
Scheme = Literal["light", "dark"]


def main() -> int:
    """Take the pictures and return the exit code."""
    executable = shutil.which("chromium")
    if executable is None:
        print("Chromium is missing.")
        return 1
    PICTURES.mkdir(parents=True, exist_ok=True)
    with _demo() as (url, email, password), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        _take_all(browser, url, email, password)
        browser.close()
    sizes = {path.name: path.stat().st_size for path in sorted(PICTURES.glob("*.png"))}
    for name, size in sizes.items():
        print(f"{name:<28}{size / 1_000:6.1f} kB")
    return int(max(sizes.values()) > LARGEST)


@contextmanager
def _demo() -> Iterator[tuple[str, str, str]]:
    """Run the demo; yield its address, and the email and password of its admin."""
    with tempfile.TemporaryDirectory(prefix="baton-pictures-") as folder:
        # The embedded PostgreSQL may run as another user, who must get in.
        Path(folder).chmod(0o755)
        printed = Path(folder) / "demo.log"
        settings = {"BATON_DATA_DIR": f"{folder}/data", "BATON_PORT": str(PORT)}
        with printed.open("wb") as output:
            demo = subprocess.Popen([BATON, "demo"], env=os.environ | settings, stdout=output, stderr=output)
        try:
            end = time.monotonic() + SECONDS
            while not (account := re.search(r"sign in +(\S+) +(\S+)", printed.read_text())):
                if demo.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"The demo did not start:\n{printed.read_text()}")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{PORT}", account[1], account[2]
        finally:
            demo.terminate()
            demo.wait(60)


def _take_all(browser: Browser, url: str, email: str, password: str) -> None:
    context = browser.new_context(locale="en-US", viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    page = context.new_page()
    page.goto(f"{url}/app/escalations?tab=all")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.mouse.move(0, 0)
    rows = page.locator("[data-row-link]")
    rows.nth(ROWS - 1).wait_for(timeout=SECONDS * 1_000)
    _take(page, "queue", "light", DESKTOP)
    _take(page, "queue-phone", "dark", PHONE)
    # An escalation that a person has answered shows the most.
    page.goto(f"{url}/app/escalations?tab=all&status=RESOLVED")
    rows.first.wait_for()
    rows.first.click()
    page.get_by_role("log").wait_for()
    page.mouse.move(0, 0)
    _take(page, "escalation", "light", DESKTOP)
    _take(page, "escalation-dark", "dark", DESKTOP)
    page.goto(f"{url}/app/analytics?days=1")
    page.get_by_role("heading", level=1).wait_for()
    page.get_by_role("button", name="Examples of").first.click()
    page.get_by_role("blockquote").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.mouse.move(0, 0)
    page.get_by_text("Top reasons", exact=True).evaluate("title => title.scrollIntoView()")
    _take(page, "analytics", "light", DESKTOP)
    _take_widget(page, url)
    context.close()


def _take_widget(page: Page, url: str) -> None:
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.goto(f"{url}/demo/shop")
    widget = page.locator("baton-widget")
    widget.get_by_role("button").first.click()
    widget.get_by_role("textbox").fill("Where is my parcel?")
    page.keyboard.press("Enter")
    widget.get_by_text("Where is my parcel?", exact=True).wait_for()
    widget.get_by_role("button", name="Talk to a human").click()
    # A simulated team member answers after some seconds.
    widget.get_by_text("Ada Admin").first.wait_for(timeout=SECONDS * 1_000)
    _take(page, "widget-phone", "light", PHONE)


def _take(page: Page, name: str, scheme: Scheme, size: tuple[int, int]) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_timeout(400)
    page.screenshot(path=PICTURES / f"{name}.png", caret="hide")


if __name__ == "__main__":
    sys.exit(main())
