"""One page in a headless Chromium, which the tests follow with the DevTools protocol."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from websockets.sync.client import connect

from tests.support.baton_client import DEADLINE, wait_for
from tests.support.requirements import need

_TEXTS = """JSON.stringify(Object.fromEntries(
    [...document.querySelectorAll("p[id]")].map((line) => [line.id, line.textContent])))"""


def chromium_program(*, in_window: bool = False) -> str:
    """Return the path of Chromium, without a user interface where that is installed. Skips tests without it.

    Each context of a browser opens a window, whose parts are web pages themselves. Only a browser with
    windows has a back/forward cache.
    """
    shell = None if in_window else shutil.which("chromium-headless-shell")
    program = shell or shutil.which("chromium")
    need("Chromium", program)
    assert program is not None
    return program


def texts_of_page(address: str, last: str) -> dict[str, str]:
    """Open a page, wait until it has a paragraph of the id `last`, and return all paragraphs by id."""
    texts: dict[str, str] = {}
    with _page(address) as page_url, connect(page_url, max_size=None) as page:

        def complete() -> bool:
            page.send(json.dumps({"id": 1, "method": "Runtime.evaluate", "params": {"expression": _TEXTS}}))
            while (answer := json.loads(page.recv(DEADLINE))).get("id") != 1:
                pass
            # A page that is still being opened has nothing that could be read.
            if value := answer.get("result", {}).get("result", {}).get("value"):
                texts.update(json.loads(value))
            return last in texts

        wait_for(complete, f"“{last}” on the page")
    return texts


@contextmanager
def _page(address: str) -> Iterator[str]:
    """Run a browser with a profile of its own; yield the URL of the protocol's socket of the page."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [chromium_program(), "--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server"]
        command += ["--remote-debugging-port=0", f"--user-data-dir={profile}", address]
        # Debian's program is a shell that waits for the browser: the group has both.
        browser = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            file = Path(profile) / "DevToolsActivePort"
            port = wait_for(lambda: file.exists() and file.read_text().partition("\n")[0], "the browser")

            def target() -> str | None:
                pages = httpx.get(f"http://127.0.0.1:{port}/json/list", trust_env=False).json()
                urls = [page["webSocketDebuggerUrl"] for page in pages if page["url"].startswith("http")]
                return urls[0] if urls else None

            yield str(wait_for(target, "the page"))
        finally:
            os.killpg(browser.pid, signal.SIGTERM)
            browser.wait(DEADLINE)
