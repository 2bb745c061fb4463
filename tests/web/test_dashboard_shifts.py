"""Parts of a screen that arrive late: they move nothing that one may be about to press."""

import pytest
from playwright.sync_api import Browser, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate
from tests.web.test_dashboard_screens import SCREENS

# Each answer waits until the one before it has been shown.
ANSWERS_IN_TURN = """(() => {
    const shown = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const ask = window.fetch;
    let before = shown();
    window.waiting = 0;
    window.fetch = (...call) => {
        const answer = ask(...call), turn = before.then(() => answer);
        window.waiting += 1;
        before = turn.catch(() => {}).then(shown).then(shown).then(() => { window.waiting -= 1; });
        return turn;
    };
})();"""
COUNT_SHIFTS = """window.shifts = [];
const seen = ({ value, sources }) =>
    ({ value, moved: sources.map(({ node }) => (node?.textContent ?? "").slice(0, 60)) });
new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map(seen)))
    .observe({ type: "layout-shift", buffered: true });"""
# The share of the window that moved, times the share of its height that it moved by: https://web.dev/cls.
LEAST_SHIFT = 0.01


@pytest.mark.parametrize("width", [1280, 360])
def test_parts_that_arrive_late_move_nothing_that_is_shown(
    browser: Browser, workspace: Workspace, width: int
) -> None:
    topics = [{"name": name, "keywords": [name]} for name in ("Ant", "Bee", "Cat")]
    workspace.key.settings(workspace.agent_id, triggers={"topics": topics})
    escalation, conversation = escalate(workspace, "Grace Hopper")
    paths = SCREENS | {
        "escalation": f"/escalations/{escalation}",
        "conversation": f"/conversations/{conversation}",
    }
    context = browser.new_context(locale="en-US", viewport={"width": width, "height": 800})
    context.add_init_script(ANSWERS_IN_TURN + COUNT_SHIFTS)
    dashboard = DashboardPage(context.new_page(), workspace).sign_in()
    page, moved = dashboard.page, {}
    for name, path in paths.items():
        dashboard.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("status", name="Loading")).to_have_count(0)
        dashboard.expect_live()
        dashboard.wait_until(lambda: page.evaluate("waiting === 0"), "the answers")
        if shifts := [shift for shift in page.evaluate("shifts") if shift["value"] > LEAST_SHIFT]:
            moved[name] = shifts
    context.close()
    assert moved == {}
