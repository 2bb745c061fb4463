"""Pages with strict policies, with hostile styles, and of other origins."""

import base64
import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from scripts.build_web import WIDGET
from server.version import VERSION
from tests.support.baton_client import Workspace
from tests.support.web_site import WebSite, shop
from tests.support.widget_page import Team, WidgetPage, conversations
from tests.web.conftest import Visit

CSP = "default-src 'none'; script-src 'nonce-abc' 'strict-dynamic'; connect-src {http} {ws}"
TRUSTED_TYPES = "require-trusted-types-for 'script'; trusted-types 'none'"
ISOLATED = {"Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Opener-Policy": "same-origin"}
HOSTILE = """<style>
    * { all: unset !important; color: lime !important; font-size: 40px !important }
    body, body *, baton-widget { opacity: 0.1 !important; visibility: hidden !important }
    div:empty, baton-widget:empty { display: none !important }
    html { font-size: 62.5%; letter-spacing: 9px; word-spacing: 9px; line-height: 4; text-indent: 40px }
    body { transform: scale(1); filter: none }
    button { background: red !important }
</style>"""


SHARE_OF_OTHER_PIXELS = """async (pictures) => {
    const [a, b] = await Promise.all(pictures.map(async (data) => {
        const file = await fetch("data:image/png;base64," + data);
        const image = await createImageBitmap(await file.blob());
        const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
        context.drawImage(image, 0, 0);
        return context.getImageData(0, 0, image.width, image.height).data;
    }));
    let different = 0;
    for (let at = 0; at < a.length; at += 4) {
        different += Math.abs(a[at] - b[at]) + Math.abs(a[at + 1] - b[at + 1]) > 8;
    }
    return a.length === b.length ? different / (a.length / 4) : 1;
}"""


def policy(workspace: Workspace, template: str) -> dict[str, str]:
    http = workspace.server.url
    return {"Content-Security-Policy": template.format(http=http, ws=http.replace("http", "ws"))}


def talk(visitor: WidgetPage, team: Team) -> None:
    """Do what a visitor does, with every kind of content."""
    conversation = visitor.begin("Hi")
    team.answer(conversation, "**Bold**, `code`\n\n- a\n- [link](https://example.com)")
    visitor.human_button.click()
    expect(visitor.answering).to_have_text("Waiting for a person")
    visitor.page.evaluate("void Baton.submitForm('f', { name: { label: 'Your name' } }).catch(() => {})")
    visitor.host.get_by_label("Your name").fill("Kim")
    visitor.host.get_by_role("button", name="Submit").click()
    expect(visitor.field).to_be_visible()
    assert visitor.panel.evaluate("panel => getComputedStyle(panel).position") == "fixed"


@pytest.mark.parametrize("headers", ["csp", "trusted types", "both", "isolated"])
def test_widget_works_under_strict_policies_without_a_violation(
    page: Page,
    site: WebSite,
    script: Callable[..., str],
    team: Team,
    shop_workspace: Workspace,
    headers: str,
) -> None:
    template = {
        "csp": CSP,
        "trusted types": TRUSTED_TYPES,
        "both": f"{CSP}; {TRUSTED_TYPES}",
        "isolated": "",
    }[headers]
    given = ISOLATED if headers == "isolated" else policy(shop_workspace, template)
    more = "nonce=abc crossorigin" if headers == "isolated" else "nonce=abc"
    head = """<script nonce=abc>window.violations = [];
        addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective))
        </script>"""
    visitor = WidgetPage(page).goto(site.add(shop(script(more), head=head, lang="de"), given))
    expect(visitor.launcher).to_be_visible()
    page.evaluate("Baton.update({ lang: 'en' })")
    talk(visitor, team)
    # The pages' icon is a data: URL, which the first policy refuses.
    assert [name for name in page.evaluate("violations") if name != "img-src"] == []
    assert [line for line in visitor.console if "data:," not in line] == []


def test_isolated_page_loads_the_widget_without_the_attribute_crossorigin(
    page: Page, site: WebSite, script: Callable[..., str], team: Team
) -> None:
    visitor = WidgetPage(page).goto(site.add(shop(script()), ISOLATED))
    assert page.evaluate("crossOriginIsolated")
    talk(visitor, team)


def test_token_is_in_no_address_element_or_console_line(visit: Visit, team: Team) -> None:
    visitor = visit()
    sockets: list[str] = []
    visitor.page.on("websocket", lambda socket: sockets.append(socket.url))
    talk(visitor, team)
    token = visitor.page.evaluate("JSON.parse(Object.values(localStorage)[0]).token")
    assert token.startswith("baton_wt_")
    tree = visitor.page.evaluate("document.documentElement.getHTML({ serializableShadowRoots: true })")
    inside = visitor.host.evaluate("host => host.shadowRoot.innerHTML")
    assert sockets
    for text in [*visitor.requests, *sockets, *visitor.console, tree, inside]:
        assert token not in text


def test_styles_of_the_page_do_not_reach_the_widget(visit: Visit) -> None:
    pictures = []
    for head in ("", HOSTILE):
        visitor = visit(head=head)
        visitor.page.emulate_media(reduced_motion="reduce")
        visitor.open()
        visitor.expect_bubbles("Hello!")
        expect(visitor.human_button).to_be_visible()
        visitor.page.evaluate("document.activeElement.shadowRoot.activeElement.blur()")
        pictures.append([visitor.panel.screenshot(), visitor.launcher.screenshot()])
    for plain, hostile in zip(*pictures, strict=True):
        images = [base64.b64encode(picture).decode() for picture in (plain, hostile)]
        # The page is seen in the corners.
        assert visitor.page.evaluate(SHARE_OF_OTHER_PIXELS, images) < 0.01


def test_page_of_another_origin_is_refused_with_one_line(
    page: Page, site: WebSite, script: Callable[..., str], shop_workspace: Workspace
) -> None:
    allowed = {"allowedOrigins": ["https://elsewhere.example"]}
    shop_workspace.key.settings(shop_workspace.agent_id, widget=allowed)
    visitor = WidgetPage(page).goto(site.add(shop(script())))
    visitor.open()
    expect(visitor.notice).to_contain_text("This chat is not available on this page.")
    expect(visitor.notice).to_contain_text(site.origin)
    [line] = visitor.console
    assert line.startswith("warning: Baton: ")
    assert site.origin in line
    assert "allowedOrigins" in line
    expect(visitor.field).to_be_disabled()
    assert conversations(shop_workspace) == []
    assert page.evaluate("localStorage.length") == 0
    assert visitor.state()["status"] == "refused"


def test_script_with_an_integrity_value_is_loaded(
    page: Page, site: WebSite, shop_workspace: Workspace
) -> None:
    url = f"{shop_workspace.server.url}/widget/{VERSION}/widget.js"
    integrity = json.loads(WIDGET.read_text())["files"]["widget.js"]["integrity"]
    agent = shop_workspace.agent_id
    tag = f'<script async src="{url}" integrity="{integrity}" crossorigin data-agent="{agent}"></script>'
    visitor = WidgetPage(page).goto(site.add(shop(tag)))
    visitor.open()
    visitor.expect_bubbles("Hello!")


def test_custom_properties_of_the_page_do_not_reach_the_widget(visit: Visit) -> None:
    names = ("accent", "on-accent", "offset", "text", "back", "side", "line", "muted", "bubble", "dot")
    page_of = ";".join(f"--{name}: lime" for name in names)
    seen = []
    for head in ("", f"<style>:root {{ {page_of}; --top: 99px; --height: 9px }}</style>"):
        visitor = visit(head=head).open()
        visitor.expect_bubbles("Hello!")
        dot = "line => getComputedStyle(line, '::before').backgroundColor"
        box = """panel => { const { color, border } = getComputedStyle(panel);
            return [color, border, panel.offsetHeight] }"""
        seen.append([visitor.answering.evaluate(dot), visitor.panel.evaluate(box)])
    assert seen[0] == seen[1]
