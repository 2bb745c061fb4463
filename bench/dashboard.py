"""`python -m bench.dashboard`: measures the dashboard in Chromium and prints a table for docs/dashboard.md.

The events of the busy list come from a WebSocket between page and server, which repeats a real event with
other rows. So the browser gets them at that rate however fast the server is.
"""

import argparse
import asyncio
import copy
import json
import os
import secrets
import shutil
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from time import perf_counter
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, WebSocketRoute, sync_playwright

from bench.server_under_test import Stage, stage

ROWS = 1_000
MESSAGES = 10_000
EVENTS_PER_SECOND = 200
BUSY_SECONDS = 10
THROTTLE = 4
RUNS = 5

START = """mutation($input: StartConversationInput!) {
    startConversation(input: $input) { conversation { id } } }"""
MEMBER = "mutation($input: CreateMemberInput!) { createMember(input: $input) { member { id } } }"
ESCALATE = """mutation($input: EscalateConversationInput!) {
    escalateConversation(input: $input) { escalation { id } } }"""
RECORD = """mutation($input: RecordMessageInput!) { recordMessage(input: $input) { message { id } } }"""
UPDATE = "mutation($input: UpdateEscalationInput!) { updateEscalation(input: $input) { escalation { id } } }"

NOTED = """(name) => new Promise((resolve) => {
    const look = () => window[name] ? resolve(window[name]) : requestAnimationFrame(look);
    look();
})"""
# Scrolls to the end of the rows that are loaded, and returns their number.
SCROLL = """() => {
    const row = document.querySelector("[data-id]"), list = document.querySelector('[class*="_scroller_"]');
    list.scrollTop = list.scrollHeight;
    return Math.round(list.scrollHeight / row.getBoundingClientRect().height);
}"""
# Changes a row with the session of the page.
CHANGE = """([query, escalationId]) => fetch("../graphql", {
    method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables: { input: { escalationId, priority: "HIGH" } } }) })"""
# Notes when the first row is there, and every frame and long task.
OBSERVE = """
window.frames_ = [];
window.longTasks = [];
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.longTasks.push(task.duration);
}).observe({ type: "longtask", buffered: true });
let last = performance.now();
const frame = (now) => {
  window.frames_.push(now - last);
  last = now;
  if (!window.rowsAt && document.querySelector("[data-row-link]")) window.rowsAt = now;
  if (!window.messagesAt && document.querySelector("[data-position]")) window.messagesAt = now;
  requestAnimationFrame(frame);
};
requestAnimationFrame(frame);
"""


@dataclass(frozen=True)
class Admin:
    """The admin of the measured workspace, and a client with a key of every scope."""

    agent_id: str
    email: str
    password: str
    client: httpx.AsyncClient

    async def ask(self, query: str, **given: Any) -> Any:
        """Send a mutation with one input and return its payload."""
        answer = await self.client.post("/graphql", json={"query": query, "variables": {"input": given}})
        data: dict[str, Any] = answer.json()["data"]
        return next(iter(data.values()))

    async def escalate(self, number: int) -> tuple[str, str]:
        """Raise an escalation; return the ids of the conversation and of the escalation."""
        customer = {"name": f"Customer {number}", "email": f"customer{number}@example.com"}
        started = await self.ask(START, agentId=self.agent_id, customer=customer)
        conversation: str = started["conversation"]["id"]
        raised = await self.ask(ESCALATE, conversationId=conversation, reason="asks for a person")
        return conversation, raised["escalation"]["id"]


def main() -> None:
    """Run it."""
    argparse.ArgumentParser(prog="python -m bench.dashboard", description=__doc__).parse_args()
    executable = shutil.which("chromium")
    if executable is None:
        sys.exit("The bench needs Chromium.")
    cores = os.sched_getaffinity(0)
    with stage() as staged:
        # The stage pins this process to one core. A browser has a machine of its own.
        os.sched_setaffinity(0, cores)
        url = f"http://{staged.target.host}:{staged.target.port}"
        admin = _new_admin(staged, url)
        long, _ = asyncio.run(_fill(admin))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
            for line in _measure(browser, url, admin, long):
                print(line, flush=True)
            browser.close()


def _new_admin(staged: Stage, url: str) -> Admin:
    tenant = staged.new_tenant("dashboard")
    headers = {"authorization": f"Bearer {tenant.api_key}"}
    client = httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False)
    return Admin(tenant.agent_id, "ada@example.com", secrets.token_hex(12), client)


async def _fill(admin: Admin) -> tuple[str, str]:
    """Make the rows, and the long conversation; return the ids of the latter and of its escalation."""
    places = asyncio.Semaphore(8)
    who = {"email": admin.email, "password": admin.password, "name": "Ada Admin", "role": "ADMIN"}
    await admin.ask(MEMBER, **who)

    async def one(number: int) -> tuple[str, str]:
        async with places:
            return await admin.escalate(number)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(ROWS)]
    conversation, escalation = tasks[-1].result()

    async def record(number: int) -> None:
        async with places:
            await admin.ask(RECORD, conversationId=conversation, role="USER", content=f"Message {number}")

    async with asyncio.TaskGroup() as group:
        for number in range(MESSAGES):
            group.create_task(record(number))
    return conversation, escalation


def _measure(browser: Browser, url: str, admin: Admin, long: str) -> Iterator[str]:
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800})
    context.add_init_script(OBSERVE)
    page = context.new_page()
    _sign_in(page, url, admin)
    yield "| Figure | Median | Worst | Aim |\n|---|---|---|---|"
    yield _row("first rows, cold cache", _loads(page, url, throttle=1, cold=True), 1_000)
    yield _row("first rows, warm cache", _loads(page, url, throttle=1), 1_000)
    yield _row(f"first rows, cold cache, CPU at 1/{THROTTLE}", _loads(page, url, THROTTLE, cold=True), 1_000)
    yield _row(f"first rows, warm cache, CPU at 1/{THROTTLE}", _loads(page, url, THROTTLE), 1_000)
    yield _row(f"open a conversation of {MESSAGES:,} messages", _opens(page, url, long), 300)
    yield from _busy(context.new_page(), url)
    context.close()


def _sign_in(page: Page, url: str, admin: Admin) -> None:
    page.goto(f"{url}/app/escalations?tab=all")
    page.get_by_label("Email").fill(admin.email)
    page.get_by_label("Password").fill(admin.password)
    page.get_by_role("button", name="Sign in").click()
    page.locator("[data-row-link]").first.wait_for()


@contextmanager
def _throttled(page: Page, rate: int) -> Iterator[Any]:
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": rate})
    yield session
    session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    session.detach()


def _loads(page: Page, url: str, throttle: int, *, cold: bool = False) -> list[float]:
    times = []
    for _ in range(RUNS):
        with _throttled(page, throttle) as session:
            if cold:
                session.send("Network.clearBrowserCache")
            page.goto(f"{url}/app/escalations?tab=all")
            times.append(_time(page, "rowsAt"))
    return times


def _time(page: Page, name: str) -> float:
    """Wait until the page has noted that time, and return it in milliseconds."""
    return float(page.evaluate(NOTED, name))


def _opens(page: Page, url: str, conversation: str) -> list[float]:
    """Return the times from the click on the row until its messages are drawn."""
    times = []
    for _ in range(RUNS):
        page.goto(f"{url}/app/escalations?tab=all&q=Customer%20{ROWS - 1}")
        row = page.locator("[data-row-link]").first
        row.wait_for()
        page.evaluate(
            "document.addEventListener('click', () => { window.clickedAt = performance.now() }, "
            "{ capture: true, once: true })"
        )
        row.click()
        times.append(_time(page, "messagesAt") - _time(page, "clickedAt"))
    return times


def _busy(page: Page, url: str) -> Iterator[str]:
    """Send events to a list of all rows, and measure its frames."""
    sockets: list[WebSocketRoute] = []
    samples: list[dict[str, Any]] = []

    def route(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        sockets.append(socket)

        def keep(message: str | bytes) -> None:
            if "escalationUpdated" in str(message):
                samples.append(json.loads(message))
            socket.send(message)

        server.on_message(keep)

    page.route_web_socket("**/graphql", route)
    page.goto(f"{url}/app/escalations?tab=all")
    page.locator('[data-status="live"]').first.wait_for(state="attached")
    # Each page of rows is loaded when the list is scrolled to its end.
    while page.evaluate(SCROLL) < ROWS:
        page.wait_for_timeout(50)
    page.evaluate("document.querySelector('[class*=\"_scroller_\"]').scrollTop = 0")
    page.wait_for_timeout(500)
    ids = page.evaluate("[...document.querySelectorAll('[data-id]')].map((row) => row.dataset.id)")
    page.evaluate(CHANGE, [UPDATE, ids[0]])
    while not samples:
        page.wait_for_timeout(50)
    page.evaluate("() => { window.frames_.length = 0; window.longTasks.length = 0 }")
    sent, begun, priorities = 0, perf_counter(), cycle(("LOW", "MEDIUM", "HIGH", "URGENT"))
    while (passed := perf_counter() - begun) < BUSY_SECONDS:
        for number in range(sent, int(passed * EVENTS_PER_SECOND)):
            event = copy.deepcopy(samples[0])
            changed = event["payload"]["data"]["escalationUpdated"]["escalation"]
            changed |= {"id": ids[number % len(ids)], "priority": next(priorities)}
            sockets[-1].send(json.dumps(event))
            sent = number + 1
        page.wait_for_timeout(10)
    frames, tasks = page.evaluate("[window.frames_, window.longTasks]")
    what = f"frame of a list of {ROWS:,} rows with {sent / BUSY_SECONDS:.0f} events/s"
    yield _row(what, frames, 50)
    over = sum(1 for frame in frames if frame > 50)
    longest = f"longest task {max(tasks, default=0):.0f} ms"
    yield f"| frames over 50 ms in {BUSY_SECONDS} s | {over} of {len(frames)} | {longest} | 0 |"


def _row(what: str, times: list[float], aim: float) -> str:
    return f"| {what} | {statistics.median(times):.0f} ms | {max(times):.0f} ms | {aim:.0f} ms |"


if __name__ == "__main__":
    main()
